"""What the usual issuers call things: from a preset's few words to what ``PUT /v1/issuers/{issuer}`` takes.

One literal per preset; `docs/guides/foreign-issuers.md` tells the same to people. A preset says only what is the same
for everybody who uses that product; audiences and the map into our scopes are the caller's own.
"""

from __future__ import annotations

import re
from typing import Any

from weighbridge.errors import CommandError

_DAY = 86_400
_TENANT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_REALM = re.compile(r"[A-Za-z0-9._~-]+")

PRESETS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    # Application permissions arrive in `roles`, delegated ones in `scp`; `ver` keeps the two kinds of tokens apart.
    "entra": (
        ("tenant",),
        {
            "issuer": "https://login.microsoftonline.com/{tenant}/v2.0",
            "jwks_uri": "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
            "algorithms": ["RS256"],
            "subject_claim": "azp",
            "scope_claim": "roles",
            "scope_claims": ["scp"],
            "token_types": ["JWT", "at+jwt"],
            "required_claims": {"tid": ["{tenant}"], "ver": ["2.0"]},
            "max_lifetime": _DAY + 600,  # managed identities get a day, and five minutes for clocks
        },
    ),
    "entra-v1": (
        ("tenant",),
        {
            "issuer": "https://sts.windows.net/{tenant}/",
            "jwks_uri": "https://login.microsoftonline.com/{tenant}/discovery/keys",
            "algorithms": ["RS256"],
            "subject_claim": "appid",
            "scope_claim": "roles",
            "scope_claims": ["scp"],
            "token_types": ["JWT", "at+jwt"],
            "required_claims": {"tid": ["{tenant}"], "ver": ["1.0"]},
            "max_lifetime": _DAY + 600,
        },
    ),
    # `typ` within the claims tells access tokens from ID and refresh tokens, which the same keys sign.
    "keycloak": (
        ("url", "realm"),
        {
            "issuer": "{url}/realms/{realm}",
            "jwks_uri": "{url}/realms/{realm}/protocol/openid-connect/certs",
            "algorithms": ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
            "subject_claim": "azp",
            "scope_claim": "scope",
            "scope_claims": ["/realm_access/roles"],
            "token_types": ["JWT", "at+jwt"],
            "required_claims": {"typ": ["Bearer"]},
            "max_lifetime": _DAY,
        },
    ),
    "auth0": (
        ("domain",),
        {
            "issuer": "https://{domain}/",
            "jwks_uri": "https://{domain}/.well-known/jwks.json",
            "algorithms": ["RS256"],
            "subject_claim": "azp",
            "scope_claim": "scope",
            "scope_claims": ["permissions"],
            "token_types": ["JWT", "at+jwt"],
            "max_lifetime": _DAY,
        },
    ),
    # Its access tokens name no type at all; ID tokens do neither, but those are meant for the client that logged in.
    "okta": (
        ("url",),
        {
            "issuer": "{url}",
            "jwks_uri": "{url}/v1/keys",
            "algorithms": ["RS256"],
            "subject_claim": "cid",
            "scope_claim": "scp",
            "token_types": ["", "at+jwt", "JWT"],
            "max_lifetime": _DAY,
        },
    ),
    # RFC 9068, and nothing that only one product does.
    "oidc": (
        ("url",),
        {
            "issuer": "{url}",
            "subject_claim": "client_id",
            "scope_claim": "scope",
            "token_types": ["at+jwt", "JWT"],
            "max_lifetime": _DAY,
        },
    ),
}
"""Name -> the words it needs, and the body with these words in braces."""

_FORMS = {
    "tenant": (
        _TENANT,
        "the tenant's id, such as 7f1c4a52-0d3e-4c55-9a3f-2f6f3c1b8e10; a name or `common` is no tenant",
    ),
    "domain": (_DOMAIN, "a domain such as larkfield.eu.auth0.com"),
    "realm": (_REALM, "a realm's name"),
}


def body_of(preset: str, words: dict[str, str | None]) -> dict[str, Any]:
    """Raises `CommandError` for an unknown preset, a word that is missing or malformed, or one it has no use for."""
    known = PRESETS.get(preset)
    if known is None:
        raise CommandError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    needed, body = known
    given = {name: value for name, value in words.items() if value is not None}
    for name in needed:
        if name not in given:
            raise CommandError(f"the preset {preset} needs --{name}")
    for name in given:
        if name not in needed:
            raise CommandError(f"the preset {preset} has no use for --{name}; it takes --{' and --'.join(needed)}")
    for name, (form, told) in _FORMS.items():
        if name in given and not form.fullmatch(given[name]):
            raise CommandError(f"--{name} is {told}")
    if preset in ("keycloak", "okta"):
        given["url"] = given["url"].rstrip("/")
    filled: dict[str, Any] = _fill(body, given)
    return filled


def _fill(tree: Any, words: dict[str, str]) -> Any:
    if isinstance(tree, str):
        return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], tree)
    if isinstance(tree, list):
        return [_fill(item, words) for item in tree]
    if isinstance(tree, dict):
        return {name: _fill(value, words) for name, value in tree.items()}
    return tree

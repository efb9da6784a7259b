"""Access tokens of the embedded issuer: issued, told about, taken back.

    issue(store, settings, keyring, client, wish, *, now) -> dict         RFC 6749 section 4.4
    revoke(store, settings, client, token, *, now)                        RFC 7009
    introspect(store, settings, token, *, asker, now) -> dict             RFC 7662
    metadata(settings) -> dict                                            RFC 8414

Tokens are signed ``at+jwt`` (RFC 9068). Besides its claims they carry ``cid``, the id of the credential they were
obtained with: the gateway refuses a token whose ``cid`` is no live credential, so revoking a credential kills its
tokens with the next snapshot. A token that is revoked by itself crosses in the snapshot by its ``jti`` until it would
have expired. Outside the management API: applications, not operators, come here.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

import jwt

from policies.traffic.authenticate_jwt_reading import InvalidToken, read
from registry import compiler, public_keys, scopes, signing
from registry.audit import Actor, record
from registry.client_authentication import METHODS, SELF_SIGNED, TLS, Client, OAuthError
from registry.sealing import Keyring
from registry.settings import Settings
from registry.store import Store, Unit
from registry.store.records import StoredRevocation

TOKEN_PATH = "/oauth/token"  # noqa: S105  # an address
REVOCATION_PATH = "/oauth/revoke"
INTROSPECTION_PATH = "/oauth/introspect"
JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"
TYPE = "at+jwt"
LONGEST = 8192
MOST_REVOKED = 1000
"""Live revoked tokens of one application; each crosses to every gateway. Who has more to take back lost a secret."""
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 section 3.3


@dataclass(frozen=True, slots=True)
class Wish:
    """What a token is asked to be: `scope` as it was sent, `targets` from ``resource`` (RFC 8707) and ``audience``."""

    scope: str | None = None
    targets: tuple[str, ...] = ()


def issue(
    store: Store, settings: Settings, keyring: Keyring, client: Client, wish: Wish, *, now: int
) -> dict[str, Any]:
    """The answer of the token endpoint (RFC 6749 section 5.1).

    The token carries the requested scopes that may be granted, or all of these when none is requested; what it carries
    is in the answer. Raises `OAuthError`: ``invalid_scope`` when nothing of what was requested may be granted,
    ``invalid_target``, and ``unauthorized_client`` for an application without a subscription: a token that opens
    nothing would be refused call by call, far from the cause.
    """
    if wish.scope is not None and not _SCOPE.fullmatch(wish.scope):
        raise OAuthError("invalid_scope", "scope is a list of names, parted by single blanks")
    if any(target != settings.audience for target in wish.targets):
        raise OAuthError("invalid_target", f"tokens are issued for {settings.audience} only")
    with store.read() as unit:
        application = unit.applications.get(client.application)
        usable = scopes.usable(unit, client.application)
        key = signing.current(unit, now=now)
    if application is None:
        raise OAuthError("invalid_client", "the client is not known any more", 401)
    if usable is None:
        raise OAuthError("unauthorized_client", "the application is subscribed to nothing that a token would open")
    requested = None if wish.scope is None else wish.scope.split()
    granted = [name for name in application.scopes if name in usable and (requested is None or name in requested)]
    if requested is not None and not granted:
        raise OAuthError("invalid_scope", "none of the requested scopes is the application's and of use to it")
    bound = client.used_certificate or application.bound_tokens_only
    if bound and client.thumbprint is None:
        raise OAuthError("invalid_request", "the application's tokens are bound to a client certificate; present one")
    seconds = settings.token_seconds
    if client.credential.expires_at is not None:
        seconds = min(seconds, client.credential.expires_at - now)
    scope = {"scope": " ".join(granted)} if granted else {}  # the grammar has no empty one
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": application.id,
        "client_id": application.id,
        **scope,
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_hex(16),
        "cid": client.credential.id,
        **({"cnf": {"x5t#S256": client.thumbprint}} if bound else {}),
    }
    headers = {"typ": TYPE, "kid": key.kid}
    token = jwt.encode(claims, signing.private_key(keyring, key), algorithm=key.public_jwk["alg"], headers=headers)
    return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, **scope}


def revoke(
    store: Store, settings: Settings, client: Client, token: str, *, source: str | None = None, now: int
) -> None:
    """Gateways refuse it from the next snapshot on. What is no live token needs no revoking (RFC 7009 section 2.2).

    Raises `OAuthError`: ``unauthorized_client`` for a token of another application, ``temporarily_unavailable``.
    """
    with store.read() as unit:
        claims = _live(unit, settings, token, now)
    if claims is None:
        return
    if claims["sub"] != client.application:
        raise OAuthError("unauthorized_client", "the token was issued to another client")
    entry = StoredRevocation(jti=claims["jti"], application=client.application, expires_at=claims["exp"])
    with store.write() as unit:
        if unit.revoked_tokens.get(entry.jti) is not None:
            return
        unit.revoked_tokens.delete_until("expires_at", now - compiler.REVOCATION_KEPT_SECONDS)
        if unit.revoked_tokens.count(application=client.application) >= MOST_REVOKED:
            raise OAuthError(
                "temporarily_unavailable",
                f"{MOST_REVOKED} tokens of the application are revoked already; revoke the credential behind them",
                503,
                retry_after=60,
            )
        unit.revoked_tokens.add(entry)
        name = f"application:{client.application}"
        actor = Actor(name, "reader", credential=client.credential.id, source=source)
        subject = f"applications/{client.application}/tokens/{entry.jti}"
        record(unit, actor, "token.revoke", subject, after=entry, now=now)


def introspect(store: Store, settings: Settings, token: str, *, asker: str | None, now: int) -> dict[str, Any]:
    """RFC 7662 section 2.2. `asker` is the application that asks, ``None`` an operator. An application is told of its
    own tokens; of everything else, whatever is wrong with it, the same."""
    with store.read() as unit:
        claims = _live(unit, settings, token, now)
    if claims is None or (asker is not None and claims["sub"] != asker):
        return {"active": False}
    told = ("iss", "aud", "sub", "client_id", "scope", "iat", "exp", "jti", "cnf")
    return {"active": True, "token_type": "Bearer", **{name: claims[name] for name in told if name in claims}}


def metadata(settings: Settings) -> dict[str, Any]:
    """Authorization server metadata, RFC 8414 section 2."""
    base = settings.issuer.rstrip("/")
    shown = bool(settings.trusted_proxies)  # without one, no certificate reaches us
    methods = [method.name for method in METHODS if shown or method.name not in (TLS, SELF_SIGNED)]
    algorithms = [algorithm for method in METHODS for algorithm in method.algorithms]
    described: dict[str, Any] = {
        "issuer": settings.issuer,
        "jwks_uri": base + JWKS_PATH,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "tls_client_certificate_bound_access_tokens": shown,
    }
    for name, path in (
        ("token", TOKEN_PATH),
        ("revocation", REVOCATION_PATH),
        ("introspection", INTROSPECTION_PATH),
    ):
        described[f"{name}_endpoint"] = base + path
        described[f"{name}_endpoint_auth_methods_supported"] = methods
        described[f"{name}_endpoint_auth_signing_alg_values_supported"] = algorithms
    return described


def _live(unit: Unit, settings: Settings, token: str, now: int) -> dict[str, Any] | None:
    """The claims of a token of ours that is good now: signed by a published key, not expired, its application there,
    its credential live, itself not revoked."""
    if len(token) > LONGEST or not token.isascii():
        return None
    try:
        seen = read(token.encode())
    except InvalidToken:
        return None
    kid, algorithm, claims = seen.header.get("kid"), seen.header.get("alg"), seen.claims
    published = {jwk["kid"]: jwk for jwk in signing.jwks(unit, now=now)["keys"]}
    jwk = published.get(kid) if isinstance(kid, str) else None
    key = None if jwk is None else public_keys.usable(jwk)
    if key is None or not isinstance(algorithm, str) or not key.verifies(algorithm, seen.signed, seen.signature):
        return None
    # signed by us, so the claims are of the kinds that we write
    if seen.header.get("typ") != TYPE or claims["iss"] != settings.issuer or claims["aud"] != settings.audience:
        return None
    credential = unit.credentials.get(claims["cid"])
    if (
        claims["exp"] <= now
        or credential is None
        or credential.application != claims["sub"]
        or not credential.is_live(now)
        or unit.applications.get(claims["sub"]) is None
        or unit.revoked_tokens.get(claims["jti"]) is not None
    ):
        return None
    return claims

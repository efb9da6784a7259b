"""Presets: from a few words to what the registry takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from policies.model.access import Issuer
from policies.outgoing import Networks
from registry.issuer_rules import require_sound
from weighbridge.errors import CommandError
from weighbridge.issuer_presets import PRESETS, body_of

TENANT = "7f1c4a52-0d3e-4c55-9a3f-2f6f3c1b8e10"
WORDS: dict[str, dict[str, str]] = {
    "entra": {"tenant": TENANT},
    "entra-v1": {"tenant": TENANT},
    "keycloak": {"url": "https://sso.example/", "realm": "warehouse"},
    "auth0": {"domain": "larkfield.eu.auth0.com"},
    "okta": {"url": "https://larkfield.okta.com/oauth2/default/"},
    "oidc": {"url": "https://id.example"},
}
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "foreign-issuers.md"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_what_the_registry_takes(preset: str) -> None:
    body = {"name": "x", "audience": "a", "jwks_uri": "https://id.example/jwks"} | body_of(preset, {**WORDS[preset]})
    require_sound(msgspec.convert(body, Issuer), Networks.parse("public"))
    assert "{" not in msgspec.json.encode(body).decode().replace("{", "", 1).replace('"required_claims":{', "")


def test_words_go_where_they_belong() -> None:
    entra = body_of("entra", {"tenant": TENANT, "realm": None})
    assert entra["issuer"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert entra["required_claims"] == {"tid": [TENANT], "ver": ["2.0"]}
    assert body_of("entra-v1", {"tenant": TENANT})["issuer"] == f"https://sts.windows.net/{TENANT}/"
    assert body_of("keycloak", {**WORDS["keycloak"]})["issuer"] == "https://sso.example/realms/warehouse"
    okta = body_of("okta", {**WORDS["okta"]})
    assert okta["issuer"] == "https://larkfield.okta.com/oauth2/default"
    assert okta["jwks_uri"] == "https://larkfield.okta.com/oauth2/default/v1/keys"
    assert "" in okta["token_types"], "its tokens name no type"
    assert body_of("auth0", {**WORDS["auth0"]})["issuer"] == "https://larkfield.eu.auth0.com/"


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("okta", {}),
        ("entra", {}),
        ("entra", {"tenant": "common"}),
        ("entra", {"tenant": TENANT + "/../x"}),
        ("entra", {"tenant": TENANT, "realm": "r"}),
        ("keycloak", {"url": "https://sso.example"}),
        ("keycloak", {"url": "https://sso.example", "realm": "a/b"}),
        ("auth0", {"domain": "evil.example/"}),
    ],
)
def test_words_that_do_not_fit(preset: str, words: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        body_of(preset, words)


def test_the_guide_tells_every_preset_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*?) \| `(\S+)` \| (.*?) \|", GUIDE.read_text(), re.M)
    assert [name for name, *_ in rows] == list(PRESETS)
    for name, needs, caller, scopes in rows:
        words, body = PRESETS[name]
        assert caller == body["subject_claim"]
        assert scopes == " and ".join(f"`{c}`" for c in (body["scope_claim"], *body.get("scope_claims", ())))
        assert all(f"--{word} " in needs for word in words)

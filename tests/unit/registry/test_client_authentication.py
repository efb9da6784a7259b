from __future__ import annotations

import base64
import hmac
from typing import Any

import pytest

from registry import credentials
from registry.client_authentication import METHODS, OAuthError, Question, authenticate
from registry.store import Store
from tests.unit.registry.clients import ENDPOINT, ISSUER, PRIVATE, assertion, claims, form, jwk_of
from tests.unit.registry.world import ADMIN, APPLICATION, NOW

CLIENT = APPLICATION.id


def basic(client: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


def ask(store: Store, authorization: str | None = None, **given: str) -> Any:
    question = Question(given, authorization, issuer=ISSUER, endpoint=ENDPOINT)
    return authenticate(store, question, now=NOW)


@pytest.fixture
def secret(store: Store) -> str:
    with store.write() as unit:
        return credentials.create_client_secret(unit, ADMIN, CLIENT, now=NOW).secret


@pytest.fixture
def key(store: Store) -> str:
    with store.write() as unit:
        jwk = jwk_of(PRIVATE["ES256"])
        return credentials.add_public_key(unit, ADMIN, CLIENT, public_jwk=jwk, now=NOW).record.id


def test_the_methods_have_the_names_of_the_registry_of_names() -> None:
    assert [method.name for method in METHODS] == [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ]


def test_every_method_finds_the_application_and_its_credential(store: Store, secret: str, key: str) -> None:
    id_ = secret.split("_")[1]
    for client, credential, method in (
        (ask(store, basic(CLIENT, secret)), id_, "client_secret_basic"),
        (ask(store, basic(CLIENT, secret), client_id=CLIENT), id_, "client_secret_basic"),
        (ask(store, "bAsIc " + basic(CLIENT, secret)[6:]), id_, "client_secret_basic"),
        (ask(store, client_id=CLIENT, client_secret=secret), id_, "client_secret_post"),
        (ask(store, **form(assertion(claims(CLIENT, NOW)))), key, "private_key_jwt"),
    ):
        assert (client.application, client.credential.id, client.method) == (CLIENT, credential, method)


def test_an_assertion_proves_something_once(store: Store, key: str) -> None:
    signed = form(assertion(claims(CLIENT, NOW)))
    assert ask(store, **signed).credential.id == key
    with pytest.raises(OAuthError, match="used before") as caught:
        ask(store, **signed)
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)
    ask(store, **form(assertion(claims(CLIENT, NOW, jti="two"))))


def test_what_is_refused_is_not_spent(store: Store, key: str) -> None:
    with pytest.raises(OAuthError):
        ask(store, **form(assertion(claims(CLIENT, NOW))[:-4] + "AAAA"))
    with store.read() as unit:
        assert unit.used_assertions.count() == 0


def test_a_client_proves_itself_in_one_way(store: Store, secret: str, key: str) -> None:
    signed = form(assertion(claims(CLIENT, NOW)))
    posted = {"client_id": CLIENT, "client_secret": secret}
    for authorization, given in (
        (basic(CLIENT, secret), posted),
        (basic(CLIENT, secret), signed),
        (None, {**posted, **signed}),
        ("Bearer x", posted),
    ):
        with pytest.raises(OAuthError) as caught:
            ask(store, authorization, **given)
        assert (caught.value.code, caught.value.status) == ("invalid_request", 400)


@pytest.mark.parametrize(
    ("authorization", "given"),
    [
        (None, {}),
        (None, {"client_id": CLIENT}),
        (None, {"client_secret": "wbs_"}),
        (None, {"client_id": CLIENT, "client_secret": "é"}),
        ("", {}),
        ("Basic", {}),
        ("Basic %%%", {}),
        ("Bearer abc", {}),
        ("Basic " + base64.b64encode(b"nocolon").decode(), {}),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), {}),
        ("Basic " + base64.b64encode(b"%ff:%ff").decode(), {}),
        (basic("other", "wbs_0"), {"client_id": CLIENT}),
        (None, {"client_assertion": "x"}),
        (None, {"client_assertion_type": "x"}),
        (None, {"client_assertion": "x", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2"}),
    ],
)
def test_everything_else_is_an_invalid_client(store: Store, authorization: str | None, given: dict[str, str]) -> None:
    with pytest.raises(OAuthError) as caught:
        ask(store, authorization, **given)
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)


def test_an_unknown_client_costs_a_comparison_too(store: Store, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    same = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or same(a, b))
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    unknown = f"wbs_{'1' * 12}_{'0' * 64}"
    for client, given in ((CLIENT, wrong), ("nobody", wrong), (CLIENT, unknown), ("nobody", "no secret of ours")):
        with pytest.raises(OAuthError):
            ask(store, basic(client, given))
    assert compared == [(64, 64)] * 4


def test_a_question_shows_no_secret() -> None:
    assert "wbs_" not in repr(Question({"client_secret": "wbs_x"}, "Basic wbs_y"))
    assert Question({"client_id": "a"}).client == "a"
    assert Question({}, basic("b", "s")).client == "b"
    assert Question({"client_id": "c"}, "Basic !").client == "c"
    assert Question(form(assertion(claims("d", NOW)))).client == "d"
    assert Question(form("garbage", client_id="e")).client is None
    assert Question({}).client is None

"""The embedded issuer as its clients see it: RFC 6749, 7009, 7662, 8414, 8707 and 9068, to the letter."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import msgspec
import pytest
import structlog

from policies.model.snapshot import loads
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_jwt import Memory, Tokens
from policies.traffic.authenticate_jwt_keys import Keys, prepare
from registry import signing, tokens
from registry.audit import Actor
from registry.settings import Settings
from tests.unit.policies.traffic.facts import exchange
from tests.unit.registry.api.conftest import KEY, NOW, Registry
from tests.unit.registry.clients import ENDPOINT, ISSUER, PRIVATE, assertion, claims, form, jwk_of

APP = "oakhurst"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def subscribed(registry: Registry) -> Registry:
    registry.seed()
    registry.publish("1.0.0")
    registry.ok("PUT", f"/v1/applications/{APP}/subscriptions/stock/1", json={"plan": "gold"})
    return registry


@pytest.fixture
def secret(subscribed: Registry) -> str:
    made: str = credential(subscribed, kind="client-secret")["secret"]
    return made


def credential(registry: Registry, application: str = APP, **given: Any) -> Any:
    return registry.ok("POST", f"/v1/applications/{application}/credentials", json=given)


def basic(secret: str, client: str = APP) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


def post(registry: Registry, path: str, data: Any, headers: Any = None) -> httpx.Response:
    return registry.call("POST", path, key=None, data=data, headers=headers or {})


def ask(registry: Registry, secret: str, **given: str) -> Any:
    answer = post(registry, "/oauth/token", {**GRANT, **given}, basic(secret))
    assert answer.status_code == 200, answer.text
    return answer.json()


def error(answer: httpx.Response, status: int, code: str) -> httpx.Response:
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    return answer


# -- the token endpoint ---------------------------------------------------------------------------------------------


def test_a_token_has_every_claim_of_the_profile(subscribed: Registry, secret: str) -> None:
    answer = post(subscribed, "/oauth/token", GRANT, basic(secret))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    token = told.pop("access_token")
    assert told == {"token_type": "Bearer", "expires_in": 600, "scope": "stock.read"}
    header = jwt.get_unverified_header(token)
    jwks = subscribed.ok("GET", "/.well-known/jwks.json", key=None)
    key = next(k for k in jwt.PyJWKSet.from_dict(jwks).keys if k.key_id == header["kid"])
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    held = jwt.decode(token, key, algorithms=["ES256"], options={"verify_signature": True, "verify_exp": False,
        "verify_iat": False, "verify_aud": False})  # fmt: skip
    assert len(held.pop("jti")) == 32
    assert held == {
        "iss": ISSUER,
        "aud": "weighbridge",
        "sub": APP,
        "client_id": APP,
        "scope": "stock.read",
        "iat": subscribed.now,
        "exp": subscribed.now + 600,
        "cid": secret.split("_")[1],
    }


def test_every_way_to_prove_oneself(subscribed: Registry, secret: str) -> None:
    credential(subscribed, kind="public-key", public_jwk=jwk_of(PRIVATE["EdDSA"]))
    signed = form(assertion(claims(APP, subscribed.now, aud=ENDPOINT), "EdDSA"))
    for given, headers in (
        (GRANT, basic(secret)),
        ({**GRANT, "client_id": APP, "client_secret": secret}, {}),
        ({**GRANT, **signed}, {}),
    ):
        assert post(subscribed, "/oauth/token", given, headers).status_code == 200
    error(post(subscribed, "/oauth/token", {**GRANT, **signed}), 401, "invalid_client")  # spent


def test_a_token_dies_with_its_credential(subscribed: Registry) -> None:
    made = credential(subscribed, kind="client-secret", expires_at="2027-01-15T08:01:40Z")
    assert ask(subscribed, made["secret"])["expires_in"] == 100
    subscribed.now += 100
    error(post(subscribed, "/oauth/token", GRANT, basic(made["secret"])), 401, "invalid_client")


def test_a_token_carries_what_its_subscriptions_can_use(subscribed: Registry, secret: str) -> None:
    # the application was granted stock.write as well, and no contract of its subscriptions asks for it
    assert ask(subscribed, secret)["scope"] == "stock.read"
    assert ask(subscribed, secret, scope="stock.write stock.read")["scope"] == "stock.read"
    for scope in ("stock.write", "admin", "stock.rea"):
        error(post(subscribed, "/oauth/token", {**GRANT, "scope": scope}, basic(secret)), 400, "invalid_scope")
    for scope in ('a"b', "a\\b", " a", "a  b", "é", "a\tb"):
        error(post(subscribed, "/oauth/token", {**GRANT, "scope": scope}, basic(secret)), 400, "invalid_scope")
    reader = {"name": "Oakhurst", "consumer": "oakhurst", "scopes": ["other"]}
    subscribed.ok("PUT", f"/v1/applications/{APP}", json=reader)
    told = ask(subscribed, secret)  # a contract may have operations that ask for no scope
    assert "scope" not in told
    assert "scope" not in jwt.decode(told["access_token"], options={"verify_signature": False})


def test_without_a_subscription_there_is_no_token(subscribed: Registry, secret: str) -> None:
    subscribed.ok("DELETE", f"/v1/applications/{APP}/subscriptions/stock/1")
    error(post(subscribed, "/oauth/token", GRANT, basic(secret)), 400, "unauthorized_client")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("grant_type=client_credentials&resource=weighbridge", None),
        ("grant_type=client_credentials&resource=weighbridge&resource=weighbridge&audience=weighbridge", None),
        ("grant_type=client_credentials&audience=weighbridge", None),
        ("grant_type=client_credentials&unknown=parameter&scope=&client_id=", None),
        ("grant_type=client_credentials&resource=https://other.example", "invalid_target"),
        ("grant_type=client_credentials&resource=weighbridge&resource=other", "invalid_target"),
        ("grant_type=client_credentials&audience=Weighbridge", "invalid_target"),
        ("grant_type=client_credentials&audience=weighbridge&audience=weighbridge", "invalid_request"),
        ("", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("scope=stock.read", "invalid_request"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=Client_Credentials", "unsupported_grant_type"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials&scope=&scope=stock.read", "invalid_request"),
        ("grant_type=client_credentials&client_id=other", "invalid_client"),
        ("grant_type=client_credentials&client_secret=x", "invalid_request"),
        ("grant_type=client_credentials&client_assertion=x", "invalid_request"),
        ("grant_type=client_credentials&scope=%ff", "invalid_request"),
        ("grant_type=client_credentials&" + "&".join(f"p{n}=1" for n in range(60)), "invalid_request"),
        ("grant_type=client_credentials&scope=é".encode(), "invalid_request"),
    ],
)
def test_parameters(subscribed: Registry, secret: str, sent: Any, code: str | None) -> None:
    headers = {**basic(secret), "Content-Type": "application/x-www-form-urlencoded"}
    answer = subscribed.call("POST", "/oauth/token", key=None, content=sent, headers=headers)
    if code is None:
        assert answer.status_code == 200, answer.text
    else:
        error(answer, 401 if code == "invalid_client" else 400, code)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/x-www-form-urlencoded", 200),
        ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", 200),
        ('application/x-www-form-urlencoded;charset="utf-8"', 200),
        ("application/x-www-form-urlencoded; charset=utf-16", 400),
        ("application/json", 400),
        ("text/plain", 400),
        ("", 400),
    ],
)
def test_the_body_is_a_form(subscribed: Registry, secret: str, kind: str, status: int) -> None:
    headers = {**basic(secret), "Content-Type": kind}
    answer = subscribed.call("POST", "/oauth/token", key=None, content=urlencode(GRANT), headers=headers)
    if kind == "application/json":
        assert answer.status_code == 400  # the guard's own: that body is no JSON
        return
    assert answer.status_code == status, answer.text
    if status != 200:
        error(answer, status, "invalid_request")


def test_what_could_be_read_in_two_ways_is_refused(subscribed: Registry, secret: str) -> None:
    kind = ("Content-Type", "application/x-www-form-urlencoded")
    good = ("Authorization", basic(secret)["Authorization"])
    for headers in ([kind, good, good], [kind, good, ("Authorization", "Basic eDp5")], [kind, kind, good]):
        answer = subscribed.client.request("POST", "/oauth/token", content=urlencode(GRANT), headers=headers)
        error(answer, 400, "invalid_request")
    error(post(subscribed, f"/oauth/token?client_id={APP}", GRANT, basic(secret)), 400, "invalid_request")
    error(post(subscribed, "/oauth/token", {**GRANT, "pad": "x" * 70_000}, basic(secret)), 413, "invalid_request")


def test_who_is_not_known_is_told_one_thing(subscribed: Registry, secret: str) -> None:
    said = set()
    wrong = secret[:-1] + ("1" if secret[-1] == "0" else "0")
    for headers in (basic(wrong), basic(secret, "nobody"), basic("x"), basic(f"wbs_{'0' * 12}_{'0' * 64}")):
        answer = error(post(subscribed, "/oauth/token", GRANT, headers), 401, "invalid_client")
        assert answer.headers["www-authenticate"] == 'Basic realm="weighbridge", charset="UTF-8"'
        said.add(answer.text)
    assert len(said) == 1
    error(post(subscribed, "/oauth/token", GRANT), 401, "invalid_client")
    error(post(subscribed, "/oauth/token", GRANT, {"Authorization": f"Bearer {KEY}"}), 401, "invalid_client")


def test_a_description_keeps_to_its_grammar(subscribed: Registry, secret: str) -> None:
    for given in ({**GRANT, "scope": '"\\'}, {"grant_type": '"'}, {"client_assertion": "x"}, {}):
        description = post(subscribed, "/oauth/token", given, basic(secret)).json()["error_description"]
        assert all(" " <= character <= "~" and character not in '"\\' for character in description)


def test_other_methods_are_not_allowed(subscribed: Registry) -> None:
    for path in ("/oauth/token", "/oauth/revoke", "/oauth/introspect"):
        answer = subscribed.call("GET", path, key=None)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# -- failed attempts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
def test_guessing_becomes_slow(subscribed: Registry, secret: str, path: str) -> None:
    given = {**GRANT, "token": "x"}
    for _ in range(10):
        error(post(subscribed, path, given, basic("wrong")), 401, "invalid_client")
    answer = error(post(subscribed, path, given, basic("wrong")), 429, "slow_down")
    assert answer.headers["retry-after"] == "6"
    subscribed.now += 5
    error(post(subscribed, path, given, basic("wrong")), 429, "slow_down")
    assert post(subscribed, path, given, basic(secret)).status_code == 200, "whoever guesses beside it"
    subscribed.now += 1
    error(post(subscribed, path, given, basic("wrong")), 401, "invalid_client")


def test_keys_of_operators_cannot_be_guessed_either(subscribed: Registry) -> None:
    """Nor the bootstrap key, which somebody made up: not even the right one is tried."""
    watcher = subscribed.ok("POST", "/v1/operators", json={"name": "watcher", "role": "auditor"})["key"]
    for number in range(60):
        headers = {"Authorization": f"Bearer guess-{number}_x"}
        answer = error(post(subscribed, "/oauth/introspect", {"token": "x"}, headers), 401, "invalid_client")
        assert answer.headers["www-authenticate"] == 'Bearer realm="weighbridge"'
    error(post(subscribed, "/oauth/introspect", {"token": "x"}, {"Authorization": f"Bearer {KEY}"}), 429, "slow_down")
    assert told(subscribed, "x", {"Authorization": f"Bearer {watcher}"}) == {"active": False}


def test_clients_behind_one_address_do_not_hold_up_each_other(subscribed: Registry, secret: str) -> None:
    credential(subscribed, kind="public-key", public_jwk=jwk_of(PRIVATE["ES256"]))
    for number in range(12):
        told = claims("nobody", subscribed.now, jti=str(number))
        answer = post(subscribed, "/oauth/token", {**GRANT, **form(assertion(told))})
        error(answer, *((401, "invalid_client") if number < 10 else (429, "slow_down")))
    mine = form(assertion(claims(APP, subscribed.now)))
    assert post(subscribed, "/oauth/token", {**GRANT, **mine}).status_code == 200
    ask(subscribed, secret)


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Bearer \xe9", "bearer  x y", "Bearer wbo_"])
def test_a_malformed_key_of_an_operator_is_refused(subscribed: Registry, authorization: str) -> None:
    headers = {"Authorization": authorization.encode("latin-1")}
    error(post(subscribed, "/oauth/introspect", {"token": "x"}, headers), 401, "invalid_client")


def test_only_failures_to_prove_oneself_count(subscribed: Registry, secret: str) -> None:
    for _ in range(70):
        error(post(subscribed, "/oauth/token", {**GRANT, "scope": "x"}, basic(secret)), 400, "invalid_scope")
    ask(subscribed, secret)


# -- revocation and introspection -------------------------------------------------------------------------------------


def told(registry: Registry, token: str, headers: dict[str, str]) -> Any:
    answer = post(registry, "/oauth/introspect", {"token": token}, headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def admitted(registry: Registry, token: str, memory: Memory) -> bool:
    """Whether a gateway with the current snapshot lets the token in. `memory` outlives snapshots, as in a gateway."""
    row = registry.store.snapshot()
    assert row is not None
    snapshot, _ = loads(row.data)

    class Source:
        def __init__(self, keys: Keys) -> None:
            self.keys = keys

        def refresh(self) -> None:
            return None

    issuers = [(issuer, Source(prepare(issuer.jwks))) for issuer in snapshot.issuers]
    callers = Callers(snapshot.applications, snapshot.plans)
    gateway = Tokens(issuers, snapshot.subjects, callers, memory, revoked=snapshot.revoked_tokens)
    asked = exchange(now=float(registry.now))
    return gateway.judge(asked, f"Bearer {token}".encode()) is None


def other(registry: Registry) -> dict[str, str]:
    """Another application, as it proves itself."""
    registry.ok(
        "PUT", "/v1/applications/other", json={"name": "Other", "consumer": "oakhurst", "scopes": ["stock.read"]}
    )
    registry.ok("PUT", "/v1/applications/other/subscriptions/stock/1", json={"plan": "gold"})
    return basic(credential(registry, "other", kind="client-secret")["secret"], "other")


def test_a_revoked_token_is_refused_wherever_it_was_remembered(subscribed: Registry, secret: str) -> None:
    first, second = (ask(subscribed, secret)["access_token"] for _ in range(2))
    memory = Memory()
    assert admitted(subscribed, first, memory)
    assert admitted(subscribed, second, memory)
    answer = post(subscribed, "/oauth/revoke", {"token": first, "token_type_hint": "refresh_token"}, basic(secret))
    assert (answer.status_code, answer.content) == (200, b"")
    assert not admitted(subscribed, first, memory)
    assert admitted(subscribed, second, memory)
    assert told(subscribed, first, basic(secret)) == {"active": False}
    entry = subscribed.ok("GET", "/v1/audit")["items"][0]
    assert (entry["actor"], entry["action"]) == ("application:oakhurst", "token.revoke")
    assert first not in str(entry)


def test_revoking_twice_or_nothing_is_no_error_and_no_change(subscribed: Registry, secret: str) -> None:
    token = ask(subscribed, secret)["access_token"]
    post(subscribed, "/oauth/revoke", {"token": token}, basic(secret))
    before = subscribed.store.snapshot()
    for sent in (token, "garbage", "é", "a.b.c", token[:-4] + "AAAA", "x" * 9000):
        assert post(subscribed, "/oauth/revoke", {"token": sent}, basic(secret)).status_code == 200
    assert subscribed.store.snapshot() == before
    error(post(subscribed, "/oauth/revoke", {}, basic(secret)), 400, "invalid_request")
    error(post(subscribed, "/oauth/revoke", {"token": token}), 401, "invalid_client")


def test_tokens_of_others_are_not_revoked(subscribed: Registry, secret: str) -> None:
    token = ask(subscribed, secret)["access_token"]
    error(post(subscribed, "/oauth/revoke", {"token": token}, other(subscribed)), 400, "unauthorized_client")
    assert told(subscribed, token, basic(secret))["active"] is True


def test_revocations_cross_until_the_token_is_over(subscribed: Registry, secret: str) -> None:
    token = ask(subscribed, secret)["access_token"]
    post(subscribed, "/oauth/revoke", {"token": token}, basic(secret))

    def crossing() -> list[int]:
        subscribed.ok("PUT", "/v1/teams/another", json={"title": str(subscribed.now)})
        subscribed.ok("PUT", "/v1/plans/gold", json={"title": str(subscribed.now), "limits": []})
        row = subscribed.store.snapshot()
        assert row is not None
        return [revoked.expires_at for revoked in loads(row.data)[0].revoked_tokens]

    assert crossing() == [subscribed.now + 600]
    subscribed.now += 659
    assert len(crossing()) == 1
    subscribed.now += 1
    assert crossing() == []


def test_an_application_revokes_so_many_tokens(
    subscribed: Registry, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_REVOKED", 2)
    held = [ask(subscribed, secret)["access_token"] for _ in range(3)]
    for token in held[:2]:
        assert post(subscribed, "/oauth/revoke", {"token": token}, basic(secret)).status_code == 200
    answer = post(subscribed, "/oauth/revoke", {"token": held[2]}, basic(secret))
    assert error(answer, 503, "temporarily_unavailable").headers["retry-after"] == "60"
    subscribed.now += 700
    assert post(
        subscribed, "/oauth/revoke", {"token": ask(subscribed, secret)["access_token"]}, basic(secret)
    ).is_success


def test_a_live_token_is_told_about(subscribed: Registry, secret: str) -> None:
    token = ask(subscribed, secret)["access_token"]
    claims_ = jwt.decode(token, options={"verify_signature": False})
    expected = {"active": True, "token_type": "Bearer", **{k: v for k, v in claims_.items() if k != "cid"}}
    operator = {"name": "watcher", "role": "auditor"}
    key = subscribed.ok("POST", "/v1/operators", json=operator)["key"]
    for headers in (basic(secret), {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer {key}"}):
        assert told(subscribed, token, headers) == expected


def test_introspection_tells_operators_what_they_may_read(subscribed: Registry, secret: str) -> None:
    token = ask(subscribed, secret)["access_token"]
    consumer = subscribed.ok("GET", f"/v1/applications/{APP}")["consumer"]
    subscribed.ok("PUT", "/v1/consumers/rival", json={"name": "Rival", "audience": "partner"})
    for name, more, active in (
        ("own", {"role": "partner", "consumers": [consumer]}, True),
        ("rival", {"role": "partner", "consumers": ["rival"]}, False),
        ("manager", {"role": "partner-manager", "consumers": ["rival"]}, False),
        ("reader", {"role": "reader"}, False),
        ("gateway", {"role": "gateway"}, False),
    ):
        key = subscribed.ok("POST", "/v1/operators", json={"name": name, **more})["key"]
        answer = told(subscribed, token, {"Authorization": f"Bearer {key}"})
        assert answer["active"] is active, name
        assert active or answer == {"active": False}


def test_introspection_is_no_oracle(subscribed: Registry, secret: str) -> None:
    token = ask(subscribed, secret)["access_token"]
    mine = basic(secret)
    theirs = other(subscribed)
    foreign = jwt.encode({"iss": ISSUER, "sub": APP, "exp": subscribed.now + 9}, PRIVATE["ES256"], algorithm="ES256")
    for sent, headers in (
        (token, theirs),
        (token[:-4] + "AAAA", mine),
        (foreign, mine),
        ("garbage", mine),
        (secret, mine),
        ("x" * 9000, mine),
    ):
        assert told(subscribed, sent, headers) == {"active": False}
    error(post(subscribed, "/oauth/introspect", {}, mine), 400, "invalid_request")
    error(post(subscribed, "/oauth/introspect", {"token": token}), 401, "invalid_client")
    error(post(subscribed, "/oauth/introspect", {"token": token}, {"Authorization": f"Bearer {token}"}), 401,
        "invalid_client")  # fmt: skip
    twice = {"token": token, "client_id": APP, "client_secret": secret}
    error(post(subscribed, "/oauth/introspect", twice, {"Authorization": f"Bearer {KEY}"}), 400, "invalid_request")


def test_a_token_is_inactive_when_anything_behind_it_is_gone(subscribed: Registry, secret: str) -> None:
    admin = {"Authorization": f"Bearer {KEY}"}
    token = ask(subscribed, secret)["access_token"]
    assert told(subscribed, token, admin)["active"]
    subscribed.now += 600
    assert not told(subscribed, token, admin)["active"]
    token = ask(subscribed, secret)["access_token"]
    kid = jwt.get_unverified_header(token)["kid"]
    subscribed.ok("POST", "/v1/signing-keys?at_once=true")
    assert told(subscribed, token, admin)["active"]
    subscribed.ok("DELETE", f"/v1/signing-keys/{kid}")
    assert not told(subscribed, token, admin)["active"]
    token = ask(subscribed, secret)["access_token"]
    assert told(subscribed, token, admin)["active"]
    subscribed.ok("DELETE", f"/v1/applications/{APP}/credentials/{secret.split('_')[1]}")
    assert not told(subscribed, token, admin)["active"]
    again = credential(subscribed, kind="client-secret")["secret"]
    token = ask(subscribed, again)["access_token"]
    subscribed.ok("DELETE", f"/v1/applications/{APP}")
    assert not told(subscribed, token, admin)["active"]


# -- metadata and keys ------------------------------------------------------------------------------------------------


def test_the_metadata_names_every_endpoint_and_method(registry: Registry) -> None:
    answer = registry.call("GET", "/.well-known/oauth-authorization-server", key=None)
    assert answer.headers["cache-control"] == "public, max-age=3600"
    described = answer.json()
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    algorithms = ["ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    for name, path in (("token", "token"), ("revocation", "revoke"), ("introspection", "introspect")):
        assert described[f"{name}_endpoint"] == f"{ISSUER}/oauth/{path}"
        assert described[f"{name}_endpoint_auth_methods_supported"] == methods
        assert described[f"{name}_endpoint_auth_signing_alg_values_supported"] == algorithms
        assert registry.call("POST", f"/oauth/{path}", key=None).status_code == 400
    assert described["issuer"] == ISSUER
    assert described["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    assert described["grant_types_supported"] == ["client_credentials"]
    assert described["response_types_supported"] == []


def test_an_issuer_with_a_path_is_described_where_clients_look(registry: Registry) -> None:
    settings = Settings(issuer="https://gate.example/registry")
    assert tokens.metadata(settings)["token_endpoint"] == "https://gate.example/registry/oauth/token"
    from registry.api import plain_routes
    from registry.api.desk import Desk

    paths = {route.path for route in plain_routes.create(Desk(registry.store, settings), {}).routes}  # type: ignore[attr-defined]
    assert "/.well-known/oauth-authorization-server/registry" in paths


def test_keys_are_published_before_they_sign(subscribed: Registry, secret: str) -> None:
    before = jwt.get_unverified_header(ask(subscribed, secret)["access_token"])["kid"]
    made = subscribed.ok("POST", "/v1/signing-keys")
    assert (made["signs_from"], made["retired_at"]) == ("2027-01-15T09:00:00Z", None)
    assert "private_pem" not in made
    answer = subscribed.call("GET", "/.well-known/jwks.json", key=None)
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert [key["kid"] for key in answer.json()["keys"]] == [made["kid"], before]
    row = subscribed.store.snapshot()
    assert row is not None
    crossed = msgspec.json.decode(row.data)["snapshot"]["issuers"][0]["jwks"]["keys"]
    assert crossed == answer.json()["keys"]
    assert jwt.get_unverified_header(ask(subscribed, secret)["access_token"])["kid"] == before
    subscribed.now += 3600
    assert jwt.get_unverified_header(ask(subscribed, secret)["access_token"])["kid"] == made["kid"]
    subscribed.problem("DELETE", f"/v1/signing-keys/{made['kid']}", 409, "CONFLICT")
    subscribed.problem("DELETE", "/v1/signing-keys/nothing", 404, "NOT_FOUND")


def test_public_keys_are_shown_and_secrets_are_not(subscribed: Registry) -> None:
    made = credential(subscribed, kind="public-key", public_jwk=jwk_of(PRIVATE["ES256"]), label="edi")
    assert made["secret"] is None
    assert made["credential"]["public_jwk"]["alg"] == "ES256"
    again = subscribed.call("POST", f"/v1/applications/{APP}/credentials", json={
        "kind": "public-key", "public_jwk": jwk_of(PRIVATE["ES256"]), "label": "edi"})  # fmt: skip
    assert again.status_code == 200
    private = {**jwk_of(PRIVATE["ES256"]), "d": "c2VjcmV0"}
    for body in ({"kind": "public-key"}, {"kind": "api-key", "public_jwk": {}}, {"kind": "subject", "public_jwk": {}},
        {"kind": "public-key", "public_jwk": private}):  # fmt: skip
        subscribed.problem("POST", f"/v1/applications/{APP}/credentials", 400, "INVALID", json=body)


def test_tokens_signed_with_ed25519_are_let_in(subscribed: Registry, secret: str) -> None:
    with subscribed.store.write() as unit:
        signing.rotate(unit, Actor("ada", "admin"), subscribed.desk.keyring, algorithm="EdDSA", lead=0, now=NOW)
    token = ask(subscribed, secret)["access_token"]
    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
    assert admitted(subscribed, token, Memory())
    assert told(subscribed, token, basic(secret))["active"]


def test_what_a_withdrawn_key_signed_is_refused(subscribed: Registry, secret: str) -> None:
    memory = Memory()
    token = ask(subscribed, secret)["access_token"]
    assert admitted(subscribed, token, memory)
    subscribed.ok("POST", "/v1/signing-keys?at_once=true")
    assert admitted(subscribed, token, memory)
    subscribed.ok("DELETE", f"/v1/signing-keys/{jwt.get_unverified_header(token)['kid']}?reason=leaked")
    assert not admitted(subscribed, token, memory)
    assert admitted(subscribed, ask(subscribed, secret)["access_token"], memory)


def test_secrets_are_in_no_log_no_snapshot_and_no_audit(subscribed: Registry, secret: str) -> None:
    credential(subscribed, kind="public-key", public_jwk=jwk_of(PRIVATE["ES256"]))
    signed = assertion(claims(APP, subscribed.now))
    with structlog.testing.capture_logs() as logs:
        token = ask(subscribed, secret)["access_token"]
        said = [
            post(subscribed, "/oauth/token", {**GRANT, **form(signed)}),
            post(subscribed, "/oauth/token", {**GRANT, **form(signed)}),
            post(subscribed, "/oauth/token", GRANT, basic(secret, "nobody")),
            post(subscribed, f"/oauth/token?client_secret={secret}", GRANT),
            post(subscribed, "/oauth/introspect", {"token": token}, basic(secret)),
            post(subscribed, "/oauth/introspect", {"token": token}, {"Authorization": f"Bearer {KEY}x"}),
            post(subscribed, "/oauth/revoke", {"token": token}, basic(secret)),
        ]
    assert [answer.status_code for answer in said] == [200, 401, 401, 400, 200, 401, 200]
    row = subscribed.store.snapshot()
    assert row is not None
    audit = str(subscribed.ok("GET", "/v1/audit?limit=200"))
    kept = (str(logs), row.data.decode(), audit, "".join(answer.text for answer in said[1:]))
    assert "token.revoke" in audit
    for sensitive in (secret, secret[-64:], token, signed, signed.rpartition(".")[2], KEY, "PRIVATE KEY", "sealed:"):
        assert not any(sensitive in text for text in kept), sensitive[:12]

"""What foreign issuers call things, in our words; and nothing more than the application has."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model.access import Issuer, Plan, Subject
from policies.traffic import Caller
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_jwt import Memory, Tokens
from policies.traffic.authenticate_jwt_claims import at, media_type, path_of
from policies.traffic.authenticate_jwt_keys import prepare
from tests.unit.policies.traffic.facts import application, exchange
from tests.unit.policies.traffic.tokens import ISSUER, claims, issuer, jwk, token

ENTRA = "https://login.microsoftonline.com/7f1c/v2.0"


class Published:
    def __init__(self) -> None:
        self.keys = prepare({"keys": [jwk()]})

    def refresh(self) -> None:
        return None


def caller(payload: dict[str, Any], of: Issuer, *, subject: str = "app", **app: Any) -> Caller | str:
    """Who that is, or why it is refused."""
    subjects = [Subject(id="cred", issuer=of.issuer, subject=subject, application="app")]
    callers = Callers([application(**({"scopes": ("a", "b", "c")} | app))], [Plan(name="plan")])
    made = exchange()
    outcome: Any = Tokens([(of, Published())], subjects, callers, Memory()).judge(made, b"Bearer " + token(payload))
    return made.caller if made.caller is not None else str(outcome.detail)


def scopes(payload: dict[str, Any], **rules: Any) -> set[str]:
    found = caller(payload, issuer(**rules))
    assert isinstance(found, Caller), found
    return set(found.scopes)


def sites(claim: Any, held: tuple[str, ...] | None, **rules: Any) -> tuple[str, ...] | None:
    found = caller(claims(wms=claim), issuer(**({"site_claim": "wms"} | rules)), sites=held)
    assert isinstance(found, Caller), found
    return found.application.sites


@pytest.mark.parametrize(
    ("subject_claim", "payload"),
    [
        ("azp", {"azp": "4c2e"}),
        ("appid", {"appid": "4c2e"}),
        ("https://acme.example/app", {"https://acme.example/app": "4c2e"}),
        ("/ext/app", {"ext": {"app": "4c2e"}}),
        ("/https:~1~1acme.example/app", {"https://acme.example": {"app": "4c2e"}}),
    ],
)
def test_the_caller_stands_where_the_issuer_puts_it(subject_claim: str, payload: dict[str, Any]) -> None:
    found = caller(claims(**payload), issuer(subject_claim=subject_claim), subject="4c2e")
    assert isinstance(found, Caller)
    assert found.application.id == "app"


@pytest.mark.parametrize("payload", [{"ext": "app"}, {"ext": ["app"]}, {"ext": {"app": ["app"]}}, {"ext": None}, {}])
def test_a_caller_that_stands_elsewhere_is_nobody(payload: dict[str, Any]) -> None:
    assert caller(claims(**payload), issuer(subject_claim="/ext/app")) == "The token's subject is no application here."


@pytest.mark.parametrize(
    ("payload", "rules", "granted"),
    [
        ({"scp": "a b z"}, {"scope_claim": "scp"}, {"a", "b"}),
        (
            {"scope": ..., "roles": ["a", "c"], "scp": "b"},
            {"scope_claim": "scp", "scope_claims": ("roles",)},
            {"a", "b", "c"},
        ),
        ({"realm_access": {"roles": ["b"]}}, {"scope_claim": "/realm_access/roles"}, {"b"}),
        ({"permissions": ["a"]}, {"scope_claim": "permissions"}, {"a"}),
        ({"roles": ["Stock.Read"]}, {"scope_claim": "roles", "scope_map": {"Stock.Read": ("a", "c")}}, {"a", "c"}),
        ({"roles": ["a", "b"]}, {"scope_claim": "roles", "scope_map": {"Stock.Read": ("a",)}}, set()),
        ({"roles": ["Admin"]}, {"scope_claim": "roles", "scope_map": {"Admin": ("everything",)}}, set()),
        ({"roles": {"a": 1}}, {"scope_claim": "roles"}, set()),
        ({"scope": ["a b"]}, {}, set()),
    ],
)
def test_scopes_in_our_words(payload: dict[str, Any], rules: dict[str, Any], granted: set[str]) -> None:
    assert scopes(claims(**payload), **rules) == granted


@pytest.mark.parametrize(
    ("claim", "held", "rules", "left"),
    [
        (["DAL-2", "PHX-1"], None, {}, ("DAL-2", "PHX-1")),
        (["DAL-2", "PHX-1"], ("PHX-1", "STJ-1"), {}, ("PHX-1",)),
        ("DAL-2 STJ-1", ("DAL-2",), {}, ("DAL-2",)),
        (["DAL-2"], ("PHX-1",), {}, ()),
        (..., None, {}, ()),
        (7, None, {}, ()),
        (["*"], ("PHX-1",), {}, ()),
        (["0142"], None, {"site_map": {"0142": ("DAL-2",)}}, ("DAL-2",)),
        (["DAL-2"], None, {"site_map": {"0142": ("DAL-2",)}}, ()),
        (["DAL-2"], ("PHX-1",), {"site_claim": None}, ("PHX-1",)),
        (["DAL-2"], None, {"site_claim": None}, None),
    ],
)
def test_a_token_narrows_sites_and_never_widens(
    claim: Any, held: tuple[str, ...] | None, rules: dict[str, Any], left: tuple[str, ...] | None
) -> None:
    assert sites(claim, held, **rules) == left


def test_sites_of_one_token_are_not_those_of_the_next() -> None:
    subject = Subject(id="cred", issuer=ISSUER, subject="app", application="app")
    callers = Callers([application(sites=("DAL-2", "PHX-1"))], [Plan(name="plan")])
    judge = Tokens([(issuer(site_claim="wms"), Published())], [subject], callers, Memory())
    seen = []
    for wms in (["DAL-2"], ["PHX-1"], ["DAL-2"]):
        made = exchange()
        assert judge.judge(made, b"Bearer " + token(claims(wms=wms))) is None
        assert made.caller is not None
        seen.append(made.caller.application.sites)
    assert seen == [("DAL-2",), ("PHX-1",), ("DAL-2",)]


@pytest.mark.parametrize("aud", ["weighbridge", "api://stock", ["x", "api://stock"]])
def test_an_issuer_may_have_several_audiences(aud: Any) -> None:
    assert isinstance(caller(claims(aud=aud), issuer(audiences=("api://stock",))), Caller)


def test_a_token_of_another_tenant_is_refused() -> None:
    mine = issuer(issuer=ENTRA, required_claims={"tid": ("7f1c",), "/ext/kind": ("app", "daemon")})
    good = claims(iss=ENTRA, tid="7f1c", ext={"kind": ["daemon"]})
    assert isinstance(caller(good, mine), Caller)
    refused = "A claim that is required of its issuer's tokens is missing, or says something else."
    assert caller(good | {"tid": "other"}, mine) == refused
    assert caller(good | {"ext": {"kind": "user"}}, mine) == refused
    assert caller(good | {"ext": {}}, mine) == refused


@pytest.mark.parametrize(
    ("rules", "payload", "refused"),
    [
        ({"max_lifetime": 305}, {}, None),
        ({"max_lifetime": 304}, {}, "The token lives longer than its issuer's may."),
        ({"max_lifetime": 300}, {"iat": ...}, None),
        ({"leeway": 0}, {"nbf": 1_800_000_001}, "The token is not valid yet."),
        ({"leeway": 60}, {"nbf": 1_800_000_060}, None),
        ({"leeway": 0}, {"iat": 1_799_999_000, "exp": 1_800_000_000}, "The token has expired."),
        ({"leeway": 60}, {"iat": 1_799_999_000, "exp": 1_799_999_941}, None),
    ],
)
def test_time_as_the_issuer_is_allowed_it(rules: dict[str, Any], payload: dict[str, Any], refused: str | None) -> None:
    found = caller(claims(**payload), issuer(**rules))
    assert found == refused if refused else isinstance(found, Caller)


def test_paths() -> None:
    assert path_of("https://acme.example/app") == ("https://acme.example/app",)
    assert path_of("/a~1b/c~0d") == ("a/b", "c~d")
    assert at({"a": {"b": 1}}, ("a", "b")) == 1
    assert at({"a": [1]}, ("a", "0")) is None


@pytest.mark.parametrize(
    ("typ", "kind"),
    [
        ("AT+JWT", "at+jwt"),
        ("application/at+jwt", "at+jwt"),
        ("application/x/y", "application/x/y"),
        ("application/application/at+jwt", "application/application/at+jwt"),
        ("application/", "application/"),
        ("", ""),
    ],
)
def test_media_types(typ: str, kind: str) -> None:
    assert media_type(typ) == kind

"""One credential, found in one place, or none."""

from __future__ import annotations

import pytest

from policies.model.access import ApiKey, Plan, secret_digest
from policies.model.generated import compose
from policies.traffic import Exchange, Problem
from policies.traffic.authenticate_api_key import ApiKeys
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_credentials import Credentials, authenticate_credentials
from tests.unit.policies.traffic.facts import NOW, application, document, exchange, facts, slug
from tests.unit.policies.traffic.facts import caller as caller_of

SECRET = b"wbk_k1_0123456789"


class Tokens:
    """Remembers what it was asked to judge."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def judge(self, exchange: Exchange, credential: bytes) -> Problem | None:
        self.seen.append(credential)
        return None


def api_keys(**more: object) -> ApiKeys:
    key = ApiKey(id="k1", digest=secret_digest(SECRET.decode()), application="app", **more)
    return ApiKeys([key], Callers([application(scopes=("a", "b"))], [Plan(name="plan")]))


def identify(*headers: tuple[bytes, bytes], query: str = "", keys: ApiKeys | None = None) -> tuple[object, Exchange]:
    made = exchange(headers=list(headers), query=query)
    return Credentials(keys or api_keys(), Tokens()).identify(made), made


def test_nothing_sent_is_nobody() -> None:
    outcome, made = identify((b"accept", b"*/*"))
    assert outcome is None
    assert made.caller is None


def test_a_key_speaks_with_all_scopes_of_its_application() -> None:
    outcome, made = identify((b"x-api-key", SECRET))
    assert outcome is None
    assert made.caller is not None
    assert (made.caller.application.id, made.caller.credential) == ("app", "k1")
    assert made.caller.scopes == {"a", "b"}


@pytest.mark.parametrize("secret", [b"", b"wbk_k1_0123456788", b"wbk_k1_0123456789 ", SECRET * 40])
def test_an_unknown_key_is_refused_without_being_repeated(secret: bytes) -> None:
    outcome, made = identify((b"x-api-key", secret))
    assert isinstance(outcome, Problem)
    assert (outcome.status, outcome.slug) == (401, "credentials-invalid")
    assert outcome.headers == (("WWW-Authenticate", 'Bearer realm="weighbridge"'),)
    assert "0123" not in outcome.detail
    assert made.caller is None


def test_a_mistyped_key_is_told_so() -> None:
    good = compose("wbk", "0123456789ab", "5" * 64)
    keys = ApiKeys(
        [ApiKey(id="k", digest=secret_digest(good), application="app")],
        Callers([application()], [Plan(name="plan")]),
    )
    assert identify((b"x-api-key", good.encode()), keys=keys)[0] is None
    outcome, _ = identify((b"x-api-key", (good[:31] + "0" + good[32:]).encode()), keys=keys)
    assert isinstance(outcome, Problem)
    assert outcome.detail == "The API key is mistyped: its last eight characters do not fit the rest."


def test_a_key_dies_when_it_expires() -> None:
    assert slug(identify((b"x-api-key", SECRET), keys=api_keys(expires_at=int(NOW)))[0]) == "credentials-invalid"
    assert identify((b"x-api-key", SECRET), keys=api_keys(expires_at=int(NOW) + 1))[0] is None


def test_a_key_of_an_application_that_is_gone_is_unknown() -> None:
    keys = ApiKeys([ApiKey(id="k", digest=secret_digest("s"), application="gone")], Callers([], []))
    assert slug(identify((b"x-api-key", b"s"), keys=keys)[0]) == "credentials-invalid"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([(b"x-api-key", SECRET), (b"x-api-key", SECRET)], ""),
        ([(b"authorization", b"Bearer t"), (b"authorization", b"Bearer t")], ""),
        ([(b"authorization", b"Bearer t"), (b"x-api-key", SECRET)], ""),
        ([(b"authorization", b"Bearer t")], "limit=5&access_token=t"),
        ([(b"authorization", b"Bearer t")], "access%5Ftoken=t"),
        ([(b"authorization", b"Bearer t")], "%61ccess_token=t"),
        ([(b"authorization", b"Bearer t")], "access_token"),
        ([(b"x-api-key", SECRET)], "access_token=t"),
    ],
)
def test_credentials_sent_twice_are_ambiguous(headers: list[tuple[bytes, bytes]], query: str) -> None:
    outcome, _ = identify(*headers, query=query)
    assert isinstance(outcome, Problem)
    assert (outcome.status, outcome.slug) == (400, "bad-request")


@pytest.mark.parametrize("query", ["my_access_token=t", "q=access_token", "access_tokens=t", "q=%20access_token%3Dt"])
def test_what_only_looks_like_a_token_in_the_query(query: str) -> None:
    assert identify((b"x-api-key", SECRET), query=query)[0] is None


def test_a_token_in_query_or_form_alone_is_no_credential() -> None:
    made = exchange(
        method="POST", headers=[(b"content-type", b"application/x-www-form-urlencoded")], query="access_token=t"
    )
    made.body = b"access_token=t"
    tokens = Tokens()
    assert Credentials(api_keys(), tokens).identify(made) is None
    assert (made.caller, tokens.seen) == (None, [])


@pytest.mark.parametrize(
    ("security", "needed"),
    [
        ({}, True),
        ({"security": []}, False),
        ({"security": [{}]}, False),
        ({"security": [{"oauth": ["a"]}]}, True),
        ({"security": [{"oauth": ["a"]}, {}]}, False),
    ],
)
def test_credentials_are_needed_unless_an_alternative_is_empty(security: dict[str, object], needed: bool) -> None:
    bound = authenticate_credentials(facts(document(security)))
    assert (bound is not None) is needed
    if bound is not None:
        refusal = bound.decide(exchange())
        assert isinstance(refusal, Problem)
        assert (refusal.status, refusal.slug) == (401, "credentials-missing")
        assert refusal.headers == (("WWW-Authenticate", 'Bearer realm="weighbridge"'),)
        assert bound.decide(exchange(caller=caller_of())) is None

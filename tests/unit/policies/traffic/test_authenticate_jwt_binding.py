"""Tokens that are good only with their certificate (RFC 8705 section 3)."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

import pytest

from policies.model.access import Plan, Subject
from policies.traffic import Exchange, Problem
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_certificate import Presented
from policies.traffic.authenticate_jwt import Memory, Tokens
from policies.traffic.authenticate_jwt_keys import prepare
from tests.certificates import made as certificate
from tests.unit.policies.traffic.facts import application, exchange
from tests.unit.policies.traffic.tokens import ISSUER, claims, issuer, jwk, token

OURS, THEIRS = Presented(certificate().der), Presented(certificate().der)
BOUND = token(claims(cnf={"x5t#S256": OURS.thumbprint}))
NOT_PRESENTED = "The token is bound to a client certificate that was not presented."


class Source:
    keys = prepare({"keys": [jwk()]})

    def refresh(self) -> None:
        return None


def tokens(memory: Memory | None = None, **more: Any) -> Tokens:
    callers = Callers([application(scopes=("a", "b"), **more)], [Plan(name="plan")])
    subject = Subject(id="cred", issuer=ISSUER, subject="app", application="app")
    return Tokens([(issuer(), Source())], [subject], callers, memory or Memory())


def judged(judge: Tokens, sent: bytes, presented: Presented | None) -> tuple[str | None, Exchange]:
    asked = exchange()
    asked.certificate = presented
    outcome = judge.judge(asked, b"Bearer " + sent)
    assert not isawaitable(outcome)
    if outcome is None:
        assert asked.caller is not None
        return None, asked
    assert isinstance(outcome, Problem)
    assert (outcome.status, outcome.slug, asked.caller, asked.certified) == (401, "credentials-invalid", None, None)
    assert 'error="invalid_token"' in outcome.headers[0][1]
    return outcome.detail, asked


def test_a_bound_token_is_good_with_its_certificate_only() -> None:
    for presented, told in ((OURS, None), (THEIRS, NOT_PRESENTED), (None, NOT_PRESENTED)):
        refusal, asked = judged(tokens(), BOUND, presented)
        assert refusal == told
        assert asked.certified == (None if told else "app")


def test_what_was_verified_for_one_connection_is_not_believed_on_another() -> None:
    memory = Memory()
    judge = tokens(memory)
    for _ in range(2):
        assert judged(judge, BOUND, OURS)[0] is None
        assert judged(judge, BOUND, None)[0] == NOT_PRESENTED
        assert judged(judge, BOUND, THEIRS)[0] == NOT_PRESENTED
        judge = tokens(memory)  # the next snapshot, which shares what signatures proved


def test_a_bound_token_is_remembered_with_its_certificate() -> None:
    judge = tokens()
    callers = [judged(judge, BOUND, Presented(OURS.der))[1] for _ in range(2)]
    assert callers[0].caller is callers[1].caller
    assert [asked.certified for asked in callers] == ["app", "app"]


def test_a_bearer_token_is_good_everywhere_and_proves_no_certificate() -> None:
    judge = tokens()
    for presented in (None, OURS, THEIRS, None):
        refusal, asked = judged(judge, token(), presented)
        assert (refusal, asked.certified) == (None, None)


def test_an_application_may_take_bound_tokens_only() -> None:
    judge = tokens(bound_tokens_only=True)
    told = "This application's tokens must be bound to a client certificate (cnf)."
    for presented in (None, OURS, None):
        assert judged(judge, token(), presented)[0] == told
    assert judged(judge, BOUND, OURS)[0] is None


@pytest.mark.parametrize(
    "cnf",
    [
        None,
        True,
        "",
        [],
        {},
        OURS.thumbprint,
        [OURS.thumbprint],
        {"x5t#S256": None},
        {"x5t#S256": ""},
        {"x5t#S256": [OURS.thumbprint]},
        {"x5t#S256": OURS.thumbprint + "="},
        {"x5t#S256": OURS.thumbprint[:-1]},
        {"x5t#S256": OURS.thumbprint + "\n"},
        {"x5t#S256": "A" * 42 + "B"},
        {"x5t": OURS.thumbprint},
        {"x5t#S1": OURS.thumbprint},
        {"jkt": OURS.thumbprint},
        {"jwk": {"kty": "EC"}},
        {"kid": "k1"},
        {"x5t#S256": OURS.thumbprint, "jkt": OURS.thumbprint},
        {"x5t#S256": OURS.thumbprint, "": 1},
    ],
)
def test_a_binding_that_is_not_understood_is_refused_with_every_certificate(cnf: Any) -> None:
    for presented in (OURS, None):
        refusal, _ = judged(tokens(), token(claims(cnf=cnf)), presented)
        assert refusal is not None
        assert refusal.startswith("The token is ")
        assert refusal != NOT_PRESENTED

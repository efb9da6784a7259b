"""A token that was taken back is refused from the snapshot on that says so, wherever it was remembered."""

from __future__ import annotations

from typing import Any

from policies.model.access import Issuer, Plan, RevokedToken, Subject
from policies.traffic import Problem
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_jwt import Memory, Tokens
from policies.traffic.authenticate_jwt_keys import Keys, prepare
from tests.unit.policies.traffic.facts import NOW, application, exchange
from tests.unit.policies.traffic.tokens import ISSUER, claims, issuer, jwk, token

SUBJECTS = [
    Subject(id=f"cred-{number}", issuer=name, subject="app", application="app")
    for number, name in enumerate((ISSUER, "https://other.example"))
]


class Source:
    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def refresh(self) -> None:
        return None


def snapshot(memory: Memory, *revoked: RevokedToken) -> Tokens:
    issuers: list[tuple[Issuer, Any]] = [
        (issuer(jwk()), Source(prepare({"keys": [jwk()]}))),
        (issuer(jwk(), name="other", issuer="https://other.example"), Source(prepare({"keys": [jwk()]}))),
    ]
    return Tokens(issuers, SUBJECTS, Callers([application()], [Plan(name="plan")]), memory, revoked=revoked)


def judge(tokens: Tokens, **more: Any) -> str | None:
    made = token(claims(**more))
    asked = exchange(now=NOW)
    decision = tokens.judge(asked, b"Bearer " + made)
    assert decision is None or isinstance(decision, Problem)
    assert (decision is None) == (asked.caller is not None)
    return None if decision is None else decision.detail


def revoked(jti: str, name: str = ISSUER) -> RevokedToken:
    return RevokedToken(issuer=name, jti=jti, expires_at=int(NOW) + 300)


def test_a_remembered_token_is_refused_with_the_next_snapshot() -> None:
    memory = Memory()
    assert judge(snapshot(memory), jti="one") is None
    after = snapshot(memory, revoked("one"))
    assert judge(after, jti="one") == "The token was revoked."
    assert judge(after, jti="one") == "The token was revoked."
    assert judge(after, jti="two") is None
    assert judge(snapshot(memory), jti="one") is None


def test_an_id_is_its_issuers_own() -> None:
    tokens = snapshot(Memory(), revoked("one", "https://other.example"))
    assert judge(tokens, jti="one") is None
    assert judge(tokens, jti="one", iss="https://other.example") == "The token was revoked."

"""Every vector gets its verdict, cold and remembered: RFC 8725 and what was found since, as data."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

import pytest

from policies.model.access import Plan, Subject
from policies.traffic import Exchange, Problem
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_jwt import Memory, Tokens
from policies.traffic.authenticate_jwt_keys import InvalidKeys, Keys, prepare
from tests.unit.policies.traffic.facts import application, exchange
from tests.unit.policies.traffic.token_vectors import EVERY, Vector, vectors
from tests.unit.policies.traffic.tokens import ISSUER, issuer

VECTORS = list(vectors())
SUBJECT = Subject(id="cred", issuer=ISSUER, subject="app", application="app")


class Fixed:
    """The keys of a vector; a set that is refused whole leaves none, as after a fetch that failed."""

    def __init__(self, entries: tuple[dict[str, Any], ...]) -> None:
        self.keys: Keys
        try:
            self.keys = prepare({"keys": list(entries)})
        except InvalidKeys:
            self.keys = {}

    def refresh(self) -> None:
        return None


def judge_of(vector: Vector, memory: Memory) -> Tokens:
    rules = {"algorithms": EVERY} | vector.rules
    callers = Callers([application(scopes=("a", "b", "c"))], [Plan(name="plan")])
    return Tokens([(issuer(**rules), Fixed(vector.keys))], [SUBJECT], callers, memory)


def verdict(judge: Tokens, sent: bytes) -> tuple[Problem | None, Exchange]:
    made = exchange()
    outcome = judge.judge(made, b"Bearer " + sent)
    assert not isawaitable(outcome)
    return outcome, made


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_token_gets_its_verdict(vector: Vector) -> None:
    memory = Memory()
    judge = judge_of(vector, memory)
    for asked in (judge, judge, judge_of(vector, memory)):  # cold, remembered, remembered across snapshots
        outcome, made = verdict(asked, vector.sent)
        assert (outcome is None, made.caller is not None) == (vector.good, vector.good), outcome
        if outcome is not None:
            assert (outcome.status, outcome.slug) == (401, "credentials-invalid")
            assert vector.sent.decode("latin-1") not in outcome.detail


def test_the_corpus_is_as_large_as_it_says() -> None:
    names = [vector.name for vector in VECTORS]
    assert len(set(names)) == len(names)
    good = sum(vector.good for vector in VECTORS)
    assert (good > 100, len(names) - good > 700) == (True, True)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.good][::9], ids=lambda vector: vector.name)
def test_no_memory_makes_a_bad_token_good(vector: Vector) -> None:
    """What was accepted once is refused when key, algorithms, audience, issuer or subject are no longer the same."""
    memory = Memory()
    assert verdict(judge_of(vector, memory), vector.sent)[0] is None
    rules = {"algorithms": EVERY} | vector.rules
    callers = Callers([application()], [Plan(name="plan")])

    def refuses(of: dict[str, Any], keys: Any = vector.keys, subjects: Any = (SUBJECT,), known: Any = callers) -> bool:
        judge = Tokens([(issuer(**(rules | of)), Fixed(keys))], subjects, known, memory)
        return verdict(judge, vector.sent)[0] is not None

    assert not refuses({})
    assert refuses({}, keys=())
    assert refuses({}, keys=tuple(key | {"use": "enc"} for key in vector.keys))
    assert refuses({"algorithms": ("ES512",)})
    assert refuses({"audience": "another"})
    assert refuses({"issuer": ISSUER + "/"})
    assert refuses({"token_types": ("other",)})
    assert refuses({"max_lifetime": 1})
    assert refuses({"required_claims": {"tid": ("t1",)}})
    assert refuses({}, subjects=())
    assert refuses({}, known=Callers([], []))


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "RS256", "PS256"])
def test_no_token_is_good_with_one_character_changed_added_or_left_out(alg: str) -> None:
    vector = next(v for v in VECTORS if v.name == f"good: {alg}")
    judge = judge_of(vector, Memory())
    good = vector.sent
    assert verdict(judge, good)[0] is None
    for place in range(len(good)):
        other = b"A" if good[place : place + 1] != b"A" else b"B"
        before, after = good[:place], good[place + 1 :]
        for changed in (before + other + after, before + after, before + other + good[place:], before + b"." + after):
            if changed != good:
                assert verdict(judge, changed)[0] is not None, changed

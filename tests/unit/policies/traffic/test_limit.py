"""Rates and slots: charged together, refused without cost, and what happens when counters are lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any

import pytest

from gateway.counters.memory import MemoryCounters, Slots
from policies.model.access import Limit, Plan
from policies.traffic import Exchange, Policy, Problem
from policies.traffic.announce_limits import announce_limits
from policies.traffic.limit_allowance import Allowance
from policies.traffic.limit_concurrency import limit_concurrency
from policies.traffic.limit_rate import Charge, CountersLost, Standing, limit_rate
from tests.unit.policies.traffic.facts import NOW, document, exchange, facts, slug

STRICT = Limit(name="burst", requests=2, window=10)
DAILY = Limit(name="daily", requests=3, window=86_400)


class LostCounters:
    """Shared counters that are gone: at once, or only after waiting."""

    def __init__(self, *, later: bool) -> None:
        self.local = MemoryCounters()
        self.slots = Slots()
        self._later = later

    def take(self, charges: tuple[Charge, ...]) -> Awaitable[Standing]:
        if self._later:
            return self._vanish()
        raise CountersLost

    async def _vanish(self) -> Standing:
        raise CountersLost


def called(plan: Plan, subject: str = "app") -> Exchange:
    made = exchange()
    made.allowance = Allowance(plan, subject)
    made.plan = plan
    return made


def bound(counters: Any = None) -> Policy:
    policy = limit_rate(facts(document({}), counters=counters))
    assert policy is not None
    return policy


def decided(policy: Policy, made: Exchange) -> Problem | None:
    decision = policy.decide(made)
    if isawaitable(decision):

        async def settle() -> Problem | None:
            return await decision

        return asyncio.run(settle())
    assert decision is None or isinstance(decision, Problem)
    return decision


def test_all_limits_are_charged_or_none() -> None:
    plan = Plan(name="p", limits=(STRICT, DAILY))
    policy = bound()
    for remaining in ((1, 2), (0, 1)):
        made = called(plan)
        assert policy.decide(made) is None
        assert tuple(level.remaining for level in made.limits.levels) == remaining
    for _ in range(5):
        made = called(plan)
        refusal = policy.decide(made)
        assert isinstance(refusal, Problem)
        assert (refusal.status, refusal.slug) == (429, "limit-exceeded")
        assert tuple(level.remaining for level in made.limits.levels) == (0, 1)
        assert refusal.extensions == {"limits": ["burst"]}
        name, wait = refusal.headers[0]
        assert name == "Retry-After"
        assert 10 <= int(wait) <= 11


def test_applications_do_not_share() -> None:
    plan = Plan(name="p", limits=(STRICT,))
    policy = bound()
    for subject in ("one", "one", "two", "two"):
        assert policy.decide(called(plan, subject)) is None
    assert slug(policy.decide(called(plan, "one"))) == "limit-exceeded"


def test_a_limit_may_be_for_some_operations() -> None:
    plan = Plan(name="p", limits=(DAILY, Limit(name="tight", requests=1, window=9, burst=1, operations=("op", "x"))))
    allowance = Allowance(plan, "app")
    assert [charge.name for charge in allowance.charges("op", NOW)] == ["daily", "tight"]
    assert [charge.name for charge in allowance.charges("other", NOW)] == ["daily"]
    assert [charge.key for charge in allowance.charges("op", NOW)] == ["{app}:p:86400", "{app}:p:9b/575528261a72"]


@pytest.mark.parametrize("plan", [None, Plan(name="p")])
def test_without_limits_nothing_is_counted(plan: Plan | None) -> None:
    made = exchange() if plan is None else called(plan)
    assert bound(LostCounters(later=False)).decide(made) is None
    assert made.limits is None


@pytest.mark.parametrize("later", [False, True])
def test_lost_counters_do_what_the_plan_says(later: bool) -> None:
    policy = bound(LostCounters(later=later))

    def outcomes(choice: Any) -> list[str | None]:
        plan = Plan(name=choice, limits=(STRICT,), on_counter_loss=choice)
        found = [decided(policy, called(plan)) for _ in range(3)]
        return [None if problem is None else f"{problem.status} {problem.slug}" for problem in found]

    assert outcomes("open") == [None, None, None]
    assert outcomes("closed") == ["503 counters-unavailable"] * 3
    assert outcomes("local") == [None, None, "429 limit-exceeded"]


def test_limits_are_announced_as_structured_fields() -> None:
    plan = Plan(name="p", limits=(STRICT, Limit(name='say "hi" \\ ü', requests=5, window=60, burst=2)))
    made = called(plan)
    assert bound().decide(made) is None
    announce = announce_limits(facts(document({})))
    assert announce is not None
    announce.decide(made)
    fields = dict(made.reply_headers)
    assert fields[b"RateLimit-Policy"] == rb'"say \"hi\" \\ ?";q=5;w=60;weighbridge-burst=2, "burst";q=2;w=10'
    assert fields[b"RateLimit"] == rb'"say \"hi\" \\ ?";r=1;t=12, "burst";r=1;t=10'
    uncounted = exchange()
    announce.decide(uncounted)
    assert uncounted.reply_headers == []


def test_calls_at_once_are_held_to_the_plan() -> None:
    counters = MemoryCounters()
    policy = limit_concurrency(facts(document({}), counters=counters))
    assert policy is not None
    plan = Plan(name="p", max_concurrent=2)
    first, second, third = called(plan), called(plan), called(plan)
    assert policy.decide(first) is None
    assert policy.decide(second) is None
    refusal = policy.decide(third)
    assert isinstance(refusal, Problem)
    assert (refusal.status, refusal.slug, refusal.headers) == (429, "too-many-concurrent", (("Retry-After", "1"),))
    assert third.release is None
    assert policy.decide(called(plan, "somebody else")) is None
    first.release()
    assert policy.decide(third) is None
    second.release()
    third.release()
    assert counters.slots.acquire("app:p", 1)


@pytest.mark.parametrize("plan", [None, Plan(name="p")])
def test_a_plan_may_not_hold_concurrency(plan: Plan | None) -> None:
    policy = limit_concurrency(facts(document({})))
    assert policy is not None
    made = exchange() if plan is None else called(plan)
    assert policy.decide(made) is None
    assert made.release is None

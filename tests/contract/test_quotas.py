"""Quotas and weights in every counter backend, against a naive model: a dictionary of periods."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.counters import OpenCounters
from gateway.counters.durable import DurableCounters
from gateway.counters.memory import MemoryCounters
from gateway.counters.redis import RedisCounters
from policies.model.access import Limit, Period, Plan
from policies.traffic.limit_allowance import Allowance
from policies.traffic.limit_rate import Charge, Standing

NOON = datetime(2026, 10, 25, 12, tzinfo=UTC).timestamp()
"""On a day that has 25 hours in Berlin."""
ZONES = {name: ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kolkata")}
_unique = itertools.count(1)


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


Opened = Callable[[Callable[[], float]], OpenCounters]


@pytest.fixture(params=["memory", "file", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    if request.param == "memory":
        return lambda wall: MemoryCounters(wall=wall)
    if request.param == "file":
        return lambda wall: DurableCounters(tmp_path, wall=wall)
    url = str(request.getfixturevalue("redis_url"))
    return lambda wall: RedisCounters(url, wall=wall)


def run(counters: OpenCounters, body: Callable[[OpenCounters], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        try:
            await body(counters)
        finally:
            await counters.close()

    asyncio.run(main())


async def settled(outcome: Standing | Awaitable[Standing]) -> Standing:
    return await outcome if isawaitable(outcome) else outcome


def fresh() -> str:
    return f"app {time.time_ns()} {next(_unique)}"


def quota(requests: int, weight: int = 1, hours: int = 3, subject: str = "") -> Charge:
    key = f"{{{subject or fresh()}}}:q"
    return Charge(key, "q", requests, 86_400, weight=weight, until=int(NOON) + hours * 3600, pool=(key,))


# -- a naive model ----------------------------------------------------------------------------------------------------

limits = st.builds(
    lambda name, requests, period, weight, some: Limit(
        name=name,
        requests=requests,
        period=period,
        weights={"heavy": min(weight, requests), "free": 0},
        operations=("heavy", "free") if some else (),
    ),
    name=st.text("abc", min_size=1, max_size=3),
    requests=st.integers(1, 12),
    period=st.sampled_from(["hour", "day", "week", "month"]),
    weight=st.integers(1, 5),
    some=st.booleans(),
)
# a clock goes on, is set by an hour in either direction, or passes the end of something
steps = st.sampled_from([0, 0, 0, 1, 60, 1800, -60, 3600, -3600, 12 * 3600, 86_400, 31 * 86_400])
calls = st.lists(st.tuples(steps, st.sampled_from(["light", "heavy", "free"]), st.integers(0, 2)), max_size=40)


class Naive:
    """One plan of one application, kept as a person would with a calendar and a pencil."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._used: Counter[tuple[object, ...]] = Counter()

    def call(self, operation: str, now: float) -> bool:
        local = datetime.fromtimestamp(now, ZONES[self._plan.time_zone])
        seen: Counter[tuple[object, ...]] = Counter()
        wanted = []
        for limit in self._plan.limits:
            kind = (limit.period, limit.operations)
            seen[kind] += 1
            weight = limit.weights.get(operation, 1)
            if weight and (not limit.operations or operation in limit.operations):
                wanted.append(((*kind, seen[kind], self._page(limit.period, local)), weight, limit.requests))
        admitted = all(self._used[page] + weight <= requests for page, weight, requests in wanted)
        for page, weight, _ in wanted if admitted else ():
            self._used[page] += weight
        return admitted

    @staticmethod
    def _page(period: Period | None, local: datetime) -> tuple[object, ...]:
        if period == "week":
            return tuple(local.isocalendar()[:2])
        month = (local.year, local.month)
        day = (*month, local.day)
        return {"month": month, "day": day, "hour": (*day, local.hour, local.fold)}[str(period)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(limits, min_size=1, max_size=3), st.sampled_from(sorted(ZONES)), calls)
def test_a_plan_admits_what_a_naive_model_does(
    opened: Opened, some: list[Limit], zone: str, made: list[tuple[int, str, int]]
) -> None:
    plan = Plan(name="p", limits=tuple(some), time_zone=zone)
    clock, naive, subject = Clock(), Naive(plan), fresh()
    lines = ("a@1", "b@1", "b@2")
    allowances = [Allowance(plan, subject, line=line, lines=lines, zones=ZONES) for line in lines]

    async def body(counters: OpenCounters) -> None:
        for step, operation, line in made:
            clock.now += step
            charges = allowances[line].charges(operation, clock.now)
            expected = naive.call(operation, clock.now)
            if not charges:
                assert expected
                continue
            standing = await settled(counters.take(charges))
            assert (standing.retry_after is None) is expected
            for level in standing.levels:
                assert 0 <= level.remaining <= level.charge.requests
                assert clock.now + level.reset - 1 < level.charge.until <= clock.now + level.reset
            if standing.retry_after is not None:
                spent = [level.charge for level in standing.levels if level.remaining < level.charge.weight]
                assert spent
                assert standing.retry_after == max(1, *(int(charge.until - clock.now) for charge in spent))

    run(opened(clock), body)


# -- single promises --------------------------------------------------------------------------------------------------


def test_two_hundred_callers_take_exactly_the_quota(opened: Opened) -> None:
    charges = (quota(100, weight=3), quota(1000, weight=2))

    async def body(counters: OpenCounters) -> None:
        outcomes = await asyncio.gather(*(settled(counters.take(charges)) for _ in range(200)))
        assert sum(outcome.retry_after is None for outcome in outcomes) == 33
        last = await settled(counters.take((charges[1],)))
        assert last.levels[0].remaining == 1000 - 33 * 2 - 2, "refused calls charged no limit"

    run(opened(Clock()), body)


def test_a_refused_rate_charges_no_quota(opened: Opened) -> None:
    daily = quota(10)
    tight = Charge(daily.key + " tight", "t", 2, 3600)

    async def body(counters: OpenCounters) -> None:
        for _ in range(8):
            await settled(counters.take((tight, daily)))
        assert (await settled(counters.take((daily,)))).levels[0].remaining == 10 - 2 - 1

    run(opened(Clock()), body)


@pytest.mark.parametrize("hours", [1, 24, 31 * 24 - 1, 31 * 24])
def test_retry_after_is_right_up_to_a_month(opened: Opened, hours: int) -> None:
    spent = quota(1, hours=hours)
    clock = Clock()

    async def body(counters: OpenCounters) -> None:
        assert (await settled(counters.take((spent,)))).retry_after is None
        for passed in (0, 600, hours * 3600 - 1):
            clock.now = NOON + passed + 0.25
            assert (await settled(counters.take((spent,)))).retry_after == hours * 3600 - passed

    run(opened(clock), body)


def test_a_pool_is_held_to_one_quota(opened: Opened) -> None:
    subject = fresh()
    pool = tuple(f"{{{subject}}}:{line}" for line in "abc")
    charges = [Charge(key, "q", 10, 86_400, until=int(NOON) + 60, pool=pool) for key in pool]

    async def body(counters: OpenCounters) -> None:
        outcomes = await asyncio.gather(*(settled(counters.take((charges[n % 3],))) for n in range(40)))
        assert sum(outcome.retry_after is None for outcome in outcomes) == 10

    run(opened(Clock()), body)


@pytest.mark.parametrize("weight", [1, 3, 6])
def test_weights_count_in_windows_too(opened: Opened, weight: int) -> None:
    strict = Charge(fresh(), "strict", 20, 3600, weight=weight)
    rate = Charge(fresh(), "rate", 20, 3600, burst=20, weight=weight)

    async def body(counters: OpenCounters) -> None:
        for charge in (strict, rate):
            outcomes = [await settled(counters.take((charge,))) for _ in range(25)]
            assert sum(outcome.retry_after is None for outcome in outcomes) == 20 // weight
            assert outcomes[-1].levels[0].remaining == 20 % weight
            assert outcomes[-1].retry_after is not None
            assert outcomes[-1].retry_after <= (3600 if charge is strict else weight * 180)

    run(opened(Clock()), body)


def test_what_costs_more_than_there_ever_is_waits_for_the_whole_window(opened: Opened) -> None:
    async def body(counters: OpenCounters) -> None:
        for burst in (None, 2):
            standing = await settled(counters.take((Charge(fresh(), "n", 3, 60, burst, weight=4),)))
            assert standing.retry_after == 60

    run(opened(Clock()), body)


def test_units_come_back_when_told_for_any_weight() -> None:
    """In a strict window and a rate, with the clock in hand: one second less is too early, as told is enough."""
    now = [1_000_000_000_000]
    counters = MemoryCounters(lambda: now[0])

    def take(weight: int, burst: int | None) -> int | None:
        return counters.take((Charge(f"k{burst}", "n", 10, 100, burst, weight=weight),)).retry_after

    for burst in (None, 10):
        for weight in (4, 3, 3):
            assert take(weight, burst) is None
            now[0] += 10_000_000_000
        for weight in (2, 5, 8):
            told = take(weight, burst)
            if told is None:
                continue
            now[0] += (told - 2) * 1_000_000_000
            assert take(weight, burst) is not None
            now[0] += 2_000_000_000
            assert take(weight, burst) is None


def test_periods_that_ended_are_forgotten() -> None:
    clock = Clock()
    counters = MemoryCounters(wall=clock)
    for number in range(3000):
        clock.now += 60
        until = int(clock.now // 3600 + 1) * 3600
        key = f"{number % 10} {until}"
        counters.take((Charge(key, "n", 5, 3600, until=until, pool=(key,)),))
    assert len(counters) < 200
    assert timedelta(seconds=clock.now - NOON) > timedelta(days=2)

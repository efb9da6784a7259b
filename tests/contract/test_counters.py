"""Every counter backend against a naive model: all or nothing, never more than promised, refusals cost nothing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.counters import OpenCounters, UnknownCounters, open_counters
from gateway.counters.memory import SECOND, MemoryCounters
from policies.traffic.limit_rate import Charge, Standing

_unique = itertools.count(1)
HOUR = 3600


@pytest.fixture(params=["memory", "redis"])
def counters_url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))


def run(url: str, body: Callable[[OpenCounters], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        counters = open_counters(url)
        try:
            await body(counters)
        finally:
            await counters.close()

    asyncio.run(main())


async def settled(outcome: Standing | Awaitable[Standing]) -> Standing:
    return await outcome if isawaitable(outcome) else outcome


def fresh(name: str = "limit") -> str:
    return f"{{test {time.time_ns()} {next(_unique)}}}:{name}"


# -- time standing still: a long window, so nothing comes back while the test runs ------------------------------------

charge_sets = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([None, 1, 2, 5])), min_size=1, max_size=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits=charge_sets, takes=st.lists(st.sets(st.integers(0, 2), min_size=1), min_size=1, max_size=25))
def test_takes_are_all_or_nothing(
    counters_url: str, limits: list[tuple[int, int | None]], takes: list[set[int]]
) -> None:
    keys = [fresh(str(index)) for index in range(len(limits))]
    charges = [Charge(key, "n", requests, HOUR, burst) for key, (requests, burst) in zip(keys, limits, strict=True)]
    most = [requests if burst is None else burst for requests, burst in limits]

    async def body(counters: OpenCounters) -> None:
        used = [0] * len(limits)
        for chosen in takes:
            wanted = [index for index in sorted(chosen) if index < len(limits)]
            if not wanted:
                continue
            standing = await settled(counters.take(tuple(charges[index] for index in wanted)))
            admitted = all(used[index] < most[index] for index in wanted)
            assert (standing.retry_after is None) is admitted
            for index in wanted:
                used[index] += admitted
            assert [level.remaining for level in standing.levels] == [most[i] - used[i] for i in wanted]
            assert [level.charge for level in standing.levels] == [charges[i] for i in wanted]

    run(counters_url, body)


@pytest.mark.parametrize("burst", [None, 100])
def test_exactly_n_of_more_concurrent_takes_pass(counters_url: str, burst: int | None) -> None:
    charges = (Charge(fresh(), "n", 100, HOUR, burst), Charge(fresh(), "wide", 1000, HOUR, None))

    async def body(counters: OpenCounters) -> None:
        outcomes = await asyncio.gather(*(settled(counters.take(charges)) for _ in range(237)))
        assert sum(outcome.retry_after is None for outcome in outcomes) == 100
        last = await settled(counters.take(charges[1:]))
        assert last.levels[0].remaining == 1000 - 101

    run(counters_url, body)


def test_a_refusal_says_when_to_come_back(counters_url: str) -> None:
    strict = (Charge(fresh(), "n", 1, 64, None),)
    rate = (Charge(fresh(), "n", 2, 10, 1),)

    async def body(counters: OpenCounters) -> None:
        for charges, soonest, latest in ((strict, 63, 64), (rate, 5, 5)):
            assert (await settled(counters.take(charges))).retry_after is None
            refused = await settled(counters.take(charges))
            assert refused.retry_after is not None
            assert soonest <= refused.retry_after <= latest
            assert refused.levels[0].remaining == 0
            assert refused.levels[0].reset == refused.retry_after

    run(counters_url, body)


@pytest.mark.parametrize("burst", [None, 3])
def test_a_limit_of_nothing_refuses(counters_url: str, burst: int | None) -> None:
    async def body(counters: OpenCounters) -> None:
        standing = await settled(counters.take((Charge(fresh(), "n", 0, 30, burst),)))
        assert standing.retry_after == 30
        assert standing.levels[0].remaining == 0

    run(counters_url, body)


# -- time passing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requests", [7])
def test_no_window_sees_more_than_the_limit(counters_url: str, requests: int) -> None:
    """Hammered for several windows of real time; the clocks of client and server are only compared with themselves."""
    charges = (Charge(fresh(), "n", requests, 1, None),)
    admitted: list[tuple[float, float]] = []

    async def body(counters: OpenCounters) -> None:
        until = time.monotonic() + 2.3
        while (began := time.monotonic()) < until:
            standing = await settled(counters.take(charges))
            if standing.retry_after is None:
                admitted.append((began, time.monotonic()))
            await asyncio.sleep(0.002)

    run(counters_url, body)
    assert len(admitted) >= 2 * requests
    for first, next_one in zip(admitted, admitted[requests:], strict=False):
        assert next_one[1] - first[0] >= 1.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


steps = st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=120)


@settings(max_examples=200, deadline=None)
@given(requests=st.integers(1, 9), window=st.integers(1, 7), waits=steps)
def test_a_strict_window_is_exact_but_for_one_slice(requests: int, window: int, waits: list[int]) -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    charges = (Charge("k", "n", requests, window),)
    admitted: list[int] = []
    for wait in waits:
        clock.now += wait
        passed = counters.take(charges).retry_after is None
        in_window = sum(clock.now - at < window * SECOND for at in admitted)
        in_longer = sum(clock.now - at < window * SECOND * 66 / 64 for at in admitted)
        if passed:
            assert in_window < requests
            admitted.append(clock.now)
        else:
            assert in_longer >= requests


@settings(max_examples=200, deadline=None)
@given(requests=st.integers(1, 9), window=st.integers(1, 7), waits=steps)
def test_nobody_is_told_to_wait_longer_than_a_window(requests: int, window: int, waits: list[int]) -> None:
    """``RateLimit: "n";r=0;t=11`` beside ``q=100;w=10`` would contradict itself."""
    clock = Clock()
    counters = MemoryCounters(clock)
    charges = (Charge("k", "n", requests, window),)
    for wait in waits:
        clock.now += wait
        standing = counters.take(charges)
        assert 0 < standing.levels[0].reset <= window
        assert standing.retry_after in (None, standing.levels[0].reset)


@settings(max_examples=200, deadline=None)
@given(requests=st.integers(1, 9), window=st.integers(1, 7), burst=st.integers(1, 6), waits=steps)
def test_a_rate_admits_what_a_token_bucket_would(requests: int, window: int, burst: int, waits: list[int]) -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    charges = (Charge("k", "n", requests, window, burst),)
    interval = -(-window * SECOND // requests)
    tokens, filled = burst * interval, clock.now
    for wait in waits:
        clock.now += wait
        tokens, filled = min(burst * interval, tokens + clock.now - filled), clock.now
        standing = counters.take(charges)
        assert (standing.retry_after is None) is (tokens >= interval)
        if tokens >= interval:
            tokens -= interval
        assert standing.levels[0].remaining == tokens // interval


@settings(max_examples=200, deadline=None)
@given(
    burst=st.sampled_from([None, 1, 4]),
    requests=st.integers(1, 5),
    window=st.integers(1, 5),
    waits=steps,
    knocks=st.integers(0, 20),
)
def test_waiting_as_told_is_always_enough(
    burst: int | None, requests: int, window: int, waits: list[int], knocks: int
) -> None:
    """Also after knocking in vain: refused calls do not extend the ban."""
    clock = Clock()
    counters = MemoryCounters(clock)
    charges = (Charge("k", "n", requests, window, burst), Charge("other", "n", 3, 2))
    for wait in waits:
        clock.now += wait
        told = counters.take(charges).retry_after
        if told is not None:
            for knock in range(knocks):
                clock.now += told * SECOND // (knocks + 1)
                assert knock < knocks
                if counters.take(charges).retry_after is None:
                    break
            else:
                clock.now += told * SECOND - knocks * (told * SECOND // (knocks + 1))
                assert counters.take(charges).retry_after is None


def test_memory_follows_use() -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    for number in range(5_000):
        clock.now += SECOND // 100
        counters.take((Charge(f"peer {number}", "n", 5, 1), Charge(f"peer {number} rate", "n", 5, 1, 5)))
    assert len(counters) < 1_000


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(UnknownCounters, match="memcached"):
        open_counters("memcached://somewhere")

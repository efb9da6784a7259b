"""Limits that are called so often that they are leased from Redis: as strict as those that are counted call by call."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Coroutine
from inspect import isawaitable
from typing import Any

import pytest
import redis

from gateway.counters.pace import TICK_SECONDS
from gateway.counters.redis import SCRIPT, RedisCounters
from policies.traffic.limit_rate import Charge, Standing

WORKERS = 3


def run(url: str, body: Callable[[list[RedisCounters]], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        workers = [RedisCounters(url) for _ in range(WORKERS)]
        try:
            await body(workers)
        finally:
            for worker in workers:
                await worker.close()

    asyncio.run(main())


async def settled(outcome: Any) -> Standing:
    return await outcome if isawaitable(outcome) else outcome


def key() -> str:
    return f"{{leased {time.time_ns()}}}"


async def hammer(
    workers: list[RedisCounters], charges: tuple[Charge, ...], seconds: float
) -> tuple[list[tuple[float, float]], int]:
    """Every admitted call with its beginning and end, and how many waited for nothing."""
    admitted: list[tuple[float, float]] = []
    leased = 0

    async def call(worker: RedisCounters, until: float) -> None:
        nonlocal leased
        while (began := time.monotonic()) < until:
            outcome = worker.take(charges)
            leased += not isawaitable(outcome)
            if (await settled(outcome)).retry_after is None:
                admitted.append((began, time.monotonic()))
            await asyncio.sleep(0.001)

    until = time.monotonic() + seconds
    await asyncio.gather(*(call(worker, until) for worker in workers for _ in range(4)))
    return sorted(admitted), leased


def most_within(admitted: list[tuple[float, float]], seconds: float) -> int:
    """The most calls that lie whole in a window."""
    ends = sorted(end for _, end in admitted)
    begins = [began for began, _ in admitted]
    return max(bisect_left(ends, first + seconds) - bisect_left(begins, first) for first in begins)


def test_no_window_sees_more_than_a_leased_limit(redis_url: str) -> None:
    async def body(workers: list[RedisCounters]) -> None:
        charges = (Charge(key(), "n", 400, 1),)
        admitted, leased = await hammer(workers, charges, 3.2)
        assert leased > 0, "it was leased at all"
        assert most_within(admitted, 1.0) <= 400
        # refilled after every window, whatever leases delayed
        assert len(admitted) >= 800

    run(redis_url, body)


def test_no_window_sees_more_than_a_leased_rate_and_its_burst(redis_url: str) -> None:
    async def body(workers: list[RedisCounters]) -> None:
        charges = (Charge(key(), "n", 500, 1, burst=3000),)
        admitted, leased = await hammer(workers, charges, 2.5)
        assert leased > 0, "it was leased at all"
        assert most_within(admitted, 1.0) <= 3000 + 500
        assert most_within(admitted, 0.2) <= 3000 + 100
        assert len(admitted) >= 3000

    run(redis_url, body)


@pytest.mark.parametrize("weight", [1, 3])
def test_what_a_lease_did_not_use_goes_back(redis_url: str, weight: int) -> None:
    """To windows, rates and quotas alike; a rate meanwhile fills by itself, so its units are counted in time."""

    async def body(workers: list[RedisCounters]) -> None:
        name, until = key(), int(time.time()) + 9999
        quota = Charge(name + "q", "q", 90_000, 86_400, weight=weight, until=until, pool=(name + "q",))
        strict = Charge(name + "s", "s", 90_000, 3600, weight=weight)
        rate = Charge(name + "r", "r", 3600, 3600, burst=90_000, weight=weight)
        charges = (strict, rate, quota)
        worker, other = workers[:2]
        calls = leased = 0
        until_ = time.monotonic() + 3 * TICK_SECONDS
        while time.monotonic() < until_:
            outcome = worker.take(charges)
            leased += not isawaitable(outcome)
            standing = await settled(outcome)
            calls += 1
            assert [level.remaining for level in standing.levels][::2] == [90_000 - calls * weight] * 2
            await asyncio.sleep(0.002)
        assert leased > 0
        await asyncio.sleep(3 * TICK_SECONDS)
        told = [level.remaining for level in (await settled(other.take(charges))).levels]
        assert told[0] == told[2] == 90_000 - (calls + 1) * weight
        # a unit a second came back by itself
        assert 0 <= told[1] - (90_000 - (calls + 1) * weight) <= 4

    run(redis_url, body)


def test_what_is_scarce_is_counted_call_by_call(redis_url: str) -> None:
    async def body(workers: list[RedisCounters]) -> None:
        admitted, leased = await hammer(workers, (Charge(key(), "n", 30, 3600),), 1.0)
        assert (len(admitted), leased) == (30, 0)

    run(redis_url, body)


def test_a_leased_quota_is_used_up_exactly(redis_url: str) -> None:
    async def body(workers: list[RedisCounters]) -> None:
        name = key()
        charges = (Charge(name, "q", 6000, 86_400, weight=2, until=int(time.time()) + 9999, pool=(name,)),)
        admitted, leased = await hammer(workers, charges, 1.0)
        assert leased > 0
        calls, until = len(admitted), time.monotonic() + 15
        while calls < 3000 and time.monotonic() < until:  # what leases did not use comes back
            calls += len((await hammer(workers, charges, 0.5))[0])
        assert calls == 3000
        assert len((await hammer(workers, charges, 0.2))[0]) == 0

    run(redis_url, body)


def test_who_does_not_call_any_more_is_forgotten(redis_url: str) -> None:
    async def body(workers: list[RedisCounters]) -> None:
        worker = workers[0]
        for number in range(50):  # peers without credentials: each has a tuple of its own
            await settled(worker.take((Charge(f"{key()}{number}", "n", 5, 60),)))
        assert len(worker._paces) > 0
        await asyncio.sleep(3 * TICK_SECONDS)
        assert len(worker._paces) == 0
        assert worker._ticking is None

    run(redis_url, body)


def test_leased_units_count_as_used_at_the_end_of_their_lease(redis_url: str) -> None:
    """Whenever they are used until then, no window of the promised length sees more."""
    with redis.Redis.from_url(redis_url) as server:
        take = server.register_script(SCRIPT)
        lease = 500_000

        def taken(name: str, calls: int, burst: int, kind: int) -> list[int]:
            return [int(n) for n in take([name], [calls, lease, 200, 1, burst, kind, 1, 0, 1])]  # type: ignore[union-attr]

        strict, rate = key(), key()
        began = time.monotonic()
        assert taken(strict, 500, 0, 1)[:3] == [0, 12, 188], "a sixteenth of what is left"
        assert taken(strict, 1, 0, 1)[:3] == [0, 1, 187], "what is exact in the same slice does not shorten it"
        assert taken(rate, 500, 1000, 0)[1] == (1000 - 100) // 16  # half a second of it is refilled meanwhile
        arrival = int(server.get(rate) or 0)  # type: ignore[arg-type]
        seconds, micro = server.time()  # type: ignore[misc]
        ahead = arrival - (seconds * 1_000_000 + micro)
        assert lease + 40 * 5000 < ahead <= lease + 62 * 5000
        time.sleep(1.02)
        # the second one may have come into the next slice, and be over
        assert taken(strict, 1, 0, 1)[2] in (200 - 12 - 1 - 1, 200 - 12 - 1) or time.monotonic() - began > 1.5

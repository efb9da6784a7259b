"""Quotas in a file that workers share: never more than there is, whoever dies, and little lost."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Coroutine
from inspect import isawaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.counters import ledger as module
from gateway.counters.durable import DurableCounters
from gateway.counters.ledger import FILE, KEPT_SECONDS, Ask, Ledger
from policies.traffic.limit_rate import Charge, CountersLost, Standing

NOW = 1_750_000_000
SECOND = 1_000_000_000


class Time:
    """Both clocks."""

    def __init__(self) -> None:
        self.wall = float(NOW)
        self.monotonic = 0

    def pass_(self, seconds: float) -> None:
        self.monotonic += max(int(seconds * SECOND), 2 * SECOND)  # a wall clock may be set, this one only goes on
        self.wall += seconds


def quota(
    requests: int, weight: int = 1, *, key: str = "{app}:day:1:a", until: int = NOW + 3600, **more: Any
) -> Charge:
    return Charge(key, "n", requests, 86_400, weight=weight, until=until, pool=more.pop("pool", (key,)), **more)


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(body())


def opened(directory: Path, time: Time | None = None) -> DurableCounters:
    time = time or Time()
    return DurableCounters(directory, lambda: time.monotonic, lambda: time.wall)


async def take(counters: DurableCounters, *charges: Charge) -> Standing:
    outcome = counters.take(charges)
    return await outcome if isawaitable(outcome) else outcome


async def admitted(counters: DurableCounters, *charges: Charge) -> bool:
    return (await take(counters, *charges)).retry_after is None


def written(directory: Path) -> dict[str, int]:
    with sqlite3.connect(directory / FILE) as database:
        return dict(database.execute("SELECT key, used FROM quotas"))


def die(counters: DurableCounters) -> None:
    """Without giving anything back: what a killed worker leaves is only the file."""
    counters._ledger._thread.shutdown() if counters._ledger._thread else None


def test_what_was_used_outlives_the_gateway(tmp_path: Path) -> None:
    async def body() -> None:
        for day in range(3):
            counters = opened(tmp_path)
            for nth in range(10):
                assert (await take(counters, quota(100))).levels[0].remaining == 100 - 10 * day - nth - 1
            await counters.close()
            assert written(tmp_path) == {"{app}:day:1:a": 10 * (day + 1)}, "unused leases were given back"

    run(body)


def test_the_file_is_for_its_owner_alone_and_only_where_a_quota_is(tmp_path: Path) -> None:
    async def body() -> None:
        counters = opened(tmp_path / "state")
        assert await admitted(counters, Charge("k", "n", 5, 60), Charge("r", "n", 5, 60, 5))
        assert not (tmp_path / "state").exists()
        assert await admitted(counters, quota(5))
        assert stat.S_IMODE((tmp_path / "state" / FILE).stat().st_mode) == 0o600
        await counters.close()

    run(body)


def test_a_lease_is_used_without_waiting(tmp_path: Path) -> None:
    async def body() -> None:
        counters = opened(tmp_path)
        waits = 0
        for _ in range(5000):
            outcome = counters.take((quota(1_000_000),))
            if isawaitable(outcome):
                waits += 1
                await outcome
            await asyncio.sleep(0)
        assert waits < 100
        await counters.close()
        assert written(tmp_path) == {"{app}:day:1:a": 5000}

    run(body)


def test_a_call_that_something_else_refuses_asks_nothing_of_the_disk(tmp_path: Path) -> None:
    async def body() -> None:
        counters = opened(tmp_path)
        assert await admitted(counters, Charge("k", "n", 1, 60))
        for _ in range(50):
            outcome = counters.take((Charge("k", "n", 1, 60), quota(50)))
            assert isinstance(outcome, Standing)
            assert outcome.retry_after is not None
        assert not (tmp_path / FILE).exists()
        await counters.close()

    run(body)


def test_a_quota_found_empty_is_asked_for_once_a_second(tmp_path: Path) -> None:
    async def body() -> None:
        time = Time()
        counters, other = opened(tmp_path, time), opened(tmp_path, time)
        assert await admitted(counters, quota(2, 2))
        assert not await admitted(other, quota(2))
        outcomes = [other.take((quota(2),)) for _ in range(100)]
        assert all(isinstance(outcome, Standing) for outcome in outcomes)
        assert not await admitted(other, quota(2))
        time.monotonic += SECOND
        again = other.take((quota(2),))
        assert isawaitable(again)
        assert (await again).retry_after == 3600
        for one in (counters, other):
            await one.close()

    run(body)


def test_idle_workers_give_back_what_they_hold(tmp_path: Path) -> None:
    async def body() -> None:
        time = Time()
        idle, busy = opened(tmp_path, time), opened(tmp_path, time)
        assert await admitted(idle, quota(2000))
        await asyncio.sleep(0)
        taken = 1
        while await admitted(busy, quota(2000)):
            taken += 1
        assert taken < 2000, "the idle one holds some in advance"
        idle.settle()  # it was used since the last time
        idle.settle()
        await idle._ledger.close()
        time.monotonic += SECOND
        while await admitted(busy, quota(2000)):
            taken += 1
        assert taken == 2000
        await busy.close()
        assert written(tmp_path) == {"{app}:day:1:a": 2000}

    run(body)


def test_callers_that_are_late_to_ask_find_what_others_left(tmp_path: Path) -> None:
    """A lease that was filled between the question and the asking is not taken for units to give back."""

    async def body() -> None:
        counters = opened(tmp_path)
        late = [counters.take((quota(2000, 2),)) for _ in range(3)]
        for outcome in late:
            assert isawaitable(outcome)
            assert (await outcome).retry_after is None
            await counters._ledger.idle()
            leased = sum(lease.left for lease in counters._memory.leases.values())
            assert sum(written(tmp_path).values()) == 2 * (late.index(outcome) + 1) + leased
        await counters.close()
        assert written(tmp_path) == {"{app}:day:1:a": 6}

    run(body)


def test_a_caller_that_leaves_takes_no_units_along(tmp_path: Path) -> None:
    async def body() -> None:
        counters = opened(tmp_path)
        for _ in range(20):
            outcome = counters.take((quota(10),))
            if isawaitable(outcome):
                task = asyncio.ensure_future(outcome)
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
        counters.settle()
        await counters.close()
        assert sum(written(tmp_path).values()) == 0

    run(body)


@pytest.mark.parametrize("smaller", [{"requests": 60}, {"pool": ("{app}:day:1:a", "{app}:day:1:b")}])
def test_a_smaller_plan_holds_from_its_first_call(tmp_path: Path, smaller: dict[str, Any]) -> None:
    """Also for what was leased by the terms of the larger one."""

    async def body() -> None:
        counters = opened(tmp_path)
        for _ in range(60):
            assert await admitted(counters, quota(5000))
        for _ in range(4960):
            assert await admitted(counters, quota(5000, key="{app}:day:1:b"))
        changed = quota(**({"requests": 5000} | smaller))
        assert not await admitted(counters, changed)
        assert await admitted(counters, quota(100))
        await counters.close()
        assert written(tmp_path)["{app}:day:1:a"] == 61

    run(body)


def test_old_periods_are_forgotten_after_a_while(tmp_path: Path) -> None:
    async def body() -> None:
        time = Time()
        counters = opened(tmp_path, time)
        assert await admitted(counters, quota(5, key="old"))
        time.pass_(3600 + KEPT_SECONDS)
        assert await admitted(counters, quota(5, key="new", until=int(time.wall) + 60))
        assert set(written(tmp_path)) == {"old", "new"}, "a clock may be set back into it"
        time.pass_(3601)
        assert await admitted(counters, quota(5, key="newer", until=int(time.wall) + 60))
        assert set(written(tmp_path)) == {"new", "newer"}
        time.pass_(60)
        counters.settle()
        counters.settle()
        counters.settle()
        assert counters._memory.leases == {}
        await counters.close()

    run(body)


# -- the disk ---------------------------------------------------------------------------------------------------------


def test_a_disk_that_cannot_be_written_is_lost_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)

    async def body() -> None:
        (tmp_path / FILE).mkdir()
        counters = opened(tmp_path)
        with pytest.raises(CountersLost):
            await take(counters, quota(5))
        assert counters.lost
        assert await admitted(counters, Charge("k", "n", 5, 60)), "windows go on"
        alone = [counters.local.take((quota(5, 2),)).retry_after for _ in range(3)]
        assert alone == [None, None, 3600], "the plan may have this process count alone"
        (tmp_path / FILE).rmdir()
        assert (await take(counters, quota(5))).levels[0].remaining == 4
        assert not counters.lost
        await counters.close()

    run(body)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / FILE).write_text("not ours, or damaged: never given a second quota for that" * 99)
        counters = opened(tmp_path)
        for _ in range(3):
            with pytest.raises(CountersLost):
                await take(counters, quota(5))
        await counters.close()
        assert (tmp_path / FILE).read_text().startswith("not ours")

    run(body)


def test_nobody_waits_for_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 60)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)

    async def body() -> None:
        counters, other = opened(tmp_path), opened(tmp_path)
        assert await admitted(counters, quota(100, 100))
        holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
        began = asyncio.get_running_loop().time()
        outcomes = await asyncio.gather(*(take(other, quota(200)) for _ in range(20)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {CountersLost}
        with pytest.raises(CountersLost):
            await take(other, quota(200, 100))  # at once
        assert asyncio.get_running_loop().time() - began < 5, "for patience, and not for as long as the disk hangs"
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 10)
        holder.execute("ROLLBACK")
        holder.close()
        while True:  # until what hung has ended
            try:
                assert await admitted(other, quota(200, 100))
                break
            except CountersLost:
                await asyncio.sleep(0.01)
        for one in (counters, other):
            await one.close()
        assert written(tmp_path) == {"{app}:day:1:a": 200}, "what came too late for its caller went back"

    run(body)


def test_a_lease_on_its_way_when_the_plan_shrinks_is_no_lease(tmp_path: Path) -> None:
    async def body() -> None:
        time = Time()
        counters = opened(tmp_path, time)
        used = 0
        while not (lease := counters._memory.leases.get("{app}:day:1:a")) or not lease.asked:
            used += await admitted(counters, quota(64_000))
        outcome = counters.take((quota(used + 5),))  # the file has not answered yet
        used += (await outcome if isawaitable(outcome) else outcome).retry_after is None
        smaller = used + 4
        for _ in range(30):
            time.monotonic += 2 * SECOND
            used += await admitted(counters, quota(smaller))
        assert used == smaller
        await counters.close()

    run(body)


def test_the_ledger_gives_all_that_is_needed_or_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger(tmp_path, lambda: NOW)

        async def ask(**how: int) -> tuple[int, int]:
            return tuple(await ledger.ask(Ask("k", ("k",), 100, NOW + 9, **how)))  # type: ignore[return-value]

        assert await ask(needed=1, ahead=16) == (1, 99), "a 64th of what is left is less than one"
        assert await ask(needed=50) == (50, 49)
        assert await ask(needed=50) == (0, 49)
        assert await ask(needed=49) == (49, 0)
        assert await ask(needed=1) == (0, 0)
        assert await ask(ahead=16) == (0, 0)
        assert await ask(back=30) == (-30, 30)
        await ledger.close()

    run(body)


# -- a model: three workers that die, clocks that are set, plans that change ------------------------------------------

events = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("call"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("burst"), st.integers(0, 2), st.integers(1, 30)),
    st.tuples(st.just("crowd"), st.integers(0, 2), st.integers(1, 30)),
    st.tuples(st.just("die"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("settle"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("clock"), st.sampled_from([-3600, -60, 60, 3600]), st.just(0)),
    st.tuples(st.just("plan"), st.sampled_from([5, 40, 300, 2000]), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([5, 40, 300, 2000]), st.lists(events, max_size=30))
def test_workers_together_never_exceed_a_quota(most: int, made: list[tuple[str, int, int]]) -> None:
    async def body(directory: Path) -> None:
        time = Time()
        workers = [opened(directory, time) for _ in range(3)]
        used: Counter[str] = Counter()
        gone: Counter[str] = Counter()
        requests = most

        async def call(worker: DurableCounters, weight: int) -> None:
            since = int(time.wall) // 3600 * 3600
            charge = quota(requests, weight, key=f"hour {since}", until=since + 3600)
            time.monotonic += 2 * SECOND
            if await admitted(worker, charge):
                used[charge.key] += weight
                assert used[charge.key] <= requests
                return
            held = sum(one._memory.leases[charge.key].left for one in workers if charge.key in one._memory.leases)
            assert used[charge.key] + gone[charge.key] + held + weight > requests, "refused without need"

        async def crowd(callers: int) -> None:
            """At all workers at once, with weights of one to three."""
            since = int(time.wall) // 3600 * 3600
            charges = [quota(requests, n % 3 + 1, key=f"hour {since}", until=since + 3600) for n in range(callers)]
            passed = await asyncio.gather(*(admitted(workers[n % 3], charge) for n, charge in enumerate(charges)))
            for charge, passes in zip(charges, passed, strict=True):
                used[charge.key] += charge.weight * passes
            assert used[f"hour {since}"] <= requests or not any(passed)

        for event, which, amount in made:
            if event == "call":
                await call(workers[which], amount)
            elif event == "burst":
                for _ in range(amount):
                    await call(workers[which], 1)
            elif event == "crowd":
                await crowd(amount)
            elif event == "die":
                await workers[which]._ledger.idle()
                for key, lease in workers[which]._memory.leases.items():
                    gone[key] += lease.left
                die(workers[which])
                workers[which] = opened(directory, time)
            elif event == "settle":
                workers[which].settle()
                await workers[which]._ledger.idle()
            elif event == "clock":
                time.pass_(which)
            else:
                requests = which
        for worker in workers:
            await worker.close()
        if used:
            assert {key: units for key, units in written(directory).items() if units} == dict(used + gone)

    with TemporaryDirectory() as place:
        asyncio.run(body(Path(place)))

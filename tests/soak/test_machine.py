"""The machine runs out: disk, descriptors, whoever reads the log."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.soak import scene
from tests.soak.load import PAUSE, Load, statuses
from tests.soak.rig import Counting, Gateway, around, running, soak, until


@soak
async def test_a_limit_of_256_descriptors(tmp_path: Path) -> None:
    """Clients are turned away before upstreams, snapshots and the operator's door are short of descriptors."""
    async with around() as (steady, feed), Counting() as one, Counting() as two:
        feed.publish(scene.snapshot(2, {"steady": steady.url, "one": one.url, "two": two.url}))
        gateway = Gateway(tmp_path / "state", feed.url, files=256)
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            crowd = []
            for _ in range(400):
                try:
                    crowd.append(await asyncio.open_connection("127.0.0.1", gateway.port))
                except OSError:
                    continue
            await asyncio.sleep(1)
            assert await gateway.metric("weighbridge_connections_turned_away_total") > 200
            feed.publish(scene.snapshot(3, {"steady": steady.url, "one": one.url, "two": two.url}))
            await until(lambda: gateway.serves(3))
            for _, writer in crowd:
                writer.close()
            await asyncio.sleep(0.5)
            for contract in ("one", "two", "one"):  # each fills a pool: idle connections make room for needed ones
                seen = await statuses(gateway.port, f"/{contract}/v1/items/1", 600, at_once=70)
                assert seen == {200: 600}
            assert await gateway.metric("weighbridge_upstream_failures_total") == 0
            await load.stop()
            turned_away = int(await gateway.metric("weighbridge_connections_turned_away_total"))
            load.clean("23 descriptors", growth=False, turned_away=turned_away)


@soak
async def test_a_log_that_nobody_reads(tmp_path: Path) -> None:
    """Standard output is a pipe whose reader has stopped: records are dropped and counted."""
    async with around() as (_, feed):
        reading, writing = os.pipe()
        try:
            gateway = Gateway(tmp_path / "state", feed.url, workers=2, more={"ACCESS_LOG": "-"}, stdout=writing)
            async with running(gateway), Load(gateway) as load:
                await load.calm()
                dropped = 0.0
                load.pause = 0.002  # until more lines wait than may
                for _ in range(120):
                    await asyncio.sleep(0.5)
                    dropped = await gateway.metric("weighbridge_log_lines_dropped_total")
                    if dropped:
                        break
                assert dropped
                load.pause = PAUSE
                await load.stop()
                load.clean("23 log not read", lines_dropped=int(dropped))
                gateway.signal(signal.SIGTERM)
                assert await gateway.ended(8) == 0
        finally:
            os.close(reading)
            os.close(writing)


@soak
async def test_a_full_disk(tmp_path: Path) -> None:
    """State and access log on a disk that fills up, and is emptied again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.fail("needs the right to mount a small disk: run as root")
    try:
        async with around() as (steady, feed):
            gateway = Gateway(disk / "state", feed.url)
            async with running(gateway), Load(gateway) as load:
                await load.calm()
                kept = (disk / "state" / "snapshot.json").read_bytes()
                try:
                    with (disk / "filler").open("wb") as filler:
                        while True:
                            filler.write(b"x" * 4096)
                            filler.flush()
                except OSError:
                    pass
                feed.publish(scene.snapshot(2, {"steady": steady.url}))
                await until(lambda: gateway.serves(2))
                await asyncio.sleep(1)
                assert (disk / "state" / "snapshot.json").read_bytes() == kept  # whole, if old
                dropped = await gateway.metric("weighbridge_log_lines_dropped_total")
                assert dropped
                (disk / "filler").unlink()
                feed.publish(scene.snapshot(3, {"steady": steady.url}))
                await until(lambda: (disk / "state" / "snapshot.json").read_bytes() == feed.data)
                await asyncio.sleep(1)
                lines = (disk / "state" / "access.log").read_bytes().splitlines()
                torn = [line for line in lines if not (line.startswith(b"{") and line.endswith(b"}"))]
                assert len(torn) <= 1  # what the disk cut off, on a line of its own
                await load.stop()
                load.clean("23 disk full", lines_dropped=int(dropped))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
        shutil.rmtree(disk, ignore_errors=True)

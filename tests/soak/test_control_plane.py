"""Registry, snapshots and disk fail; the gateway serves what it has."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

from policies.model.snapshot import digest_of, unseal
from tests.soak import scene
from tests.soak.load import Client, Load, statuses
from tests.soak.rig import Counting, Gateway, around, measured, running, soak, until


@soak
async def test_a_gateway_that_starts_alone_serves_from_its_disk_and_says_how_old_that_is(tmp_path: Path) -> None:
    async with around() as (_, feed):
        gateway = Gateway(tmp_path / "state", feed.url, more={"COUNTERS_URL": "redis://127.0.0.1:9/0"})
        async with running(gateway):
            assert (await statuses(gateway.port, "/steady/v1/items/1", 20)) == {200: 20}
        await feed.stop()
        hour_ago = time.time() - 3600
        os.utime(tmp_path / "state/snapshot.json", (hour_ago, hour_ago))
        began = time.monotonic()
        async with running(gateway):
            took = time.monotonic() - began
            assert (await statuses(gateway.port, "/steady/v1/items/1", 20)) == {200: 20}
            told = (await gateway.readyz())[1]
            assert 3600 <= told["snapshot"]["age_seconds"] < 3700
            assert told["last_error"]
            assert await gateway.metric("weighbridge_snapshot_age_seconds") >= 3600
            assert took < 5
            await feed.start()
            back = await until(lambda: _age_below(gateway, 60))
            measured("2 start without registry and Redis", serves_after_s=round(took, 1), confirmed_s=round(back, 1))


async def _age_below(gateway: Gateway, seconds: float) -> bool:
    told = (await gateway.readyz())[1]
    return told["snapshot"]["age_seconds"] < seconds and told["last_error"] is None


@soak
async def test_without_any_snapshot_it_is_not_ready_and_recovers_by_itself(tmp_path: Path) -> None:
    async with around() as (_, feed):
        await feed.stop()
        gateway = Gateway(tmp_path / "state", feed.url, workers=2)
        gateway.start()
        try:
            await until(lambda: _answers(gateway, 503))
            assert (await gateway.readyz())[1]["reasons"] == ["no snapshot yet"]
            assert (await statuses(gateway.port, "/steady/v1/items/1", 5)) == {503: 5}
            await feed.start()
            took = await gateway.ready()
            assert (await statuses(gateway.port, "/steady/v1/items/1", 5)) == {200: 5}
            measured("2 start with nothing", ready_after_registry_s=round(took, 1))
            assert took < 5
        finally:
            await gateway.stop()


async def _answers(gateway: Gateway, status: int) -> bool:
    return (await gateway.readyz())[0] == status


@soak
async def test_damaged_copies_are_refused_and_the_generation_before_serves(tmp_path: Path) -> None:
    async with around() as (steady, feed):
        gateway = Gateway(tmp_path / "state", feed.url)
        async with running(gateway):
            feed.publish(scene.snapshot(2, {"steady": steady.url}))
            await until(lambda: gateway.serves(2))
            await until(lambda: (tmp_path / "state/snapshot.previous.json").exists())
        await feed.stop()
        current, previous = tmp_path / "state/snapshot.json", tmp_path / "state/snapshot.previous.json"
        assert [path.stat().st_mode & 0o077 for path in (current, previous)] == [0, 0]  # it holds key digests
        whole, before = current.read_bytes(), previous.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        damages = {
            "truncated": whole[: len(whole) // 2],
            "flipped": bytes(flipped),
            "newer": whole.replace(b'"format":1', b'"format":2'),
            "empty": b"",
        }
        for damage in damages.values():
            current.write_bytes(damage)
            previous.write_bytes(before)
            async with running(gateway):
                assert await gateway.revision() == 1
                assert await gateway.metric("weighbridge_snapshots_refused_total") == 1
                assert (await statuses(gateway.port, "/steady/v1/items/1", 5)) == {200: 5}
        # both are damaged and the registry is down: not ready, and well again with the registry
        current.write_bytes(damages["flipped"])
        previous.write_bytes(damages["truncated"])
        gateway.start()
        try:
            await until(lambda: _answers(gateway, 503))
            assert await gateway.metric("weighbridge_snapshots_refused_total") == 2
            await feed.start()
            took = await gateway.ready()
            assert await gateway.revision() == 2
            assert current.read_bytes() == whole
            measured("3 damaged copies", kinds=len(damages), both_damaged_ready_after_registry_s=round(took, 1))
        finally:
            await gateway.stop()


@soak
async def test_a_bad_snapshot_is_never_applied_in_part(tmp_path: Path) -> None:
    async with around() as (steady, feed):
        gateway = Gateway(tmp_path / "state", feed.url, workers=2)
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            kept = (tmp_path / "state/snapshot.json").read_bytes()
            good = scene.snapshot(9, {"steady": steady.url, "second": steady.url})
            orphan = resealed(good, b'"contract":"second"', b'"contract":"nobody"')
            no_document = resealed(good, b'"documents":{"', b'"documents":{"0')
            for bad in (good[:-20], orphan, good.replace(b"items:use", b"items:abc"), no_document, b"{}"):
                before = await gateway.metric("weighbridge_snapshots_refused_total")
                feed.publish(bad)
                await until(lambda before=before: _refused(gateway, before + 2))
                assert (await statuses(gateway.port, "/second/v1/items/1", 5)) == {404: 5}
                assert await gateway.revision() == 1
            assert (tmp_path / "state/snapshot.json").read_bytes() == kept
            feed.publish(good)
            await until(lambda: gateway.serves(9))
            assert (await statuses(gateway.port, "/second/v1/items/1", 5)) == {200: 5}
            await load.stop()
            load.clean("4 bad snapshots")


def resealed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Another content under a checksum that holds."""
    body = unseal(data)[0].replace(old, new)
    return b'{"format":1,"digest":"%b","snapshot":%b}' % (digest_of(body).encode(), body)


async def _refused(gateway: Gateway, times: float) -> bool:
    return await gateway.metric("weighbridge_snapshots_refused_total") >= times


@soak
async def test_a_thousand_changes_in_a_minute(tmp_path: Path) -> None:
    async with around() as (steady, feed):
        gateways = [Gateway(tmp_path / str(number), feed.url, workers=2) for number in range(2)]
        async with running(*gateways), Load(*gateways) as load:
            await load.calm()
            slowest, watched = 0.0, []
            began = time.monotonic()
            for revision in range(2, 1002):
                feed.publish(scene.snapshot(revision, {"steady": steady.url, f"extra{revision}": steady.url}))
                if revision % 50 == 0:  # asking costs; every fiftieth is watched on all workers
                    watched = [asyncio.create_task(until(lambda g=g, r=revision: g.serves(r))) for g in gateways]
                    slowest = max(slowest, *await asyncio.gather(*watched))
                await asyncio.sleep(max(0.0, began + (revision - 1) * 0.06 - time.monotonic()))
            took = time.monotonic() - began
            await load.stop()
            load.clean("8 1,000 snapshots", in_s=round(took), slowest_live_s=round(slowest, 2))
            assert slowest < 2
            assert took < 75


@soak
async def test_an_upstream_switched_under_keep_alive_gets_nothing_new(tmp_path: Path) -> None:
    async with around() as (steady, feed), Counting() as old, Counting() as new:
        gateway = Gateway(tmp_path / "state", feed.url, workers=2)
        feed.publish(scene.snapshot(2, {"steady": steady.url, "moving": old.url}))
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            callers = [Client(gateway.port) for _ in range(10)]
            for caller in callers:
                assert (await caller.ask("/moving/v1/items/1")).status == 200
            feed.publish(scene.snapshot(3, {"steady": steady.url, "moving": new.url}))
            await until(lambda: gateway.serves(3))
            before = old.calls.total()
            for caller in callers * 10:
                assert (await caller.ask("/moving/v1/items/2")).status == 200
                caller.close() if caller is callers[0] else None
            assert (old.calls.total(), new.calls.total()) == (before, 100)
            await load.stop()
            load.clean("9 upstream switched")


@soak
async def test_a_disk_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    async with around() as (steady, feed):
        gateway = Gateway(tmp_path / "state", feed.url, more={"ACCESS_LOG": ""})
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            shutil.rmtree(tmp_path / "state")
            (tmp_path / "state").write_text("not a folder")
            feed.publish(scene.snapshot(2, {"steady": steady.url}))
            await until(lambda: gateway.serves(2))
            await load.stop()
            load.clean("23 state folder gone")
            (tmp_path / "state").unlink()

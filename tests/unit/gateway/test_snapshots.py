"""Following a registry: fetched, verified, swapped, kept; whatever is not whole changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from pydantic import SecretStr

from gateway import snapshots as module
from gateway.pipeline import Table
from gateway.settings import Settings
from gateway.snapshots import CURRENT, PREVIOUS, Snapshots, keep
from policies.model.snapshot import Snapshot, SnapshotRefused, digest_of, dumps, loads
from tests.unit.gateway.snapshots_made import pipeline, snapshot
from tests.unit.policies.traffic.facts import NOW


class Registry:
    """The snapshot feed, as small as can be; `feed` is what it serves, `failing` a status to fail with."""

    def __init__(self, feed: bytes | None = None) -> None:
        self.feed = feed
        self.failing: int | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.changed = asyncio.Event()
        self.asked = asyncio.Event()
        self.url = ""
        self.tasks: set[asyncio.Task[None]] = set()

    def publish(self, feed: bytes) -> None:
        self.feed = feed
        self.changed.set()
        self.changed = asyncio.Event()

    @property
    def etag(self) -> str:
        return '"' + loads(self.feed)[1] + '"' if self.feed and self.feed.startswith(b"{") else '"broken"'

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                target = head[0].split()[1]
                self.requests.append((target, headers))
                self.asked.set()
                writer.write(await self._answer(target, headers))
                await writer.drain()

    async def _answer(self, target: str, headers: dict[str, str]) -> bytes:
        if self.failing is not None:
            return b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.failing
        if headers.get("if-none-match") == self.etag:
            if "wait=" in target:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await self.changed.wait()
            if headers["if-none-match"] == self.etag:
                return b"HTTP/1.1 304 Not Modified\r\nETag: %b\r\n\r\n" % self.etag.encode()
        assert self.feed is not None
        head = b"HTTP/1.1 200 OK\r\nETag: %b\r\nContent-Length: %d\r\n\r\n" % (self.etag.encode(), len(self.feed))
        return head + self.feed


class Sealed(Registry):
    """Says of what it serves what the envelope says, whatever became of the rest."""

    @property
    def etag(self) -> str:
        return '"' + json.loads(self.feed or b"{}")["digest"] + '"'


def feed(revision: int, **more: Any) -> bytes:
    return dumps(snapshot(revision=revision, **more))


def settings(state_dir: Path, url: str = "http://127.0.0.1:9") -> Settings:
    return Settings(registry_url=url, registry_key=SecretStr("wbo_key"), state_dir=state_dir)


class Following:
    """A follower with its swaps, to be waited for."""

    def __init__(self, state_dir: Path, url: str = "http://127.0.0.1:9") -> None:
        self.swaps: list[int] = []
        self._swapped = asyncio.Event()
        self.snapshots: Snapshots[Table] = Snapshots(
            settings(state_dir, url), pipeline(), self._on_swap, clock=lambda: NOW
        )

    def _on_swap(self, table: Table) -> None:
        assert self.snapshots.current is table
        self.swaps.append(table.revision)
        self._swapped.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Snapshots[Table]]:
        task = asyncio.create_task(self.snapshots.run())
        try:
            yield self.snapshots
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_RANGE", (0.01, 0.05))
    monkeypatch.setattr(module, "LEAST_PAUSE", 0.01)


def test_what_is_published_is_served_and_kept(tmp_path: Path) -> None:
    async def body() -> None:
        registry = Registry(feed(1))
        async with registry.serving():
            follower = Following(tmp_path / "new", registry.url)
            async with follower.running() as snapshots:
                await follower.until(lambda: follower.swaps == [1])
                target, headers = registry.requests[0]
                assert target == "/v1/snapshot"
                assert headers["authorization"] == "Bearer wbo_key"
                assert "if-none-match" not in headers
                registry.publish(feed(2))
                await follower.until(lambda: follower.swaps == [1, 2])
                target, headers = registry.requests[1]
                assert target == f"/v1/snapshot?wait={module.WAIT_SECONDS}"
                assert headers["if-none-match"] == '"' + loads(feed(1))[1] + '"'
                assert (snapshots.last_error, snapshots.age(NOW + 3)) == (None, 3)
                await follower.until(lambda: (tmp_path / "new" / PREVIOUS).exists())
        assert (tmp_path / "new" / CURRENT).read_bytes() == feed(2)
        assert (tmp_path / "new" / PREVIOUS).read_bytes() == feed(1)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (feed(2)[:-40], "not a snapshot"),
        (feed(2).replace(b'"desk"', b'"risk"'), "checksum"),
        (feed(2).replace(b'"format":1', b'"format":2'), "format 2"),
        (b"<html>", "not a snapshot"),
        (feed(2, documents={}), "contradicts itself"),
    ],
)
def test_a_snapshot_that_is_not_whole_changes_nothing(tmp_path: Path, bad: bytes, reason: str) -> None:
    class Blunt(Registry):
        """Serves bytes it could not have made itself."""

        @property
        def etag(self) -> str:
            return '"bad"' if self.feed == bad else super().etag

    async def body() -> None:
        registry = Blunt(feed(1))
        async with registry.serving():
            follower = Following(tmp_path, registry.url)
            async with follower.running() as snapshots:
                await follower.until(lambda: follower.swaps == [1] and (tmp_path / CURRENT).exists())
                registry.publish(bad)
                await follower.until(lambda: snapshots.refused > 0)
                assert snapshots.last_error is not None
                assert reason in snapshots.last_error
                assert snapshots.current is not None
                assert snapshots.current.revision == 1
                registry.publish(feed(3))
                await follower.until(lambda: follower.swaps == [1, 3])
                assert snapshots.last_error is None
                await follower.until(lambda: (tmp_path / PREVIOUS).exists())
        assert (tmp_path / PREVIOUS).read_bytes() == feed(1)

    asyncio.run(body())


def test_what_was_damaged_on_its_way_is_fetched_again(tmp_path: Path) -> None:
    """The tag says what was meant: believing it would leave the gateway behind until the next change."""
    damaged = feed(2).replace(b'"desk"', b'"risk"')

    async def body() -> None:
        registry = Sealed(feed(1))
        async with registry.serving():
            follower = Following(tmp_path, registry.url)
            async with follower.running() as snapshots:
                await follower.until(lambda: follower.swaps == [1])
                registry.publish(damaged)
                await follower.until(lambda: snapshots.refused > 0)
                registry.publish(feed(2))
                assert registry.etag == '"' + loads(feed(2))[1] + '"'
                await follower.until(lambda: follower.swaps == [1, 2])

    asyncio.run(body())


def test_what_is_whole_and_cannot_be_served_is_fetched_once(tmp_path: Path) -> None:
    async def body() -> None:
        registry = Sealed(feed(1))
        async with registry.serving():
            follower = Following(tmp_path, registry.url)
            async with follower.running() as snapshots:
                await follower.until(lambda: follower.swaps == [1])
                registry.publish(feed(2, documents={}))
                await follower.until(lambda: snapshots.refused > 0)
                await asyncio.sleep(0.2)
                assert snapshots.refused == 1

    asyncio.run(body())


def test_after_an_outage_the_first_question_is_not_held(tmp_path: Path) -> None:
    """Or the gateway would go on saying for as long as a poll lasts that it is out of touch."""

    async def body() -> None:
        registry = Registry(feed(1))
        async with registry.serving():
            follower = Following(tmp_path, registry.url)
            async with follower.running() as snapshots:
                await follower.until(lambda: follower.swaps == [1])
                registry.failing = 503
                registry.publish(feed(1))
                with structlog.testing.capture_logs() as logs:
                    await follower.until(lambda: snapshots.last_error is not None)
                    registry.failing = None
                    await follower.until(lambda: snapshots.last_error is None)
                assert [line["event"] for line in logs] == ["registry not followed", "registry followed again"]
        targets = [target for target, _ in registry.requests]
        assert targets[1] == f"/v1/snapshot?wait={module.WAIT_SECONDS}"
        assert "/v1/snapshot" in targets[2:]

    asyncio.run(body())


def test_without_a_key_none_is_sent_and_the_refusal_names_the_setting(tmp_path: Path) -> None:
    async def body() -> None:
        registry = Registry(feed(1))
        registry.failing = 401
        async with registry.serving():
            snapshots: Snapshots[Table] = Snapshots(
                Settings(registry_url=registry.url, state_dir=tmp_path), pipeline(), clock=lambda: NOW
            )
            task = asyncio.create_task(snapshots.run())
            async with asyncio.timeout(10):
                await registry.asked.wait()
                while snapshots.last_error is None:
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert "authorization" not in registry.requests[0][1]
        assert "WEIGHBRIDGE_GATEWAY_REGISTRY_KEY" in snapshots.last_error

    asyncio.run(body())


def test_a_registry_that_is_down_is_waited_for(tmp_path: Path) -> None:
    async def body() -> None:
        registry = Registry(feed(1))
        async with registry.serving():
            port = int(registry.url.rpartition(":")[2])
            registry.failing = 503
            follower = Following(tmp_path, registry.url)
            async with follower.running() as snapshots:
                await follower.until(lambda: len(registry.requests) > 3)
                assert snapshots.last_error == "RegistryRefused: the registry answered 503"
                assert (snapshots.current, snapshots.age(NOW)) == (None, None)
                registry.failing = None
                await follower.until(lambda: follower.swaps == [1])
        again = Registry(feed(2))
        follower = Following(tmp_path, f"http://127.0.0.1:{port}")
        async with follower.running() as snapshots:
            await follower.until(lambda: snapshots.last_error is not None)
            assert (snapshots.last_error or "").startswith("ConnectError")
            async with again.serving(port):
                await follower.until(lambda: follower.swaps == [2])
                assert snapshots.last_error is None

    asyncio.run(body())


def test_a_registry_that_says_so_may_go_back(tmp_path: Path) -> None:
    async def body() -> None:
        registry = Registry(feed(5))
        async with registry.serving():
            follower = Following(tmp_path, registry.url)
            async with follower.running():
                await follower.until(lambda: follower.swaps == [5])
                registry.publish(feed(4))
                await follower.until(lambda: follower.swaps == [5, 4])

    asyncio.run(body())


# -- from disk --------------------------------------------------------------------------------------------------------


def started(state_dir: Path) -> tuple[bool, Following]:
    async def body() -> tuple[bool, Following]:
        follower = Following(state_dir)
        return await follower.snapshots.start(), follower

    return asyncio.run(body())


def test_a_gateway_that_starts_alone_serves_from_disk(tmp_path: Path) -> None:
    keep(tmp_path, feed(3))
    minute_ago = time.time() - 60
    os.utime(tmp_path / CURRENT, (minute_ago, minute_ago))
    found, follower = started(tmp_path)
    assert found
    assert follower.swaps == [3]
    assert follower.snapshots.age(NOW + 30) == pytest.approx(90, abs=5)


def test_a_list_that_cannot_be_read_is_named() -> None:
    body = b'{"revision":1,"compiled_at":1,"applications":[{"id":7}]}'
    data = b'{"format":1,"digest":"%b","snapshot":%b}' % (digest_of(body).encode(), body)
    with pytest.raises(SnapshotRefused, match=r"one of its applications: .*\$\.id"):
        loads(data)


def test_the_collector_does_not_look_through_snapshots(tmp_path: Path) -> None:
    resting: list[bool] = []

    class Watched:
        def build(self, snapshot: Snapshot, digest: str) -> Table:
            resting.append(not gc.isenabled())
            return pipeline().build(snapshot, digest)

    builder: Any = Watched()
    try:
        keep(tmp_path, feed(3))
        assert asyncio.run(Snapshots(settings(tmp_path), builder).start())
        assert resting == [True]
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
        (tmp_path / CURRENT).write_bytes(b"{")
        assert not asyncio.run(Snapshots(settings(tmp_path), builder).start())
        assert gc.isenabled()
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("damage", [b"", b"{", feed(4)[:-1], feed(4).replace(b'"desk"', b'"dusk"')])
def test_a_damaged_copy_falls_back_to_the_one_before(tmp_path: Path, damage: bytes) -> None:
    keep(tmp_path, feed(3))
    keep(tmp_path, feed(4))
    (tmp_path / CURRENT).write_bytes(damage)
    found, follower = started(tmp_path)
    assert found
    assert follower.swaps == [3]
    assert follower.snapshots.refused == 1
    assert CURRENT in (follower.snapshots.last_error or "")


def test_a_damaged_copy_never_takes_the_place_of_the_good_one_before(tmp_path: Path) -> None:
    keep(tmp_path, feed(3))
    keep(tmp_path, feed(4))
    (tmp_path / CURRENT).write_bytes(feed(4)[:-1])
    keep(tmp_path, feed(5))
    assert (tmp_path / CURRENT).read_bytes() == feed(5)
    assert (tmp_path / PREVIOUS).read_bytes() == feed(3)


def test_only_the_gateways_own_user_reads_the_copies(tmp_path: Path) -> None:
    """They hold the digests of credentials, and who may call what."""
    before = os.umask(0)
    try:
        keep(tmp_path, feed(3))
        keep(tmp_path, feed(4))
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in (CURRENT, PREVIOUS)] == [0o600, 0o600]


def test_nothing_on_disk_is_nothing_served(tmp_path: Path) -> None:
    assert started(tmp_path / "none")[0] is False
    (tmp_path / CURRENT).write_bytes(b"garbage")
    found, follower = started(tmp_path)
    assert not found
    assert follower.snapshots.current is None


def test_the_same_snapshot_kept_twice_does_not_lose_the_one_before(tmp_path: Path) -> None:
    for data in (feed(1), feed(2), feed(2)):
        keep(tmp_path, data)
    assert (tmp_path / PREVIOUS).read_bytes() == feed(1)
    assert (tmp_path / CURRENT).read_bytes() == feed(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", CURRENT, PREVIOUS]


def test_a_disk_that_cannot_be_written_does_not_stop_serving(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")

    async def body() -> None:
        registry = Registry(feed(1))
        async with registry.serving():
            follower = Following(blocked, registry.url)
            async with follower.running() as snapshots:
                await follower.until(lambda: follower.swaps == [1])
                registry.publish(feed(2))
                await follower.until(lambda: follower.swaps == [1, 2])
                assert snapshots.last_error is None

    asyncio.run(body())


def test_a_swap_from_disk_is_confirmed_by_the_registry(tmp_path: Path) -> None:
    keep(tmp_path, feed(1))

    async def body() -> None:
        registry = Registry(feed(1))
        async with registry.serving():
            follower = Following(tmp_path, registry.url)
            assert await follower.snapshots.start()
            async with follower.running() as snapshots:
                await follower.until(lambda: snapshots.age(NOW) == 0)
        assert follower.swaps == [1]
        assert registry.requests[0][1]["if-none-match"] == '"' + loads(feed(1))[1] + '"'

    asyncio.run(body())


def test_nothing_is_kept_of_what_was_fetched_but_what_was_built(tmp_path: Path) -> None:
    """What is frozen with a snapshot stays for ever: the text it was built from must not be a part of that."""

    async def body() -> None:
        registry = Registry(feed(1))
        async with registry.serving():
            following = Following(tmp_path, registry.url)
            async with following.running():
                for revision in (2, 3, 4):
                    await following.until(lambda revision=revision: following.swaps[-1:] == [revision - 1])
                    registry.publish(feed(revision))
                await following.until(lambda: following.swaps[-1:] == [4])

    try:
        asyncio.run(body())
        gc.unfreeze()
        held = [entry for entry in gc.get_objects() if isinstance(entry, httpx.Response) and hasattr(entry, "_content")]
        assert [entry for entry in held if b'"snapshot"' in entry._content] == []
    finally:
        gc.unfreeze()

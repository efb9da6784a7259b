"""Snapshots: fetched by conditional GET and long poll, verified, built beside, swapped whole, kept on disk.

Owns what is current and the last good copies; must not know what a table does. Whatever arrives is refused unless its
checksum, its format, its references and every document in it hold; a refused snapshot changes nothing. The subtle
thing is the disk: the file is replaced by rename and the generation before is kept, so that a gateway that starts alone
always finds a whole one.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import httpx
import structlog

from gateway.settings import Settings
from policies.model.snapshot import Snapshot, SnapshotDamaged, SnapshotRefused, loads, unseal

WAIT_SECONDS = 10
"""How long the registry may hold a poll open when nothing changed."""
BACKOFF_RANGE = (0.1, 3.0)
LEAST_PAUSE = 0.5
"""Between two polls that told nothing new at once, should the registry not hold them."""
CURRENT = "snapshot.json"
PREVIOUS = "snapshot.previous.json"

_log = structlog.get_logger("gateway.snapshots")


class BuiltTable(Protocol):
    @property
    def revision(self) -> int: ...

    @property
    def digest(self) -> str: ...


class Runs(Protocol):
    async def run(self) -> None: ...


T = TypeVar("T", bound=BuiltTable)
T_co = TypeVar("T_co", bound=BuiltTable, covariant=True)


class Builder(Protocol[T_co]):
    """`gateway.pipeline.Pipeline`, as far as snapshots need it."""

    @property
    def keys(self) -> Runs: ...

    def build(self, snapshot: Snapshot, digest: str) -> T_co: ...


class Snapshots(Generic[T]):
    """Give it a loop: `start` loads the last good snapshot from disk, `run` follows the registry until cancelled.

    `on_swap` is called in the loop with every new table, after `current` was replaced.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Builder[T],
        on_swap: Callable[[T], None] = lambda table: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current: T | None = None
        self.last_error: str | None = None
        self._lost = False
        """Whether the log was told that the registry is not followed, and not yet that it is again."""
        """Why the newest attempt to follow the registry failed; ``None`` after one that succeeded."""
        self.refused = 0
        """Snapshots that were fetched or found and not served."""
        self._settings = settings
        self._pipeline = pipeline
        self._on_swap = on_swap
        self._clock = clock
        self._confirmed_at: float | None = None
        self._seen: str | None = None

    def age(self, now: float) -> float | None:
        """Seconds since the registry last said that this is current (or since the disk copy was written). `now` is of
        the same clock as ours: one that no step of the machine's time moves."""
        return None if self._confirmed_at is None else max(0.0, now - self._confirmed_at)

    async def start(self) -> bool:
        """Serve the last good snapshot from disk, or the one before it; returns whether there was one."""
        for name in (CURRENT, PREVIOUS):
            path = self._settings.state_dir / name
            try:
                data = await asyncio.to_thread(path.read_bytes)
                lain = max(0.0, time.time() - path.stat().st_mtime)
                table = await asyncio.to_thread(self._build, data)
            except FileNotFoundError:
                continue
            except (OSError, SnapshotRefused) as error:
                self._refuse(f"{path}: {error}")
                continue
            self._confirmed_at = self._clock() - lain
            self._swap(table, f"{path}")
            return True
        return False

    async def run(self) -> None:
        """Follow the registry, and keep the issuers' keys fresh beside it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pipeline.keys.run())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        failures = 0
        in_touch = False
        timeout = httpx.Timeout(5.0, connect=2.0, read=WAIT_SECONDS + 5.0)
        key = self._settings.registry_key.get_secret_value()
        credential = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(
            base_url=self._settings.registry_url,
            headers={"Accept": "application/json", **credential},
            timeout=timeout,
            trust_env=False,
        ) as client:
            while True:
                began, held = time.monotonic(), in_touch
                try:
                    news = await self._poll(client, hold=in_touch)
                    failures, in_touch = 0, True
                except Exception as error:  # whatever it is, a gateway goes on serving what it has
                    failures, in_touch = failures + 1, False
                    self._refuse(str(error)) if isinstance(error, SnapshotRefused) else self._failed(error)
                    ceiling = min(BACKOFF_RANGE[1], BACKOFF_RANGE[0] * 2 ** min(failures, 10))
                    await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - spreads gateways out
                    continue
                if not news and held and time.monotonic() - began < LEAST_PAUSE:
                    await asyncio.sleep(LEAST_PAUSE)

    async def _poll(self, client: httpx.AsyncClient, *, hold: bool) -> bool:
        """One conditional GET; returns whether something new is being served. `hold` lets the registry wait for news:
        not at first and not after an outage, when the question is whether what is being served is still true."""
        before = self._seen
        headers = {} if before is None else {"If-None-Match": f'"{before}"'}
        wait = {"wait": str(WAIT_SECONDS)} if hold and before is not None else {}
        async with client.stream("GET", "/v1/snapshot", params=wait, headers=headers) as reply:
            # read piece by piece, because a reply that has read itself keeps its content, is a cycle, and would be
            # frozen with the snapshot that is built from it: all of it would be kept for ever, swap by swap
            content = b"".join([piece async for piece in reply.aiter_bytes()])
        if reply.status_code == 304:
            if self.current is not None and self.current.digest == self._seen:
                self._confirmed()
            return False
        if reply.status_code in (401, 403):
            raise RegistryRefused(
                f"the registry answered {reply.status_code}: set WEIGHBRIDGE_GATEWAY_REGISTRY_KEY to a management key "
                "of the role gateway"
            )
        if reply.status_code != 200:
            raise RegistryRefused(f"the registry answered {reply.status_code}")
        # remember it before it is built: one that is refused is not fetched again until it changes
        self._seen = reply.headers.get("etag", "").strip('"') or None
        if self.current is not None and self.current.digest == self._seen:
            self._confirmed()
            return False
        try:
            table = await asyncio.to_thread(self._build, content)
        except SnapshotDamaged:
            self._seen = before  # damaged on its way: the next copy may be whole
            raise
        self._confirmed()
        self._swap(table, "registry")
        try:
            await asyncio.to_thread(keep, self._settings.state_dir, content)
        except OSError as error:
            _log.error("snapshot not kept", reason=str(error))
        return True

    def _build(self, data: bytes) -> T:
        with _uncollected():
            snapshot, digest = loads(data)
            return self._pipeline.build(snapshot, digest)

    def _swap(self, table: T, source: str) -> None:
        before = None if self.current is None else self.current.revision
        self.current = table
        self._seen = table.digest
        _log.info("snapshot served", revision=table.revision, before=before, digest=table.digest, source=source)
        self._on_swap(table)

    def _refuse(self, reason: str) -> None:
        self.refused += 1
        self.last_error = f"snapshot refused: {reason}"
        _log.error("snapshot refused", reason=reason)

    def _confirmed(self) -> None:
        self._confirmed_at = self._clock()
        self.last_error = None
        if self._lost:
            self._lost = False
            _log.info("registry followed again")

    def _failed(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        if self.last_error != reason:  # once per outage, not once per attempt
            _log.warning("registry not followed", reason=reason)
        self.last_error = reason
        self._lost = True


class RegistryRefused(Exception):
    """The registry answered with something else than a snapshot."""


def keep(state_dir: Path, data: bytes) -> None:
    """Make `data` the last good snapshot on disk, and what was there before the previous one. Raises `OSError`."""
    state_dir.mkdir(parents=True, exist_ok=True)
    current, previous = state_dir / CURRENT, state_dir / PREVIOUS
    fresh = state_dir / f"{CURRENT}.{os.getpid()}"
    with _locked(state_dir):
        try:
            with open(fresh, "wb", opener=_privately) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # another worker may have kept the very same, or the disk damaged it: the generation before must not be lost
            if current.exists() and _is_another(current.read_bytes(), data):
                current.replace(previous)
            fresh.replace(current)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        directory = os.open(state_dir, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _privately(path: str, flags: int) -> int:
    """It holds digests of credentials, and who may call what: nobody else's to read."""
    return os.open(path, flags, 0o600)


def _is_another(kept: bytes, data: bytes) -> bool:
    """Is what was kept a whole snapshot, and not this one?"""
    if kept == data:
        return False
    try:
        unseal(kept)
    except SnapshotRefused:
        return False
    return True


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is made here is not looked through by the garbage collector, now or later.

    A snapshot is many objects that live long and hold no cycles: a dropped one goes by its reference counts.
    Collections would go through all of it again and again, and traffic waits for each: 200 ms for 100,000 applications.
    """
    gc.collect(1)  # young garbage must not be taken for a part of it
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    with (state_dir / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

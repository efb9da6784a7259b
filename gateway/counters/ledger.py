"""What quotas have used, in one file that the workers of a gateway share: SQLite, written by a thread of each worker.

Units are *leased*: a worker takes some in advance, and they stand in the file as used before anybody calls. So the sum
is never exceeded, a crash loses what was leased and not used, and nobody is admitted on what the file does not know.

The subtle thing is who waits for the disk: the loop never does. Whatever was asked in one turn of it is written
together, in one transaction that is on the disk before it is answered. A disk that does not answer in time is lost
counters, and then the plan says what happens.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import structlog

from gateway.shared_file import open_shared
from policies.traffic.limit_rate import CountersLost

FILE = "quotas.sqlite"
PATIENCE_SECONDS = 1.0
"""A call waits no longer for the disk; a busy one syncs in a tenth of it."""
BUSY_SECONDS = 1.0
"""The thread waits no longer for another worker that writes."""
PAUSE_SECONDS = 1.0
"""After a failure nobody waits for so long."""
KEPT_SECONDS = 7 * 86_400
"""After its end a period is kept: a clock may be set back into it, and people ask what was used."""
SHARES = 64
"""No lease in advance takes more than this part of what is left, so the last units are not held by idlers."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS quotas (
    key TEXT PRIMARY KEY, used INTEGER NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID
"""
_log = structlog.get_logger("gateway.counters")


class Ask(NamedTuple):
    """Units of `key` until `until`: all that are `needed` or none, and in advance up to `ahead`; what `pool` has used
    together stays within `most`. With `back` so many units that were leased are given back instead."""

    key: str
    pool: tuple[str, ...]
    most: int
    until: int
    needed: int = 0
    ahead: int = 0
    back: int = 0


class Grant(NamedTuple):
    units: int
    """Leased; 0 when what is needed is not there."""
    left: int
    """What nobody has leased yet."""


class Ledger:
    """`ask` from one loop. `wall` gives unix seconds."""

    def __init__(self, directory: Path, wall: Callable[[], float] = time.time) -> None:
        self.path = directory / FILE
        self._wall = wall
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None
        self._pruned = 0.0
        self._queue: list[tuple[Ask, asyncio.Future[Grant]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._blocked_until = 0.0
        self._stuck = False
        """A write is overdue, and nothing else can be written before it ends."""
        self.lost = False

    def ask(self, ask: Ask) -> asyncio.Future[Grant]:
        """Answered when it is on the disk. Raises `CountersLost`, at once while the disk is lost, else when awaited."""
        loop = asyncio.get_running_loop()
        if self.lost and (self._stuck or loop.time() < self._blocked_until):
            raise CountersLost
        future: asyncio.Future[Grant] = loop.create_future()
        self._queue.append((ask, future))
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        return future

    async def idle(self) -> None:
        """Until everything is answered that was asked, and what was asked in answer to that, within patience."""
        loop = asyncio.get_running_loop()
        until, quiet = loop.time() + PATIENCE_SECONDS, False
        while not quiet and (left := until - loop.time()) > 0:
            if self._writing is not None:
                await asyncio.wait([self._writing], timeout=left)
            quiet = self._writing is None
            await asyncio.sleep(0)  # whoever asked hears of it in the next turn of the loop, and may ask again
            quiet = quiet and self._writing is None

    async def close(self) -> None:
        """Write what is queued, and let go of the file."""
        await self.idle()
        if self._thread is not None:
            self._thread.submit(self._shut)
            self._thread.shutdown(wait=not self.lost)
            self._thread = None

    # -- in the loop ------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="quotas")
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                written = loop.run_in_executor(self._thread, self._transact, [ask for ask, _ in batch])
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        grants = await asyncio.shield(written)
                except (sqlite3.Error, OSError, TimeoutError) as error:
                    self._lose(error)
                    _fail(batch)
                    if not written.done():
                        self._stuck = True
                        await asyncio.wait([written])
                        self._stuck = False
                    if written.exception() is None:
                        self._undo(batch, written.result())
                    continue
                if self.lost:
                    self.lost = False
                    _log.info("quotas found again", file=str(self.path))
                for (_, future), grant in zip(batch, grants, strict=True):
                    if not future.done():
                        future.set_result(grant)
        finally:
            self._writing = None
            queue, self._queue = self._queue, []
            _fail(queue)

    def _lose(self, error: BaseException) -> None:
        self._blocked_until = asyncio.get_running_loop().time() + PAUSE_SECONDS
        _fail(self._queue)
        self._queue = []
        if not self.lost:
            self.lost = True
            reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            _log.warning("quotas cannot be kept, plans say what happens", file=str(self.path), reason=reason)

    def _undo(self, batch: list[tuple[Ask, asyncio.Future[Grant]]], grants: list[Grant]) -> None:
        """What came too late for whoever asked is nobody's lease: give it back."""
        loop = asyncio.get_running_loop()
        for (ask, _), grant in zip(batch, grants, strict=True):
            if grant.units > 0:
                back = ask._replace(needed=0, ahead=0, back=grant.units)
                self._queue.append((back, loop.create_future()))

    # -- in the thread ----------------------------------------------------------------------------------------------

    def _transact(self, asks: list[Ask]) -> list[Grant]:
        database = self._database
        if database is None:
            database = self._database = open_shared(self.path, _SCHEMA, busy_seconds=BUSY_SECONDS)
        database.execute("BEGIN IMMEDIATE")
        try:
            self._prune(database)
            grants = [_settle(database, ask) for ask in asks]
            database.execute("COMMIT")
        except BaseException:
            self._shut()
            raise
        return grants

    def _prune(self, database: sqlite3.Connection) -> None:
        now = self._wall()
        if abs(now - self._pruned) >= 3600:
            database.execute("DELETE FROM quotas WHERE until < ?", (int(now) - KEPT_SECONDS,))
            self._pruned = now

    def _shut(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()


def _settle(database: sqlite3.Connection, ask: Ask) -> Grant:
    marks = ",".join("?" * len(ask.pool))
    row = database.execute(f"SELECT total(used) FROM quotas WHERE key IN ({marks})", ask.pool).fetchone()  # noqa: S608
    left = ask.most - int(row[0])
    if ask.back:
        units = -ask.back
    elif left < ask.needed or left <= 0:
        return Grant(0, max(0, left))
    else:
        units = min(left, max(ask.needed, min(ask.ahead, left // SHARES)))
    if not units:
        return Grant(0, left)
    database.execute(
        "INSERT INTO quotas VALUES (?, max(0, ?), ?) "
        "ON CONFLICT (key) DO UPDATE SET used = max(0, used + ?), until = excluded.until",
        (ask.key, units, ask.until, units),
    )
    return Grant(units, min(ask.most, max(0, left - units)))


def _fail(asked: list[tuple[Ask, asyncio.Future[Grant]]]) -> None:
    for _, future in asked:
        if not future.done():
            future.set_exception(CountersLost())
            future.exception()  # nobody may be waiting for what was asked in advance

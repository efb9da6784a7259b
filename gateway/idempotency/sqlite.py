"""Answers in one SQLite file, shared by the workers of one gateway; it survives their restarts.

The file is written by a thread, never by the loop: all that is asked for while a transaction runs goes into the next
one, so that a burst pays for a few flushes of the disk instead of two for each call. A claim is on the disk
(``synchronous=FULL``) before its request is sent. The one subtle thing: time is that of the wall, because it has to
hold over a restart.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from gateway.idempotency import FREE_TO_RESEND, AnswersLost, Claim, Ending, Found, State
from gateway.shared_file import open_shared

BUSY_MILLISECONDS = 2000
"""A transaction of another worker takes a few; one that takes longer has met a disk that hangs."""
LARGEST_BATCH = 128
SWEPT = 64
"""Rows whose time is up that are removed with every transaction: more than can have come with it."""
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
  id BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, token BLOB NOT NULL, state TEXT NOT NULL,
  lease_until REAL NOT NULL, expires_at REAL NOT NULL, answer BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_expire ON answers (expires_at);
"""
_log = structlog.get_logger("gateway.idempotency")

_Work = Callable[[sqlite3.Connection, float], Found | None]
_Job = tuple[_Work, "asyncio.Future[Found | None]"]


class SqliteAnswers:
    def __init__(self, path: Path, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self.lost = False
        self._path = path
        self._seconds = seconds
        self._clock = clock
        self._queue: list[_Job] = []
        self._working: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._file: sqlite3.Connection | None = None

    def claim(self, claim: Claim) -> Awaitable[Found | None]:
        def work(file: sqlite3.Connection, now: float) -> Found | None:
            row = file.execute(
                "SELECT state, fingerprint, answer, lease_until FROM answers WHERE id = ? AND expires_at > ?",
                (claim.id, now),
            ).fetchone()
            if row is not None:
                state: State = "lapsed" if row[0] == "running" and row[3] < now else row[0]
                resent = claim.resends and state in FREE_TO_RESEND and row[1] == claim.fingerprint
                if not resent:
                    return Found(state, row[1], row[2])
            values = (claim.id, claim.fingerprint, claim.token, now + claim.lease, now + self._seconds)
            file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, 'running', ?, ?, x'')", values)
            return None

        return self._ask(work)

    async def settle(self, claim: Claim, state: Ending, answer: bytes = b"") -> None:
        def work(file: sqlite3.Connection, now: float) -> None:
            file.execute(
                "UPDATE answers SET state = ?, answer = ?, expires_at = ? WHERE id = ? AND token = ?",
                (state, answer, now + self._seconds, claim.id, claim.token),
            )

        await self._ask(work)

    async def release(self, claim: Claim) -> None:
        def work(file: sqlite3.Connection, now: float) -> None:
            file.execute("DELETE FROM answers WHERE id = ? AND token = ?", (claim.id, claim.token))

        await self._ask(work)

    async def close(self) -> None:
        if self._working is not None:
            await self._working
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    def _ask(self, work: _Work) -> asyncio.Future[Found | None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found | None] = loop.create_future()
        self._queue.append((work, future))
        if self._working is None:
            self._working = loop.create_task(self._run())
        return future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "idempotency")
        batch: list[_Job] = []
        try:
            while self._queue:
                batch, self._queue = self._queue[:LARGEST_BATCH], self._queue[LARGEST_BATCH:]
                try:
                    results = await loop.run_in_executor(self._thread, self._transact, [work for work, _ in batch])
                except (sqlite3.Error, OSError) as error:
                    if not self.lost:
                        _log.warning("answers lost", reason=f"{type(error).__name__}: {error}", file=str(self._path))
                    self.lost = True
                    _fail(batch)
                    continue
                if self.lost:
                    _log.info("answers found again")
                self.lost = False
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)
        finally:
            # whatever ended this, nobody is left waiting
            self._working = None
            queue, self._queue = self._queue, []
            _fail([*batch, *queue])

    # -- in the thread --

    def _transact(self, batch: list[_Work]) -> list[Found | None]:
        """All of it is on the disk when this returns, or none of it."""
        if self._file is None:
            self._file = open_shared(self._path, _TABLE, busy_seconds=BUSY_MILLISECONDS / 1000)
        file = self._file
        now = self._clock()
        try:
            file.execute("BEGIN IMMEDIATE")
            file.execute(
                "DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE expires_at <= ? LIMIT ?)", (now, SWEPT)
            )
            results = [work(file, now) for work in batch]
            file.execute("COMMIT")
        except sqlite3.Error:
            self._close()  # rolls back; the next one starts from the file
            raise
        return results

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _fail(jobs: list[_Job]) -> None:
    for _, future in jobs:
        if not future.done():
            future.set_exception(AnswersLost())

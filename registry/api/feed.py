"""The snapshot as gateways poll it: any number of them wait without a thread each.

One thread asks the store for the next change while anybody waits; its answer wakes them all. Everything else here runs
on the event loop.
"""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool

from registry.store import Store
from registry.store.records import SnapshotRow

_ROUND = 2.0
"""How long the thread looks before it asks whether anybody still waits, in seconds."""


class Feed:
    """Use from one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watch: asyncio.Task[None] | None = None
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._closed = False

    async def current(self) -> SnapshotRow | None:
        return await run_in_threadpool(self._store.snapshot)

    async def other_than(self, digest: str, seconds: float) -> SnapshotRow | None:
        """The current snapshot as soon as its digest is another; ``None`` when it was not within `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        row = await self.current()
        while row is None or row.digest == digest:
            left = deadline - loop.time()
            if left <= 0 or self._closed:
                return None
            await self._woken(digest, left)
            row = await self.current()
        return row

    def close(self) -> None:
        """Everybody who waits is answered now, and nobody waits again."""
        self._closed = True
        self._wake()

    async def _woken(self, digest: str, seconds: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = digest
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watching())
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiting.pop(waiter, None)

    async def _watching(self) -> None:
        """Runs while anybody waits. Whatever ends it wakes them: they look for themselves and meet the error."""
        try:
            while self._waiting and not self._closed:
                digest = next(iter(self._waiting.values()))
                if await asyncio.to_thread(self._store.wait_for_change, digest, _ROUND) is not None:
                    return
        except Exception:
            return
        finally:
            self._watch = None
            self._wake()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

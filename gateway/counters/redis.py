"""Counters that all gateways share, in Redis or Valkey: one Lua script per take, many takes per write.

Takes that arrive in one turn of the loop travel together over one connection, so a request pays a share of a round trip
instead of a connection of its own; takes that come often are leased several at a time (`gateway.counters.pace`). The
subtle thing is failure: no request waits longer than `PATIENCE_SECONDS`; the first loss opens the breaker, and while it
is open nobody waits at all, until a probe in the background could write. Patience is measured on the server, not on
ourselves: a loop that is busy with a burst of clients comes late to replies that have long arrived, and taking that for
a loss would let each worker count for itself just when it matters.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import redis.asyncio as aioredis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from gateway.counters.memory import MemoryCounters, Slots
from gateway.counters.pace import TICK_SECONDS, Pace
from gateway.counters.quota import seconds_left
from policies.traffic.limit_rate import Charge, CountersLost, Level, Standing

PATIENCE_SECONDS = 0.05
PARTS, SPARE_PARTS = 16, 24
"""Patience passes in parts; one for which the loop itself came late does not count, and that is forgiven so often."""
PROBE_SECONDS = 0.25
"""Between two attempts to reach lost counters again."""
PROBE_PATIENCE_SECONDS = 1.0
"""A probe may take longer than a take: it is what opens the connection."""
LARGEST_BATCH = 64
"""Takes; a server that is well must get through a batch in a fraction of patience."""
PREFIX = "weighbridge:"

SCRIPT = files(__package__).joinpath("take.lua").read_text("utf-8")
_MICROSECONDS = 1_000_000
_log = structlog.get_logger("gateway.counters")

BACK = files(__package__).joinpath("back.lua").read_text("utf-8")

_Take = tuple[Pace, "asyncio.Future[Standing]", int, float]
"""Whose, who waits, for how many calls, and since when (monotonic)."""


class RedisCounters:
    """`lost` says whether the breaker is open. Without `start`, the first take pays for the connection. `wall` gives
    unix seconds: only quotas ask for it."""

    def __init__(self, url: str, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        # a take that failed may still have been charged: it is never sent twice
        self._client = aioredis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self._script = self._client.register_script(SCRIPT)
        self._queue: list[_Take] = []
        self._sending: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._paces: dict[int, Pace] = {}
        self._ticking: asyncio.TimerHandle | None = None
        self._giving: set[asyncio.Task[None]] = set()
        self._local = MemoryCounters(wall=wall)
        self.lost = False

    @property
    def local(self) -> MemoryCounters:
        """What counts while the shared counters are lost."""
        return self._local

    @property
    def slots(self) -> Slots:
        return self._local.slots

    async def start(self) -> None:
        """Connect before there are clients; where that fails, go on as with a server that was lost."""
        try:
            await self._reach()
        except (RedisError, OSError, TimeoutError) as error:
            self._lose(error)

    def take(self, charges: tuple[Charge, ...]) -> Standing | Awaitable[Standing]:
        """Charge every limit, or none. Raises `CountersLost`, at once while the breaker is open, else when awaited."""
        if self.lost:
            raise CountersLost
        loop = asyncio.get_running_loop()
        pace = self._paces.get(id(charges))
        if pace is None:
            pace = self._paces[id(charges)] = Pace(charges)
            if self._ticking is None:
                self._ticking = loop.call_later(TICK_SECONDS, self._tick)
        pace.calls += 1
        now = time.monotonic()  # a loop's own clock stands still while it is busy, and a lease does not
        if pace.left:
            if now < pace.until:
                return pace.take()
            self._give_back(pace)
        calls = 1
        if pace.wanted > 1 and not pace.asking:
            calls, pace.asking = pace.wanted, True
        future: asyncio.Future[Standing] = loop.create_future()
        self._queue.append((pace, future, calls, now))
        if self._sending is None:
            self._sending = loop.create_task(self._send())
        return future

    async def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        for pace in self._paces.values():
            self._give_back(pace)
        if self._giving:
            await asyncio.wait(self._giving, timeout=PROBE_PATIENCE_SECONDS)
        self._paces.clear()
        for task in (self._sending, self._probing):
            if task is not None:
                task.cancel()
        self._fail(self._queue)
        self._queue = []
        await self._client.aclose()

    async def _send(self) -> None:
        batch: list[_Take] = []
        try:
            while self._queue and not self.lost:
                batch, self._queue = self._queue[:LARGEST_BATCH], self._queue[LARGEST_BATCH:]
                try:
                    async with _patience():
                        replies = await self._execute(batch)
                except (RedisError, OSError, TimeoutError) as error:
                    self._lose(error)
                    return
                for (pace, future, calls, since), reply in zip(batch, replies, strict=True):
                    if not isinstance(reply, list):
                        self._lose(reply)
                        continue
                    found = standing(pace.charges, reply)
                    if calls > 1:
                        pace.asking = False
                        if reply[1] > 1:
                            pace.lease(int(reply[1]), found, _marks(reply), since + pace.seconds)
                            found = pace.take()
                    if not future.done():
                        future.set_result(found)
                self._fail(batch)
        finally:
            # whatever ended this, nobody is left waiting
            self._sending = None
            queue, self._queue = self._queue, []
            self._fail([*batch, *queue])

    async def _execute(self, takes: list[_Take]) -> list[Any]:
        replies = await self._evaluate(takes)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            # a restarted or flushed server: what it did not know was not charged
            await self._client.script_load(SCRIPT)
            missed = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            again = await self._evaluate([takes[index] for index in missed])
            for index, reply in zip(missed, again, strict=True):
                replies[index] = reply
        return replies

    async def _evaluate(self, takes: list[_Take]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        now = self._wall()
        for pace, _, calls, _ in takes:
            keys, terms = _arguments(pace.charges, now)
            lease = int(pace.seconds * _MICROSECONDS) if calls > 1 else 0
            pipeline.evalsha(self._script.sha, len(keys), *keys, calls, lease, *terms)
        return await pipeline.execute(raise_on_error=False)

    def _lose(self, error: object) -> None:
        if self.lost:
            return
        self.lost = True
        for pace in self._paces.values():
            pace.left, pace.asking = 0, False  # whether they were charged is not known any more
        _log.warning("counters lost", reason=f"{type(error).__name__}: {error}")
        self._probing = asyncio.get_running_loop().create_task(self._probe())

    def _tick(self) -> None:
        """Give back what is left of leases that ended, and forget who does not call any more."""
        now = time.monotonic()
        for key, pace in list(self._paces.items()):
            if pace.left and now >= pace.until:
                self._give_back(pace)
            if not pace.tick():
                del self._paces[key]
        self._ticking = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick) if self._paces else None

    def _give_back(self, pace: Pace) -> None:
        calls, pace.left = pace.left, 0
        if calls and not self.lost:
            task = asyncio.get_running_loop().create_task(self._back(pace.charges, calls, pace.marks))
            self._giving.add(task)
            task.add_done_callback(self._giving.discard)

    async def _back(self, charges: tuple[Charge, ...], calls: int, marks: tuple[int, ...]) -> None:
        """What does not arrive stays counted as used."""
        keys = [PREFIX + charge.key for charge in charges]
        terms = [
            number
            for charge, mark in zip(charges, marks, strict=True)
            for number in (_kind(charge), calls * charge.weight, charge.requests, charge.window, mark)
        ]
        try:
            async with asyncio.timeout(PROBE_PATIENCE_SECONDS):
                await self._client.eval(BACK, len(keys), *keys, *terms)
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("leased units not given back", reason=f"{type(error).__name__}: {error}")

    async def _probe(self) -> None:
        """Until something can be written again: a read-only or full server answers pings too."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                await self._reach()
            except (RedisError, OSError, TimeoutError):
                continue
            self.lost = False
            _log.info("counters found again")
            return

    async def _reach(self) -> None:
        """Connect, see that something can be written, and leave the script there."""
        async with asyncio.timeout(PROBE_PATIENCE_SECONDS):
            await self._client.set(PREFIX + "probe", 1, px=1000)
            await self._client.script_load(SCRIPT)

    @staticmethod
    def _fail(takes: list[_Take]) -> None:
        for _, future, _, _ in takes:
            if not future.done():
                future.set_exception(CountersLost())


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Raises `TimeoutError` in whoever waits for the server longer than `PATIENCE_SECONDS`."""
    loop = asyncio.get_running_loop()
    part = PATIENCE_SECONDS / PARTS
    handle: asyncio.TimerHandle

    def wait(left: int, spare: int, since: float) -> None:
        nonlocal handle
        now = time.monotonic()
        if now - since > 2 * part and spare:
            left, spare = left + 1, spare - 1
        if left:
            handle = loop.call_later(part, wait, left - 1, spare, now)
        else:
            limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        wait(PARTS, SPARE_PARTS, time.monotonic())
        try:
            yield
        finally:
            handle.cancel()


def _arguments(charges: tuple[Charge, ...], now: float) -> tuple[list[str], list[int]]:
    """KEYS and ARGV of the script; `now` is unix seconds."""
    keys: list[str] = []
    terms: list[int] = []
    for charge in charges:
        keys.append(PREFIX + charge.key)
        left, held = 0, 1
        if charge.until:
            left, held = seconds_left(charge, now) * 1000, len(charge.pool)
            keys += [PREFIX + key for key in charge.pool if key != charge.key]
        terms += (charge.requests, charge.window, charge.burst or 0, _kind(charge), charge.weight, left, held)
    return keys, terms


def standing(charges: tuple[Charge, ...], reply: list[int]) -> Standing:
    """The script's reply as a value."""
    levels = tuple(
        Level(charge, int(reply[2 + 3 * index]), _seconds(int(reply[3 + 3 * index])))
        for index, charge in enumerate(charges)
    )
    wait = int(reply[0])
    return Standing(levels, _seconds(wait) if wait else None)


def _marks(reply: list[int]) -> tuple[int, ...]:
    return tuple([int(mark) for mark in reply[4::3]])


def _kind(charge: Charge) -> int:
    return 2 if charge.until else int(charge.burst is None)


def _seconds(microseconds: int) -> int:
    return -(-microseconds // _MICROSECONDS)

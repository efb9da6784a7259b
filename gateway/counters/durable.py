"""Counters of one gateway without Redis: windows in the process, quotas leased from a file that outlives it.

Owns what a worker has leased. A call takes from the lease and waits for nothing; when a quarter is left, the next lease
is asked for in advance, and only who finds it empty waits for the disk. What nobody used for a second goes back, so an
idle worker keeps nothing from a busy one.

The subtle thing is all or nothing over two places: leases are filled first, and then all limits are judged and charged
at once, here, where nothing can come between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace

from gateway.counters.ledger import Ask, Grant, Ledger
from gateway.counters.memory import Counter, MemoryCounters, Slots
from gateway.counters.quota import SECOND, seconds_left
from policies.traffic.limit_rate import Charge, CountersLost, Level, LocalCounters, Standing

SETTLE_SECONDS = 1.0
"""How often idle leases go back."""
DRY_NANOSECONDS = SECOND
"""So long a quota that was found empty is taken for empty: others may have given back what they held."""
LEAST_AHEAD, MOST_AHEAD = 16, 4096
_ALONE = "alone:"


class Lease:
    """Units of one key that this worker may use: a counter like the others, filled from elsewhere."""

    __slots__ = (
        "_beyond",
        "_dry_for",
        "_dry_until",
        "_rests_until",
        "_wall",
        "ahead",
        "asked",
        "charge",
        "left",
        "used",
    )

    def __init__(self, charge: Charge, wall: Callable[[], float]) -> None:
        self.charge = charge
        """By the terms under which the units were leased."""
        self._wall = wall
        self.left = 0
        self.ahead = LEAST_AHEAD
        self.asked = 0
        """How often, and not answered yet."""
        self.used = False
        """Since idle leases were last looked for."""
        self._beyond = 0
        self._dry_until = self._dry_for = self._rests_until = 0

    def wait(self, charge: Charge, now: int) -> int:
        return 0 if self.left >= charge.weight else seconds_left(charge, self._wall()) * SECOND

    def take(self, charge: Charge, now: int) -> Level:
        self.left -= charge.weight
        self.used = True
        return self.level(charge, now)

    def level(self, charge: Charge, now: int) -> Level:
        remaining = min(self.left + self._beyond, charge.requests)
        return Level(charge, remaining, seconds_left(charge, self._wall()))

    def wanting(self, charge: Charge, now: int) -> bool:
        """Whether the file is to be asked: there is too little here, and it did not just say that this is all."""
        return self.left < charge.weight and (now >= self._dry_until or charge.weight < self._dry_for)

    def is_by(self, charge: Charge) -> bool:
        """Whether these are the terms of the lease."""
        return charge.requests == self.charge.requests and charge.pool == self.charge.pool

    def runs_low(self, now: int) -> bool:
        return self.left * 4 <= self.ahead and not self.asked and now >= self._rests_until

    def may_be_there(self) -> None:
        """What the file said of the terms before is no answer any more."""
        self._dry_until = self._rests_until = 0

    def granted(self, grant: Grant, now: int, weight: int | None) -> None:
        """What the file answered to a call of `weight`, or (``None``) to what was asked in advance or given back."""
        self._beyond = grant.left
        self.asked -= 1
        if grant.units < 0:
            return
        if grant.units:
            self.left += grant.units
            self._dry_until = 0
            if grant.units == self.ahead:
                self.ahead = min(MOST_AHEAD, 2 * self.ahead)
        elif weight is None:
            self._rests_until = now + DRY_NANOSECONDS
        else:
            self._dry_until, self._dry_for = now + DRY_NANOSECONDS, weight


class _Memory(MemoryCounters):
    """Windows and rates as ever; a quota is what was leased of it."""

    def __init__(self, clock: Callable[[], int], wall: Callable[[], float], give_back: Callable[[Lease], None]) -> None:
        super().__init__(clock, wall)
        self.leases: dict[str, Lease] = {}
        self._give_back = give_back

    def _open(self, charge: Charge) -> Counter:
        if not charge.until or charge.key.startswith(_ALONE):
            return super()._open(charge)
        return self.lease(charge)

    def lease(self, charge: Charge) -> Lease:
        lease = self.leases.get(charge.key)
        if lease is None:
            lease = self.leases[charge.key] = Lease(charge, self._wall)
        elif charge is not lease.charge:
            if not lease.is_by(charge):
                self._give_back(lease)  # leased by other terms: a smaller plan holds from its first call on
                lease.may_be_there()
            lease.charge = charge
        return lease


class DurableCounters:
    """`directory` holds the file; it is not touched before a plan has a quota. `clock` and `wall`: `MemoryCounters`."""

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._ledger = Ledger(directory, wall)
        self._memory = _Memory(clock, wall, self._give_back)
        self._take = self._memory.take
        self._settling: asyncio.Task[None] | None = None
        self._here = _Here(self._memory)

    @property
    def lost(self) -> bool:
        return self._ledger.lost

    @property
    def local(self) -> LocalCounters:
        """The same windows, and quotas of this process alone: what counts while the file is lost."""
        return self._here

    @property
    def slots(self) -> Slots:
        return self._memory.slots

    def take(self, charges: tuple[Charge, ...]) -> Standing | Awaitable[Standing]:
        """Charge every limit, or none. Raises `CountersLost`, at once or when awaited, where the file is lost."""
        standing = self._take(charges)
        if not charges[-1].until:  # quotas come last
            return standing
        if standing.retry_after is None:
            for charge in charges:
                if charge.until:
                    self._look_ahead(charge)
            return standing
        wanting = self._wanting(standing)
        return self._lease(charges, wanting) if wanting else standing

    async def start(self) -> None:
        self._settling = asyncio.get_running_loop().create_task(self._settle_for_ever())

    async def close(self) -> None:
        """Give back what was not used."""
        if self._settling is not None:
            self._settling.cancel()
        await self._ledger.idle()
        for lease in self._memory.leases.values():
            self._give_back(lease)
        await self._ledger.close()
        self._memory.leases.clear()
        await self._memory.close()

    def settle(self) -> None:
        """Give back leases that nobody has used since the last time, and forget those whose period is over."""
        for key, lease in list(self._memory.leases.items()):
            if lease.used or lease.asked:
                lease.used = False
            elif lease.left:
                self._give_back(lease)
            elif lease.charge.until <= self._wall():
                del self._memory.leases[key]

    async def _settle_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            self.settle()

    def _give_back(self, lease: Lease) -> None:
        """Nobody waits for it. Where the disk does not take it, the units are lost: to keep them could admit twice."""
        units, lease.left, lease.ahead = lease.left, 0, LEAST_AHEAD
        if units:
            self._ask(lease, lease.charge, back=units)

    def _look_ahead(self, charge: Charge) -> None:
        lease = self._memory.lease(charge)
        if lease.runs_low(self._clock()):
            self._ask(lease, charge, ahead=lease.ahead)

    def _ask(
        self,
        lease: Lease,
        charge: Charge,
        *,
        needed: int = 0,
        ahead: int = 0,
        back: int = 0,
        weight: int | None = None,
    ) -> asyncio.Future[Grant] | None:
        """``None`` while the file is lost. What is granted is the lease's, whoever still waits for it."""
        ask = Ask(charge.key, charge.pool, charge.requests, charge.until, needed, ahead, back)
        try:
            future = self._ledger.ask(ask)
        except CountersLost:
            return None
        lease.asked += 1

        def answered(done: asyncio.Future[Grant]) -> None:
            if done.exception() is not None:
                lease.asked -= 1
                return
            grant = done.result()
            if grant.units > 0 and not lease.is_by(charge):  # the plan changed on the way: too much for a smaller one
                lease.asked -= 1
                self._ask(lease, charge, back=grant.units)
            else:
                lease.granted(grant, self._clock(), weight)

        future.add_done_callback(answered)
        return future

    def _wanting(self, standing: Standing) -> list[Charge]:
        """The quotas to ask for; none when something else refuses anyhow, so that a refused call costs no disk."""
        now = self._clock()
        wanting = []
        for level in standing.levels:
            charge = level.charge
            if not charge.until:
                if level.remaining < charge.weight:
                    return []
                continue
            lease = self._memory.lease(charge)
            if lease.wanting(charge, now):
                wanting.append(charge)
            elif lease.left < charge.weight:
                return []
        return wanting

    async def _lease(self, charges: tuple[Charge, ...], wanting: list[Charge]) -> Standing:
        while wanting:
            asked = []
            for charge in wanting:
                lease = self._memory.lease(charge)
                needed = charge.weight - lease.left
                if needed <= 0:  # others filled it since
                    continue
                ahead = 0 if lease.asked else lease.ahead
                future = self._ask(lease, charge, needed=needed, ahead=ahead, weight=charge.weight)
                if future is None:
                    raise CountersLost
                asked.append(future)
            for future in asked:
                await asyncio.shield(future)  # a caller that leaves takes no units along
            standing = self._take(charges)
            wanting = [] if standing.retry_after is None else self._wanting(standing)
        return standing


class _Here:
    """Counters that cannot be lost."""

    def __init__(self, memory: _Memory) -> None:
        self._memory = memory

    def take(self, charges: tuple[Charge, ...]) -> Standing:
        return self._memory.take(tuple([_alone(charge) if charge.until else charge for charge in charges]))


def _alone(charge: Charge) -> Charge:
    return replace(charge, key=_ALONE + charge.key, pool=tuple([_ALONE + key for key in charge.pool]))

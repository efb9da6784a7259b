"""Counters of one process: exact, synchronous, and small.

The strict window is kept in slices of 1/64 of it, each with its count and its last instant. A slice counts whole until
a window has passed since that instant, so a window of the full length sees at most the limit wherever it starts; the
price is that units come back up to one slice late, though never later than a window after the last. GCRA keeps one
number per limit. Their time is monotonic and in whole nanoseconds: clock steps do nothing, and nothing is rounded in
the caller's favour. Quotas go by the calendar (`gateway.counters.quota`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from gateway.counters.quota import SECOND, Quota
from policies.traffic.limit_rate import Charge, Level, Standing

SLICES = 64
_SWEPT_PER_NEW = 2


class Window:
    """A strict sliding window: slices as number, count and last instant, oldest first."""

    __slots__ = ("_length", "_slice", "_slices", "total")

    def __init__(self, window: int) -> None:
        self._length = window * SECOND
        self._slice = -(-self._length // SLICES)
        self._slices: deque[list[int]] = deque()
        self.total = 0

    def wait(self, charge: Charge, now: int) -> int:
        """Nanoseconds until the units may be taken; 0 when now."""
        slices = self._slices
        if slices and slices[0][2] <= now - self._length:
            self._drop(now)
        over = self.total + charge.weight - charge.requests
        if over <= 0:
            return 0
        for _, count, last in slices:
            over -= count
            if over <= 0:
                return last + self._length - now
        return self._length  # it costs more than there ever is

    def take(self, charge: Charge, now: int) -> Level:
        """Call it after `wait`; where one stands then."""
        current = now // self._slice
        slices, units = self._slices, charge.weight
        if slices:
            last = slices[-1]
            if last[0] == current:
                last[1] += units
                last[2] = now
            else:
                slices.append([current, units, now])
        else:
            slices.append([current, units, now])
        self.total = total = self.total + units
        return Level(charge, charge.requests - total, -(-(slices[0][2] + self._length - now) // SECOND))

    def level(self, charge: Charge, now: int) -> Level:
        reset = self._until_next(now) if self._slices else 0
        return Level(charge, max(0, charge.requests - self.total), _seconds(reset))

    def idle(self, now: int) -> bool:
        self._drop(now)
        return not self._slices

    def _drop(self, now: int) -> None:
        slices = self._slices
        while slices and slices[0][2] <= now - self._length:
            self.total -= slices.popleft()[1]

    def _until_next(self, now: int) -> int:
        return self._slices[0][2] + self._length - now


class Rate:
    """GCRA: `_tat` is the theoretical arrival time of the next conforming call, `_interval` the nanoseconds a unit
    takes, `_cost` those of a call, `_tolerance` how far ahead of its time a call may come."""

    __slots__ = ("_charge", "_cost", "_interval", "_tat", "_tolerance")

    def __init__(self) -> None:
        self._tat = 0
        self._charge: Charge | None = None
        self._interval = self._tolerance = self._cost = 0

    def wait(self, charge: Charge, now: int) -> int:
        if charge is not self._charge:  # new, of another weight, or the plan changed its terms
            self._charge = charge
            self._interval = -(-charge.window * SECOND // max(1, charge.requests))
            self._tolerance = self._interval * max(1, charge.burst or 1)
            self._cost = self._interval * charge.weight
            # whoever was ahead by the old terms is banned by the new ones for no longer than these can ask
            self._tat = min(self._tat, now + self._tolerance)
        tat, cost, tolerance = self._tat, self._cost, self._tolerance
        if charge.requests < 1 or cost > tolerance:
            return charge.window * SECOND
        ahead = (tat - now if tat > now else 0) + cost - tolerance
        return ahead if ahead > 0 else 0

    def take(self, charge: Charge, now: int) -> Level:
        """Call it after `wait`, which takes up the terms; where one stands then."""
        tat, interval = self._tat, self._interval
        self._tat = tat = (tat if tat > now else now) + self._cost
        room = self._tolerance - tat + now
        remaining = room // interval
        return Level(charge, remaining, -(-((remaining + 1) * interval - room) // SECOND))

    def level(self, charge: Charge, now: int) -> Level:
        """Call it after `wait`, which takes up the terms."""
        if charge.requests < 1:
            return Level(charge, 0, charge.window)
        used = self._tat - now
        if used <= 0:
            return Level(charge, self._tolerance // self._interval, 0)
        room = self._tolerance - used
        remaining = room // self._interval if room > 0 else 0
        return Level(charge, remaining, _seconds((remaining + 1) * self._interval - room))

    def idle(self, now: int) -> bool:
        return self._tat <= now


def _seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // SECOND)


class Slots:
    """Exchanges under way, by key."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def acquire(self, key: str, most: int) -> bool:
        taken = self._taken.get(key, 0)
        if taken >= most:
            return False
        self._taken[key] = taken + 1
        return True

    def release(self, key: str) -> None:
        left = self._taken[key] - 1
        if left:
            self._taken[key] = left
        else:
            del self._taken[key]


class Counter(Protocol):
    """One limit of one subject. `take` may be called after a `wait` of nothing, `level` after any."""

    def wait(self, charge: Charge, now: int) -> int: ...

    def take(self, charge: Charge, now: int) -> Level: ...

    def level(self, charge: Charge, now: int) -> Level: ...


class MemoryCounters:
    """`clock` gives monotonic nanoseconds, `wall` unix seconds: only quotas go by the calendar."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns, wall: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wall = wall
        self._counters: dict[str, Window | Rate] = {}
        self._quotas: dict[str, Quota] = {}
        self._fresh = 0
        self.slots = Slots()
        self.lost = False

    @property
    def local(self) -> MemoryCounters:
        return self

    def __len__(self) -> int:
        return len(self._counters) + len(self._quotas)

    def take(self, charges: tuple[Charge, ...]) -> Standing:
        """Charge every limit, or, when one refuses, none."""
        now = self._clock()
        known = self._counters
        counters: list[Counter] = []
        longest = 0
        for charge in charges:
            counter: Counter | None = known.get(charge.key)
            if counter is None:
                counter = self._open(charge)
            counters.append(counter)
            wait = counter.wait(charge, now)
            if wait > longest:
                longest = wait
        pairs = zip(counters, charges, strict=True)
        if longest:
            levels = tuple([counter.level(charge, now) for counter, charge in pairs])
        else:
            levels = tuple([counter.take(charge, now) for counter, charge in pairs])
        if self._fresh:
            self._sweep(now)
        return Standing(levels, _seconds(longest) if longest else None)

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        self._counters.clear()
        self._quotas.clear()

    def _open(self, charge: Charge) -> Counter:
        """A counter that is not among the windows and rates: a quota, or the first of its key."""
        if charge.until:
            quota = self._quotas.get(charge.key)
            if quota is None:
                quota = self._quotas[charge.key] = Quota(charge, self._quotas, self._wall)
                self._fresh += 1
            return quota
        self._fresh += 1
        counter = self._counters[charge.key] = Window(charge.window) if charge.burst is None else Rate()
        return counter

    def _sweep(self, now: int) -> None:
        """Look at some of the longest unswept counters for every new one, so that memory follows use."""
        fresh, self._fresh = self._fresh, 0
        _sweep(self._counters, fresh, now)
        _sweep(self._quotas, fresh, now)


C = TypeVar("C", bound=Window | Rate | Quota)


def _sweep(counters: dict[str, C], fresh: int, now: int) -> None:
    for _ in range(min(_SWEPT_PER_NEW * fresh, len(counters))):
        key = next(iter(counters))
        counter = counters.pop(key)
        if not counter.idle(now):
            counters[key] = counter

"""Counters of one process: exact, synchronous, and small.

The strict window is kept as 64 slices plus the one in progress. Everything counted in those 65 slices counts against
the limit, so a window of the full length sees at most the limit wherever it starts; the price is that units come back
up to one slice (1/64 of the window) late. GCRA keeps one number per limit. Time is monotonic and in whole nanoseconds:
clock steps do nothing, and nothing is rounded in the caller's favour.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from policies.traffic.limit_rate import Charge, Level, Standing

SLICES = 64
SECOND = 1_000_000_000
_SWEPT_PER_NEW = 2


class Window:
    """A strict sliding window: slice numbers with their counts, oldest first."""

    __slots__ = ("_slice", "_slices", "total")

    def __init__(self, window: int) -> None:
        self._slice = -(-window * SECOND // SLICES)
        self._slices: deque[list[int]] = deque()
        self.total = 0

    def wait(self, charge: Charge, now: int) -> int:
        """Nanoseconds until a unit may be taken; 0 when now."""
        self._drop(now)
        if self.total < charge.requests:
            return 0
        return self._until_next(now) if self._slices else charge.window * SECOND

    def take(self, charge: Charge, now: int) -> None:
        current = now // self._slice
        slices = self._slices
        if slices and slices[-1][0] == current:
            slices[-1][1] += 1
        else:
            slices.append([current, 1])
        self.total += 1

    def level(self, charge: Charge, now: int) -> Level:
        reset = self._until_next(now) if self._slices else 0
        return Level(charge, max(0, charge.requests - self.total), _seconds(reset))

    def idle(self, now: int) -> bool:
        self._drop(now)
        return not self._slices

    def _drop(self, now: int) -> None:
        oldest = now // self._slice - SLICES
        slices = self._slices
        while slices and slices[0][0] < oldest:
            self.total -= slices.popleft()[1]

    def _until_next(self, now: int) -> int:
        return (self._slices[0][0] + SLICES + 1) * self._slice - now


class Rate:
    """GCRA: `_tat` is the theoretical arrival time of the next conforming call."""

    __slots__ = ("_tat",)

    def __init__(self) -> None:
        self._tat = 0

    def wait(self, charge: Charge, now: int) -> int:
        if charge.requests < 1:
            return charge.window * SECOND
        interval, tolerance = _terms(charge)
        return max(0, max(self._tat, now) + interval - tolerance - now)

    def take(self, charge: Charge, now: int) -> None:
        self._tat = max(self._tat, now) + _terms(charge)[0]

    def level(self, charge: Charge, now: int) -> Level:
        if charge.requests < 1:
            return Level(charge, 0, charge.window)
        interval, tolerance = _terms(charge)
        used = max(0, self._tat - now)
        remaining = max(0, tolerance - used) // interval
        reset = used - (tolerance - (remaining + 1) * interval) if used else 0
        return Level(charge, remaining, _seconds(reset))

    def idle(self, now: int) -> bool:
        return self._tat <= now


def _terms(charge: Charge) -> tuple[int, int]:
    """Nanoseconds per unit, and how far ahead of its time a call may come."""
    interval = -(-charge.window * SECOND // charge.requests)
    return interval, interval * max(1, charge.burst or 1)


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


class MemoryCounters:
    """`clock` gives monotonic nanoseconds."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._counters: dict[str, Window | Rate] = {}
        self.slots = Slots()

    @property
    def local(self) -> MemoryCounters:
        return self

    def __len__(self) -> int:
        return len(self._counters)

    def take(self, charges: tuple[Charge, ...]) -> Standing:
        """Charge every limit, or, when one refuses, none."""
        now = self._clock()
        known = self._counters
        pairs: list[tuple[Window | Rate, Charge]] = []
        wait = fresh = 0
        for charge in charges:
            counter = known.get(charge.key)
            if counter is None:
                counter = known[charge.key] = Window(charge.window) if charge.burst is None else Rate()
                fresh += 1
            pairs.append((counter, charge))
            wait = max(wait, counter.wait(charge, now))
        if not wait:
            for counter, charge in pairs:
                counter.take(charge, now)
        if fresh:
            self._sweep(fresh, now)
        return Standing(tuple([c.level(charge, now) for c, charge in pairs]), _seconds(wait) if wait else None)

    async def close(self) -> None:
        self._counters.clear()

    def _sweep(self, fresh: int, now: int) -> None:
        """Look at some of the longest unswept counters for every new one, so that memory follows use."""
        for _ in range(min(_SWEPT_PER_NEW * fresh, len(self._counters))):
            key = next(iter(self._counters))
            counter = self._counters.pop(key)
            if not counter.idle(now):
                self._counters[key] = counter

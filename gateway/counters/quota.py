"""Quotas of one process: what each key has taken in the calendar period that its name bears.

The subtle thing is a clock that is set back: a period that has ended may come again, so what was used in it is kept for
a while, and nobody gets it a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.traffic.limit_rate import Charge, Level

SECOND = 1_000_000_000
KEPT_SECONDS = 2 * 3600
"""After its end a period may come back: clocks are set, by an hour when somebody got summer time wrong."""


class Quota:
    """One key's units. `known` holds the quotas of its pool by key; `wall` gives unix seconds."""

    __slots__ = ("_known", "_wall", "until", "used")

    def __init__(self, charge: Charge, known: Mapping[str, Quota], wall: Callable[[], float]) -> None:
        self.used = 0
        self.until = charge.until
        self._known = known
        self._wall = wall

    def wait(self, charge: Charge, now: int) -> int:
        """Nanoseconds until units may be taken: 0, or what is left of the period."""
        if self._total(charge) + charge.weight <= charge.requests:
            return 0
        return seconds_left(charge, self._wall()) * SECOND

    def take(self, charge: Charge, now: int) -> Level:
        self.used += charge.weight
        return self.level(charge, now)

    def level(self, charge: Charge, now: int) -> Level:
        return Level(charge, max(0, charge.requests - self._total(charge)), seconds_left(charge, self._wall()))

    def idle(self, now: int) -> bool:
        return self._wall() >= self.until + KEPT_SECONDS

    def _total(self, charge: Charge) -> int:
        if len(charge.pool) < 2:
            return self.used
        known = self._known
        return sum([known[key].used for key in charge.pool if key in known])


def seconds_left(charge: Charge, now: float) -> int:
    """Whole seconds until a quota's period has ended, at least one: whoever waits so long comes into the next."""
    return max(1, int(-((now - charge.until) // 1)))

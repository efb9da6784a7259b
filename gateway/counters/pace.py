"""Which takes come so often that they are leased from Redis several at a time, and what is left of their leases.

A lease is for one tuple of charges, which is made once per subscription and operation: the very object is the key. Owns
no connection. The subtle thing is time: a lease ends by our clock before it ends by the server's, since it is counted
from before it was asked for; and the server has counted its units as if used at that end.
"""

from __future__ import annotations

from policies.traffic.limit_rate import Charge, Level, Standing

TICK_SECONDS = 0.25
"""How often calls are counted; no lease is longer."""
PARTS = 20
"""A lease is at most this part of the shortest window, since what it counts comes back so much later."""
OFTEN = 8
"""Calls per lease from which leasing pays."""
MOST = 1000


class Pace:
    """Of one tuple of charges."""

    __slots__ = ("asking", "calls", "charges", "left", "marks", "seconds", "standing", "until", "wanted")

    def __init__(self, charges: tuple[Charge, ...]) -> None:
        self.charges = charges
        self.seconds = min([TICK_SECONDS, *(charge.window / PARTS for charge in charges)])
        self.calls = 0
        """Since the last tick."""
        self.wanted = 1
        """Calls to ask for at once."""
        self.asking = False
        self.left = 0
        """Calls that are paid for, until `until` (monotonic seconds)."""
        self.until = 0.0
        self.standing = Standing(())
        """After all calls of the lease."""
        self.marks: tuple[int, ...] = ()

    def take(self) -> Standing:
        """Use one call of the lease."""
        self.left = left = self.left - 1
        if not left:
            return self.standing
        return Standing(
            tuple([Level(o.charge, o.remaining + left * o.charge.weight, o.reset) for o in self.standing.levels])
        )

    def lease(self, calls: int, standing: Standing, marks: tuple[int, ...], until: float) -> None:
        self.left, self.standing, self.marks, self.until = calls, standing, marks, until

    def tick(self) -> bool:
        """Look at how many calls came; whether it is to be kept."""
        calls, self.calls = self.calls, 0
        paced = int(calls * self.seconds / TICK_SECONDS)
        self.wanted = min(MOST, paced) if paced >= OFTEN else 1
        return bool(calls or self.left or self.asking)

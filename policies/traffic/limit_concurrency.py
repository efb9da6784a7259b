"""Hold the number of exchanges that one application has under way at once (per worker).

The slot is given back through ``exchange.release``, which the connection calls exactly once, whatever the end.
"""

from __future__ import annotations

from functools import partial

from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy
from policies.traffic.limit_rate import Slots


class LimitConcurrency:
    __slots__ = ("_slots",)
    phase = Phase.LIMIT

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def decide(self, exchange: Exchange) -> Decision:
        allowance = exchange.allowance
        if allowance is None or (most := allowance.plan.max_concurrent) is None:
            return None
        key = allowance.name
        if not self._slots.acquire(key, most):
            return Problem(
                status=429,
                slug="too-many-concurrent",
                title="Too many calls at once",
                detail=f"The plan allows {most} calls under way at the same time. Wait for one to end.",
                headers=(("Retry-After", "1"),),
            )
        exchange.release = partial(self._slots.release, key)
        return None


@policy
def limit_concurrency(facts: RouteFacts) -> Policy | None:
    """Holds the calls an application has under way at once to its plan's `max_concurrent`.

    It comes before the rates, so a call refused here charges none of them. Reuse connections and wait for answers
    instead of starting every call at once.
    """
    return LimitConcurrency(facts.counters.slots)

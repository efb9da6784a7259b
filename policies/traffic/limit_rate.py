"""Charge every limit of the caller's plan in one atomic take: all of them, or none.

Owns the words *charge* and *standing* and the port to the counters; knows nothing of where they are kept, and leaves it
to `limit_allowance` which charges a call makes.
The subtle thing is loss: when shared counters cannot be reached, the plan says what happens, and a lost counter is
never answered with 429 or 500.
"""

from __future__ import annotations

from collections.abc import Awaitable
from math import ceil
from typing import Protocol

from msgspec import Struct

from policies.model.access import Plan
from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy


class Charge(Struct, frozen=True):
    """`weight` units of one limit, to be taken under `key`. `burst` ``None`` means the strict window (see `Limit`).

    With `until` (unix seconds) it is a quota: `key` bears the calendar period that ends then, and what all keys of
    `pool` (its own among them) have taken together stays within `requests`. `window` is then the period's length.
    `label` and `policy` are the limit's name and terms as structured-field items, ready for the reply's headers.
    """

    key: str
    name: str
    requests: int
    window: int
    burst: int | None = None
    label: str = ""
    policy: str = ""
    weight: int = 1
    until: int = 0
    pool: tuple[str, ...] = ()
    per: str = ""
    """The period or window in words, for people."""


class Level(Struct, frozen=True):
    """Where one limit stands: units left, and whole seconds until more come back (a quota: until its period ends)."""

    charge: Charge
    remaining: int
    reset: int


class Standing(Struct, frozen=True):
    """The outcome of a take. Refused (`retry_after` is not ``None``, whole seconds) charges nothing."""

    levels: tuple[Level, ...]
    retry_after: int | None = None


class CountersLost(Exception):
    """Shared counters did not answer in time. `limit_rate` catches it and does what the plan says."""


class LocalCounters(Protocol):
    """Counters in this process: they answer at once and cannot be lost."""

    def take(self, charges: tuple[Charge, ...]) -> Standing: ...


class Slots(Protocol):
    """How many exchanges of one key are under way in this process."""

    def acquire(self, key: str, most: int) -> bool: ...

    def release(self, key: str) -> None: ...


class Counters(Protocol):
    """`take` charges all or nothing, atomically; it raises, or its awaitable raises, `CountersLost`."""

    @property
    def local(self) -> LocalCounters: ...

    @property
    def slots(self) -> Slots: ...

    def take(self, charges: tuple[Charge, ...]) -> Standing | Awaitable[Standing]: ...


class LimitRate:
    __slots__ = ("_local", "_operation", "_take")
    phase = Phase.LIMIT

    def __init__(self, counters: Counters, operation_id: str) -> None:
        self._take = counters.take
        self._local = counters.local
        self._operation = operation_id

    def decide(self, exchange: Exchange) -> Decision:
        allowance = exchange.allowance
        if allowance is None:
            return None
        charges = allowance.charges(self._operation, exchange.now)
        if not charges:
            return None
        try:
            standing = self._take(charges)
        except CountersLost:
            return self._without_counters(exchange, allowance.plan, charges)
        if isinstance(standing, Standing):
            exchange.limits = standing
            return None if standing.retry_after is None else exceeded(standing)
        return self._settle(exchange, allowance.plan, charges, standing)

    async def _settle(
        self, exchange: Exchange, plan: Plan, charges: tuple[Charge, ...], pending: Awaitable[Standing]
    ) -> Problem | None:
        try:
            standing = await pending
        except CountersLost:
            return self._without_counters(exchange, plan, charges)
        exchange.limits = standing
        return None if standing.retry_after is None else exceeded(standing)

    def _without_counters(self, exchange: Exchange, plan: Plan, charges: tuple[Charge, ...]) -> Problem | None:
        if plan.on_counter_loss == "open":
            return None
        if plan.on_counter_loss == "closed":
            return Problem(
                status=503,
                slug="counters-unavailable",
                title="Limits cannot be counted right now",
                detail="The plan forbids calls that cannot be counted. Try again shortly.",
                headers=(("Retry-After", "1"),),
            )
        standing = self._local.take(charges)
        exchange.limits = standing
        return None if standing.retry_after is None else exceeded(standing)


def exceeded(standing: Standing) -> Problem:
    """429 with ``Retry-After`` in whole seconds, never zero: a client that obeys it is admitted."""
    levels = [level for level in standing.levels if level.remaining < level.charge.weight]
    spent = [level.charge for level in levels or standing.levels]
    told = ", ".join(f"{c.name} ({c.requests} per {c.per or f'{c.window} s'})" for c in spent)
    wait = max(1, ceil(standing.retry_after or 0))
    return Problem(
        status=429,
        slug="limit-exceeded",
        title="The plan's limit is reached",
        detail=f"Limit reached: {told}. Try again in {wait} s.",
        headers=(("Retry-After", str(wait)),),
        extensions={"limits": [c.name for c in spent]},
    )


@policy
def limit_rate(facts: RouteFacts) -> Policy | None:
    """Holds a caller to the rates and quotas of its plan, so that nobody is slowed by somebody else's sweep.

    Refused calls charge nothing: waiting ``Retry-After`` seconds is always enough. Spread polling over the window, or
    ask the contract's owner for a larger plan.
    """
    return LimitRate(facts.counters, facts.operation.operation_id or facts.operation.key)

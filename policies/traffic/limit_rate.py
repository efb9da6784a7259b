"""Charge every limit of the caller's plan in one atomic take: all of them, or none.

Owns the words *charge*, *standing*, *allowance* and the port to the counters; knows nothing of where they are kept.
The subtle thing is loss: when shared counters cannot be reached, the plan says what happens, and a lost counter is
never answered with 429 or 500.
"""

from __future__ import annotations

from collections.abc import Awaitable
from math import ceil
from typing import Protocol

from msgspec import Struct

from policies.model.access import Limit, Plan
from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy


class Charge(Struct, frozen=True):
    """One unit of one limit, to be taken under `key`. `burst` ``None`` means the strict window (see `Limit`).

    `label` and `policy` are the limit's name and terms as structured-field items, ready for the reply's headers.
    """

    key: str
    name: str
    requests: int
    window: int
    burst: int | None = None
    label: str = ""
    policy: str = ""


class Level(Struct, frozen=True):
    """Where one limit stands: units left, and whole seconds until more come back."""

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


class Allowance:
    """What a plan allows one subject (an application, or a peer address), with its counters' names made once."""

    __slots__ = ("_by_operation", "_general", "_limits", "name", "plan", "subject")

    def __init__(self, plan: Plan, subject: str) -> None:
        self.plan = plan
        self.subject = subject
        self.name = f"{subject}:{plan.name}"
        self._limits = tuple((limit, self._charge(limit)) for limit in plan.limits)
        self._general = tuple(charge for limit, charge in self._limits if not limit.operations)
        named = {operation for limit in plan.limits for operation in limit.operations}
        self._by_operation = {operation: self._charges(operation) for operation in named}

    def charges(self, operation_id: str) -> tuple[Charge, ...]:
        """Every limit that one call of this operation counts against."""
        return self._by_operation.get(operation_id, self._general)

    def _charges(self, operation_id: str) -> tuple[Charge, ...]:
        return tuple(c for limit, c in self._limits if not limit.operations or operation_id in limit.operations)

    def _charge(self, limit: Limit) -> Charge:
        # the braces keep all keys of a subject in one Redis Cluster slot; a limit whose shape changed starts afresh
        shape = f"{limit.window}" if limit.burst is None else f"{limit.window}b"
        key = f"{{{self.subject}}}:{self.plan.name}:{limit.name}:{shape}"
        # a structured-field string is printable ASCII with two escapes, RFC 9651 section 3.3.3
        name = "".join(c if " " <= c <= "~" else "?" for c in limit.name).replace("\\", "\\\\").replace('"', '\\"')
        label = f'"{name}"'
        policy = f"{label};q={limit.requests};w={limit.window}"
        if limit.burst is not None:
            policy += f";weighbridge-burst={limit.burst}"
        return Charge(key, limit.name, limit.requests, limit.window, limit.burst, label, policy)


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
        charges = allowance.charges(self._operation)
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
    spent = [level.charge for level in standing.levels if level.remaining <= 0]
    told = ", ".join(f"{c.name} ({c.requests} per {c.window} s)" for c in spent)
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

"""What a plan allows one subject, as charges that were made before anybody calls.

Owns the names of counters and the terms told in headers. Counters are named after whom and what they count, never after
what a limit is called: a renamed limit goes on where it stood. A quota is counted for each subscription by itself, and
judged over all subscriptions of the application that are on the plan: what was used goes with a subscription that is
moved to another plan, and neither a renamed plan nor a changed one gives a second quota.

The subtle thing is time: a quota's charges bear the period they count in, so they are made anew when a call falls out
of it, in either direction, since a clock may be set back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from hashlib import sha256
from math import inf

from policies.model.access import Limit, Period, Plan
from policies.traffic.limit_calendar import Span, span
from policies.traffic.limit_rate import Charge


class Allowance:
    """What a plan allows one subject (an application, or a peer address), with its counters' names made once.

    `line` is the subscription whose calls these are, as ``contract@major``, and `lines` all of the subject's on the
    plan; `zones` holds the plan's time zone by name.
    """

    __slots__ = (
        "_by_operation",
        "_charges",
        "_line",
        "_lines",
        "_named",
        "_shapes",
        "_since",
        "_spans",
        "_until",
        "_zone",
        "name",
        "plan",
        "subject",
    )

    def __init__(
        self,
        plan: Plan,
        subject: str,
        *,
        line: str = "",
        lines: Iterable[str] = (),
        zones: Mapping[str, tzinfo] | None = None,
    ) -> None:
        self.plan = plan
        self.subject = subject
        self.name = f"{subject}:{plan.name}"
        self._line = line
        self._lines = tuple(sorted({line, *lines}))
        self._zone = UTC if plan.time_zone == "UTC" or zones is None else zones[plan.time_zone]
        self._shapes = _shapes(plan)
        self._named = frozenset(plan.weights).union(*((*limit.operations, *limit.weights) for limit in plan.limits))
        self._by_operation: dict[str, tuple[Charge, ...]] = {}
        self._charges: dict[tuple[str, int], Charge] = {}
        self._spans: Mapping[Period, Span] = {}
        self._since, self._until = -inf, inf
        if has_quota(plan):
            self._since = inf  # the first call says which period it is

    def charges(self, operation_id: str, now: float) -> tuple[Charge, ...]:
        """Every limit that one call of this operation counts against, quotas last. `now` is unix seconds. The same
        tuple is answered again until a period ends."""
        if not self._since <= now < self._until:
            self._turn(now)
        found = self._by_operation.get(operation_id)
        return self._make(operation_id) if found is None else found

    def _turn(self, now: float) -> None:
        periods = {limit.period for limit in self.plan.limits if limit.period is not None}
        self._spans = {period: span(period, self._zone, now) for period in periods}
        self._since = float(max(found.since for found in self._spans.values()))
        self._until = float(min(found.until for found in self._spans.values()))
        self._by_operation.clear()
        self._charges.clear()

    def _make(self, operation: str) -> tuple[Charge, ...]:
        """Operations that the plan does not name share one tuple."""
        named = operation in self._named
        made = None if named else self._by_operation.get("")
        if made is None:
            made = tuple(
                self._charge(limit, shape, weight)
                for limit, shape in self._shapes
                if not limit.operations or operation in limit.operations
                if (weight := weight_of(self.plan, limit, operation))
            )
        if not named:
            self._by_operation[""] = made
        self._by_operation[operation] = made
        return made

    def _charge(self, limit: Limit, shape: str, weight: int) -> Charge:
        known = self._charges.get((shape, weight))
        if known is None:
            known = self._charges[shape, weight] = self._new_charge(limit, shape, weight)
        return known

    def _new_charge(self, limit: Limit, shape: str, weight: int) -> Charge:
        # the braces keep all keys of a subject in one Redis Cluster slot
        until = 0
        pool: tuple[str, ...] = ()
        if limit.period is None:
            window = limit.window or 1
            key, per = f"{{{self.subject}}}:{self.plan.name}:{shape}", f"{window} s"
        else:
            since, until = self._spans[limit.period]
            window, per = until - since, f"{limit.period}, {self.plan.time_zone}"
            pool = tuple(f"{{{self.subject}}}:{shape}:{since}:{line}" for line in self._lines)
            key = pool[self._lines.index(self._line)]
        # a structured-field string is printable ASCII with two escapes, RFC 9651 section 3.3.3
        name = "".join(c if " " <= c <= "~" else "?" for c in limit.name).replace("\\", "\\\\").replace('"', '\\"')
        label = f'"{name}"'
        policy = f"{label};q={limit.requests};w={window}"
        if limit.weights or self.plan.weights:
            # units are no longer requests: the draft's `qu`, and what this very call costs of them
            policy += f';qu="weighbridge-units";weighbridge-cost={weight}'
        if limit.burst is not None:
            policy += f";weighbridge-burst={limit.burst}"
        if limit.period is not None:
            policy += f';weighbridge-period="{limit.period}"'
        return Charge(
            key=key,
            name=limit.name,
            requests=limit.requests,
            window=window,
            burst=limit.burst,
            label=label,
            policy=policy,
            weight=weight,
            until=until,
            pool=pool,
            per=per,
        )


def has_quota(plan: Plan) -> bool:
    """Whether anything of the plan is counted by the calendar."""
    return any(limit.period is not None for limit in plan.limits)


def weight_of(plan: Plan, limit: Limit, operation: str) -> int:
    """What a call of the operation costs of a limit, in units."""
    return limit.weights.get(operation, plan.weights.get(operation, 1))


def _shapes(plan: Plan) -> tuple[tuple[Limit, str], ...]:
    """The limits, quotas last, each with what it counts; a second one that counts the same bears a number."""
    seen: dict[str, int] = {}
    shapes = []
    for limit in sorted(plan.limits, key=lambda limit: limit.period is not None):
        shape = _shape(limit)
        seen[shape] = nth = seen.get(shape, 0) + 1
        shapes.append((limit, shape if nth == 1 else f"{shape}.{nth}"))
    return tuple(shapes)


def _shape(limit: Limit) -> str:
    """What a limit counts: its length and its operations. One that counts something else starts afresh."""
    length = limit.period or (f"{limit.window}" if limit.burst is None else f"{limit.window}b")
    if not limit.operations:
        return length
    return f"{length}/{sha256(' '.join(sorted(limit.operations)).encode()).hexdigest()[:12]}"

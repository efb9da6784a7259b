"""Who calls what: a counter per application, operation and class of status, and what of it the registry is to be told.

This is the observed use that a service owner reads before changing anything, so refused calls count as well. An
exchange pays for one dictionary read and three stores; whoever asks (a scrape, a report) first has the newest counts
folded into the totals and into what is pending for the registry.

Must not know: how it is shown (`gateway.exposition`) or sent (`gateway.reporting`). The one subtle thing: applications
are bounded by the snapshot, yet every table is bounded too, so that no future kind of caller can make it grow for ever.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from policies.traffic import Exchange

Labels = tuple[str, ...]
"""contract, major, operation, version number"""
Pending = tuple[int, str, Labels, int]
"""Day (since 1970, UTC), application, labels, class of status."""

MAX_SERIES = 50_000
OTHER = "(other)"
MAX_PENDING = 20_000
"""Kinds of calls that are kept for a registry that is away: beyond, their calls are dropped and counted."""
MAX_CREDENTIALS = 50_000
"""Credentials whose last use is kept for a registry that is away."""
_CLASSES = 10
_DAY = 86_400


class Usage:
    """One worker's. With `reported` somebody takes what is pending, else nothing is kept for it."""

    def __init__(self, *, reported: bool = False) -> None:
        self.dropped = 0
        """Calls, and uses of credentials, that the registry will never hear of."""
        self.pending: dict[Pending, list[int]] = {}
        """Calls, and unix seconds of the last one."""
        self.used: dict[str, float] = {}
        """Unix seconds by id of the credential."""
        self._reported = reported
        self._fresh: dict[tuple[str, Labels], list[Any]] = {}  # counts by class, then the last time by class
        self._totals: dict[tuple[str, Labels], list[int]] = {}
        self._refusals: dict[tuple[str, str, str, str], int] = {}

    def record(self, exchange: Exchange, labels: Labels, status: int) -> None:
        """Count one exchange that found its route."""
        caller = exchange.caller
        now = exchange.now
        if caller is None:
            application = ""
        else:
            application = caller.application.id
            self.used[caller.credential] = now
            if exchange.problem is not None:
                self._refuse(application, exchange, status)
        counts = self._fresh.get((application, labels))
        if counts is None:
            if len(self._fresh) >= MAX_SERIES:
                self.settle()
            counts = self._fresh[application, labels] = [0] * (2 * _CLASSES)
        status_class = status // 100
        counts[status_class] += 1
        counts[_CLASSES + status_class] = now

    @property
    def unsettled(self) -> int:
        return len(self._fresh)

    def settle(self, most: int = MAX_SERIES) -> None:
        """Fold up to `most` of the oldest counts into totals and pending; totals keep the order of first use."""
        fresh = self._fresh
        for key in list(islice(fresh, most)):
            application, labels = key
            counts = fresh.pop(key)
            operation = labels[:3]  # totals are of the metric, whose series must not multiply with versions
            total = self._totals.get((application, operation))
            if total is None:
                total = self._start(application, operation)
            for status_class in range(_CLASSES):
                if count := counts[status_class]:
                    total[status_class] += count
                    if self._reported:
                        self._keep(application, labels, status_class, count, int(counts[_CLASSES + status_class]))
        if not self._reported or len(self.used) > MAX_CREDENTIALS:
            if self._reported:
                self.dropped += len(self.used)
            self.used.clear()

    def take(self, most: int) -> list[tuple[Pending, list[int]]]:
        """Up to `most` kinds of calls that the registry has not been told of; they are pending no more."""
        pending = self.pending
        return [pending.popitem() for _ in range(min(most, len(pending)))]

    def take_used(self, most: int) -> list[tuple[str, float]]:
        used = self.used
        return [used.popitem() for _ in range(min(most, len(used)))]

    def _keep(self, application: str, labels: Labels, status_class: int, count: int, last_at: int) -> None:
        if not 1 <= status_class <= 5:
            return
        key = (last_at // _DAY, application, labels, status_class)
        kept = self.pending.get(key)
        if kept is None:
            if len(self.pending) >= MAX_PENDING:
                self.dropped += count
                return
            kept = self.pending[key] = [0, 0]
        kept[0] += count
        kept[1] = max(kept[1], last_at)

    def _refuse(self, application: str, exchange: Exchange, status: int) -> None:
        problem = exchange.problem
        assert problem is not None
        limits = problem.extensions.get("limits") or ("",)
        key = (application, str(status), problem.slug, str(limits[0]))
        if key not in self._refusals and len(self._refusals) >= MAX_SERIES:
            key = (OTHER, *key[1:])
        self._refusals[key] = self._refusals.get(key, 0) + 1

    def _start(self, application: str, labels: Labels) -> list[int]:
        if len(self._totals) >= MAX_SERIES:
            application = OTHER
        return self._totals.setdefault((application, labels), [0] * _CLASSES)

    def reading(self) -> list[tuple[str, list[str], int]]:
        """Samples ``(metric, label values, value)``."""
        self.settle()
        samples = [
            ("usage", [application, *labels, f"{status_class}xx"], count)
            for (application, labels), counts in self._totals.items()
            for status_class, count in enumerate(counts)
            if count
        ]
        samples += [("refusals", list(key), count) for key, count in self._refusals.items()]
        return samples

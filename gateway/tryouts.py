"""Tryouts as one worker runs them: who tries what, how it goes, and the end of those that go wrong.

A worker judges by what it saw itself and rolls back at once, with or without a registry. It never takes that back: a
tryout that was rolled back stays so in this worker for as long as the snapshot has it, however well it would go on.
What it decided waits in `pending` for `gateway.rollbacks` to tell the registry, which stops it everywhere.

Must not know: routes. The one subtle thing: counts outlive snapshots by the tryout's id, so a swap does not begin the
window anew, and a tryout that is set up again begins with nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import structlog
from msgspec import Struct

from policies.model.access import Terms, Tryout
from policies.traffic import Exchange
from policies.tryouts import Counts, Verdict, draws, failed, is_failure

T = TypeVar("T")
SLICES = 12
"""A window moves on by a twelfth of its length."""
MOST_PENDING = 1000
MOST_TOTALS = 2000
"""Series of each metric."""

_log = structlog.get_logger("gateway.tryouts")


class Window:
    """Calls and failures of the last `seconds`, forgotten slice by slice. Time is an argument, and may be set back."""

    __slots__ = ("_calls", "_failures", "_length", "_slices")

    def __init__(self, seconds: int) -> None:
        self._length = seconds / SLICES
        self._slices: deque[list[int]] = deque()  # number, calls, failures
        self._calls = self._failures = 0

    def note(self, now: float, failure: bool) -> None:
        number = self._advance(now)
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0])
        last = self._slices[-1]
        last[1] += 1
        self._calls += 1
        if failure:
            last[2] += 1
            self._failures += 1

    def counts(self, now: float) -> Counts:
        self._advance(now)
        return Counts(self._calls, self._failures)

    def _advance(self, now: float) -> int:
        number = int(now / self._length)
        while self._slices and not number - SLICES < self._slices[0][0] <= number:
            _, calls, failures = self._slices.popleft()
            self._calls -= calls
            self._failures -= failures
        return number


class RolledBack(Struct, frozen=True):
    """What the registry is to be told."""

    application: str
    contract: str
    major: int
    tryout: str
    version: str
    verdict: Verdict
    at: float


class Running:
    """One tryout in one worker."""

    def __init__(self, application: str, terms: Terms, tryout: Tryout, owner: Tryouts) -> None:
        self.labels = (application, terms.contract, str(terms.major), tryout.version)
        self.tryout = tryout
        self.is_open = True
        self.tried = Arm(self, tryout.rollback.window, owner.totals((*self.labels, "tried")))
        self.base = Arm(self, tryout.rollback.window, owner.totals((*self.labels, "base")))
        self._owner = owner

    def draw(self, request_id: str) -> Arm:
        return self.tried if draws(self.tryout, request_id) else self.base

    def judge(self, now: float) -> None:
        verdict = failed(self.tryout.rollback, self.tried.window.counts(now), self.base.window.counts(now))
        if verdict is None or not self.is_open:
            return
        self.is_open = False
        application, contract, major, version = self.labels
        self._owner.tell(
            RolledBack(application, contract, int(major), self.tryout.id, version, verdict, now),
        )


class Arm:
    """The calls that try the version, or those that do not. `totals` (good, failed) only grow."""

    __slots__ = ("_of", "totals", "window")

    def __init__(self, of: Running, seconds: int, totals: list[int]) -> None:
        self._of = of
        self.window = Window(seconds)
        self.totals = totals

    def ended(self, exchange: Exchange, status: int) -> None:
        """One call of this arm is over."""
        failure = is_failure(status, ours=exchange.problem is not None, faulty=bool(exchange.faults))
        if failure is None:
            return
        self.window.note(exchange.now, failure)
        self.totals[failure] += 1
        if failure and self is self._of.tried:
            self._of.judge(exchange.now)


class Tryouts:
    """Those of one worker, by id."""

    def __init__(self) -> None:
        self.pending: dict[str, RolledBack] = {}
        self.told = asyncio.Event()
        """Set when something is pending."""
        self._running: dict[str, Running] = {}
        self._totals: dict[tuple[str, ...], list[int]] = {}
        self._rollbacks: dict[tuple[str, ...], int] = {}

    def totals(self, labels: tuple[str, ...]) -> list[int]:
        """Counts for metrics, which outlive the tryout: whoever scrapes comes later. The oldest are forgotten."""
        if labels not in self._totals and len(self._totals) >= MOST_TOTALS:
            del self._totals[next(iter(self._totals))]
        return self._totals.setdefault(labels, [0, 0])

    def running(self, application: str, terms: Terms) -> Running | None:
        """The one that goes on, or a new one; ``None`` where nothing is tried."""
        tryout = terms.tryout
        if tryout is None:
            return None
        known = self._running.get(tryout.id)
        if known is None:
            known = self._running[tryout.id] = Running(application, terms, tryout, self)
        known.tryout = tryout  # its share may have changed, and its rule
        return known

    def keep(self, ids: Iterable[str]) -> None:
        """Forget all others: the snapshot has them no more."""
        kept = set(ids)
        self._running = {id_: running for id_, running in self._running.items() if id_ in kept}

    def tell(self, rolled_back: RolledBack) -> None:
        _log.warning(
            "tryout rolled back",
            application=rolled_back.application,
            contract=rolled_back.contract,
            version=rolled_back.version,
            reason=rolled_back.verdict.reason,
        )
        labels = (rolled_back.application, rolled_back.contract, str(rolled_back.major), rolled_back.version)
        if labels in self._rollbacks or len(self._rollbacks) < MOST_TOTALS:
            self._rollbacks[labels] = self._rollbacks.get(labels, 0) + 1
        if len(self.pending) < MOST_PENDING:
            self.pending[rolled_back.tryout] = rolled_back
            self.told.set()

    def reading(self) -> list[tuple[str, list[str], Any]]:
        """Samples ``(metric, label values, value)``."""
        samples: list[tuple[str, list[str], Any]] = [
            ("tryout_calls", [*labels, outcome], count)
            for labels, counts in self._totals.items()
            for outcome, count in zip(("good", "failed"), counts, strict=True)
        ]
        return samples + [("tryout_rollbacks", list(labels), count) for labels, count in self._rollbacks.items()]


class Steer(Generic[T]):
    """What one application gets of a major: what it is pinned to, and of some calls what it tries. ``None`` is what
    everybody gets."""

    __slots__ = ("_running", "_tried", "pin")

    def __init__(self, pin: T | None, running: Running | None, tried: T | None) -> None:
        self.pin = pin
        self._running = running if tried is not None else None
        self._tried = tried

    def choose(self, exchange: Exchange) -> T | None:
        running = self._running
        if running is None or not running.is_open:
            return self.pin
        arm = running.draw(exchange.request_id)
        exchange.arm = arm
        return self._tried if arm is running.tried else self.pin

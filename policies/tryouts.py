"""Whether a request tries the newer version, and when a tryout has failed. Pure: counts and ids in, decisions out.

    draws(tryout, request_id) -> bool               the same for the same request, in every worker
    is_failure(status, ours, faulty) -> bool | None     whether a call counts, and as what
    failed(rule, tried, base) -> Verdict | None     the judgement over a window

What is counted is what a version can be blamed for: answers of 5xx, and answers that break the contract. A refusal of
ours below 500 (no scope, no units left) says nothing about the version, and counts as no call at all.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from policies.model.access import Rollback, Tryout


class Counts(NamedTuple):
    """Calls of one kind within the window, and how many of them failed."""

    calls: int
    failures: int

    @property
    def percent(self) -> float:
        return 100 * self.failures / self.calls if self.calls else 0.0


class Verdict(NamedTuple):
    """Why a tryout is rolled back, in words and in counts."""

    reason: str
    tried: Counts
    base: Counts


def draws(tryout: Tryout, request_id: str) -> bool:
    """Whether this request is one of the share that tries the version."""
    return crc32(request_id.encode(), crc32(tryout.id.encode())) % 100 < tryout.share


def is_failure(status: int, *, ours: bool, faulty: bool) -> bool | None:
    """`ours` says that the gateway refused it, `faulty` that the answer broke the contract; ``None`` does not count.
    499 is a client that left before the answer."""
    if status == 499 or (ours and status < 500):
        return None
    return status >= 500 or faulty


def failed(rule: Rollback, tried: Counts, base: Counts) -> Verdict | None:
    """``None`` as long as the tryout may go on, and wherever there are too few calls to tell."""
    if tried.calls < rule.minimum:
        return None
    told = f"{tried.failures} of {tried.calls} calls failed"
    if rule.max_percent is not None and tried.percent > rule.max_percent:
        return Verdict(f"{told}, more than {rule.max_percent}%", tried, base)
    if (
        rule.max_over_base is not None
        and base.calls >= rule.minimum
        and tried.percent > base.percent + rule.max_over_base
    ):
        against = f"of the others {base.failures} of {base.calls}"
        return Verdict(f"{told}, {against}: more than {rule.max_over_base} points above", tried, base)
    return None

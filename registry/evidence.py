"""What a judgement rests on: reports, comparisons, who is touched. Gathers facts; decides nothing itself.

    Publication             the whole judgement of one publish or transition
    judge(unit, ...)        lint + compat against every live version of the major + impact + gates

Comparisons are remembered by the digests they compared, so judging first in a read unit (a dry run) makes the same
judgement cheap inside the write unit that follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policies.findings import Report
from registry.store.records import StoredVersion

if TYPE_CHECKING:
    from policies.compat import Comparison
    from policies.impact import Impact


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The judgement of one publish or transition, and what came of it.

    `created` is false when nothing had to change (same number, same digest, same stage). `comparisons` are against every
    live version of the major, oldest first; `previous` is against the newest live version before the major. `bump` is
    ``major``, ``minor``, ``patch``, ``none`` or ``initial`` (nothing to compare with).
    """

    version: StoredVersion
    created: bool
    action: str
    bump: str
    lint: Report | None
    comparisons: tuple[Comparison, ...]
    previous: Comparison | None
    gates: Report | None
    impact: Impact | None
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: ``{"version", "created", "dry_run", "bump", "lint", "comparisons", "previous", "gates",
        "impact"}``. Reports are ``{"family", "ruleset", "verdict", "findings", "coverage", "waived"}``."""
        raise NotImplementedError

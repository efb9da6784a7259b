"""What a report is about: a comparison, what the two sides are called, and where a pointer stands in the new file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from policies.compat import Comparison
from policies.findings import Finding


def _nowhere(pointer: str) -> int | None:
    return None


@dataclass(frozen=True)
class Subject:
    """`file` is the new document's path, ``None`` when it came from the registry; `line` finds a JSON pointer in it."""

    comparison: Comparison
    old: str
    new: str
    file: str | None = None
    line: Callable[[str], int | None] = _nowhere

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        return self.comparison.report.findings

    def line_of(self, finding: Finding) -> int:
        """A line that can be shown beside the change; the first one where it stands nowhere in the new file."""
        return self.line(finding.pointer) or 1

    @property
    def judged(self) -> str:
        ruleset = self.comparison.report.ruleset
        return f"{self.comparison.verdict}: bump {self.comparison.bump}, judged by {ruleset.name} {ruleset.version}"


def advice(finding: Finding) -> str:
    """The message with what to do instead, on one line."""
    place = f"{finding.operation}: " if finding.operation else ""
    return f"{place}{finding.message}" + (f"; instead: {finding.fix}" if finding.fix else "")

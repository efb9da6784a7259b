"""Who calls what: a counter per application, operation and class of status.

This is the observed use that a service owner reads before changing anything, so refused calls count as well. Must not
know: how it is shown (`gateway.exposition`). The one subtle thing: applications are bounded by the snapshot, yet the
table is bounded too, so that no future kind of caller can make it grow for ever.
"""

from __future__ import annotations

Labels = tuple[str, ...]
"""contract, major, operation"""

MAX_SERIES = 50_000
OTHER = "(other)"


class Usage:
    def __init__(self) -> None:
        self._counts: dict[tuple[str, Labels], list[int]] = {}

    def record(self, application: str, labels: Labels, status: int) -> None:
        """Count one exchange; `application` is its id, or empty for an anonymous call."""
        counts = self._counts.get((application, labels))
        if counts is None:
            counts = self._start(application, labels)
        counts[status // 100] += 1

    def _start(self, application: str, labels: Labels) -> list[int]:
        if len(self._counts) >= MAX_SERIES:
            application = OTHER
        return self._counts.setdefault((application, labels), [0] * 10)

    def reading(self) -> list[tuple[str, list[str], int]]:
        """Samples ``(metric, label values, value)``."""
        return [
            ("usage", [application, *labels, f"{status_class}xx"], count)
            for (application, labels), counts in self._counts.items()
            for status_class, count in enumerate(counts)
            if count
        ]

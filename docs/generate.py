"""Writes docs/rules.md from the catalog. `make docs` runs it; a test fails when the file is stale."""

from __future__ import annotations

from pathlib import Path

from policies import catalog

TITLES = {
    "lint": "Lint: one document",
    "compat": "Compatibility: two documents",
    "lifecycle": "Lifecycle: the gates of a transition",
}
TARGET = Path(__file__).parent / "rules.md"


def rules_page() -> str:
    """Every rule with its default severity, and its text as `weighbridge explain` says it."""
    lines = [
        "# Rules",
        "",
        "Generated from the rules themselves by `make docs`; `weighbridge explain RULE` adds examples.",
        "",
    ]
    for family, title in TITLES.items():
        lines += [f"## {title}", "", "| rule | severity | what it says |", "|---|---|---|"]
        for entry in catalog.entries(family):  # type: ignore[arg-type]
            lines.append(f"| `{entry.id}` | {entry.severity} | {entry.summary.replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    TARGET.write_text(rules_page())

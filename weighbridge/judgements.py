"""What a publication, a transition or a refusal rests on, as a person reads it: who is hurt, by what, with what proof.

Owns the order and the words; the registry judges and `printing` lays out a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape

from weighbridge.printing import counted, findings, joined, out, verdict

MOST_CALLS = 5
"""Operations told for each application."""


def show(body: Mapping[str, Any]) -> None:
    """Print the ``reports`` and the ``impact`` of an answer of the registry: comparisons, lint, gates, applications."""
    reports = body.get("reports") or {}
    _comparisons([*(reports.get("comparisons") or ()), *filter(None, [reports.get("previous")])])
    for name in ("lint", "gates"):
        report = reports.get(name) or {}
        held = report.get("findings") or ()
        findings(f for f in held if f["severity"] == "error" or (name == "gates" and f["severity"] == "warning"))
        warnings = sum(f["severity"] == "warning" for f in held)
        if name == "lint" and warnings:
            out.print(f"lint: {counted(warnings, 'warning')}, `weighbridge lint FILE` tells", style="dim")
    hurts(body.get("impact"))


def hurts(impact: Mapping[str, Any] | None) -> None:
    """Print who is hurt, by what, and what of it each was really seen calling."""
    for one in (impact or {}).get("touched") or ():
        if one["hurt"]:
            who = f"({one['name']}, {one['consumer']})" if one["consumer"] else ""
            by = f" in {', '.join(one['operations'])}" if one["operations"] else ""
            out.print(f"[bold red]hurts[/] {escape(called(one))} [dim]{escape(who + by)}[/]".replace(" [dim][/]", ""))
            broken = [c for c in one.get("calls") or () if c["operation"] in one["operations"] or not one["operations"]]
            for call in broken[:MOST_CALLS]:
                often = f"{call['calls_per_day']:g} times a day"
                out.print(
                    f"        calls {call['operation']} {often}, last on {call['last_called_at'][:10]}", markup=False
                )
            if len(broken) > MOST_CALLS:
                out.print(f"        and {counted(len(broken) - MOST_CALLS, 'more operation')}", markup=False)


def called(touched: Mapping[str, Any]) -> str:
    """How an application is called: callers without credentials have no id."""
    return str(touched["application"] or touched["name"])


def _comparisons(compared: Sequence[Mapping[str, Any]]) -> None:
    """Each verdict once with the versions it holds against, then each finding once: live versions of one major break
    mostly in the same way."""
    against: dict[tuple[str, str], list[str]] = {}
    for comparison in compared:
        against.setdefault((comparison["verdict"], comparison["bump"]), []).append(str(comparison.get("against")))
    for (said, bump), numbers in against.items():
        out.print(f"compared with {joined(numbers)}: {verdict(said)}, bump {bump}")
    findings(_once(compared))


def _once(compared: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    found: dict[tuple[str, str], tuple[Mapping[str, Any], list[str]]] = {}
    for comparison in compared:
        for finding in comparison["findings"]:
            if finding["severity"] != "info":
                # one place can have several findings of one rule, a message each
                _, numbers = found.setdefault((str(finding.get("fingerprint")), finding["message"]), (finding, []))
                numbers.append(str(comparison.get("against")))
    everywhere = [str(comparison.get("against")) for comparison in compared if comparison["verdict"] != "compatible"]
    for finding, numbers in found.values():
        yield finding if numbers == everywhere else {**finding, "against": joined(numbers)}

"""How results reach a person or a program: tables for people, JSON for programs, colours only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

SEVERITY_STYLE = {"error": "bold red", "warning": "yellow", "info": "dim"}
VERDICT_STYLE = {
    "pass": "green",
    "compatible": "green",
    "fail": "bold red",
    "breaking": "bold red",
    "unproven": "yellow",
    "not-evaluated": "yellow",
}
STAGE_STYLE = {"published": "green", "deprecated": "yellow", "retired": "red", "in-review": "cyan"}

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)
"""Into a file or a pipe nothing is folded: other programs read lines."""
err = Console(stderr=True, highlight=False, soft_wrap=True)


LEAST_PROSE = 24


class Format(StrEnum):
    """``--format`` of every command."""

    TEXT = "text"
    JSON = "json"


def say_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table without ink that carries no meaning; `empty` is said instead of a table without rows."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        out.print(f"[dim]{escape(empty)}[/]")
        return
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    needed = 0
    for index, heading in enumerate(headings):  # what is copied is never broken or cut; only prose may be folded
        width = max(len(heading), *(Text.from_markup(row[index]).cell_len for row in cells))
        is_prose = index == len(headings) - 1
        grid.add_column(heading, overflow="fold", no_wrap=not is_prose, min_width=None if is_prose else width)
        needed += (min(width, LEAST_PROSE) if is_prose else width) + 2
    for row in cells:
        grid.add_row(*row)
    out.width = max(out.width, needed)  # a terminal that is too narrow breaks lines, and loses nothing
    with out.capture() as drawn:
        out.print(grid)
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _cell(value: object) -> str:
    if value is None or value == "":
        return "[dim]-[/]"
    text = escape(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    style = STAGE_STYLE.get(text) or SEVERITY_STYLE.get(text) or VERDICT_STYLE.get(text)
    return f"[{style}]{text}[/]" if style else text


PROOF = {"request": "was accepted, is now refused", "response": "may now be sent, was never promised"}
"""What a witness shows, by direction."""


def findings(items: Iterable[Mapping[str, Any]]) -> None:
    """Findings as a person reads them: what, where, the proof, why it hurts, what to do instead."""
    explained: set[str] = set()
    for finding in items:
        severity, rule = str(finding.get("severity", "info")), str(finding.get("rule", ""))
        where = escape(finding.get("operation") or "")
        if finding.get("against"):
            where += f"  [dim]against {escape(finding['against'])}[/]"
        place = finding.get("pointer") or finding.get("new") or finding.get("old_pointer") or finding.get("old") or ""
        style = SEVERITY_STYLE.get(severity, "")
        out.print(f"[{style}]{severity:7}[/] [bold]{escape(rule)}[/]  {where}".rstrip())
        if place:
            used = f", used at {escape(str(finding['used_at']))}" if finding.get("used_at") else ""
            out.print(f"        [dim]at {escape(str(place))}{used}[/]")
        out.print(f"        {escape(str(finding.get('message', '')))}")
        if finding.get("witness") is not None:
            shown = PROOF.get(str(finding.get("direction")), "proof")
            out.print(f"        [dim]{shown}:[/] {escape(json.dumps(finding['witness'], ensure_ascii=False))}")
        if finding.get("fix"):
            out.print(f"        [green]instead:[/] {escape(str(finding['fix']))}")
        if severity == "error" and rule not in explained and (why := _why(rule)):
            explained.add(rule)
            out.print(f"        [green]why:[/] {escape(why)}")


def _why(rule: str) -> str:
    """What the rule's text says after its first sentence: whom it hurts and the compatible way. Rules of a newer
    registry are not known here."""
    from policies import catalog

    try:
        text = catalog.get(rule).text
    except KeyError:
        return ""
    return " ".join(text.partition("\n\n")[2].split())


def verdict(text: str) -> str:
    return f"[{VERDICT_STYLE.get(text, 'bold')}]{escape(text)}[/]"


def counted(number: int, noun: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def joined(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))

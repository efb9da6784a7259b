"""What changed, for the people who have to live with it: grouped by operation, worst first, in plain words.

Owns the wording and the order, and two renderings of them, markdown and HTML. Judges nothing: it is handed a
comparison. Whatever comes out of a document is escaped for the page it goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from policies.findings import Finding, Severity

if TYPE_CHECKING:
    from policies.compat import Comparison

_HEADLINES = {
    "breaking": "Somebody has to change something before moving to this version.",
    "unproven": "Not everything could be proved harmless: look at what is marked undecided.",
    "compatible": "Nobody has to change anything.",
}
_EVERYWHERE = "The contract as a whole"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `weight` is ``Breaking``, ``Undecided``, ``Careful`` or ``Also``."""

    weight: str
    text: str
    advice: str = ""
    witness: str = ""
    side: str = ""


def entries(findings: Iterable[Finding]) -> dict[str, list[Entry]]:
    """By operation, in the order met; operations with the worst change first."""
    groups: dict[str, list[Entry]] = {}
    for finding in findings:
        groups.setdefault(finding.operation or _EVERYWHERE, []).append(_entry(finding))
    for group in groups.values():
        group.sort(key=_rank)
    return dict(sorted(groups.items(), key=lambda item: _rank(item[1][0])))


def markdown(comparison: Comparison, old: str, new: str) -> str:
    """A page with one section per operation. `old` and `new` are what the reader calls the two versions."""
    return "\n".join(_markdown(comparison, old, new)).rstrip() + "\n"


def html(comparison: Comparison, old: str, new: str) -> str:
    """The same as one HTML page that needs nothing beside it."""
    return "\n".join(_html(comparison, old, new)) + "\n"


def _entry(finding: Finding) -> Entry:
    weights = {Severity.ERROR: "Breaking", Severity.WARNING: "Careful", Severity.INFO: "Also"}
    sides = {"request": "what you send", "response": "what you receive", None: ""}
    return Entry(
        weight="Undecided" if finding.proof == "unproven" else weights[finding.severity],
        text=_sentence(finding.message),
        advice=_sentence(finding.fix or ""),
        witness="" if finding.witness is None else json.dumps(finding.witness, ensure_ascii=False, indent=2),
        side=sides[finding.direction],
    )


def _rank(entry: Entry) -> int:
    return ("Breaking", "Undecided", "Careful", "Also").index(entry.weight)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""


def _judged(comparison: Comparison) -> str:
    report = comparison.report
    covered = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in report.coverage.items() if count)
    return f"Judged by ruleset {report.ruleset.name} {report.ruleset.version}; looked at {covered or 'nothing'}."


def _bump(comparison: Comparison) -> str:
    named = {"none": "no new number", "patch": "a patch", "minor": "a minor", "major": "a new major"}
    return f"This change takes {named[comparison.bump]}."


def _markdown(comparison: Comparison, old: str, new: str) -> Iterator[str]:
    yield f"# {_plain(old)} → {_plain(new)}: {comparison.verdict}"
    yield ""
    yield f"{_HEADLINES[comparison.verdict]} {_bump(comparison)}"
    yield ""
    groups = entries(comparison.report.findings)
    for title, group in groups.items():
        yield f"## {_plain(title)}"
        yield ""
        for entry in group:
            side = f" ({entry.side})" if entry.side else ""
            advice = f" *Instead:* {_plain(entry.advice)}" if entry.advice else ""
            yield f"- **{entry.weight}**{side}: {_plain(entry.text)}{advice}"
            if entry.witness:
                fence = "`" * max(3, _longest_ticks(entry.witness) + 1)
                yield "  <details><summary>a payload that shows it</summary>"
                yield ""
                yield from (f"  {line}" for line in (f"{fence}json", *entry.witness.splitlines(), fence))
                yield ""
                yield "  </details>"
        yield ""
    if not groups:
        yield "Nothing changed."
        yield ""
    for waiver in comparison.report.waived:
        yield f"- Waived until {waiver.expires_at}: {_plain(waiver.rule)} ({_plain(waiver.reason)})"
    yield f"<sub>{_judged(comparison)}</sub>"


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _plain(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin-top: 2rem; font-family: ui-monospace, monospace }
li { margin: .5rem 0 } pre { background: #f3f5f8; padding: .6rem; overflow: auto; font-size: .85rem }
b { border-radius: .2rem; padding: 0 .4rem; color: #fff; font-weight: 600; font-size: .85rem }
.Breaking b { background: #b3261e } .Undecided b { background: #8a5a00 } .Careful b { background: #6b5d00 }
.Also b { background: #4a5a6a } small { color: #566 }"""


def _html(comparison: Comparison, old: str, new: str) -> Iterator[str]:
    title = f"{escape(old)} → {escape(new)}: {comparison.verdict}"
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>'
    yield f"<h1>{title}</h1>"
    yield f"<p>{_HEADLINES[comparison.verdict]} {_bump(comparison)}</p>"
    groups = entries(comparison.report.findings)
    for heading, group in groups.items():
        yield f"<h2>{escape(heading)}</h2>"
        yield "<ul>"
        yield from (_item(entry) for entry in group)
        yield "</ul>"
    if not groups:
        yield "<p>Nothing changed.</p>"
    yield f"<p><small>{escape(_judged(comparison))}</small></p></body></html>"


def _item(entry: Entry) -> str:
    side = f" <small>{entry.side}</small>" if entry.side else ""
    advice = f" <i>Instead:</i> {escape(entry.advice)}" if entry.advice else ""
    shown = f"<details><summary>a payload that shows it</summary><pre>{escape(entry.witness)}</pre></details>"
    witness = shown if entry.witness else ""
    return f'<li class="{entry.weight}"><b>{entry.weight}</b>{side} {escape(entry.text)}{advice}{witness}</li>'

"""Workflow commands (``::error file=...,line=...::text``) that GitHub shows beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from policies.findings import Severity
from weighbridge.reports.subject import Subject, advice

_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def github(subject: Subject) -> str:
    """One command per finding and one for the verdict."""
    return "\n".join(_commands(subject)) + "\n"


def _commands(subject: Subject) -> Iterator[str]:
    for finding in subject.findings:
        where = f"file={_property(subject.file)},line={subject.line_of(finding)}," if subject.file else ""
        yield f"::{_LEVEL[finding.severity]} {where}title={_property(finding.rule)}::{_data(advice(finding))}"
    level = {"breaking": "error", "unproven": "warning"}.get(subject.comparison.verdict, "notice")
    yield f"::{level} title=weighbridge::{_data(f'{subject.old} -> {subject.new}: {subject.judged}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

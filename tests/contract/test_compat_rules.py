"""Every compatibility rule's own examples, with the exact set of rule ids they fire. New rules enter by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from policies import catalog, compat
from policies.compat.claims import Case
from policies.findings import Severity
from policies.rulesets import load


def examples(kind: str) -> list[Any]:
    return [
        pytest.param(entry, case, id=f"{entry.id}-{index}")
        for entry in catalog.entries("compat")
        for index, case in enumerate(entry.examples.get(kind, ()))
    ]


def compared(case: Case) -> compat.Comparison:
    return compat.check(*case.documents(), load("baseline"))


@pytest.mark.parametrize(("entry", "case"), examples("breaks"))
def test_a_breaking_example_fires_its_rule_and_no_other(entry: catalog.Entry, case: Case) -> None:
    comparison = compared(case)
    hurting = {finding.rule for finding in comparison.report.findings if finding.severity is not Severity.INFO}
    assert hurting == {entry.id, *(f"compat.{name}" for name in case.also)}
    assert comparison.verdict == ("breaking" if entry.severity is Severity.ERROR else "compatible")


@pytest.mark.parametrize(("entry", "case"), examples("tells"))
def test_a_telling_example_is_reported_and_hurts_nobody(entry: catalog.Entry, case: Case) -> None:
    comparison = compared(case)
    assert entry.id in {finding.rule for finding in comparison.report.findings}
    assert comparison.verdict == ("unproven" if entry.id == "compat.unproven" else "compatible")


@pytest.mark.parametrize(("entry", "case"), examples("safe"))
def test_a_safe_example_breaks_nothing(entry: catalog.Entry, case: Case) -> None:
    comparison = compared(case)
    assert [f.message for f in comparison.report.findings if f.severity is Severity.ERROR] == []
    assert comparison.verdict == "compatible"


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.id) for entry in catalog.entries("compat")])
def test_a_rule_is_classified_and_shows_when_it_speaks(entry: catalog.Entry) -> None:
    assert {"direction", "area", "kind", "action"} <= entry.taxonomy.keys()
    assert entry.examples.get("breaks") or entry.examples.get("tells")


@pytest.mark.parametrize("kind", ["breaks", "tells", "safe"])
def test_the_same_question_always_gets_the_same_answer(kind: str) -> None:
    for example in examples(kind):
        _, case = example.values
        assert compared(case).to_dict() == compared(case).to_dict()

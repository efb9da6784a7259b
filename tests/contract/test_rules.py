"""Every rule's own examples, with the exact set of rule ids they fire. New rules enter by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from policies import catalog, lint
from policies.lifecycle import admit
from policies.lifecycle.cases import Case
from policies.lint.frame import complete
from policies.model.document import Document
from policies.rulesets import load


def examples(family: catalog.Family, kind: str) -> list[Any]:
    return [
        pytest.param(entry, case, id=f"{entry.id}-{index}")
        for entry in catalog.entries(family)
        for index, case in enumerate(entry.examples.get(kind, ()))
    ]


def fired(fragment: str) -> set[str]:
    report = lint.check(Document(complete(fragment)), load("baseline"))
    return {finding.rule for finding in report.findings}


@pytest.mark.parametrize(("entry", "fragment"), examples("lint", "good"))
def test_a_good_lint_example_leaves_all_of_lint_silent(entry: catalog.Entry, fragment: str) -> None:
    assert fired(fragment) == set()


@pytest.mark.parametrize(("entry", "fragment"), examples("lint", "bad"))
def test_a_bad_lint_example_fires_its_rule_and_no_other(entry: catalog.Entry, fragment: str) -> None:
    assert fired(fragment) == {entry.id}


def refused(case: Case) -> set[str]:
    report = admit(case.transition, case.evidence, load("baseline"))
    return {finding.rule for finding in report.findings}


@pytest.mark.parametrize(("entry", "case"), examples("lifecycle", "pass"))
def test_a_passing_case_leaves_every_gate_open(entry: catalog.Entry, case: Case) -> None:
    assert refused(case) == set()


@pytest.mark.parametrize(("entry", "case"), examples("lifecycle", "block"))
def test_a_blocking_case_shuts_its_gate_and_no_other(entry: catalog.Entry, case: Case) -> None:
    assert refused(case) == {entry.id}

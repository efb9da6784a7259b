"""Every rule's own examples, with the exact set of rule ids they fire. New rules enter by themselves.

The examples of compatibility rules are pairs of documents and are judged in `test_compat_rules`.
"""

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


KINDS = {"lint": {"good", "bad"}, "lifecycle": {"pass", "block"}}


@pytest.mark.parametrize("entry", catalog.entries(), ids=lambda entry: entry.id)
def test_every_entry_says_in_one_line_what_it_holds_and_can_be_explained(entry: catalog.Entry) -> None:
    assert entry.id == f"{entry.family}.{entry.function.__name__.replace('_', '-')}"
    assert entry.summary.endswith(".")
    explained = catalog.explain(entry.id)
    assert explained.startswith(f"# {entry.id}\n\n{entry.text}\n")
    assert explained.count("```yaml") == sum(len(cases) for cases in entry.examples.values())


@pytest.mark.parametrize("entry", [*catalog.entries("lint"), *catalog.entries("lifecycle")], ids=lambda entry: entry.id)
def test_every_rule_and_gate_shows_both_kinds_of_example_and_says_why(entry: catalog.Entry) -> None:
    assert {kind for kind, cases in entry.examples.items() if cases} == KINDS[entry.family]
    assert len(entry.text.split("\n\n")) > 1, "the first line says what holds, the rest why it hurts"


@pytest.mark.parametrize("entry", [e for e in catalog.entries() if e.options], ids=lambda entry: entry.id)
def test_every_option_is_explained(entry: catalog.Entry) -> None:
    shared = {"harmless": "the direction in which it hurts nobody"}
    said = catalog.explain(entry.id)
    assert [name for name in entry.options if shared.get(name, f"``{name}``") not in said] == []

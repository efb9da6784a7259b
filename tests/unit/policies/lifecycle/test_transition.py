from __future__ import annotations

import dataclasses

from policies import compat
from policies.lifecycle import Action, Compared, admit
from policies.lifecycle.cases import case
from policies.lint.frame import complete
from policies.model.contract import Stage
from policies.model.document import Document
from policies.rulesets import load

BASELINE = load("baseline")
OLD = Document(complete("response: {name: {type: string, maxLength: 80}}"))


def refused(number: str, fragment: str) -> list[str]:
    """The gates that a real comparison shuts."""
    change = compat.check(OLD, Document(complete(fragment)), BASELINE)
    made = case(Action.PUBLISH, number=number, comparisons=(Compared("1.0.0", change),))
    return [finding.rule for finding in admit(made.transition, made.evidence, BASELINE).findings]


def test_what_the_differ_answers_is_what_gates_read() -> None:
    kept = "response: {name: {type: string, maxLength: 80}}\n"
    more = "read: {parameters: [{name: more, in: query, schema: {type: boolean}}]}"
    assert refused("1.0.1", kept) == []
    assert refused("1.1.0", kept + more) == []
    assert refused("1.0.1", kept + more) == ["lifecycle.semver-admits-change"]
    assert refused("1.1.0", "response: {name: {type: integer}}") == ["lifecycle.breaking-needs-new-major"]


def test_a_version_that_does_not_exist_yet_leaves_draft() -> None:
    transition = case(Action.PUBLISH, number="12.3.4").transition
    assert (transition.version, transition.stage, transition.major) == (None, Stage.DRAFT, 12)


def test_force_counts_only_with_a_reason() -> None:
    transition = case(Action.RETIRE).transition
    assert not dataclasses.replace(transition, forced=True).is_forced
    assert not dataclasses.replace(transition, reason="why").is_forced
    assert dataclasses.replace(transition, forced=True, reason="why").is_forced

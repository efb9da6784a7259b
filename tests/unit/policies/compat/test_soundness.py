"""What must hold for every pair of schemas, whoever wrote them. The judge is a validator, not the differ."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies import compat
from policies.findings import Severity
from policies.rulesets import load
from tests.unit.policies.compat.schemas import document, pairs, received, schemas, sent, values

RULESET = load("baseline")
THOROUGH = settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def verdict(old: Any, new: Any, direction: str) -> compat.Comparison:
    return compat.check(document(old, direction), document(new, direction), RULESET)


def validator(schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


@THOROUGH
@given(pair=pairs(), instances=st.lists(values, min_size=25, max_size=40))
def test_no_request_that_was_right_and_is_refused_meets_a_green_verdict(pair: Any, instances: list[Any]) -> None:
    old, new = pair
    comparison = verdict(old, new, "request")
    if comparison.verdict == "compatible":
        accepted, still = validator(sent(old)), validator(received(new))
        broken = [value for value in instances if accepted.is_valid(value) and not still.is_valid(value)]
        assert broken == []


@THOROUGH
@given(pair=pairs(), instances=st.lists(values, min_size=25, max_size=40))
def test_no_answer_that_nobody_was_told_of_meets_a_green_verdict(pair: Any, instances: list[Any]) -> None:
    old, new = pair
    comparison = verdict(old, new, "response")
    if comparison.verdict == "compatible":
        told, may_come = validator(received(old)), validator(sent(new))
        assert [value for value in instances if may_come.is_valid(value) and not told.is_valid(value)] == []


@THOROUGH
@given(pair=pairs(), direction=st.sampled_from(["request", "response"]))
def test_every_witness_is_one(pair: Any, direction: str) -> None:
    old, new = pair
    if old.keys() & {"properties", "items", "anyOf", "oneOf", "allOf", "$ref"}:
        return
    for finding in verdict(old, new, direction).report.findings:
        if finding.proof == "witnessed" and finding.severity is Severity.ERROR and finding.pointer.endswith("/schema"):
            inner, outer = (old, new) if direction == "request" else (new, old)
            assert validator(received(inner)).is_valid(finding.witness)
            assert not validator(received(outer)).is_valid(finding.witness)


@THOROUGH
@given(schema=schemas, direction=st.sampled_from(["request", "response"]))
def test_nothing_changed_is_no_change(schema: Any, direction: str) -> None:
    comparison = verdict(schema, copy.deepcopy(schema), direction)
    assert (comparison.verdict, comparison.bump, comparison.report.findings) == ("compatible", "none", ())


@THOROUGH
@given(schema=schemas, direction=st.sampled_from(["request", "response"]))
def test_the_order_of_keys_and_of_alternatives_is_no_change(schema: Any, direction: str) -> None:
    assert verdict(schema, reversed_(schema), direction).bump == "none"


def reversed_(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: reversed_(part)[::-1] if key in ("anyOf", "oneOf", "allOf", "enum", "required") else reversed_(part)
            for key, part in reversed(value.items())
        }
    return [reversed_(part) for part in value] if isinstance(value, list) else value


@THOROUGH
@given(schema=schemas, direction=st.sampled_from(["request", "response"]))
def test_a_definition_inlined_or_wrapped_is_no_change(schema: Any, direction: str) -> None:
    named = document({"$ref": "#/components/schemas/Root"}, direction)
    named.tree["components"]["schemas"]["Root"] = {"allOf": [schema]}  # type: ignore[index]
    comparison = compat.check(document(schema, direction), named, RULESET)
    assert (comparison.bump, comparison.report.findings) == ("none", ())


@THOROUGH
@given(pair=pairs())
def test_what_breaks_a_request_one_way_breaks_a_response_the_other_way(pair: Any) -> None:
    """Narrowing hurts senders, widening hurts readers: old to new as a request is new to old as a response."""
    old, new = pair
    forth, back = verdict(old, new, "request"), verdict(new, old, "response")
    plain = {"compat.response-property-added-to-closed-object", "compat.request-property-removed"}
    exceptions = plain | {"compat.object-closed", "compat.object-opened"}
    if not any(f.rule in exceptions for c in (forth, back) for f in c.report.findings):
        assert forth.verdict == back.verdict


@THOROUGH
@given(pair=pairs(), direction=st.sampled_from(["request", "response"]))
def test_an_error_is_reported_for_one_side_only(pair: Any, direction: str) -> None:
    """A leaf that only narrows in one direction only widens when the change is taken back."""
    old, new = pair
    forth, back = verdict(old, new, direction), verdict(new, old, direction)
    if forth.verdict == "compatible" and back.verdict == "compatible" and forth.bump != "none":
        assert {f.severity for f in forth.report.findings} <= {Severity.INFO, Severity.WARNING}

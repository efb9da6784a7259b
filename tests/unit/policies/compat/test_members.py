"""Members that come and go: one finding each, and a witness that shows the break and nothing else."""

from __future__ import annotations

from typing import Any

from policies import compat, rulesets
from policies.compat import Comparison
from policies.model.document import Document

LOT = {"type": "object", "required": ["code"], "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}}}
SKU = {"type": "string", "pattern": "^[A-Z]{2}$"}


def answering(schema: dict[str, Any]) -> Document:
    answer = {"description": "found", "content": {"application/json": {"schema": schema}}}
    return Document(
        {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1.0.0"},
            "paths": {"/items": {"get": {"operationId": "getItem", "responses": {"200": answer}}}},
        }
    )


def taking(schema: dict[str, Any]) -> Document:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    operation = {"operationId": "putItem", "requestBody": body, "responses": {"204": {"description": "done"}}}
    return Document(
        {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1.0.0"},
            "paths": {"/items": {"put": operation}},
        }
    )


def item(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def check(old: Document, new: Document) -> Comparison:
    return compat.check(old, new, rulesets.load("baseline"))


def test_a_new_member_of_a_response_is_one_finding_whatever_is_inside() -> None:
    comparison = check(answering(item("sku", sku=SKU)), answering(item("sku", "lot", sku=SKU, lot=LOT)))
    assert [finding.rule for finding in comparison.report.findings] == ["compat.response-property-added"]
    assert (comparison.verdict, comparison.bump) == ("compatible", "minor")


def test_a_new_member_still_has_to_be_what_undeclared_members_were_promised_to_be() -> None:
    numbers = {**item("sku", sku=SKU), "additionalProperties": {"type": "number"}}
    comparison = check(answering(numbers), answering({**numbers, "properties": {"sku": SKU, "lot": LOT}}))
    assert comparison.verdict == "breaking"
    assert "compat.type-changed" in {finding.rule for finding in comparison.report.findings}


def test_a_member_that_is_no_longer_read_is_one_finding() -> None:
    comparison = check(taking(item(sku=SKU, lot=LOT)), taking(item(sku=SKU)))
    assert [finding.rule for finding in comparison.report.findings] == ["compat.request-property-ignored"]


def test_the_witness_of_a_removed_member_is_an_answer_without_it() -> None:
    comparison = check(answering(item("sku", "day", sku=SKU, day=SKU)), answering(item("sku", sku=SKU)))
    (finding,) = comparison.report.findings
    assert (finding.rule, finding.witness) == ("compat.response-property-removed", {"sku": "AA"})


def test_a_member_that_came_sometimes_breaks_nobody_so_it_has_no_witness() -> None:
    comparison = check(answering(item("sku", sku=SKU, day=SKU)), answering(item("sku", sku=SKU)))
    (finding,) = comparison.report.findings
    assert (finding.rule, finding.witness) == ("compat.response-optional-property-removed", None)


def test_a_report_says_what_to_do_instead_where_somebody_is_hurt_and_only_there() -> None:
    old, new = item("sku", sku=SKU, day=SKU), {**item("sku", "day", sku=SKU, day=SKU), "additionalProperties": False}
    (closed, required) = sorted(check(taking(old), taking(new)).report.findings, key=lambda found: found.rule)
    assert (closed.rule, closed.fix) == ("compat.object-closed", "leave the object open")
    assert (required.rule, required.fix) == ("compat.request-property-became-required", "keep day optional")
    for told in check(answering(old), answering(new)).report.findings:
        assert (told.severity.value, told.fix) == ("info", None)

from __future__ import annotations

from typing import Any

from policies.lint.judging import Judge
from policies.model.document import Document, Node

DOCUMENT = Document({"openapi": "3.1.0"})


def node(**schema: Any) -> Node:
    return Node(schema, f"/{sorted(schema)}")


def test_a_value_is_judged_and_counted_and_the_place_is_told() -> None:
    judge = Judge(DOCUMENT)
    schema = node(properties={"lines": {"items": {"type": "integer"}}})
    assert judge.fault(schema, {"lines": [1]}, ("request",)) is None
    assert judge.fault(schema, {"lines": [1, "2"]}, ("request",)) == '/lines/1: "2" is not of type "integer"'
    assert judge.judged == 2


def test_fitting_one_direction_is_enough() -> None:
    judge = Judge(DOCUMENT)
    schema = node(properties={"id": {"readOnly": True}}, required=["id"])
    assert judge.fault(schema, {}, ("response",)) == '"id" is a required property'
    assert judge.fault(schema, {}, ("response", "request")) is None


def test_a_schema_that_cannot_be_compiled_refuses_no_value_and_says_why() -> None:
    judge = Judge(DOCUMENT)
    schema = node(minimum="3")
    assert judge.fault(schema, 1, ("request",)) is None
    assert judge.invalidity(schema, "request") == '/minimum: "3" is not of type "number"'


def test_a_dangling_reference_is_an_invalidity() -> None:
    fault = Judge(DOCUMENT).invalidity(Node({"$ref": "#/nowhere"}, "/a"), "request")
    assert fault == "/a: $ref '#/nowhere' leads nowhere inside this document"


def test_a_bad_pattern_is_told_where_it_stands_and_not_here() -> None:
    assert Judge(DOCUMENT).invalidity(node(pattern="("), "request") is None
    assert Judge(DOCUMENT).invalidity(node(pattern="^a$"), "request") is None

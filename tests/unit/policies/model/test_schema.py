"""A schema of a document as a validator gets it."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model.document import Document, Node, UnresolvedReference
from policies.model.schema import standalone, validator

SHORT = {"Short": {"$ref": "#/components/schemas/Text", "maxLength": 3}, "Text": {"type": "string"}}


def admits(openapi: str, schemas: Any, schema: Any, value: Any) -> bool:
    document = Document({"openapi": openapi, "paths": {}, "components": {"schemas": schemas}})
    return bool(validator(standalone(document, Node(schema, ""), "request")).is_valid(value))


def test_what_stands_beside_a_reference_counts_in_31_also_when_it_is_referred_to() -> None:
    reference = {"$ref": "#/components/schemas/Short"}
    assert admits("3.1.0", SHORT, reference, "abc")
    assert not admits("3.1.0", SHORT, reference, "abcd")
    assert not admits("3.1.0", SHORT, reference, 3)
    assert admits("3.0.3", SHORT, reference, "abcd")


def test_a_schema_is_found_by_its_own_name() -> None:
    schemas = {"Text": {"$anchor": "text", "type": "string"}}
    assert admits("3.1.0", schemas, {"$ref": "#text"}, "a")
    assert not admits("3.1.0", schemas, {"$ref": "#text"}, 1)


def test_a_name_given_twice_names_nothing() -> None:
    schemas = {"A": {"$anchor": "text", "type": "string"}, "B": {"$anchor": "text", "type": "integer"}}
    with pytest.raises(UnresolvedReference):
        admits("3.1.0", schemas, {"$ref": "#text"}, "a")


@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["id", "b"], "properties": {"id": {"readOnly": True}}},
        {"required": ["id", "b"], "allOf": [{"properties": {"id": {"readOnly": True}}}]},
        {"required": ["id", "b"], "allOf": [{"$ref": "#/components/schemas/Base"}]},
        {"properties": {"id": {"readOnly": True}}, "allOf": [{"required": ["id", "b"]}]},
    ],
)
def test_a_member_of_the_other_direction_is_not_required_wherever_it_is_declared(schema: dict[str, Any]) -> None:
    base = {"properties": {"id": {"type": "string", "readOnly": True}}}
    document = Document({"openapi": "3.1.0", "info": {}, "paths": {}, "components": {"schemas": {"Base": base}}})
    judged = {
        direction: validator(standalone(document, Node(schema, ""), direction))  # type: ignore[arg-type]
        for direction in ("request", "response")
    }
    assert (judged["request"].is_valid({"b": 1}), judged["request"].is_valid({})) == (True, False)
    assert (judged["response"].is_valid({"b": 1}), judged["response"].is_valid({"b": 1, "id": "x"})) == (False, True)

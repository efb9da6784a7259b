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

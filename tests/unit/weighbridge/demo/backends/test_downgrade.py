from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from connexion.spec import OpenAPISpecification
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.demo.backends.contracts import newest
from weighbridge.demo.backends.downgrade import schema_30, to_openapi_30
from weighbridge.demo.backends.settings import SPECS


@pytest.mark.parametrize(
    ("schema_31", "expected"),
    [
        (True, {}),
        (False, {"not": {}}),
        ({"type": ["string", "null"], "maxLength": 3}, {"type": "string", "maxLength": 3, "nullable": True}),
        ({"type": "null"}, {"enum": [None], "nullable": True}),
        ({"type": ["string", "integer"]}, {"allOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}]}),
        ({"const": "A"}, {"enum": ["A"]}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"exclusiveMinimum": 0, "minimum": 5}, {"minimum": 5}),
        ({"exclusiveMaximum": 5, "maximum": 9}, {"maximum": 5, "exclusiveMaximum": True}),
        ({"type": "string", "examples": ["a"]}, {"type": "string"}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": False}, {"type": "array", "items": {}}),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {}),
        ({"$ref": "#/components/schemas/A", "description": "told here"}, {"$ref": "#/components/schemas/A"}),
        ({"$ref": "#/A", "maxLength": 3}, {"maxLength": 3, "allOf": [{"$ref": "#/A"}]}),
        ({"properties": {"const": {"const": 1}}}, {"properties": {"const": {"enum": [1]}}}),
        ({"enum": [{"const": 1}]}, {"enum": [{"const": 1}]}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"additionalProperties": {"const": 1}}, {"additionalProperties": {"enum": [1]}}),
        ({"anyOf": [{"const": 1}, {"type": "null"}]}, {"anyOf": [{"enum": [1]}, {"enum": [None], "nullable": True}]}),
        ({"type": "array", "items": False}, {"type": "array", "items": {"not": {}}}),
    ],
)  # fmt: skip
def test_each_keyword(schema_31: Any, expected: dict[str, Any]) -> None:
    assert schema_30(schema_31) == expected


def test_a_document_keeps_its_examples_and_loses_what_30_lacks() -> None:
    tree = yaml.safe_load("""
        openapi: 3.1.0
        info: {title: T, version: 1.0.0, summary: S}
        jsonSchemaDialect: https://json-schema.org/draft/2020-12/schema
        webhooks: {w: {}}
        paths:
          /a:
            get:
              operationId: a
              parameters:
                - {name: q, in: query, schema: {type: [string, 'null']}, example: {const: kept}}
              responses:
                '200':
                  description: OK
                  content:
                    application/json:
                      schema: {const: 1}
                      examples: {one: {value: {type: [string, 'null']}}}
        components:
          pathItems: {p: {}}
          schemas: {schema: {type: [integer, 'null']}}
    """)
    before = json.dumps(tree)
    assert to_openapi_30(tree) == yaml.safe_load("""
        openapi: 3.0.3
        info: {title: T, version: 1.0.0}
        paths:
          /a:
            get:
              operationId: a
              parameters:
                - {name: q, in: query, schema: {type: string, nullable: true}, example: {const: kept}}
              responses:
                '200':
                  description: OK
                  content:
                    application/json:
                      schema: {enum: [1]}
                      examples: {one: {value: {type: [string, 'null']}}}
        components:
          schemas: {schema: {type: integer, nullable: true}}
    """)
    assert json.dumps(tree) == before


def test_a_30_document_is_copied() -> None:
    tree = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"x": [1]}}}
    copy = to_openapi_30(tree)
    assert copy == tree
    assert copy["paths"]["/a"] is not tree["paths"]["/a"]  # type: ignore[index]


@pytest.mark.parametrize("contract", sorted(path.name for path in SPECS.iterdir() if path.is_dir()))
def test_the_framework_takes_every_served_document(contract: str) -> None:
    for behind in (0, 1):
        for served in newest(SPECS, contract, behind).values():
            # raises for what is no 3.0 document
            OpenAPISpecification.from_dict(to_openapi_30(served.document.tree))


_SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "bc", "A-1"])
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner), max_leaves=4
)
_SCHEMAS = st.recursive(
    st.sampled_from(
        [
            True,
            {"type": "null"},
            {"type": ["string", "null"], "maxLength": 1},
            {"type": ["integer", "string"]},
            {"type": ["array", "null"]},
            {"const": "a"},
            {"type": "integer", "exclusiveMinimum": 0, "maximum": 4},
            {"exclusiveMaximum": 2, "minimum": -2},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(lambda a: {"type": "array", "items": a}, inner),
        st.builds(lambda a: {"prefixItems": [a], "type": "array"}, inner),
        st.builds(lambda a: {"type": ["object", "null"], "properties": {"a": a}, "required": ["a"]}, inner),
        st.builds(lambda a, b: {"if": a, "then": b, "type": ["object", "string", "null"]}, inner, inner),
    ),
    max_leaves=4,
)


def _nullable_as_draft_4(schema: Any) -> Any:
    """A 3.0 schema as Draft 4 reads it, so that it can be judged: ``nullable`` becomes a null type."""
    if isinstance(schema, list):
        return [_nullable_as_draft_4(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: value if key == "enum" else _nullable_as_draft_4(value) for key, value in schema.items()}
    if out.pop("nullable", False) and "type" in out:
        out["type"] = [out["type"], "null"]
    return out


@settings(max_examples=300, derandomize=True)
@given(_SCHEMAS, _VALUES)
def test_the_result_is_only_ever_weaker(schema: Any, value: Any) -> None:
    if jsonschema.Draft202012Validator(schema).is_valid(value):
        assert jsonschema.Draft4Validator(_nullable_as_draft_4(schema_30(schema))).is_valid(value)

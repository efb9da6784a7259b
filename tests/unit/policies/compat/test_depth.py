"""Documents that are valid and built to exhaust: long, deep, woven. The answer comes, and it is no silent pass."""

from __future__ import annotations

from typing import Any

import pytest

from policies import compat
from policies.model.document import Document
from policies.rulesets import load

RULESET = load("baseline")
STRING, INTEGER = {"type": "string"}, {"type": "integer"}


def document(schema: Any, **schemas: Any) -> Document:
    content = {"application/json": {"schema": schema}}
    operation = {"requestBody": {"content": content}, "responses": {"204": {"description": "taken"}}}
    tree = {"openapi": "3.1.0", "info": {"title": "t", "version": "1.0.0"}, "paths": {"/x": {"post": operation}}}
    return Document({**tree, "components": {"schemas": schemas}})


def at(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def nested(keyword: str, leaf: Any, depth: int = 300) -> Document:
    schema = leaf
    for level in range(depth):
        schema = {
            "allOf": {"allOf": [schema]},
            "anyOf": {"anyOf": [schema, {"type": "boolean"}]},
            "oneOf": {"oneOf": [schema, {"type": "object", "required": [f"k{level}"]}]},
            "items": {"type": "array", "items": schema},
            "properties": {"type": "object", "properties": {"a": schema}},
        }[keyword]
    return document(schema)


def inherited(last: Any, length: int = 1500) -> Document:
    """Every definition includes the next one."""
    chain = {f"C{i}": {"allOf": [at(f"C{i + 1}"), {"properties": {f"p{i}": STRING}}]} for i in range(length)}
    return document(at("C0"), **chain, **{f"C{length}": last})


def lattice(leaf: Any, height: int = 20, width: int = 3) -> Document:
    """Every definition includes all of the next row: three to the power of twenty ways through."""
    rows = {
        f"L{i}{j}": {"allOf": [at(f"L{i + 1}{k}") for k in range(width)]} for i in range(height) for j in range(width)
    }
    last = {f"L{height}{j}": {"type": "object", "properties": {f"x{j}": leaf}} for j in range(width)}
    return document(at("L00"), **rows, **last)


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf", "items", "properties"])
def test_a_change_far_down_is_found(keyword: str) -> None:
    same = compat.check(nested(keyword, STRING), nested(keyword, STRING), RULESET)
    assert (same.verdict, same.report.findings) == ("compatible", ())
    assert compat.check(nested(keyword, STRING), nested(keyword, INTEGER), RULESET).verdict == "breaking"


def test_a_change_at_the_end_of_a_long_inheritance_is_found() -> None:
    old, new = inherited({"type": "object"}), inherited({"type": "object", "required": ["z"]})
    comparison = compat.check(old, new, RULESET)
    assert [f.rule for f in comparison.report.findings] == ["compat.request-property-added-as-required"]


def test_a_lattice_is_no_more_work_than_it_has_definitions() -> None:
    comparison = compat.check(lattice(STRING), lattice(INTEGER), RULESET)
    assert [f.rule for f in comparison.report.findings] == ["compat.type-changed"] * 3


def test_what_includes_itself_in_a_circle_too_long_to_follow_is_never_taken_for_the_same() -> None:
    def circle(kind: Any, length: int = 300) -> Document:
        parts = {
            f"C{i}": {"allOf": [at(f"C{(i + 1) % length}"), {"properties": {f"p{i}": STRING if i else kind}}]}
            for i in range(length)
        }
        return document(at("C0"), **parts)

    assert compat.check(circle(STRING), circle(STRING), RULESET).verdict == "compatible"
    assert compat.check(circle(STRING), circle(INTEGER), RULESET).verdict != "compatible"

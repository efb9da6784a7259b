"""Generated schemas, changed schemas and values for the properties of the differ.

The oracle shares no code with the differ: it is a validator. Members nobody declared are unknown to both sides, so
what a sender may send is its schema with every object that declares members closed (`sent`).
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from policies.model.document import Document

NAMES = ("a", "b", "c")
SCALARS: list[Any] = [None, True, False, 0, 1, 2, 3, 7, -1, 0.5, 2.5, "", "x", "y", "xy", "xyz", "2026-03-31"]

values = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def scalars(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean", "enum", "nullable", "any", "const"]))
    small = st.integers(0, 3)
    schema: dict[str, Any] = {}
    if kind == "enum":
        return {"enum": draw(st.lists(st.sampled_from(SCALARS[5:]), min_size=1, max_size=4, unique=True))}
    if kind == "const":
        return {"const": draw(st.sampled_from(SCALARS[5:]))}
    if kind != "any":
        schema["type"] = ["string", "null"] if kind == "nullable" else kind
    if kind in ("string", "nullable", "any"):
        for key in draw(st.sets(st.sampled_from(["minLength", "maxLength", "pattern", "format"]), max_size=2)):
            schema[key] = {"pattern": "^x", "format": "date"}.get(key) or draw(small)
    if kind in ("integer", "number", "any"):
        keys = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
        for key in draw(st.sets(st.sampled_from(keys), max_size=2)):
            schema[key] = draw(st.sampled_from([1, 2, 0.5])) if key == "multipleOf" else draw(small)
    return schema


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object"}
        if properties := draw(st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)):
            schema["properties"] = properties
        if required := draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True)):
            schema["required"] = required
        extra = draw(st.sampled_from(["absent", "absent", "false", "true", "schema"]))
        if extra != "absent":
            schema["additionalProperties"] = {"false": False, "true": True}.get(extra, {"type": "integer"})
        if draw(st.integers(0, 7)) == 0:
            schema["patternProperties"] = {"^a": draw(inner)}
        if draw(st.integers(0, 7)) == 0:
            schema[draw(st.sampled_from(["minProperties", "maxProperties"]))] = draw(st.integers(0, 2))
        return schema

    return build()


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array"}
        if draw(st.booleans()):
            schema["items"] = draw(inner)
        for key in draw(st.sets(st.sampled_from(["minItems", "maxItems", "uniqueItems", "prefixItems"]), max_size=2)):
            schema[key] = {"uniqueItems": True, "prefixItems": [draw(inner)]}.get(key) or draw(st.integers(0, 3))
        return schema

    return build()


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    branches = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        branches.map(lambda parts: {"anyOf": parts}),
        branches.map(lambda parts: {"oneOf": parts}),
        branches.map(lambda parts: {"allOf": parts}),
        inner.map(lambda part: {"not": part}),
        st.tuples(inner, branches).map(lambda both: {**both[0], "anyOf": both[1]}),
        st.tuples(inner, branches).map(lambda both: {**both[0], "allOf": both[1]}),
        st.just({"$ref": "#/components/schemas/Node"}),
        st.tuples(inner, inner, inner).map(lambda t: {"if": t[0], "then": t[1], "else": t[2]}),
    )


schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    scalars(), lambda inner: st.one_of(_objects(inner), _objects(inner), _arrays(inner), _combined(inner)), max_leaves=6
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema and either an unrelated one or, mostly, the same with one or two places changed."""
    old = draw(schemas)
    if draw(st.integers(0, 4)) == 0:
        return old, draw(schemas)
    new = copy.deepcopy(old)
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(new))
        place = draw(st.sampled_from(places))
        fresh = copy.deepcopy(draw(st.one_of(scalars(), schemas)))
        if draw(st.booleans()) or not place:
            place.update(fresh)
        else:
            place.pop(draw(st.sampled_from(sorted(place))))
    return old, new


def _places(schema: Any) -> Any:
    if isinstance(schema, dict):
        yield schema
        for key in ("items", "not", "additionalProperties", "if", "then", "else"):
            yield from _places(schema.get(key))
        for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for part in schema.get(key, ()):
                yield from _places(part)
        for key in ("properties", "patternProperties"):
            for part in schema.get(key, {}).values():
                yield from _places(part)


NODE = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/components/schemas/Node"}}}


def document(schema: Any, direction: str, node: Any = NODE) -> Document:
    content = {"application/json": {"schema": schema}}
    operation: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
    if direction == "request":
        operation["requestBody"] = {"required": True, "content": content}
    else:
        operation["responses"]["200"]["content"] = content
    return Document(
        {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1.0.0"},
            "paths": {"/x": {"post": operation}},
            "components": {"schemas": {"Node": node}},
        }
    )


def received(schema: Any, node: Any = NODE) -> dict[str, Any]:
    """As a validator reads it."""
    return {"$ref": "#/$defs/Root", "$defs": {"Root": _local(schema), "Node": _local(node)}}


def sent(schema: Any, node: Any = NODE) -> dict[str, Any]:
    """As a sender fills it: declared members only, wherever members are declared."""
    return {
        "$ref": "#/$defs/Root",
        "$defs": {"Root": _closed(_local(schema)), "Node": _local(node), "Sent": _closed(_local(node))},
    }


def _local(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: "#/$defs/Node" if key == "$ref" else _local(value) if key not in ("enum", "const") else value
            for key, value in schema.items()
        }
    return [_local(part) for part in schema] if isinstance(schema, list) else schema


def _closed(schema: Any, *, outer: bool = True) -> Any:
    """Close every outermost schema that declares members somewhere; parts of a combination share one closure."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    if "$ref" in out:
        out["$ref"] = "#/$defs/Sent"  # under not and if the open definition stays
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = _closed(out[key])
    for key in ("properties", "patternProperties"):
        if key in out:
            out[key] = {name: _closed(part) for name, part in out[key].items()}
    if "prefixItems" in out:
        out["prefixItems"] = [_closed(part) for part in out["prefixItems"]]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in out:
            out[key] = [_closed(part, outer=False) for part in out[key]]
    for key in ("then", "else"):
        if key in out:
            out[key] = _closed(out[key], outer=False)
    if outer and _declares(schema):
        out["unevaluatedProperties"] = False
    return out


def _declares(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if "$ref" in schema or schema.get("properties") or schema.get("patternProperties"):
        return "additionalProperties" not in schema
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, ())]
    return any(_declares(part) for part in [*parts, schema.get("then"), schema.get("else")])

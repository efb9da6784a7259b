"""A schema opened one level: what it says about the value itself, and the terms it puts on the parts.

Owns the normal form in which both documents are compared, and its algebra: the conjunction of two shapes, the union of
disjoint ones. Equal content has equal shapes however it was written. How a schema is opened stands in
`policies.compat.reader`.

The subtle thing: a *term* is a set of places that must all hold, so folding ``allOf`` never copies a schema and every
term keeps the pointers of its definitions. What cannot be folded exactly is kept in `Shape.rest`, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil, floor
from typing import Any

import orjson

from policies.model.document import Node

TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
NUMBERS = frozenset({"integer", "number"})
PROSE = frozenset({"description", "summary", "title", "example", "examples", "externalDocs", "$comment"})
LOWER = {"minLength": "string", "minItems": "array", "minProperties": "object"}
UPPER = {"maxLength": "string", "maxItems": "array", "maxProperties": "object"}

Rest = tuple[str, Any]
"""One thing that could not be folded: (keyword, list of terms | mapping of terms | plain value)."""


@dataclass(frozen=True, slots=True)
class Term:
    """Places in one document whose schemas must all hold. No place at all admits every value."""

    nodes: tuple[Node, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(node.pointer for node in self.nodes)

    @property
    def pointer(self) -> str:
        return self.nodes[0].pointer if self.nodes else ""

    def __and__(self, other: Term) -> Term:
        known = set(self.key)
        return Term(self.nodes + tuple(node for node in other.nodes if node.pointer not in known))


ANYTHING = Term()


@dataclass(slots=True)
class Shape:
    """`facts` are the keywords on the value itself (``types``, ``enum``, ``lower``, ``upper``, ``minLength`` ...).
    `additional` is ``None`` where nothing is said about undeclared members."""

    facts: dict[str, Any] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    properties: dict[str, Term] = field(default_factory=dict)
    patterned: dict[str, Term] = field(default_factory=dict)
    additional: Term | None = None
    prefix: tuple[Term, ...] = ()
    items: Term | None = None
    rest: list[Rest] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    """Annotations: ``default``, ``deprecated``, ``readOnly``, ``writeOnly``."""
    branches: tuple[Term, ...] = ()
    """The alternatives this shape was merged from, where nothing else was said beside them."""

    @property
    def alternatives(self) -> tuple[str, tuple[Term, ...]] | None:
        """(keyword, terms) of a schema that is a union and nothing else."""
        if self.branches:
            return "anyOf", self.branches
        if len(self.rest) != 1 or self.rest[0][0] not in ("anyOf", "oneOf"):
            return None
        alone = self == Shape(rest=self.rest, notes=self.notes)
        return (self.rest[0][0], tuple(self.rest[0][1])) if alone else None

    @property
    def types(self) -> frozenset[str]:
        return self.facts.get("types", TYPES)  # type: ignore[no-any-return]

    @property
    def values(self) -> dict[bytes, Any] | None:
        """The enum, by canonical text."""
        return self.facts.get("enum")

    def item(self, place: int) -> Term:
        """What the item at a place has to be."""
        return self.prefix[place] if place < len(self.prefix) else self.items or ANYTHING

    @property
    def is_scalar(self) -> bool:
        return not self.types & {"array", "object"}


def conjunction(a: Shape, b: Shape) -> Shape:
    """The values both admit. What does not fold exactly lands in `rest`."""
    for whole, other in ((a, b), (b, a)):
        if whole.branches and other == Shape(notes=other.notes):
            return replace(whole, notes={**b.notes, **a.notes})
    facts = dict(a.facts)
    for key, value in b.facts.items():
        facts[key] = _both(key, facts[key], value) if key in facts else value
    rest = a.rest + [entry for entry in b.rest if entry not in a.rest]
    properties = dict(a.properties)
    for name, term in b.properties.items():
        properties[name] = properties[name] & term if name in properties else term
    additional = a.additional
    if (a.patterned and b.additional is not None) or (b.patterned and a.additional is not None):
        rest = [*rest, ("patternProperties", "beside additionalProperties of another allOf branch")]
    for mine, other in ((a, b), (b, a)):
        if mine.additional is not None and mine.additional.nodes:
            # members the other branch declares are undeclared in this one, so its additionalProperties binds them
            for name in other.properties.keys() - mine.properties.keys():
                properties[name] = properties[name] & mine.additional
    if b.additional is not None:
        additional = b.additional if additional is None else additional & b.additional
    patterned = dict(a.patterned)
    for name, term in b.patterned.items():
        patterned[name] = patterned[name] & term if name in patterned else term
    places = range(max(len(a.prefix), len(b.prefix)))
    prefix = tuple(a.item(place) & b.item(place) for place in places)
    items = a.items or b.items
    if a.items is not None and b.items is not None:
        items = a.items & b.items
    return Shape(
        facts, a.required | b.required, properties, patterned, additional, prefix, items, rest, {**b.notes, **a.notes}
    )


def disjoint_union(shapes: list[Shape]) -> Shape | None:
    """One shape for alternatives that share no type (``oneOf: [X, null]``), or ``None``."""
    taken: frozenset[str] = frozenset()
    listed = sum(shape.values is not None for shape in shapes)
    merged = Shape()
    for shape in shapes:
        if shape.rest or shape.types & taken or (shape.types == TYPES):
            return None
        if listed and shape.values is None and shape.types != {"null"}:
            return None
        taken |= shape.types
        for key, value in shape.facts.items():
            if key == "enum":
                merged.facts["enum"] = {**merged.facts.get("enum", {}), **value}
            elif key in ("format", "lower", "upper") and key in merged.facts:
                return None
            elif key != "types":
                merged.facts[key] = value
        merged.notes.update(shape.notes)
        if shape.types & {"object", "array"}:
            merged = replace(
                merged,
                required=merged.required | shape.required,
                properties={**merged.properties, **shape.properties},
                patterned={**merged.patterned, **shape.patterned},
                additional=shape.additional if "object" in shape.types else merged.additional,
                prefix=shape.prefix or merged.prefix,
                items=shape.items if "array" in shape.types else merged.items,
            )
    if listed and "null" in taken:
        merged.facts["enum"] = {**merged.facts["enum"], b"null": None}
    merged.facts["types"] = taken
    return merged


def listed_union(shapes: list[Shape]) -> Shape | None:
    """One enum for alternatives that list values and say nothing else (a ``oneOf`` of consts), or ``None``."""
    values: dict[bytes, Any] = {}
    for shape in shapes:
        if shape.values is None or shape != Shape({"types": shape.types, "enum": shape.values}):
            return None
        if values.keys() & shape.values.keys():
            return None
        values |= shape.values
    return enumerated(Shape({"enum": values}))


def canonical_value(value: Any) -> bytes:
    """Text that is equal for equal JSON values: ``1`` and ``1.0`` are one number."""
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def type_of(value: Any) -> str:
    """The narrowest JSON Schema type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value


def tighter(edge: str, a: tuple[Any, bool] | None, b: tuple[Any, bool]) -> tuple[Any, bool]:
    if a is None:
        return b
    sign = 1 if edge == "lower" else -1
    return max(a, b, key=lambda bound: (sign * bound[0], bound[1]))


def _both(key: str, a: Any, b: Any) -> Any:
    if key == "types":
        return a & b
    if key == "enum":
        return {text: value for text, value in a.items() if text in b}
    if key in ("lower", "upper"):
        return tighter(key, a, b)
    if key in LOWER:
        return max(a, b)
    if key in UPPER:
        return min(a, b)
    return a | b


def enumerated(shape: Shape) -> Shape:
    """With an enum the types are those of its values, however ``type`` was written."""
    values = shape.values
    if values is None:
        return shape
    kept = {text: value for text, value in values.items() if type_of(value) in shape.types}
    types = frozenset(type_of(value) for value in kept.values())
    return replace(shape, facts={**shape.facts, "enum": kept, "types": types})


_BELONGS: dict[str, frozenset[str]] = {
    **{key: frozenset({kind}) for key, kind in {**LOWER, **UPPER}.items()},
    "lower": NUMBERS,
    "upper": NUMBERS,
    "multipleOf": NUMBERS,
    "pattern": frozenset({"string"}),
    "format": frozenset({"string"}) | NUMBERS,
    "uniqueItems": frozenset({"array"}),
}


def relevant(shape: Shape) -> Shape:
    types = shape.types
    facts = {
        key: value
        for key, value in shape.facts.items()
        if (key not in _BELONGS or types & _BELONGS[key]) and not (key in LOWER and not value)
    }
    if facts.get("types") == TYPES:
        del facts["types"]
    if types & NUMBERS == {"integer"}:
        _whole(facts)
    has_object, has_array = "object" in types, "array" in types
    return replace(
        shape,
        facts=facts,
        required=shape.required if has_object else frozenset(),
        properties=dict(shape.properties) if has_object else {},
        patterned=shape.patterned if has_object else {},
        additional=shape.additional if has_object else None,
        prefix=shape.prefix if has_array else (),
        items=shape.items if has_array else None,
    )


def _whole(facts: dict[str, Any]) -> None:
    """Bounds of integers are inclusive integers; ``multipleOf: 1`` says nothing of them."""
    if "lower" in facts:
        value, strict = facts["lower"]
        facts["lower"] = (floor(value) + 1 if strict else ceil(value), False)
    if "upper" in facts:
        value, strict = facts["upper"]
        facts["upper"] = (ceil(value) - 1 if strict else floor(value), False)
    if multiples := frozenset(m for m in facts.get("multipleOf", ()) if Decimal(1) % Decimal(str(m)) != 0):
        facts["multipleOf"] = multiples
    else:
        facts.pop("multipleOf", None)


def leaf_schema(shape: Shape) -> dict[str, Any]:
    """The facts alone, as a schema: what a value is before its parts are looked at."""
    out: dict[str, Any] = {}
    facts = shape.facts
    if shape.values is not None:
        out["enum"] = list(shape.values.values())
    elif "types" in facts:
        types = facts["types"]
        out["type"] = sorted(types - {"integer"} if "number" in types else types)
    if facts.get("types") == frozenset():
        return {"not": {}}
    for edge, plain, strict in (
        ("lower", "minimum", "exclusiveMinimum"),
        ("upper", "maximum", "exclusiveMaximum"),
    ):
        if edge in facts:
            value, is_strict = facts[edge]
            out[strict if is_strict else plain] = value
    for key in (*LOWER, *UPPER, "uniqueItems"):
        if key in facts:
            out[key] = facts[key]
    for key in ("pattern", "format", "multipleOf"):
        _spread(out, key, facts.get(key, ()))
    return out


def _spread(out: dict[str, Any], key: str, values: Iterable[Any]) -> None:
    listed = sorted(values)
    if listed:
        out[key] = listed[0]
    for value in listed[1:]:
        out.setdefault("allOf", []).append({key: value})

"""A value that travels as text, in an address or a header: there the number 1 and the text 1 are the same."""

from __future__ import annotations

from dataclasses import replace

from policies.compat.shapes import TYPES, Shape, canonical_value

_WIRE_TYPES = frozenset({"integer", "number", "boolean", "string"})


def on_the_wire(shape: Shape, other: Shape) -> Shape:
    """As text, an integer is also a string: whoever takes any string takes it, and the text of a listed value is the
    value. Only where the other side speaks of more than texts, so that two texts are compared as what they are."""
    listed = (shape.values, other.values)
    if all(listed) and any(not isinstance(value, str) for side in listed for value in (side or {}).values()):
        return _as_texts(shape)
    bound = shape.facts.keys() & {"enum", "pattern", "format", "minLength", "maxLength"}
    if (
        "types" not in shape.facts
        or "string" not in shape.types
        or bound
        or not other.types & _WIRE_TYPES - shape.types
    ):
        return shape
    types = shape.types | _WIRE_TYPES
    facts = {key: value for key, value in shape.facts.items() if key not in ("lower", "upper", "multipleOf")}
    facts["types"] = types
    if types == TYPES:
        del facts["types"]
    return replace(shape, facts=facts)


def _as_texts(shape: Shape) -> Shape:
    values = [value for value in (shape.values or {}).values() if value is not None]
    if not all(isinstance(value, str | int | float) for value in values):
        return shape
    texts = [value if isinstance(value, str) else canonical_value(value).decode() for value in values]
    enum = {canonical_value(text): text for text in texts}
    return replace(shape, facts={"types": frozenset({"string"}), "enum": enum})

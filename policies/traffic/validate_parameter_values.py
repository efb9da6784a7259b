"""From the text of a parameter to the value its schema speaks of: percent-decoding, and coercion by type.

OpenAPI leaves open how ``"7"`` becomes 7. Here: a text becomes an integer, a number, a boolean or null only where the
schema allows that type and the text is exactly how JSON writes such a value; otherwise it stays a string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,308})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,308})(\.[0-9]{1,308})?([eE][+-]?[0-9]{1,3})?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_JSON_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    list: "array",
    dict: "object",
}
_DEEPEST = 6


class Malformed(Exception):
    """The text is not what its style or encoding asks for. `code` and `detail` make the fault."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def percent_decoded(text: str) -> str:
    """Strict: malformed escapes and bytes that are not UTF-8 are refused, not replaced. Raises `Malformed`."""
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise Malformed("ENCODING", "A percent sign is not followed by two hexadecimal digits.")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("ENCODING", "The percent-encoded bytes are not UTF-8.") from None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schema lets a value be, as far as reading text needs to know. No `kinds` known means text."""

    kinds: frozenset[str]
    items: Shape | None = None
    properties: Mapping[str, Shape] = field(default_factory=dict)
    open: bool = True
    """Whether an object may have members that are not listed."""

    @property
    def is_primitive(self) -> bool:
        return not self.kinds & {"array", "object"}


TEXT = Shape(frozenset({"string"}))


def shape_of(schema: Mapping[str, Any]) -> Shape:
    """The shape of a standalone schema (`policies.model.schema.standalone`)."""
    return _Reading(schema.get("$defs") or {}).shape(schema, 0)


def coercion(kinds: frozenset[str]) -> Callable[[str], Any] | None:
    """How text becomes a value of one of `kinds`; ``None`` where it stays text."""
    if not kinds & {"integer", "number", "boolean", "null"}:
        return None
    integer, number = "integer" in kinds, "number" in kinds
    boolean, null, string = "boolean" in kinds, "null" in kinds, "string" in kinds

    def coerce(text: str) -> Any:
        if (integer or number) and _INTEGER.fullmatch(text):
            return int(text)
        if number and _NUMBER.fullmatch(text):
            return float(text)
        if boolean and text in ("true", "false"):
            return text == "true"
        if null and (text == "null" or (not text and not string)):
            return None
        return text

    return coerce


class _Reading:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions

    def shape(self, schema: Any, depth: int) -> Shape:
        kinds = self.kinds(schema, 0)
        if kinds is None or depth > _DEEPEST:
            return TEXT
        parts = list(self.parts(schema, 0))
        items = next((part["items"] for part in parts if isinstance(part.get("items"), Mapping)), None)
        properties: dict[str, Shape] = {}
        for part in parts:
            for name, entry in (part.get("properties") or {}).items():
                properties.setdefault(name, self.shape(entry, depth + 1))
        closed = any(part.get("additionalProperties") is False for part in parts)
        return Shape(
            kinds=frozenset(kinds),
            items=self.shape(items, depth + 1) if items is not None else TEXT if "array" in kinds else None,
            properties=properties,
            open=not closed,
        )

    def parts(self, schema: Any, depth: int) -> list[Mapping[str, Any]]:
        """The schema and every schema applied to the same value."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return []
        found = [schema, *self.parts(self.target(schema), depth + 1)]
        for keyword in ("allOf", "anyOf", "oneOf"):
            for entry in schema.get(keyword) or ():
                found.extend(self.parts(entry, depth + 1))
        return found

    def target(self, schema: Mapping[str, Any]) -> Any:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return None
        return self.definitions.get(reference.removeprefix("#/$defs/"))

    def kinds(self, schema: Any, depth: int) -> set[str] | None:
        """The types a value may have; ``None`` where the schema does not say."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return None
        said: list[set[str]] = []
        declared = schema.get("type")
        if isinstance(declared, str):
            said.append({declared})
        elif isinstance(declared, list):
            said.append(set(declared))
        if isinstance(schema.get("enum"), list):
            said.append({_JSON_TYPES[type(value)] for value in schema["enum"]})
        if "const" in schema:
            said.append({_JSON_TYPES[type(schema["const"])]})
        for part in (self.target(schema), *(schema.get("allOf") or ())):
            inner = self.kinds(part, depth + 1)
            if inner is not None:
                said.append(inner)
        for keyword in ("anyOf", "oneOf"):
            options = [self.kinds(entry, depth + 1) for entry in schema.get(keyword) or ()]
            known = [option for option in options if option is not None]
            if options and len(known) == len(options):
                said.append(set().union(*known))
        if not said:
            return None
        result = said[0]
        for other in said[1:]:
            result = _both(result, other)
        return result


def _both(left: set[str], right: set[str]) -> set[str]:
    both = left & right
    if ("integer" in left and "number" in right) or ("number" in left and "integer" in right):
        both.add("integer")
    return both

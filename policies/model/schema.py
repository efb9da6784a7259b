"""Schemas as JSON Schema 2020-12: what a validator, the differ and a generator can read.

`standalone` turns the schema at a node of a document into one self-contained 2020-12 schema for one direction. What
OpenAPI 3.0 says differently (``nullable``, boolean ``exclusiveMinimum``, ``$ref`` hiding its siblings) and what OpenAPI
adds (``readOnly``/``writeOnly``, ``int32``/``int64``) is translated here, once, for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jsonschema_rs

from policies.model.document import Document, Node

Direction = Literal["request", "response"]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SUBSCHEMA = frozenset(
    "additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems "
    "unevaluatedProperties".split()
)
_SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SUBSCHEMA_MAPS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_OPENAPI_ONLY = frozenset(
    {"discriminator", "example", "externalDocs", "nullable", "xml", "$anchor", "$schema", "$id", "id"}
)
INTEGER_RANGE = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def standalone(document: Document, node: Node, direction: Direction) -> dict[str, Any]:
    """One self-contained 2020-12 schema; every definition it reaches stands under ``$defs``.

    Raises `UnresolvedReference` for a reference that leads nowhere. Recursive schemas stay references.
    """
    translation = _Translation(document, direction)
    schema = translation.schema(node.value, node.pointer)
    translation.definitions_reached()
    root: dict[str, Any] = {"$schema": DIALECT}
    root.update(schema if isinstance(schema, dict) else ({} if schema else {"not": {}}))
    if translation.definitions:
        root["$defs"] = translation.definitions
    return root


def validator(schema: dict[str, Any] | bool) -> jsonschema_rs.Draft202012Validator:
    """Compile with formats asserted, a linear-time regex engine and no fetching."""
    return jsonschema_rs.Draft202012Validator(
        schema,
        validate_formats=True,
        ignore_unknown_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(),
        offline=True,
    )


class _Translation:
    def __init__(self, document: Document, direction: Direction) -> None:
        self.document = document
        self.hidden = "readOnly" if direction == "request" else "writeOnly"
        self.definitions: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.waiting: list[tuple[str, Node]] = []

    def schema(self, raw: Any, pointer: str, hidden: frozenset[str] = frozenset()) -> Any:
        """`hidden` are members that a schema around this one (which has it in its ``allOf``) hides."""
        if not isinstance(raw, Mapping):
            return raw if isinstance(raw, bool) else True
        out: dict[str, Any] = {}
        if isinstance(raw.get("$ref"), str):
            out["$ref"] = self.reference(raw["$ref"], pointer)
            if self.document.is_30:
                return out
        for key, value in raw.items():
            if key == "$ref" or key in _OPENAPI_ONLY or key.startswith("x-"):
                continue
            if key in _SUBSCHEMA:
                out[key] = self.schema(value, f"{pointer}/{key}")
            elif key in _SUBSCHEMA_LISTS and isinstance(value, list):
                if key == "allOf":
                    hidden = hidden | self._hidden_names(raw, pointer)
                within = hidden if key == "allOf" else frozenset[str]()
                out[key] = [self.schema(entry, f"{pointer}/{key}/{i}", within) for i, entry in enumerate(value)]
            elif key in _SUBSCHEMA_MAPS and isinstance(value, Mapping):
                out[key] = {name: self.schema(entry, f"{pointer}/{key}/{name}") for name, entry in value.items()}
            else:
                out[key] = value
        if self.document.is_30:
            self._from_30(raw, out)
        self._integer_range(out)
        self._required(raw, out, hidden)
        return out

    def reference(self, reference: str, pointer: str) -> str:
        """The ``$defs`` name of a reference, which is put down for translation on first sight (so recursion ends)."""
        target = self.document.resolve({"$ref": reference}, pointer, schema=True)
        if target.pointer not in self.names:
            short = target.pointer.rsplit("/", 1)[-1].replace("~1", "_").replace("~0", "_").replace("%", "_")
            name = short if short not in self.definitions else f"{short}_{len(self.names)}"
            self.names[target.pointer] = name
            self.definitions[name] = True
            self.waiting.append((name, target))
        return f"#/$defs/{self.names[target.pointer]}"

    def definitions_reached(self) -> None:
        """Translate what references led to, and what that leads to. One after the other: a chain of references may be
        longer than the stack is deep."""
        while self.waiting:
            name, target = self.waiting.pop()
            self.definitions[name] = self.schema(target.value, target.pointer)

    @staticmethod
    def _from_30(raw: Mapping[str, Any], out: dict[str, Any]) -> None:
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(out.get(exclusive), bool) and out.pop(exclusive) and bound in out:
                out[exclusive] = out.pop(bound)
        # OpenAPI 3.0.3: nullable takes effect only beside a type, and an enum must then list null itself
        if raw.get("nullable") is True and isinstance(out.get("type"), str):
            out["type"] = [out["type"], "null"]

    @staticmethod
    def _integer_range(out: dict[str, Any]) -> None:
        bounds = INTEGER_RANGE.get(out.get("format", ""))
        kind = out.get("type")
        if bounds is None or not (kind == "integer" or (isinstance(kind, list) and "integer" in kind)):
            return
        del out["format"]
        if "exclusiveMinimum" not in out:
            out["minimum"] = max(out.get("minimum", bounds[0]), bounds[0])
        if "exclusiveMaximum" not in out:
            out["maximum"] = min(out.get("maximum", bounds[1]), bounds[1])

    def _required(self, raw: Mapping[str, Any], out: dict[str, Any], hidden: frozenset[str]) -> None:
        """A required readOnly property is required of responses only, a writeOnly one of requests only."""
        if not isinstance(out.get("required"), list):
            return
        found = raw.get("properties")
        properties = found if isinstance(found, Mapping) else {}
        kept = [name for name in out["required"] if name not in hidden and not self._is_hidden(properties.get(name))]
        if kept:
            out["required"] = kept
        else:
            del out["required"]

    def _hidden_names(self, raw: Any, pointer: str) -> frozenset[str]:
        """The members that a schema hides, itself or through its ``allOf``, however long the way there."""
        names: set[str] = set()
        seen: set[str] = set()
        todo = [(raw, pointer)] if self.hidden in self.document.one_way else []
        while todo:
            raw, pointer = todo.pop()
            if isinstance(raw, Mapping) and isinstance(raw.get("$ref"), str):
                target = self.document.resolve({"$ref": raw["$ref"]}, pointer, schema=True)
                if target.pointer not in seen:
                    seen.add(target.pointer)
                    todo.append((target.value, target.pointer))
            if not isinstance(raw, Mapping):
                continue
            properties, parts = raw.get("properties"), raw.get("allOf")
            if isinstance(properties, Mapping):
                names.update(name for name, part in properties.items() if self._is_hidden(part))
            for index, part in enumerate(parts if isinstance(parts, list) else ()):
                todo.append((part, f"{pointer}/allOf/{index}"))
        return frozenset(names)

    def _is_hidden(self, raw: Any) -> bool:
        if not isinstance(raw, Mapping):
            return False
        if raw.get(self.hidden) is True:
            return True
        return "$ref" in raw and self.document.resolve(raw, "").get(self.hidden) is True

"""Where things stand in an OpenAPI document: a literal table, walked without recursion.

Owns the knowledge which nodes may be references, which are schemas and which are mere data (an example may hold a key
``$ref`` that means nothing). Knows nothing of limits or faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from policies.model.document import METHODS, escape


class Map(NamedTuple):
    """A mapping from names to nodes of one kind."""

    kind: str


class List(NamedTuple):
    kind: str


Child = str | Map | List

SCHEMA: Mapping[str, Child] = {
    **dict.fromkeys(
        (
            "additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems "
            "unevaluatedProperties"
        ).split(),
        "schema",
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), List("schema")),
    **dict.fromkeys(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"), Map("schema")),
}
IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
"""Keywords whose schemas judge the same value: a circle of these (and references) never ends."""

SECTIONS: Mapping[str, str] = {
    "schema": "schemas",
    "response": "responses",
    "parameter": "parameters",
    "example": "examples",
    "request_body": "requestBodies",
    "header": "headers",
    "security_scheme": "securitySchemes",
    "link": "links",
    "callback": "callbacks",
    "path_item": "pathItems",
}
"""Which kinds may be references, and the section of ``components`` each belongs to."""

GRAMMAR: Mapping[str, Mapping[str, Child]] = {
    "document": {"paths": Map("path_item"), "webhooks": Map("path_item"), "components": "components"},
    "components": {section: Map(kind) for kind, section in SECTIONS.items()},
    "path_item": {"parameters": List("parameter"), **dict.fromkeys(METHODS, "operation")},
    "operation": {
        "parameters": List("parameter"),
        "requestBody": "request_body",
        "responses": Map("response"),
        "callbacks": Map("callback"),
    },
    "parameter": {"schema": "schema", "content": Map("media_type"), "examples": Map("example")},
    "header": {"schema": "schema", "content": Map("media_type"), "examples": Map("example")},
    "request_body": {"content": Map("media_type")},
    "response": {"headers": Map("header"), "content": Map("media_type"), "links": Map("link")},
    "media_type": {"schema": "schema", "examples": Map("example"), "encoding": Map("encoding")},
    "encoding": {"headers": Map("header")},
    "callback": {},
    "schema": SCHEMA,
    "example": {},
    "link": {},
    "security_scheme": {},
}


class Place(NamedTuple):
    """A node with a kind. `keyword` is the key of the parent under which it stands."""

    value: Any
    kind: str
    pointer: str
    keyword: str


def children(value: Any, kind: str, pointer: str) -> Iterator[Place]:
    """The nodes of known kind directly below a node."""
    if not isinstance(value, Mapping):
        return
    if kind == "callback":  # its keys are runtime expressions, not fields
        for name, item in value.items():
            if not name.startswith("x-") and name != "$ref":
                yield Place(item, "path_item", f"{pointer}/{escape(name)}", name)
        return
    for keyword, child in GRAMMAR[kind].items():
        if keyword not in value:
            continue
        below, at = value[keyword], f"{pointer}/{escape(keyword)}"
        if isinstance(child, str):
            yield Place(below, child, at, keyword)
        elif isinstance(child, List) and isinstance(below, list):
            for index, entry in enumerate(below):
                yield Place(entry, child.kind, f"{at}/{index}", keyword)
        elif isinstance(child, Map) and isinstance(below, Mapping):
            for name, entry in below.items():
                if kind == "document" and name.startswith("x-"):
                    continue
                yield Place(entry, child.kind, f"{at}/{escape(name)}", keyword)


def is_reference(value: Any, kind: str) -> bool:
    """Whether this node is (or, as a 3.1 schema, also has) a reference."""
    return kind in SECTIONS and isinstance(value, Mapping) and isinstance(value.get("$ref"), str)

"""The words of a document, wherever they stand: what may change without changing the contract.

Words are compared as a set, so that moving a definition, inlining a reference or rewriting 3.0 as 3.1 changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.compat.shapes import canonical_value
from policies.model.document import Document

_TEXTS = frozenset({"description", "summary", "title", "termsOfService", "bearerFormat"})
_VALUES = frozenset({"contact", "license", "externalDocs"})
_NAMED = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions", "schemas", "headers"}
)
"""What stands under these is called by names, and a name is not a word even where it begins with ``x-``."""
_OPAQUE = frozenset({"default", "enum", "const", "value"})


def prose_of(document: Document) -> frozenset[tuple[str, bytes]]:
    """Every (kind, text) in the document; ``info.version`` is a number, not a word."""
    return frozenset(_prose(document.tree))


def _prose(root: Any) -> Iterator[tuple[str, bytes]]:
    todo: list[tuple[Any, bool]] = [(root, False)]
    while todo:
        value, names_only = todo.pop()
        if isinstance(value, list):
            todo += ((entry, False) for entry in value)
        if not isinstance(value, Mapping):
            continue
        for key, entry in value.items():
            if names_only:
                todo.append((entry, False))
            elif key in _TEXTS and isinstance(entry, str):
                yield key, entry.encode()
            elif key in _VALUES:
                yield key, canonical_value(entry)
            elif key == "tags" and isinstance(entry, list):
                for tag in entry:
                    yield "tag", canonical_value(tag)
            elif key == "example":
                yield "example", canonical_value(entry)
            elif key == "examples":
                listed = entry if isinstance(entry, list) else entry.values() if isinstance(entry, Mapping) else ()
                for example in listed:
                    plain = example.get("value", example) if isinstance(example, Mapping) else example
                    yield "example", canonical_value(plain)
            elif key.startswith("x-"):
                yield key, canonical_value(entry)
            elif key not in _OPAQUE:
                todo.append((entry, key in _NAMED))

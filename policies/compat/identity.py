"""Which definitions of two documents are written alike, letter for letter: most of them, in most comparisons.

Two schemas are the same without opening them when their text is equal and every definition they lead to is written
alike as well. Only a shortcut: what is not found here is compared in earnest by `sameness`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.model.document import Document, escape

_BASE = "#/components/schemas/"


class Identity:
    """Knows the definitions under ``components/schemas`` that are alike in both documents, and all they lead to."""

    def __init__(self, old: Document, new: Document) -> None:
        self._same: set[str] = set()
        if old.is_30 != new.is_30:
            return
        mine, theirs = _schemas(old), _schemas(new)
        alike = {_BASE + escape(name) for name, raw in mine.items() if name in theirs and raw == theirs[name]}
        uses = {_BASE + escape(name): set(references(raw)) for name, raw in mine.items()}
        users: dict[str, set[str]] = {}
        for name in alike:
            for target in uses[name]:
                users.setdefault(target, set()).add(name)
        doubtful = [name for name in alike if not uses[name] <= alike]
        while doubtful:
            name = doubtful.pop()
            if name in alike:
                alike.discard(name)
                doubtful += users.get(name, ())
        self._same = alike

    def alike(self, a: Any, b: Any) -> bool:
        """Whether two schemas are written alike and lead to nothing that is not."""
        return bool(self._same) and a == b and all(target in self._same for target in references(a))


def references(schema: Any) -> Iterator[str]:
    """Every ``$ref`` in a schema, also those that are none (a property of that name): one too many costs nothing."""
    todo = [schema]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            for key, entry in value.items():
                if key in ("$ref", "$dynamicRef") and isinstance(entry, str):
                    yield entry
                elif isinstance(entry, Mapping | list):
                    todo.append(entry)
        elif isinstance(value, list):
            todo += value


def _schemas(document: Document) -> Mapping[str, Any]:
    components = document.tree.get("components")
    schemas = components.get("schemas") if isinstance(components, Mapping) else None
    return schemas if isinstance(schemas, Mapping) else {}

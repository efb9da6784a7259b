"""Members that carry a mark, taken out of schemas and of the examples beside them.

Leaving a member out of a closed object opens the object: whoever reads a reply may still meet it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from policies.model.audience import is_internal
from policies.model.document import Document

_BRANCHES = ("allOf", "anyOf", "oneOf")


class Hiding:
    """For one document. `needed` is false where nothing is marked, and everything stays as it is."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.needed = _is_marked(document.tree)

    def is_hidden(self, schema: Any) -> bool:
        """Whether a schema, or one that it refers to, carries a mark."""
        return any(is_internal(part) for part in self._parts(schema, branches=False))

    def schema(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema without its marked members; those of schemas inside stay."""
        if not self.needed:
            return schema
        members = schema.get("properties")
        hidden = (
            {name for name, member in members.items() if self.is_hidden(member)} if isinstance(members, Mapping) else ()
        )
        out = dict(schema)
        for key in ("example", "default"):
            if key in out:
                out[key] = self.example(out[key], schema)
        if isinstance(out.get("examples"), list):
            out["examples"] = [self.example(entry, schema) for entry in out["examples"]]
        if not hidden:
            return out
        out["properties"] = {name: member for name, member in out["properties"].items() if name not in hidden}
        out = _not_required(out, hidden)
        out.pop("minProperties", None)  # what is hidden counts
        for key in ("dependentRequired", "dependentSchemas"):
            if isinstance(out.get(key), Mapping):
                out[key] = {name: entry for name, entry in out[key].items() if name not in hidden}
        for key in ("additionalProperties", "unevaluatedProperties"):
            if out.get(key) is False:
                del out[key]
        return out

    def example(self, value: Any, schema: Any) -> Any:
        """The value without members that the schema marks."""
        if not self.needed or not isinstance(value, Mapping | list):
            return value
        parts = list(self._parts(schema))
        if isinstance(value, list):
            items = [part["items"] for part in parts if "items" in part]
            return [self._through(entry, items) for entry in value]
        out = {}
        for name, entry in value.items():
            members = [part["properties"][name] for part in parts if name in (part.get("properties") or {})]
            if not any(self.is_hidden(member) for member in members):
                out[name] = self._through(entry, members)
        return out

    def _through(self, value: Any, schemas: list[Any]) -> Any:
        for schema in schemas:
            value = self.example(value, schema)
        return value

    def _parts(self, schema: Any, *, branches: bool = True) -> Iterator[Mapping[str, Any]]:
        """The schema, what it refers to, and what judges the same value."""
        todo, seen = [schema], set[int]()
        while todo:
            part = todo.pop()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            if isinstance(part.get("$ref"), str):
                try:
                    todo.append(self._document.resolve({"$ref": part["$ref"]}, "", schema=True).value)
                except LookupError:
                    continue
            if branches:
                for key in _BRANCHES:
                    todo += part.get(key) or ()


def _not_required(schema: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """Neither the schema nor what it is made of asks for these members."""
    out = dict(schema)
    if isinstance(out.get("required"), list):
        out["required"] = [name for name in out["required"] if name not in hidden]
        if not out["required"]:
            del out["required"]  # OpenAPI 3.0 allows no empty list
    for key in ("allOf", "anyOf"):
        if isinstance(out.get(key), list):
            out[key] = [_not_required(part, hidden) if isinstance(part, Mapping) else part for part in out[key]]
    return out


def _is_marked(tree: Any) -> bool:
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            if is_internal(value):
                return True
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return False

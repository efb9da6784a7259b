"""What stands around the operations of a document, reduced to what these still use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.model.document import escape


def subtypes(schemas: Mapping[str, Any], reached: set[str]) -> list[str]:
    """Schemas that extend one that was reached and has a discriminator: they refer to it, and it does not to them."""
    bases = {
        f"#/components/schemas/{escape(name)}"
        for name in reached
        if isinstance(schemas.get(name), Mapping) and "discriminator" in schemas[name]
    }
    if not bases:
        return []
    return [
        name
        for name, schema in schemas.items()
        if name not in reached
        and isinstance(schema, Mapping)
        and any(isinstance(part, Mapping) and part.get("$ref") in bases for part in schema.get("allOf") or ())
    ]


def with_scopes(scheme: Mapping[str, Any], needed: set[str]) -> dict[str, Any]:
    """A security scheme whose flows offer no scopes but these."""
    out = dict(scheme)
    if isinstance(scheme.get("flows"), Mapping):
        out["flows"] = {
            flow: {**told, "scopes": {s: text for s, text in (told.get("scopes") or {}).items() if s in needed}}
            if isinstance(told, Mapping) and not flow.startswith("x-")
            else told
            for flow, told in scheme["flows"].items()
        }
    return out


def in_order(components: Mapping[str, Any], copies: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    """Copies by section and name, in the document's order; what was not there before comes last."""
    out: dict[str, Any] = {}
    for section in dict.fromkeys([*components, *(section for section, _ in copies)]):
        if section.startswith("x-"):
            continue
        new = sorted(name for held, name in copies if held == section)
        names = dict.fromkeys([*(components.get(section) or {}), *new])
        if copied := {name: copies[section, name] for name in names if (section, name) in copies}:
            out[section] = copied
    return out


def tag(out: dict[str, Any], used: set[str]) -> None:
    """Leave only tags that are used, in the list and in its widespread extension of groups."""
    if "tags" in out:
        out["tags"] = [entry for entry in out["tags"] if entry.get("name") in used]
        if not out["tags"]:
            del out["tags"]
    if isinstance(out.get("x-tagGroups"), list):
        groups = [_group(group, used) for group in out["x-tagGroups"]]
        out["x-tagGroups"] = [group for group in groups if group["tags"]]


def _group(group: Any, used: set[str]) -> dict[str, Any]:
    """An extension is whatever its writer made of it."""
    named = group.get("tags") if isinstance(group, Mapping) else None
    tags = [name for name in named if isinstance(name, str) and name in used] if isinstance(named, list) else []
    return {**(group if isinstance(group, Mapping) else {}), "tags": tags}


def holds(value: Any, keyword: str, word: str) -> bool:
    """Whether that keyword has that value anywhere inside."""
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, Mapping):
            if part.get(keyword) == word:
                return True
            todo += part.values()
        elif isinstance(part, list):
            todo += part
    return False

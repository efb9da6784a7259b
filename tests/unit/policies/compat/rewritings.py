"""Ways to write a whole document differently without changing what it says. Each takes a tree and returns another.

Owns the knowledge of where schemas stand in a document. It shares no code with the differ, so that a mistake there is
not repeated here. What cannot be rewritten without a change (the named alternatives of a discriminator, the members of
a closed object) is left alone.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

Tree = dict[str, Any]
Change = Callable[[Tree], Tree]

_ONE = ("items", "not", "additionalProperties", "if", "then", "else", "contains", "propertyNames")
_ONE += ("unevaluatedProperties", "unevaluatedItems")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")
_DEEPEST = 40


def everywhere(tree: Tree, change: Callable[[Any], Any]) -> Tree:
    """The tree with every schema changed, the innermost first. `change` takes and returns a schema."""
    return _walked(copy.deepcopy(tree), change)  # type: ignore[no-any-return]


def _walked(value: Any, change: Callable[[Any], Any], *, opaque: bool = False) -> Any:
    if isinstance(value, list):
        return [_walked(entry, change) for entry in value]
    if not isinstance(value, dict) or opaque:
        return value
    out = {}
    for key, entry in value.items():
        if key == "schema" and isinstance(entry, dict):
            out[key] = _schema(entry, change)
        elif key == "schemas" and isinstance(entry, dict):
            out[key] = {name: _schema(part, change) for name, part in entry.items()}
        else:
            out[key] = _walked(entry, change, opaque=key in ("example", "examples", "value"))
    return out


def _schema(schema: Any, change: Callable[[Any], Any], depth: int = 0) -> Any:
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    for key in _ONE:
        if key in out:
            out[key] = _schema(out[key], change, depth + 1)
    for key in _MANY:
        if isinstance(out.get(key), list):
            out[key] = [_schema(part, change, depth + 1) for part in out[key]]
    for key in _NAMED:
        if isinstance(out.get(key), dict):
            out[key] = {name: _schema(part, change, depth + 1) for name, part in out[key].items()}
    return change(out)


def reordered(tree: Tree) -> Tree:
    """Every mapping and every list whose order means nothing turned round."""
    lists = {"anyOf", "oneOf", "allOf", "enum", "required", "parameters", "security", "tags"}

    def turned(value: Any, key: str = "", *, opaque: bool = False) -> Any:
        if isinstance(value, dict):
            hidden = opaque or key in ("example", "value", "default", "const")
            return {name: turned(part, name, opaque=hidden) for name, part in reversed(value.items())}
        if isinstance(value, list):
            parts = [turned(part, opaque=opaque) for part in value]
            return parts[::-1] if key in lists and not opaque else parts
        return value

    return turned(tree)  # type: ignore[no-any-return]


def inlined(tree: Tree) -> Tree:
    """Every reference replaced by what it leads to, except where a definition leads to itself."""
    old = tree["openapi"].startswith("3.0")

    def open_(value: Any, within: tuple[str, ...], *, named: bool = False, names: bool = False) -> Any:
        if isinstance(value, list):
            return [open_(entry, within, named=named) for entry in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/") and not names:
            bare = old or len(value) == 1
            if named or not bare or reference in within or len(within) > _DEEPEST:
                return dict(value)
            target: Any = tree
            for token in reference[2:].split("/"):
                target = target[token.replace("~1", "/").replace("~0", "~")]
            return open_(target, (*within, reference))
        union = "discriminator" in value and not names
        return {
            key: open_(
                entry,
                within,
                named=union and key in ("oneOf", "anyOf"),
                names=not names and key in (*_NAMED, "schemas", "examples", "callbacks"),
            )
            for key, entry in value.items()
        }

    return open_(tree, ())  # type: ignore[no-any-return]


def extracted(tree: Tree) -> Tree:
    """Every schema below another one, and every payload, made a component of its own."""
    found: dict[str, Any] = {}

    def out_of_line(schema: Any) -> Any:
        if not isinstance(schema, dict) or "$ref" in schema or not schema:
            return schema
        name = f"Part{len(found)}"
        found[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def parts_out(schema: Any) -> Any:
        keep = schema.get("discriminator") is not None
        for key in ("properties",):
            if isinstance(schema.get(key), dict):
                schema[key] = {name: out_of_line(part) for name, part in schema[key].items()}
        if isinstance(schema.get("items"), dict):
            schema["items"] = out_of_line(schema["items"])
        for key in () if keep else ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(key), list):
                schema[key] = [out_of_line(part) for part in schema[key]]
        return schema

    out = everywhere(tree, parts_out)
    if any(name in out.get("components", {}).get("schemas", {}) for name in found):
        return tree
    out.setdefault("components", {}).setdefault("schemas", {}).update(found)
    return out


def regrouped(tree: Tree) -> Tree:
    """The members of open objects spread over an ``allOf``, everything else wrapped in one."""
    closing = {"additionalProperties", "unevaluatedProperties", "patternProperties", "discriminator"}

    def spread(schema: Any) -> Any:
        if "$ref" in schema or "discriminator" in schema:
            return schema
        properties = schema.get("properties")
        if not isinstance(properties, dict) or len(properties) < 2 or schema.keys() & closing:
            return {"allOf": [schema]} if not schema.keys() & {"readOnly", "writeOnly", "default"} else schema
        names = sorted(properties)
        halves = [{"properties": {name: properties[name] for name in part}} for part in (names[::2], names[1::2])]
        rest = {key: value for key, value in schema.items() if key != "properties"}
        return {**rest, "allOf": [*rest.get("allOf", []), *halves]}

    return everywhere(tree, spread)


def as_31(tree: Tree) -> Tree:
    """A 3.0 document in the words of 3.1."""
    if not tree["openapi"].startswith("3.0"):
        return tree

    def modern(schema: Any) -> Any:
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        out = {key: value for key, value in schema.items() if key != "nullable"}
        if schema.get("nullable") is True and isinstance(out.get("type"), str):
            out["type"] = [out["type"], "null"]
        for strict, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if out.pop(strict, False) is True and plain in out:
                out[strict] = out.pop(plain)
        if "example" in out:
            out["examples"] = [out.pop("example")]
        if len(out.get("enum", ())) == 1:
            out["const"] = out.pop("enum")[0]
        if out.get("format") == "byte":
            out["contentEncoding"] = "base64"
            del out["format"]
        return out

    return {**everywhere(tree, modern), "openapi": "3.1.0"}


def components_renamed(tree: Tree) -> Tree:
    """Every schema component under another name, where no discriminator speaks of names."""
    if '"discriminator"' in repr(tree) or "'discriminator'" in repr(tree):
        return tree
    base = "#/components/schemas/"

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        out = {key: renamed(entry) for key, entry in value.items()}
        if isinstance(out.get("$ref"), str) and out["$ref"].startswith(base):
            out["$ref"] = f"{base}Other{out['$ref'].removeprefix(base)}"
        return out

    out: Tree = renamed(tree)
    schemas = out.get("components", {}).get("schemas")
    if schemas:
        out["components"]["schemas"] = {f"Other{name}": part for name, part in schemas.items()}
    return out


def path_parameters_renamed(tree: Tree) -> Tree:
    """Every ``{id}`` in a path called ``{idX}``, with its parameter."""
    placeholder = re.compile(r"\{([^{}]+)\}")
    out = inlined_parameters(tree)
    out["paths"] = {placeholder.sub(r"{\1X}", path): item for path, item in out.get("paths", {}).items()}
    for item in out["paths"].values():
        for owner in (item, *(part for part in item.values() if isinstance(part, dict))):
            for entry in owner.get("parameters", ()) if isinstance(owner.get("parameters"), list) else ():
                if entry.get("in") == "path":
                    entry["name"] += "X"
    return out


def inlined_parameters(tree: Tree) -> Tree:
    """Every parameter written out where it is used."""
    out: Tree = copy.deepcopy(tree)
    shared = out.get("components", {}).get("parameters", {})
    for item in out.get("paths", {}).values():
        for owner in (item, *(part for part in item.values() if isinstance(part, dict))):
            if isinstance(owner.get("parameters"), list):
                owner["parameters"] = [
                    copy.deepcopy(shared[entry["$ref"].rsplit("/", 1)[-1]]) if "$ref" in entry else entry
                    for entry in owner["parameters"]
                ]
    return out


def paths_shared(tree: Tree) -> Tree:
    """Every path item of a 3.1 document kept under components."""
    if tree["openapi"].startswith("3.0") or "pathItems" in tree.get("components", {}):
        return tree
    out: Tree = copy.deepcopy(tree)
    items = {f"Item{index}": item for index, item in enumerate(out.get("paths", {}).values())}
    out["paths"] = {
        path: {"$ref": f"#/components/pathItems/Item{index}"} for index, path in enumerate(out.get("paths", {}))
    }
    out.setdefault("components", {})["pathItems"] = items
    return out


ALL: tuple[Change, ...] = (
    reordered,
    inlined,
    extracted,
    regrouped,
    as_31,
    components_renamed,
    path_parameters_renamed,
    paths_shared,
)

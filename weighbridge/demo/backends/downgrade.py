"""OpenAPI 3.1 documents rewritten as 3.0, because the framework under the demo backends reads nothing newer.

Owns the rewriting alone. It must not know what the document is for. The subtle thing: the result may only be *weaker*.
Whatever 3.0 cannot say (``if``/``then``, ``propertyNames``, ``unevaluatedProperties`` ...) is dropped, never
approximated, so the framework refuses nothing that the contract allows; the gateway judges against the true document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DROPPED = frozenset(
    "$anchor $comment $defs $dynamicAnchor $dynamicRef $id $schema $vocabulary const contains contentEncoding "
    "contentMediaType contentSchema dependentRequired dependentSchemas else examples if maxContains minContains "
    "patternProperties prefixItems propertyNames then unevaluatedItems unevaluatedProperties".split()
)
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf")
_VALUES = frozenset({"example", "examples", "default", "enum", "const", "value"})
_ANNOTATIONS = frozenset({"description", "summary", "title", "example", "examples", "deprecated"})
_BOUNDS = (("exclusiveMinimum", "minimum", max), ("exclusiveMaximum", "maximum", min))


def to_openapi_30(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A 3.0.3 document that allows everything `tree` allows. A 3.0 document comes back as an equal copy."""
    out: dict[str, Any] = {"openapi": "3.0.3", "paths": {}}
    if str(tree.get("openapi", "")).startswith("3.0"):
        out.update(_copied(tree))
        return out
    for key, value in tree.items():
        if key not in {"openapi", "webhooks", "jsonSchemaDialect"}:
            out[key] = _part(value, key)
    out["info"] = {key: value for key, value in out["info"].items() if key != "summary"}
    components = out.get("components", {})
    components.pop("pathItems", None)
    if "schemas" in components:
        components["schemas"] = {name: schema_30(raw) for name, raw in tree["components"]["schemas"].items()}
    return out


def schema_30(raw: Any) -> dict[str, Any]:
    """One 2020-12 schema as a 3.0 schema object that accepts at least the same values."""
    if raw is True:
        return {}
    if raw is False:
        return {"not": {}}
    if "$ref" in raw:
        return _reference(raw)
    out: dict[str, Any] = {}
    for key, value in raw.items():
        if key in _DROPPED:
            continue
        if key in _SCHEMA_LISTS:
            out[key] = [schema_30(member) for member in value]
        elif key == "properties":
            out[key] = {name: schema_30(member) for name, member in value.items()}
        elif key in {"not", "items"} or (key == "additionalProperties" and isinstance(value, Mapping)):
            out[key] = schema_30(value)
        else:
            out[key] = _copied(value)
    if "const" in raw:
        out["enum"] = [raw["const"]]
    _types(out)
    for exclusive, bound, tighter in _BOUNDS:
        _exclusive(out, exclusive, bound, tighter)
    if out.get("type") == "array" and ("items" not in out or "prefixItems" in raw):
        # 3.0 wants items on every array, and items beside prefixItems speaks of the rest only
        out["items"] = {}
    return out


def _reference(raw: Mapping[str, Any]) -> dict[str, Any]:
    # 3.0 ignores what stands beside a $ref: annotations may go, constraints move into an allOf
    siblings = {key: value for key, value in raw.items() if key != "$ref" and key not in _ANNOTATIONS}
    if not siblings:
        return {"$ref": raw["$ref"]}
    out = schema_30(siblings)
    out["allOf"] = [{"$ref": raw["$ref"]}, *out.get("allOf", [])]
    return out


def _types(out: dict[str, Any]) -> None:
    kinds = out.get("type")
    if kinds == "null":
        kinds = ["null"]
    if not isinstance(kinds, list):
        return
    del out["type"]
    named = [kind for kind in kinds if kind != "null"]
    if not named:
        out.update(enum=[None], nullable=True)
        return
    if "null" in kinds:
        out["nullable"] = True
    if len(named) == 1:
        out["type"] = named[0]
    else:
        alternatives = [{"type": kind, **({"items": {}} if kind == "array" else {})} for kind in named]
        if "null" in kinds:
            alternatives.append({"enum": [None], "nullable": True})
        out["allOf"] = [*out.get("allOf", []), {"anyOf": alternatives}]


def _exclusive(out: dict[str, Any], exclusive: str, bound: str, tighter: Any) -> None:
    limit = out.pop(exclusive, None)
    if limit is None or isinstance(limit, bool):
        return
    if bound not in out or tighter(out[bound], limit) == limit:
        out[bound] = limit
        out[exclusive] = True


def _part(value: Any, key: str) -> Any:
    if key in _VALUES:
        return _copied(value)
    if key == "schema" and isinstance(value, Mapping | bool):
        return schema_30(value)
    if isinstance(value, Mapping):
        return {name: _part(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_part(member, "") for member in value]
    return value


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_copied(member) for member in value]
    return value

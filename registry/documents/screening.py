"""What must hold of a document before anybody reads it with recursion, and what the validator reports without a place.

Owns: every reference leads somewhere and in no endless circle; no schema unfolds without measure; nothing in a schema
changes what references mean; names are unique; path parameters fit their path; security names a scheme that exists;
nothing looks like an unrendered template. All of it in one walk without recursion, over a tree that was already limited
in size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.model.document import METHODS, Document, escape
from policies.model.grammar import IN_PLACE, Place, children, is_reference
from registry.documents.bundling import canonical_pointer

DIALECTS = frozenset({"https://json-schema.org/draft/2020-12/schema", "https://spec.openapis.org/oas/3.1/dialect/base"})
_FORBIDDEN = {
    "$id": "changes what references below it mean; remove it",
    "$anchor": "is not understood; refer to #/... instead",
    "$dynamicRef": "is not understood; use $ref",
    "$dynamicAnchor": "is not understood; use $ref",
    "$recursiveRef": "is not understood; use $ref",
    "$recursiveAnchor": "is not understood; use $ref",
}
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_DATA = frozenset(
    {"const", "default", "description", "enum", "example", "examples", "externalDocs", "pattern", "summary", "value"}
)
MAX_UNFOLDED = 5_000
"""Schemas that may judge one value at once, with references followed. Forty pairs of references make a billion, and a
gateway would ask each of them about every payload."""
_VARIABLE = re.compile(r"\{([^{}]*)\}")

Fault = tuple[str, str]
"""(pointer, what is wrong)"""


def screen(tree: Mapping[str, Any]) -> list[Fault]:
    """Every fault found, in the document's order; references first, because nothing can be read without them."""
    walk = _Walk(tree)
    faults = list(walk.run())
    faults += list(_endless(walk.edges))
    if not faults:
        faults = [*_tags(tree), *_operations(tree)]
    return faults + list(_templates(tree))


def patterns(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(pointer, regular expression) of every pattern that a validator would run."""
    walk = _Walk(tree)
    for _ in walk.run():
        pass
    return walk.patterns


class _Walk:
    """Visits every node that the table or a reference reaches, once per kind."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.document = Document(tree)
        self.edges: dict[str, list[str]] = {}
        self.patterns: list[tuple[str, str]] = []

    def run(self) -> Iterator[Fault]:
        dialect = self.document.tree.get("jsonSchemaDialect")
        if dialect is not None and dialect not in DIALECTS:
            yield "/jsonSchemaDialect", f"the dialect {dialect!r} is not understood; only JSON Schema 2020-12 is"
        stack = [Place(self.document.tree, "document", "", "")]
        seen: set[tuple[str, str]] = set()
        while stack:
            place = stack.pop()
            if (place.pointer, place.kind) in seen:
                continue
            seen.add((place.pointer, place.kind))
            if is_reference(place.value, place.kind):
                pointer = canonical_pointer(place.value["$ref"].partition("#")[2])
                target = self.target(pointer)
                if not (isinstance(target, Mapping) or (isinstance(target, bool) and place.kind == "schema")):
                    yield (
                        f"{place.pointer}/$ref",
                        f"the reference {place.value['$ref']!r} leads to no {place.kind.replace('_', ' ')}",
                    )
                    continue
                self.edges.setdefault(place.pointer, []).append(pointer)
                stack.append(Place(target, place.kind, pointer, ""))
                if place.kind != "schema" or self.document.is_30:
                    continue
            if place.kind == "schema":
                yield from self.schema(place)
            below = list(children(place.value, place.kind, place.pointer))
            if place.kind == "schema":
                self.edges.setdefault(place.pointer, []).extend(c.pointer for c in below if c.keyword in IN_PLACE)
            stack.extend(reversed(below))

    def target(self, pointer: str) -> Any:
        try:
            return self.document.at(pointer)
        except (LookupError, ValueError, TypeError):
            return None

    def schema(self, place: Place) -> Iterator[Fault]:
        if not isinstance(place.value, Mapping):
            return
        for keyword, reason in _FORBIDDEN.items():
            if keyword in place.value:
                yield f"{place.pointer}/{keyword}", f"{keyword} {reason}"
        dialect = place.value.get("$schema")
        if dialect is not None and dialect not in DIALECTS:
            yield f"{place.pointer}/$schema", f"the dialect {dialect!r} is not understood; only JSON Schema 2020-12 is"
        if isinstance(place.value.get("pattern"), str):
            self.patterns.append((f"{place.pointer}/pattern", place.value["pattern"]))
        named = place.value.get("patternProperties")
        if isinstance(named, Mapping):
            self.patterns.extend((f"{place.pointer}/patternProperties/{escape(name)}", name) for name in named)


def _endless(edges: Mapping[str, list[str]]) -> Iterator[Fault]:
    """Circles that a reader can never leave, because no step of them goes into the value, one fault per circle; and
    what has an end but unfolds beyond `MAX_UNFOLDED`, one fault where it first does."""
    done: dict[str, int] = {}  # how many schemas each place unfolds into
    for start in edges:
        if start in done:
            continue
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(edges.get(start, ())))]
        path.append(start)
        on_path.add(start)
        while stack:
            node, below = stack[-1]
            step = next(below, None)
            if step is None:
                stack.pop()
                path.pop()
                on_path.discard(node)
                done[node] = 1 + sum(done.get(step, 1) for step in edges.get(node, ()))
                if done[node] > MAX_UNFOLDED:
                    yield node, f"this unfolds into more than {MAX_UNFOLDED} schemas that judge the same value"
                    done[node] = 1  # said once, not again by everything that refers here
            elif step in on_path:
                circle = [*path[path.index(step) :], step]
                yield step, "the references run in a circle without end: " + " -> ".join(circle[:6])
            elif step not in done:
                stack.append((step, iter(edges.get(step, ()))))
                path.append(step)
                on_path.add(step)


def _tags(tree: Mapping[str, Any]) -> Iterator[Fault]:
    seen: set[str] = set()
    tags = tree.get("tags")
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        name = tag.get("name") if isinstance(tag, Mapping) else None
        if isinstance(name, str) and name in seen:
            yield f"/tags/{index}/name", f"the tag {name!r} is declared twice"
        seen.add(str(name))


def _operations(tree: Mapping[str, Any]) -> Iterator[Fault]:
    paths = tree.get("paths")
    if not isinstance(paths, Mapping):
        return
    document = Document(tree)
    schemes = (tree.get("components") or {}).get("securitySchemes") or {}
    yield from _security(tree.get("security"), "/security", schemes)
    first_by_id: dict[str, str] = {}
    first_by_shape: dict[str, str] = {}
    for path, raw_item in paths.items():
        if path.startswith("x-") or not isinstance(raw_item, Mapping):
            continue
        base = f"/paths/{escape(path)}"
        shape = _VARIABLE.sub("{}", path)
        if shape in first_by_shape:
            yield base, f"this path cannot be told from {first_by_shape[shape]!r}"
        first_by_shape.setdefault(shape, path)
        item = document.resolve(raw_item, base)
        for method in METHODS:
            operation = item.get(method)
            if not isinstance(operation, Mapping):
                continue
            at = f"{item.pointer}/{method}"
            id_ = operation.get("operationId")
            if isinstance(id_, str):
                if id_ in first_by_id:
                    yield f"{at}/operationId", f"the operationId {id_!r} is already that of {first_by_id[id_]}"
                first_by_id.setdefault(id_, f"{method.upper()} {path}")
            yield from _security(operation.get("security"), f"{at}/security", schemes)
            yield from _variables(document, path, item.get("parameters"), f"{item.pointer}/parameters", operation, at)


def _variables(
    document: Document, path: str, shared: Any, shared_at: str, operation: Mapping[str, Any], at: str
) -> Iterator[Fault]:
    named: dict[str, str] = {}
    for entries, base in ((shared, shared_at), (operation.get("parameters"), f"{at}/parameters")):
        seen: set[tuple[Any, Any]] = set()
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            parameter = document.resolve(entry, f"{base}/{index}")
            key = (parameter.get("in"), parameter.get("name"))
            if not (isinstance(key[0], str) and isinstance(key[1], str)):
                continue
            if key in seen:
                yield parameter.used_at, f"the {key[0]} parameter {key[1]!r} is declared twice"
            seen.add(key)
            if key[0] == "path":
                named[key[1]] = parameter.used_at
    variables = _VARIABLE.findall(path)
    for name in variables:
        if name not in named:
            yield at, f"the path has the variable {{{name}}}, and no path parameter of that name is declared"
    for name, pointer in named.items():
        if name not in variables:
            yield pointer, f"the path parameter {name!r} does not occur in the path {path}"


def _security(alternatives: Any, at: str, schemes: Any) -> Iterator[Fault]:
    if not isinstance(alternatives, list):
        return
    for index, alternative in enumerate(alternatives):
        for name in alternative if isinstance(alternative, Mapping) else ():
            if not isinstance(schemes, Mapping) or name not in schemes:
                yield f"{at}/{index}/{escape(name)}", f"components/securitySchemes defines no scheme {name!r}"


def _templates(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """Template markers outside prose and data: the document was meant to be rendered first. We never render."""
    stack: list[tuple[Any, str, str]] = [(tree, "", "")]
    while stack:
        value, pointer, key = stack.pop()
        if isinstance(value, str):
            if _TEMPLATE.search(value):
                yield pointer, "this looks like a template that was not rendered; documents are taken as they are"
        elif isinstance(value, list):
            stack.extend((entry, f"{pointer}/{index}", key) for index, entry in enumerate(value))
        elif isinstance(value, Mapping):
            for name, entry in value.items():
                if _TEMPLATE.search(name):
                    yield f"{pointer}/{escape(name)}", "this key looks like a template that was not rendered"
                elif not (name in _DATA or name.startswith("x-")):
                    stack.append((entry, f"{pointer}/{escape(name)}", name))

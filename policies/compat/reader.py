"""Opens the schemas of one document, level by level, into shapes (`policies.compat.shapes`).

Owns how each keyword is read in both dialects: references followed, ``allOf`` folded together, ``const`` as an enum of
one, a union of disjoint types as one type list, keywords dropped where the type makes them idle. It knows nothing of
rules or of severity. What cannot be folded exactly is kept in `Shape.rest`, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from policies.compat.discriminators import reading
from policies.compat.shapes import (
    ANYTHING,
    LOWER,
    PROSE,
    UPPER,
    Shape,
    Term,
    canonical_value,
    conjunction,
    disjoint_union,
    enumerated,
    listed_union,
    relevant,
    tighter,
)
from policies.model.document import Document, Node, UnresolvedReference, escape
from policies.model.schema import INTEGER_RANGE, Direction

_TERMS = frozenset({"not", "propertyNames", "contentSchema", "unevaluatedItems"})
_LEVEL = ("allOf", "anyOf", "oneOf")
_DEEPEST = 60
_CONDITION = ("if", "then", "else")
_ANNOTATIONS = frozenset({"default", "deprecated", "readOnly", "writeOnly"})
_FILES = {("contentEncoding", "base64"): "byte", ("contentMediaType", "application/octet-stream"): "binary"}
_IGNORED = PROSE | {"$schema", "$id", "id", "$defs", "definitions", "$anchor", "nullable"}


class Reader:
    """Opens the schemas of one document for one direction. `mark` keeps pointers of two documents apart."""

    def __init__(self, document: Document, direction: Direction) -> None:
        self.document = document
        self.direction = direction
        self.hidden = "readOnly" if direction == "request" else "writeOnly"
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._open: set[tuple[str, ...]] = set()

    def term(self, node: Node | None) -> Term:
        """References are followed first, so that one definition is one term wherever it is used."""
        if node is None or node.value is True:
            return ANYTHING
        value, pointer, used_at = node.value, node.pointer, node.used_at or node.pointer
        seen: set[str] = set()
        while self._is_bare(value) and pointer not in seen:
            seen.add(pointer)
            target = self.document.resolve({"$ref": value["$ref"]}, pointer, schema=True)
            value, pointer, used_at = target.value, target.pointer, node.pointer
        return ANYTHING if value is True else Term((Node(value, pointer, used_at),))

    def _is_bare(self, value: Any) -> bool:
        """A reference and nothing that counts beside it: in 3.1 what stands beside it takes part."""
        if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), str):
            return False
        return self.document.is_30 or not (value.keys() - {"$ref"} - _IGNORED)

    def shape(self, term: Term) -> Shape:
        """Opened once per term. A term that contains itself on the same level (``allOf`` in a circle) adds
        nothing."""
        if term.key not in self._shapes and not self._open:
            # what stands on the same level is opened from below, so that no chain of it is longer than the stack
            for part in self._from_below(term):
                self._opened(part)
        return self._opened(term)

    def _opened(self, term: Term) -> Shape:
        key = term.key
        if key not in self._shapes:
            if key in self._open:
                return Shape(rest=[("$circle", list(key))])
            if len(self._open) > _DEEPEST:
                return Shape(rest=[("$deep", list(key))])
            self._open.add(key)
            try:
                shape = Shape()
                for node in term.nodes:
                    shape = conjunction(shape, self._of(node))
                self._shapes[key] = self._settled(shape)
            finally:
                self._open.discard(key)
        return self._shapes[key]

    def _from_below(self, term: Term) -> Iterator[Term]:
        """All that is folded into a term, the parts before the wholes."""
        seen = {term.key}
        todo = [(term, iter(self.level(term)))]
        while todo:
            whole, parts = todo[-1]
            part = next(parts, None)
            if part is None:
                todo.pop()
                yield whole
            elif part.key not in seen and part.key not in self._shapes:
                seen.add(part.key)
                todo.append((part, iter(self.level(part))))

    def level(self, term: Term) -> list[Term]:
        """The schemas that describe the same value as the term: ``allOf``, ``anyOf``, ``oneOf``, a ``$ref`` with
        siblings."""
        found: list[Term] = []
        for node in term.nodes:
            if not isinstance(node.value, Mapping):
                continue
            entries = [(f"{key}/{i}", e) for key in _LEVEL for i, e in enumerate(_list(node.value.get(key)))]
            if isinstance(node.value.get("$ref"), str):
                entries.append(("$ref", {"$ref": node.value["$ref"]}))
            for at, entry in entries:
                try:
                    found.append(self._child(entry, f"{node.pointer}/{at}"))
                except UnresolvedReference:
                    continue
        return found

    def is_hidden(self, term: Term) -> bool:
        """A property that is never part of this direction: readOnly in requests, writeOnly in responses."""
        for node in term.nodes:
            if node.get(self.hidden) is True:
                return True
            used = node.used_at
            if used and used != node.pointer:
                try:
                    site = self.document.at(used)
                except LookupError:
                    continue
                if isinstance(site, Mapping) and site.get(self.hidden) is True:
                    return True
        return False

    # -- opening ------------------------------------------------------------------------------------------------------

    def _child(self, value: Any, pointer: str) -> Term:
        return self.term(Node(value, pointer, pointer))

    def _of(self, node: Node) -> Shape:
        raw, at = node.value, node.pointer
        if not isinstance(raw, Mapping):
            return Shape(facts={"types": frozenset()}) if raw is False else Shape()
        try:
            return self._of_mapping(raw, at)
        except UnresolvedReference as error:
            return Shape(rest=[("$ref", str(error))])

    def _of_mapping(self, raw: Mapping[str, Any], at: str) -> Shape:
        shape = Shape()
        for key, value in raw.items():
            if key in _IGNORED or key.startswith("x-"):
                continue
            self._keyword(shape, key, value, f"{at}/{escape(key)}")
        self._grouped(raw, shape, at)
        if self.document.is_30:
            self._dialect_30(raw, shape)
        self._numbers(raw, shape)
        if "additionalProperties" in raw:
            value = raw["additionalProperties"]
            shape.additional = self._child(value, f"{at}/additionalProperties") if value is not True else ANYTHING
        shape = enumerated(shape)
        folded = shape
        if isinstance(raw.get("$ref"), str):
            folded = conjunction(folded, self.shape(self._child({"$ref": raw["$ref"]}, f"{at}/$ref")))
            if self.document.is_30:
                return folded
        for index, entry in enumerate(_list(raw.get("allOf"))):
            folded = conjunction(folded, self.shape(self._child(entry, f"{at}/allOf/{index}")))
        for key in ("anyOf", "oneOf"):
            if isinstance(raw.get(key), list):
                folded = conjunction(folded, self._union(key, raw[key], f"{at}/{key}"))
        if "unevaluatedProperties" in raw:
            value = raw["unevaluatedProperties"]
            plain = folded.additional is None and not folded.rest and not folded.patterned
            if plain:
                # nothing but properties evaluates members here, so it means what additionalProperties means
                folded = replace(folded, additional=self._child(value, f"{at}/unevaluatedProperties"))
            elif value is not True:
                folded.rest.append(("unevaluatedProperties", value))
        return folded

    def _keyword(self, shape: Shape, key: str, value: Any, at: str) -> None:
        if key == "type":
            names = {value} if isinstance(value, str) else set(value or ())
            shape.facts["types"] = frozenset(names | ({"integer"} if "number" in names else set()))
        elif key in ("enum", "const"):
            values = value if key == "enum" else [value]
            listed = {canonical_value(entry): entry for entry in values}
            known = shape.facts.get("enum")
            shape.facts["enum"] = listed if known is None else {k: v for k, v in known.items() if k in listed}
        elif key in LOWER or key in UPPER or key == "multipleOf":
            shape.facts[key] = frozenset({value}) if key == "multipleOf" else value
        elif key == "pattern" or (key == "format" and value != "password"):
            # a password is a text like any other; the word only tells a form to hide it
            shape.facts[key] = frozenset({value})
        elif key in ("contentEncoding", "contentMediaType") and (key, str(value)) in _FILES:
            # 3.1 says so what 3.0 said by a format
            shape.facts["format"] = frozenset({_FILES[key, value]})
        elif key == "uniqueItems":
            if value:
                shape.facts[key] = True
        elif key == "required" and isinstance(value, list):
            shape.required = frozenset(value)
        elif key in ("properties", "patternProperties") and isinstance(value, Mapping):
            parts = {name: self._child(entry, f"{at}/{escape(name)}") for name, entry in value.items()}
            setattr(shape, "properties" if key == "properties" else "patterned", parts)
        elif key == "prefixItems" and isinstance(value, list):
            shape.prefix = tuple(self._child(entry, f"{at}/{i}") for i, entry in enumerate(value))
        elif key == "items":
            shape.items = self._child(value, at)
        elif key in _ANNOTATIONS:
            shape.notes[key] = value
        elif key == "discriminator":
            shape.notes[key] = reading(value)
        elif key in _TERMS:
            shape.rest.append((key, [self._child(value, at)]))
        elif key == "dependentSchemas" and isinstance(value, Mapping):
            shape.rest.append((key, {n: self._child(entry, f"{at}/{escape(n)}") for n, entry in value.items()}))
        elif key not in _HANDLED:
            shape.rest.append((key, value))

    def _grouped(self, raw: Mapping[str, Any], shape: Shape, at: str) -> None:
        """Keywords that mean something only together become one entry."""
        if "if" in raw and ("then" in raw or "else" in raw):
            parts = {key: self._child(raw[key], f"{at}/{key}") for key in _CONDITION if key in raw}
            shape.rest.append(("if", parts))
        if "contains" in raw:
            counts = {key: raw[key] for key in ("minContains", "maxContains") if key in raw}
            shape.rest.append(("contains", [self._child(raw["contains"], f"{at}/contains")]))
            if counts:
                shape.rest.append(("minContains", counts))

    def _dialect_30(self, raw: Mapping[str, Any], shape: Shape) -> None:
        # OpenAPI 3.0.3: nullable takes effect only beside a type, and an enum must then list null itself
        if raw.get("nullable") is True and isinstance(raw.get("type"), str):
            shape.facts["types"] = shape.types | {"null"}

    def _numbers(self, raw: Mapping[str, Any], shape: Shape) -> None:
        for edge, keyword, exclusive in (
            ("lower", "minimum", "exclusiveMinimum"),
            ("upper", "maximum", "exclusiveMaximum"),
        ):
            plain, strict = raw.get(keyword), raw.get(exclusive)
            bounds = []
            if strict is True and plain is not None:
                bounds.append((plain, True))
            elif plain is not None:
                bounds.append((plain, False))
            if strict is not None and not isinstance(strict, bool):
                bounds.append((strict, True))
            for bound in bounds:
                shape.facts[edge] = tighter(edge, shape.facts.get(edge), bound)
        name = raw.get("format")
        if isinstance(name, str) and name in INTEGER_RANGE and "integer" in shape.types and "string" not in shape.types:
            del shape.facts["format"]
            low, high = INTEGER_RANGE[name]
            shape.facts["lower"] = tighter("lower", shape.facts.get("lower"), (low, False))
            shape.facts["upper"] = tighter("upper", shape.facts.get("upper"), (high, False))

    def _union(self, key: str, entries: list[Any], at: str) -> Shape:
        terms = [self._child(entry, f"{at}/{i}") for i, entry in enumerate(entries) if entry is not False]
        if len(terms) == 1:
            return self.shape(terms[0])
        shapes = [self.shape(term) for term in terms]
        listed = listed_union(shapes)
        if listed is not None:
            return listed
        merged = disjoint_union(shapes)
        return Shape(rest=[(key, terms)]) if merged is None else replace(merged, branches=tuple(terms))

    def _settled(self, shape: Shape) -> Shape:
        """Drop what is idle. Required members that this direction never carries are not required of it."""
        hidden = {name for name in shape.required if self.is_hidden(shape.properties.get(name, ANYTHING))}
        shape = relevant(enumerated(shape))
        shape.required -= hidden
        return shape


_HANDLED = frozenset(
    "if then else contains minContains maxContains minimum maximum exclusiveMinimum exclusiveMaximum allOf anyOf oneOf "
    "$ref additionalProperties unevaluatedProperties".split()
)
"""Read by a method of their own, not one by one."""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

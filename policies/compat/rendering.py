"""A term written out as one plain schema, as the prover wants it: references followed, ``allOf`` folded.

With `closed`, objects that declare members admit no others: undeclared members are unknown to both sides, so the
prover must not imagine them. Where closing would be wrong (members declared on both sides of an ``anyOf``) the text
stays open and `exact` turns false: then a *no* proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from policies.compat.reader import Reader
from policies.compat.shapes import Rest, Shape, Term, leaf_schema

_MOST = 600
_HIGHEST = 16
"""Combinations within combinations beyond which the prover's work grows out of hand."""
READABLE = frozenset(
    {"anyOf", "oneOf", "not", "if", "contains", "propertyNames", "dependentSchemas", "dependentRequired"}
)
"""Keywords in `Shape.rest` that are written out. All others are invisible to the prover."""


class TooLarge(Exception):
    """More nodes than are worth asking about."""


@dataclass(slots=True)
class Rendering:
    reader: Reader
    closed: bool
    known: tuple[Rest, ...] = ()
    """Entries that both sides are known to share at the top: leaving them out of both changes nothing."""
    exact: bool = True
    faithful: bool = True
    """Whether everything was written out; if not, a *yes* about this side as the outer one proves nothing."""
    _count: int = 0
    _level: int = 0
    _open: dict[tuple[tuple[str, ...], bool], str] = field(default_factory=dict)
    _definitions: dict[str, Any] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def schema(self, term: Term) -> dict[str, Any] | None:
        """``None`` when it is too large or too deep to be worth asking about."""
        try:
            out = self._term(term, self.closed)
        except (TooLarge, RecursionError):
            return None
        if self._definitions:
            out = (
                {"$ref": out["$ref"], "$defs": self._definitions}
                if "$ref" in out
                else {**out, "$defs": self._definitions}
            )
        return out

    def _term(self, term: Term, closed: bool) -> dict[str, Any]:
        key = (term.key, closed)
        if key in self._open:
            self._used.add(self._open[key])
            return {"$ref": f"#/$defs/{self._open[key]}"}
        self._count += 1
        if self._count > _MOST:
            raise TooLarge
        name = self._open[key] = f"d{self._count}"
        out = self._shape(self.reader.shape(term), closed)
        del self._open[key]
        if name in self._used:
            self._definitions[name] = out
            return {"$ref": f"#/$defs/{name}"}
        return out

    def _shape(self, shape: Shape, closed: bool) -> dict[str, Any]:
        out = leaf_schema(shape)
        if shape.required:
            out["required"] = sorted(shape.required)
        for key, parts in (("properties", shape.properties), ("patternProperties", shape.patterned)):
            if parts:
                out[key] = {name: self._term(part, closed) for name, part in sorted(parts.items())}
        if shape.additional is not None and shape.additional.nodes:
            out["additionalProperties"] = self._term(shape.additional, closed)
        elif closed and shape.properties:
            if shape.patterned or any(key in READABLE for key, _ in shape.rest):
                self.exact = False
            else:
                out["additionalProperties"] = False
                for name in shape.required - shape.properties.keys():
                    out["properties"][name] = {}
        if shape.prefix:
            out["prefixItems"] = [self._term(part, closed) for part in shape.prefix]
        if shape.items is not None:
            out["items"] = self._term(shape.items, closed)
        self._level += 1
        if shape.rest and self._level > _HIGHEST:
            raise TooLarge
        for key, value in shape.rest:
            self._rest(out, key, value, closed and not shape.properties)
        self._level -= 1
        return out

    def _rest(self, out: dict[str, Any], key: str, value: Any, closed: bool) -> None:
        if key not in READABLE:
            # minContains changes what its contains means, so the pair is never taken as read
            if not any(entry is value for _, entry in self.known):
                self.faithful = False
            self.exact = False
            return
        if key in ("anyOf", "oneOf"):
            written: Any = {key: [self._term(part, closed) for part in value]}
        elif key == "if":
            written = {name: self._term(part, closed and name != "if") for name, part in value.items()}
        elif key == "dependentSchemas":
            written = {key: {name: self._term(part, False) for name, part in value.items()}}
        elif isinstance(value, list) and value and isinstance(value[0], Term):
            written = {key: self._term(value[0], closed and key == "contains")}
        else:
            written = {key: value}
        if written.keys() & out.keys():
            out.setdefault("allOf", []).append(written)
        else:
            out.update(written)

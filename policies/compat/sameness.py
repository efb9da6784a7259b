"""Are two schemas the same, however they were written? The quick answer before any rule is asked.

Compares shapes, so an inlined reference, a regrouped ``allOf``, a reordered enum or a 3.0 document rewritten as 3.1
is no difference. Prose is not looked at. Recursive schemas are the same when nothing contradicts it (coinduction).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.compat.shapes import ANYTHING, PROSE, Reader, Term, canonical_value
from policies.model.document import Document, UnresolvedReference

_Key = tuple[tuple[str, ...], tuple[str, ...]]
_DEEPEST = 150


class Sameness:
    """Remembers every pair of terms it was asked about, for one direction."""

    def __init__(self, old: Reader, new: Reader) -> None:
        self.old = old
        self.new = new
        self._known: dict[_Key, bool] = {}
        self._trail: list[_Key] = []
        self._depth = 0

    def same(self, a: Term, b: Term) -> bool:
        key = (a.key, b.key)
        known = self._known.get(key)
        if known is not None:
            return known
        if self._depth > _DEEPEST:
            return False
        self._known[key] = True
        mark = len(self._trail)
        self._trail.append(key)
        self._depth += 1
        verdict = self._compare(a, b)
        self._depth -= 1
        if not verdict:
            # whatever was found equal while this pair was assumed equal has to be asked again
            for tentative in self._trail[mark:]:
                self._known.pop(tentative, None)
            del self._trail[mark:]
            self._known[key] = False
        return verdict

    def _compare(self, a: Term, b: Term) -> bool:
        x, y = self.old.shape(a), self.new.shape(b)
        if x.facts.keys() != y.facts.keys() or x.required != y.required or len(x.prefix) != len(y.prefix):
            return False
        for key, value in x.facts.items():
            if value != y.facts[key] and not (key == "enum" and value.keys() == y.facts[key].keys()):
                return False
        if {k: v for k, v in x.notes.items() if v is not False} != {k: v for k, v in y.notes.items() if v is not False}:
            return False
        if (x.additional is None) != (y.additional is None) and not _is_open(x.additional, y.additional):
            return False
        if (x.additional is None or y.additional is None) and x.properties.keys() != y.properties.keys():
            return False
        return self._parts(x, y) and self._rest(x.rest, y.rest)

    def _parts(self, x: Any, y: Any) -> bool:
        if x.properties.keys() != y.properties.keys() or x.patterned.keys() != y.patterned.keys():
            return False
        for name, term in x.properties.items():
            if not self.same(term, y.properties[name]):
                return False
        for name, term in x.patterned.items():
            if not self.same(term, y.patterned[name]):
                return False
        for mine, other in zip(x.prefix, y.prefix, strict=True):
            if not self.same(mine, other):
                return False
        for mine, other in ((x.items, y.items), (x.additional, y.additional)):
            if not self.same(mine or ANYTHING, other or ANYTHING):
                return False
        return True

    def _rest(self, x: list[Any], y: list[Any]) -> bool:
        if len(x) != len(y):
            return False
        left = list(y)
        for entry in x:
            for index, other in enumerate(left):
                if self.same_rest(entry, other):
                    del left[index]
                    break
            else:
                return False
        return True

    def same_rest(self, entry: Any, other: Any) -> bool:
        """Whether two entries of `Shape.rest` say the same."""
        (keyword, mine), (other_keyword, theirs) = entry, other
        if keyword != other_keyword or type(mine) is not type(theirs):
            return False
        if isinstance(mine, list) and mine and isinstance(mine[0], Term):
            return self._same_terms(mine, theirs)
        if isinstance(mine, dict) and mine and all(isinstance(term, Term) for term in mine.values()):
            if mine.keys() != theirs.keys():
                return False
            return all(self.same(term, theirs[name]) for name, term in mine.items())
        return same_raw(self.old.document, mine, self.new.document, theirs)

    def _same_terms(self, mine: list[Term], theirs: list[Term]) -> bool:
        if len(mine) != len(theirs):
            return False
        left = list(theirs)
        for term in mine:
            for index, other in enumerate(left):
                if self.same(term, other):
                    del left[index]
                    break
            else:
                return False
        return True


def _is_open(a: Term | None, b: Term | None) -> bool:
    return not (a or ANYTHING).nodes and not (b or ANYTHING).nodes


def same_raw(old: Document, a: Any, new: Document, b: Any) -> bool:
    """Equal JSON once references are followed and prose left out; for what is not opened into shapes."""
    return _raw(old, a, new, b, set(), 0)


def _raw(old: Document, a: Any, new: Document, b: Any, assumed: set[tuple[str, str]], depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    refs = tuple(value.get("$ref") if isinstance(value, Mapping) else None for value in (a, b))
    if any(isinstance(ref, str) for ref in refs):
        pair = (str(refs[0]), str(refs[1]))
        if pair in assumed:
            return True
        if all(isinstance(ref, str) for ref in refs):
            assumed.add(pair)
        try:
            return _raw(old, old.resolve(a, "").value, new, new.resolve(b, "").value, assumed, depth + 1)
        except UnresolvedReference:
            return refs[0] == refs[1]
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        mine, theirs = ({k for k in value if k not in PROSE and not k.startswith("x-")} for value in (a, b))
        return mine == theirs and all(_raw(old, a[key], new, b[key], assumed, depth + 1) for key in mine)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_raw(old, x, new, y, assumed, depth + 1) for x, y in zip(a, b, strict=True))
    return canonical_value(a) == canonical_value(b)

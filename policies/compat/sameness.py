"""Are two schemas the same, however they were written? The quick answer before any rule is asked.

Compares shapes, so an inlined reference, a regrouped ``allOf``, a reordered enum or a 3.0 document rewritten as 3.1
is no difference. Prose is not looked at. Recursive schemas are the same when nothing contradicts it (coinduction).

The subtle thing: every pair of terms is looked at once in the life of a `Sameness`. A pair that differs by itself
taints the pairs that lead to it; whatever stays untainted is the same. Nothing recurses, so neither long chains of
references nor deep schemas cost more than their length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from policies.compat.identity import Identity
from policies.compat.reader import Reader
from policies.compat.shapes import ANYTHING, PROSE, Rest, Shape, Term, canonical_value
from policies.model.document import Document, UnresolvedReference

_Key = tuple[tuple[str, ...], tuple[str, ...]]
_Pairs = list[tuple[Term, Term]]
_DYNAMIC = frozenset({"$dynamicRef", "$recursiveRef", "$deep"})
_DEEPEST = 150
_LOOKED_INTO = 3


class Sameness:
    """Remembers every pair of terms it was asked about, for one direction."""

    def __init__(self, old: Reader, new: Reader, identity: Identity) -> None:
        self.old = old
        self.identity = identity
        self.new = new
        self._known: dict[_Key, bool] = {}
        self._looked: dict[tuple[bool, tuple[str, ...], int], bytes] = {}

    def same(self, a: Term, b: Term) -> bool:
        """Whether the two admit the same values, as far as their writing shows; prose aside."""
        key = (a.key, b.key)
        if key not in self._known:
            self._explore(key, a, b)
        return self._known[key]

    def _explore(self, start: _Key, a: Term, b: Term) -> None:
        parents: dict[_Key, list[_Key]] = {start: []}
        tainted: list[_Key] = []
        todo = [(start, a, b)]
        while todo:
            key, mine, theirs = todo.pop()
            if len(mine.nodes) == len(theirs.nodes) == 1 and self.identity.alike(
                mine.nodes[0].value, theirs.nodes[0].value
            ):
                continue
            parts = self._parts(self.old.shape(mine), self.new.shape(theirs))
            if parts is None:
                tainted.append(key)
                continue
            for x, y in parts:
                child = (x.key, y.key)
                known = self._known.get(child)
                if known is False:
                    tainted.append(key)
                elif known is None:
                    if child not in parents:
                        parents[child] = []
                        todo.append((child, x, y))
                    parents[child].append(key)
        different: set[_Key] = set()
        while tainted:
            key = tainted.pop()
            if key not in different:
                different.add(key)
                tainted += parents[key]
        self._known.update((key, key not in different) for key in parents)

    def _parts(self, x: Shape, y: Shape) -> _Pairs | None:
        """The parts that must be the same as well, or ``None`` when the two differ by themselves."""
        if _signature(x) != _signature(y):
            return None
        pairs = [(x.properties[name], y.properties[name]) for name in x.properties]
        pairs += [(x.patterned[name], y.patterned[name]) for name in x.patterned]
        pairs += zip(x.prefix, y.prefix, strict=True)
        pairs.append((x.items or ANYTHING, y.items or ANYTHING))
        pairs.append((x.additional or ANYTHING, y.additional or ANYTHING))
        for mine, theirs in zip(_sorted(x.rest), _sorted(y.rest), strict=True):
            found = self._rest_parts(mine, theirs)
            if found is None:
                return None
            pairs += found
        return pairs

    def _rest_parts(self, mine: Rest, theirs: Rest) -> _Pairs | None:
        if mine[0] != theirs[0] or type(mine[1]) is not type(theirs[1]):
            return None
        a, b = list(_terms(mine[1])), list(_terms(theirs[1]))
        if mine[0] in _DYNAMIC:
            # where it leads depends on the way there, so it is the same only in documents with the same schemas
            return [] if mine[1] == theirs[1] and self._same_components() else None
        if not a and not b:
            return [] if same_raw(self.old.document, mine[1], self.new.document, theirs[1]) else None
        if isinstance(mine[1], Mapping):
            return list(zip(a, b, strict=True)) if sorted(mine[1]) == sorted(theirs[1]) else None
        if len(a) != len(b):
            return None
        # the order of alternatives means nothing; those that look alike to that depth are taken in order
        a.sort(key=lambda term: self._looks(self.old, term, _LOOKED_INTO))
        b.sort(key=lambda term: self._looks(self.new, term, _LOOKED_INTO))
        return list(zip(a, b, strict=True))

    def _same_components(self) -> bool:
        mine, theirs = (document.tree.get("components") for document in (self.old.document, self.new.document))
        return bool(mine == theirs)

    def _looks(self, reader: Reader, term: Term, depth: int) -> bytes:
        """A digest of what a term looks like down to a depth, whatever the order of its alternatives."""
        key = (reader is self.old, term.key, depth)
        if key not in self._looked:
            shape = reader.shape(term)
            parts: list[Any] = [_signature(shape)]
            if depth:
                inner = [*shape.properties.items(), *shape.patterned.items(), *enumerate(shape.prefix)]
                inner += [(name, part) for name, part in (("items", shape.items), ("more", shape.additional)) if part]
                parts += sorted((str(name), self._looks(reader, part, depth - 1)) for name, part in inner)
                for keyword, value in _sorted(shape.rest):
                    digests = [self._looks(reader, part, depth - 1) for part in _terms(value)]
                    parts.append((keyword, digests if isinstance(value, Mapping) else sorted(digests)))
            self._looked[key] = blake2b(repr(parts).encode(errors="surrogatepass"), digest_size=16).digest()
        return self._looked[key]

    def same_rest(self, mine: Rest, theirs: Rest) -> bool:
        """Whether two entries of `Shape.rest` say the same, in whatever order."""
        pairs = self._rest_parts(mine, theirs)
        if pairs is None:
            return False
        if all(self.same(a, b) for a, b in pairs):
            return True
        if isinstance(mine[1], Mapping):
            return False
        left = [b for _, b in pairs]
        for a, _ in pairs:
            match = next((b for b in left if self.same(a, b)), None)
            if match is None:
                return False
            left.remove(match)
        return True


def _terms(value: Any) -> Iterator[Term]:
    if isinstance(value, Mapping):
        value = [value[name] for name in sorted(value)]
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, Term))


def _sorted(rest: list[Rest]) -> list[Rest]:
    return sorted(rest, key=lambda entry: entry[0])


def _signature(shape: Shape) -> tuple[Any, ...]:
    """What can be compared without looking at the parts."""
    facts = {key: frozenset(value) if key == "enum" else value for key, value in shape.facts.items()}
    notes = {key: canonical_value(value) for key, value in shape.notes.items() if value is not False}
    return (
        sorted((key, sorted(value) if isinstance(value, frozenset) else value) for key, value in facts.items()),
        sorted(notes.items()),
        sorted(shape.required),
        sorted(shape.properties),
        sorted(shape.patterned),
        len(shape.prefix),
        [(key, len(value) if isinstance(value, list) else 0) for key, value in _sorted(shape.rest)],
    )


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

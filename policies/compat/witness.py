"""A concrete value that shows the break: the sender's schema admits it and the receiver's refuses it.

Owns how a value is proposed and how it is checked: it is handed out only if validators of the two documents,
translated independently of the shapes the differ compares, agree that one side accepts it and the other does not. A
value found at a leaf is carried up to the whole payload where that works. Deterministic: no randomness, a handful of
proposals, no search.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jsonschema_rs

from policies.compat.containment import lost_text, remainder
from policies.compat.instances import NONE, SAMPLES, Instances, samples
from policies.compat.reader import Reader
from policies.compat.shapes import Term
from policies.model import schema as dialect
from policies.model.document import Node, UnresolvedReference

_TEXTS = (
    "",
    "a",
    "A",
    "AB",
    "ABC",
    "0",
    "1",
    "12",
    "123",
    "0142",
    "abc",
    "a b",
    "x" * 20,
    "é",
    "-1",
    "0.5",
    "1.2345678",
)
_NUMBERS = (0, 1, -1, 0.5, 2, 10, 100, 1000, -0.5, 0.01, 0.001, 0.0001, 0.0375, 2**31, 2**53, 10**12)
_OTHERS: tuple[Any, ...] = (None, True, False, [], {}, ["a"], [1])
_TOO_MUCH = 20_000
_WIDEST = 200
_LENGTHS = ("minLength", "maxLength")
_LONGEST = 2000
_MOST = 1000
_LARGEST = 4000
"""Definitions that are compiled for one report."""


BRANCH = ("branch", None)
"""How an alternative hangs from its union."""


class Step(NamedTuple):
    """One pair on the way from the payload to the leaf. `part` says how it hangs from the pair above:
    ``("member", name)``, ``("item", index)`` or ``("branch", None)``."""

    old: Term
    new: Term
    part: tuple[str, Any] | None


class Witnesses:
    """Finds witnesses for one direction. `sends_old` says which document the sender follows. After some hundred
    questions it answers `NONE`: a report needs no more."""

    def __init__(self, old: Reader, new: Reader, *, sends_old: bool) -> None:
        self.sender, self.receiver = (old, new) if sends_old else (new, old)
        self.sends_old = sends_old
        self.instances = Instances(self.sender)
        self._validators: dict[tuple[bool, tuple[str, ...]], jsonschema_rs.Draft202012Validator | None] = {}
        self._efforts: dict[tuple[bool, tuple[str, ...], int], int] = {}
        self._asked = self._spent = 0

    @property
    def is_exhausted(self) -> bool:
        return self._asked > _MOST or self._spent > _LARGEST

    def between(self, trail: tuple[Step, ...], proposals: Iterable[Any]) -> Any:
        """The first proposal that the sender's term at the end of the trail admits and the receiver's refuses, or
        `NONE`. What one alternative refuses another may admit, so the unions right above have to agree."""
        self._asked += 1
        for step, below in zip(reversed(trail), (None, *reversed(trail)), strict=False):
            if below is not None and below.part != BRANCH:
                break
            inner, outer = (step.old, step.new) if self.sends_old else (step.new, step.old)
            proposals = _breaking(self._validator(True, inner), self._validator(False, outer), proposals)
        return next(iter(proposals), NONE)

    def sent(self, step: Step) -> Term:
        return step.old if self.sends_old else step.new

    def lifted(self, trail: tuple[Step, ...], value: Any) -> Any:
        """The whole payload around a witness, or the witness itself where no payload can be built around it; but below
        an alternative only the whole shows anything, so it is `NONE` there."""
        alone = NONE if any(step.part == BRANCH for step in trail) else value
        if self.is_exhausted:
            return alone
        whole = value
        for parent, child in zip(reversed(trail[:-1]), reversed(trail[1:]), strict=True):
            if child.part is None:
                return alone
            whole = self.instances.placed(self.sent(parent), child.part, whole)
            if whole is NONE:
                return alone
        return alone if self.between(trail[:1], [whole]) is NONE else whole

    def _validator(self, sending: bool, term: Term) -> jsonschema_rs.Draft202012Validator | None:
        key = (sending, term.key)
        if key not in self._validators:
            reader = self.sender if sending else self.receiver
            if self.is_exhausted or self._effort(reader, term) > _TOO_MUCH:
                return None
            parts = [{"$ref": "#" + node.pointer.replace("%", "%25")} for node in term.nodes]
            try:
                schema = dialect.standalone(
                    reader.document, Node({"allOf": parts} if parts else {}, ""), reader.direction
                )
            except UnresolvedReference:
                schema = {"$ref": "#/nowhere"}
            self._spent += 1 + len(schema.get("$defs", ()))
            self._validators[key] = compiled(schema)
        return self._validators[key]

    def _effort(self, reader: Reader, term: Term, depth: int = 3, above: int = 0) -> int:
        """How many schemas a validator looks at for one value, as far as they describe the value itself and those it
        carries, one below the other. It looks again at what it has seen, so a lattice of references is as much work as
        it has ways through."""
        key = (reader is self.sender, term.key, depth)
        if above > _WIDEST:
            return _TOO_MUCH + 1
        if key not in self._efforts:
            self._efforts[key] = 0  # a circle
            level = reader.level(term)
            effort = 1 + sum(self._effort(reader, part, depth, above + 1) for part in level[:_WIDEST])
            if depth:
                shape = reader.shape(term)
                inner = [*shape.properties.values(), *([shape.items] if shape.items else [])]
                effort += max((self._effort(reader, part, depth - 1, above + 1) for part in inner[:_WIDEST]), default=0)
            self._efforts[key] = min(effort, _TOO_MUCH + 1)
        return self._efforts[key]


def of_leaf(inner: Any, outer: Any) -> Any:
    """The same for two plain schemas."""
    return next(_breaking(compiled(inner), compiled(outer), proposals(inner, outer)), NONE)


def _breaking(accepts: Any, refuses: Any, values: Iterable[Any]) -> Iterator[Any]:
    if accepts is None or refuses is None:
        return
    for value in values:
        try:
            if value is not NONE and accepts.is_valid(value) and not refuses.is_valid(value):
                yield value
        except ValueError:
            continue


def proposals(inner: Any, outer: Any) -> Iterator[Any]:
    """Values near everything the two schemas and their difference name."""
    if isinstance(text := lost_text(inner, outer), str):
        yield text
    named = [schema for schema in (remainder(inner, outer), inner, outer) if isinstance(schema, dict)]
    for schema in named:
        yield from _near(schema)
    lengths = {0, 1, 3} | {
        n + by for schema in named for key in _LENGTHS if (n := _length(schema, key)) for by in (0, 1)
    }
    for schema in named:
        for pattern in _patterns(schema):
            yield from samples(pattern, sorted(lengths))
    yield from _NUMBERS
    yield from _TEXTS
    yield from SAMPLES.values()
    yield from _OTHERS


def _near(schema: dict[str, Any]) -> Iterator[Any]:
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key, ()):
            if isinstance(part, dict):
                yield from _near(part)
    for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
        bound = schema.get(key)
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            yield from (bound, bound + 1, bound - 1, bound / 2, bound * 3)
    for key in ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"):
        bound = schema.get(key)
        if isinstance(bound, int) and 0 <= bound <= _LONGEST:
            for length in (bound, bound + 1, max(bound - 1, 0)):
                yield from _sized(key, length)
    if str(schema.get("format")) in SAMPLES:
        yield SAMPLES[str(schema["format"])]


def _length(schema: dict[str, Any], key: str) -> int:
    length = schema.get(key)
    return length if isinstance(length, int) and 0 <= length <= _LONGEST else 0


def _patterns(schema: dict[str, Any]) -> Iterator[str]:
    if isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key, ()):
            if isinstance(part, dict):
                yield from _patterns(part)


def _sized(key: str, length: int) -> Iterator[Any]:
    if key.endswith("Length"):
        yield "x" * length
        yield "0" * length
    elif key.endswith("Items"):
        yield list(range(length))
        yield [0] * length
        yield ["a"] * length
    else:
        yield {f"m{index}": 0 for index in range(length)}


def compiled(schema: Any) -> jsonschema_rs.Draft202012Validator | None:
    """``None`` for a schema the validator cannot read (a lookahead in a pattern, a reference into nowhere)."""
    try:
        return dialect.validator(schema)
    except Exception:
        return None

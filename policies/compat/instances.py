"""A value for a schema, made up: small, plain and always the same.

What it makes is a proposal; whoever uses it asks a validator. It leaves optional members out unless told to put one
in, so that a value says no more than it must.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import ceil, floor
from typing import Any, Final

from policies.compat.patterns import parsed
from policies.compat.reader import Reader
from policies.compat.shapes import ANYTHING, Shape, Term, conjunction, enumerated, relevant


class _Nothing:
    def __repr__(self) -> str:
        return "NONE"


NONE: Final = _Nothing()
"""No value (``None`` is JSON null, which is a fine value)."""

SAMPLES: dict[str, str] = {
    "date": "2026-03-31",
    "date-time": "2026-03-31T15:30:00Z",
    "time": "15:30:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/a",
    "uri-reference": "/a",
    "uuid": "0f6e7e4c-5d5a-4f5e-9d2b-3f0c1a2b3c4d",
    "byte": "YQ==",
}
_DEEPEST = 12
_LONGEST = 2000
_MEMBERS = 40
_UNIONS = 3
_CHOICES = 8
"""Alternatives of a pattern that are tried."""


class Instances:
    """Makes values for the terms of one reader."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def of(self, term: Term, *, including: str | None = None, value: Any = NONE, depth: int = 0) -> Any:
        """A value of the term, or `NONE`. `including` puts in an optional member, with `value` if one is given."""
        if depth > _DEEPEST:
            return NONE
        shape = self.reader.shape(term)
        unions = [entry for entry in shape.rest if entry[0] in ("anyOf", "oneOf")][:_UNIONS]
        out = NONE if unions else self._plain(shape, including, value, depth)
        shape = replace(shape, rest=[])
        for _, parts in unions:
            # the first alternative of which there is a value, together with all that is said beside the union
            for part in parts[:_CHOICES]:
                both = relevant(enumerated(conjunction(shape, self.reader.shape(part))))
                out = self._beside(both, part, including, value, depth)
                if out is not NONE:
                    shape = replace(both, rest=[])
                    break
        return _example(term) if out is NONE and including is None else out

    def _beside(self, both: Shape, part: Term, including: str | None, value: Any, depth: int) -> Any:
        if not any(key in ("anyOf", "oneOf") for key, _ in both.rest):
            return self._plain(both, including, value, depth)
        return self.of(part, including=including, value=value, depth=depth + 1)

    def fullest(self, term: Term) -> Any:
        """An object with every member it declares, as far as values can be made for them."""
        made = [self.of(term, including=name) for name in sorted(self.reader.shape(term).properties)[:_MEMBERS]]
        objects = [entry for entry in made if isinstance(entry, dict)]
        return {name: value for entry in objects for name, value in entry.items()} if objects else NONE

    def repeated(self, term: Term, length: int) -> Any:
        """A list of so many items, all the same."""
        item = self.of(self.reader.shape(term).items or ANYTHING)
        return NONE if item is NONE else [item] * length

    def placed(self, parent: Term, part: tuple[str, Any], value: Any) -> Any:
        """A value of the parent that carries `value` in the part named."""
        kind, key = part
        if kind == "branch":
            return value
        if kind == "member":
            return self.of(parent, including=key, value=value)
        shape = self.reader.shape(parent)
        before = [self.of(term) for term in shape.prefix[:key]]
        items = [*before, value]
        while len(items) < shape.facts.get("minItems", 0) and len(items) < _LONGEST:
            items.append(value)
        return NONE if any(item is NONE for item in items) else items

    # -- kinds --------------------------------------------------------------------------------------------------------

    def _plain(self, shape: Shape, including: str | None, value: Any, depth: int) -> Any:
        types = shape.types
        if including is not None and "object" in types:
            return self._object(shape, including, value, depth)
        if shape.values is not None:
            return next(iter(shape.values.values()), NONE)
        if "object" in types and (shape.properties or shape.required or types == {"object"}):
            return self._object(shape, None, NONE, depth)
        if "string" in types:
            return _text(shape)
        if types & {"integer", "number"}:
            return _number(shape)
        if "array" in types:
            return self._array(shape, depth)
        for kind, plain in (("boolean", True), ("object", {}), ("null", None)):
            if kind in types:
                return plain
        return NONE

    def _object(self, shape: Shape, including: str | None, value: Any, depth: int) -> Any:
        out: dict[str, Any] = {}
        names = sorted(shape.required | ({including} if including is not None else set()))
        if len(names) < (least := shape.facts.get("minProperties", 0)):
            names += sorted(shape.properties.keys() - set(names))[: least - len(names)]
        for name in names:
            term = shape.properties.get(name, shape.additional or ANYTHING)
            made = value if name == including and value is not NONE else self.of(term, depth=depth + 1)
            if made is NONE:
                return NONE
            out[name] = made
        return out

    def _array(self, shape: Shape, depth: int) -> Any:
        length = min(shape.facts.get("minItems", 0), _LONGEST)
        terms = [*shape.prefix, *[shape.items or ANYTHING] * length][: max(length, 0)]
        items = [self.of(term, depth=depth + 1) for term in terms]
        return NONE if any(item is NONE for item in items) else items


def _example(term: Term) -> Any:
    """What the author gives as an example."""
    for node in term.nodes:
        if isinstance(node.value, Mapping):
            if "example" in node.value:
                return node.value["example"]
            listed = node.value.get("examples")
            if isinstance(listed, list) and listed:
                return listed[0]
    return NONE


def _number(shape: Shape) -> Any:
    low, high = shape.facts.get("lower"), shape.facts.get("upper")
    steps = shape.facts.get("multipleOf", ())
    whole = "number" not in shape.types
    step = next(iter(sorted(steps)), 1 if whole else None)
    for start in (0 if low is None else low[0], 0 if high is None else high[0]):
        for number in (start, start + (step or 1), start - (step or 1)):
            if step:
                number = ceil(number / step) * step if low is not None else floor(number / step) * step
            inside = (low is None or number > low[0] or (number == low[0] and not low[1])) and (
                high is None or number < high[0] or (number == high[0] and not high[1])
            )
            if inside:
                return int(number) if float(number).is_integer() else number
    return NONE


def _text(shape: Shape) -> Any:
    formats, patterns = shape.facts.get("format", frozenset()), shape.facts.get("pattern", frozenset())
    if patterns:
        return next(samples(min(patterns)), NONE)
    text = SAMPLES.get(min(formats), "a") if formats else "a"
    text = text.ljust(min(shape.facts.get("minLength", 0), _LONGEST), "a")
    return text[: shape.facts["maxLength"]] if "maxLength" in shape.facts and not formats else text


def samples(pattern: str, extras: Iterable[int] = (0, 1, 3)) -> Iterator[str]:
    """Texts a pattern admits: the shortest, then others: with `extras` more of what repeats, and with the first, the
    second and the further of its alternatives. None for what cannot be read."""
    seen: set[str] = set()
    try:
        read = parsed(pattern)
        for extra in extras:
            for choice in range(_CHOICES):
                text = "".join(_pieces(read, extra, choice))
                if text not in seen and re.search(pattern, text):
                    yield text
                seen.add(text)
    except (re.error, ValueError, RecursionError, OverflowError, TypeError):
        return


def _pieces(read: Any, extra: int, choice: int) -> Iterator[str]:
    for operation, argument in read:
        name = str(operation)
        if name == "LITERAL":
            yield chr(argument)
        elif name == "NOT_LITERAL":
            yield "b" if argument == ord("a") else "a"
        elif name == "ANY":
            yield "a"
        elif name == "IN":
            yield _member(argument, choice)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, part = argument
            for _ in range(min(low + extra, int(high), _LONGEST)):
                yield from _pieces(part, extra, choice)
        elif name in ("SUBPATTERN", "ATOMIC_GROUP"):
            yield from _pieces(argument[-1] if name == "SUBPATTERN" else argument, extra, choice)
        elif name == "BRANCH":
            yield from _pieces(argument[1][choice % len(argument[1])], extra, choice)
        elif name != "AT":
            raise ValueError(name)


def _member(entries: Any, choice: int) -> str:
    first, argument = entries[0]
    if str(first) != "NEGATE":
        first, argument = entries[choice % len(entries)]
    if str(first) == "NEGATE":
        taken = {chr(a) for op, a in entries[1:] if str(op) == "LITERAL"}
        return next(c for c in "aA0 -_.~é" if c not in taken)
    if str(first) == "RANGE":
        return chr(argument[choice >= len(entries)])
    if str(first) == "CATEGORY":
        return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(argument), "a")
    return chr(argument)

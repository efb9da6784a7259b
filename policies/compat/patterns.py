"""Does one set of patterns admit every text that another admits? Decided exactly, or not at all.

A pattern that is regular (no lookaround, no back reference, no word boundary) is an automaton, and two automata can be
walked in step: a text that ends where the first accepts and the second does not is what was lost. Read as ECMA-262
reads them, as JSON Schema wants: a pattern may match anywhere, ``\\d`` and ``\\w`` are ASCII, ``$`` is the very end.

The subtle thing: characters are not looked at one by one but in classes that no pattern tells apart, and an end of the
text is no character but a question put to a state. The work is bounded; beyond the bound there is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal
from warnings import catch_warnings, simplefilter

_regex: Any = import_module("re._parser")
"""The standard library's own reading of a pattern; it has no public name."""
_LAST = 0x10FFFF
_MOST_STATES = 4000
_MOST_PAIRS = 6000
_MOST_STEPS = 400_000
_READ_OTHERWISE = ("{,", "[]", "[^]")
"""What ECMA-262 reads as something else than the standard library."""
_NICE = "AaZz09 -_./"

Ranges = tuple[tuple[int, int], ...]
Edge = tuple[Ranges | Literal["", "^", "$"], int]
"""What leads to another state: a character out of some ranges, nothing, or standing at an end of the text."""


class _Irregular(Exception):
    """Not a pattern an automaton can be made of."""


def _complement(ranges: Iterable[tuple[int, int]]) -> Ranges:
    out, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            out.append((start, low - 1))
        start = max(start, high + 1)
    return (*out, (start, _LAST)) if start <= _LAST else tuple(out)


_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Ranges = (
    *((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)
_LINE_ENDS: Ranges = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_ANYTHING: Ranges = ((0, _LAST),)
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGIT,
    "CATEGORY_NOT_DIGIT": _complement(_DIGIT),
    "CATEGORY_WORD": _WORD,
    "CATEGORY_NOT_WORD": _complement(_WORD),
    "CATEGORY_SPACE": _SPACE,
    "CATEGORY_NOT_SPACE": _complement(_SPACE),
}


@dataclass(slots=True)
class _Automaton:
    """States are numbers; 0 is where it starts and 1 where it accepts, whatever follows."""

    edges: list[list[Edge]] = field(default_factory=lambda: [[(_ANYTHING, 0)], [(_ANYTHING, 1)]])

    def state(self) -> int:
        if len(self.edges) > _MOST_STATES:
            raise _Irregular
        self.edges.append([])
        return len(self.edges) - 1

    def link(self, at: int, by: Ranges | Literal["", "^", "$"], to: int) -> None:
        self.edges[at].append((by, to))

    def sequence(self, parsed: Any, at: int) -> int:
        for operation, argument in parsed:
            at = self._part(str(operation), argument, at)
        return at

    def _part(self, name: str, argument: Any, at: int) -> int:
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            after = self.state()
            self.link(at, _ranges(name, argument), after)
            return after
        if name == "AT":
            after = self.state()
            by: Literal["^", "$"] | None = {"AT_BEGINNING": "^", "AT_END": "$"}.get(str(argument))  # type: ignore[assignment]
            if by is None:
                raise _Irregular
            self.link(at, by, after)
            return after
        if name == "BRANCH":
            after = self.state()
            for part in argument[1]:
                self.link(self.sequence(part, at), "", after)
            return after
        if name == "SUBPATTERN":
            if argument[1] or argument[2]:  # flags of its own
                raise _Irregular
            return self.sequence(argument[-1], at)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, part = argument
            return self._repeated(low, high, part, at)
        raise _Irregular

    def _repeated(self, low: int, high: Any, part: Any, at: int) -> int:
        for _ in range(int(low)):
            at = self.sequence(part, at)
        if high == _regex.MAXREPEAT:
            again, after = self.state(), self.state()
            self.link(at, "", again)
            self.link(again, "", after)
            self.link(self.sequence(part, again), "", again)
            return after
        after = self.state()
        for _ in range(int(high) - int(low)):
            self.link(at, "", after)
            at = self.sequence(part, at)
        self.link(at, "", after)
        return after

    def closure(self, states: Iterable[int], ends: str) -> frozenset[int]:
        """Everything reached without a character, standing at the `ends` given (``^``, ``$``, both or none)."""
        seen = set(states)
        todo = list(seen)
        while todo:
            for by, to in self.edges[todo.pop()]:
                if isinstance(by, str) and (not by or by in ends) and to not in seen:
                    seen.add(to)
                    todo.append(to)
        return frozenset(seen)

    def step(self, states: frozenset[int], character: int) -> frozenset[int]:
        return self.closure(
            (
                to
                for state in states
                for by, to in self.edges[state]
                if not isinstance(by, str) and any(low <= character <= high for low, high in by)
            ),
            "",
        )

    def bounds(self) -> Iterator[int]:
        for edges in self.edges:
            for by, _ in edges:
                if not isinstance(by, str):
                    for low, high in by:
                        yield from (low, high + 1)


def _ranges(name: str, argument: Any) -> Ranges:
    if name == "ANY":
        return _complement(_LINE_ENDS)
    if name == "LITERAL":
        return ((argument, argument),)
    if name == "NOT_LITERAL":
        return _complement([(argument, argument)])
    found: list[tuple[int, int]] = []
    negated = False
    for kind, value in argument:
        if str(kind) == "NEGATE":
            negated = True
        elif str(kind) == "LITERAL":
            found.append((value, value))
        elif str(kind) == "RANGE":
            found.append((value[0], value[1]))
        elif str(kind) == "CATEGORY" and str(value) in _CATEGORIES:
            found += _CATEGORIES[str(value)]
        else:
            raise _Irregular
    return _complement(found) if negated else tuple(found)


def parsed(pattern: str) -> Any:
    """The standard library's reading of a pattern. Raises what it raises; what it only frowns at is no concern."""
    with catch_warnings():
        simplefilter("ignore")
        return _regex.parse(pattern)


@lru_cache(maxsize=512)
def _automaton(pattern: str) -> _Automaton | None:
    if any(text in pattern for text in _READ_OTHERWISE):
        return None
    try:
        read = parsed(pattern)
        if read.state.flags & ~_regex.SRE_FLAG_UNICODE:
            return None
        automaton = _Automaton()
        start = automaton.state()
        automaton.link(0, "", start)
        automaton.link(automaton.sequence(read, start), "", 1)
    except (_Irregular, _regex.error, ValueError, RecursionError, OverflowError, TypeError):
        return None
    return automaton


def length(low: int, high: int | None) -> str:
    """The pattern of all texts of some length."""
    return rf"^[\s\S]{{{low},{'' if high is None else high}}}$"


@lru_cache(maxsize=1024)
def lost(inner: tuple[str, ...], outer: tuple[str, ...]) -> str | Literal[True] | None:
    """A text that fits every pattern of `inner` and not every one of `outer`; ``True`` if it is proved that there is
    none, ``None`` if nobody can say."""
    automata = [_automaton(pattern) for pattern in (*inner, *outer)]
    if None in automata:
        return None
    return _walk([entry for entry in automata if entry], len(inner))


def _walk(automata: list[_Automaton], inner: int) -> str | Literal[True] | None:
    alphabet = _alphabet(automata)
    start = tuple(automaton.closure((0,), "^") for automaton in automata)
    came: dict[tuple[frozenset[int], ...], tuple[Any, int] | None] = {start: None}
    todo = [start]
    steps = 0
    for at in todo:
        ends = "^$" if came[at] is None else "$"
        accepted = [1 in a.closure(states, ends) for a, states in zip(automata, at, strict=True)]
        if all(accepted[:inner]) and not all(accepted[inner:]):
            return _text(came, at)
        for character in alphabet:
            steps += sum(map(len, at))
            after = tuple(a.step(states, character) for a, states in zip(automata, at, strict=True))
            if after not in came and all(states - {0} for states in after[:inner]):
                came[after] = (at, character)
                todo.append(after)
        if len(came) > _MOST_PAIRS or steps > _MOST_STEPS:
            return None
    return True


def _alphabet(automata: Sequence[_Automaton]) -> list[int]:
    """One character for each class that no automaton tells apart; surrogates are no characters."""
    cuts = sorted({0, 0xD800, 0xE000, *(cut for automaton in automata for cut in automaton.bounds() if cut <= _LAST)})
    found = []
    for low, high in zip(cuts, [*cuts[1:], _LAST + 1], strict=True):
        if low < 0xD800 or low >= 0xE000:
            # else a space or what follows it, else anything but NUL, which few can store
            plain = next((code for code in (0x20, 0x01) if low <= code < high), low)
            found.append(next((ord(nice) for nice in _NICE if low <= ord(nice) < high), plain))
    return found


def _text(came: Any, at: Any) -> str:
    characters: list[str] = []
    while came[at] is not None:
        at, character = came[at]
        characters.append(chr(character))
    return "".join(reversed(characters))

"""Schemas made ready to judge messages: compiled once per content, asked cheaply, explained only on failure.

`Schemas` outlives snapshots, so a version that did not change is not compiled again, and two versions (or two
operations) that declare the same schema share one validator. Details never repeat a value of the message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from policies.model.document import Document, Node, Payload, canonical
from policies.model.schema import DIALECT, Direction, standalone
from policies.traffic import Fault

MOST_FAULTS = 20
LONGEST_SEEN = 16_384
"""Bytes of a text that is worth remembering: finding it again reads it whole."""
MOST_SEEN = 8 * 1024 * 1024
"""Bytes of all texts remembered by one process."""
_ENTRY = 200
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Checker:
    """A compiled schema. `is_valid` answers; `faults` explains, bounded, with values masked."""

    __slots__ = ("_schema", "_validator", "is_valid")

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(
            schema,
            validate_formats=True,
            ignore_unknown_formats=True,
            pattern_options=jsonschema_rs.RegexOptions(),
            offline=True,
            mask="the value",
        )
        self.is_valid = self._validator.is_valid

    def faults(self, value: Any, pointer: str) -> list[Fault]:
        """At most `MOST_FAULTS`, each below `pointer`."""
        found: list[Fault] = []
        try:
            for error in islice(self._validator.iter_errors(value), MOST_FAULTS):
                place = pointer + _pointer(error.instance_path)
                found.append(Fault(place, code_of(error.kind.name), _detail(error)))
        except ValueError:  # an error holds a copy of what it is about, and some hundred levels cannot be copied
            found.append(Fault(pointer, "DEPTH", "The value breaks its schema, too deeply nested to say where."))
        return found


class Seen:
    """Texts that were found valid lately: who polls gets the same answer again and again, and what was valid once
    stays valid while its checker does. Starts over when they are too many: to find the oldest would cost more."""

    __slots__ = ("_left", "_texts")

    def __init__(self) -> None:
        self._texts: set[tuple[Checker, bytes]] = set()
        self._left = MOST_SEEN

    def holds(self, checker: Checker, text: bytes) -> bool:
        return len(text) <= LONGEST_SEEN and (checker, text) in self._texts

    def add(self, checker: Checker, text: bytes) -> None:
        if len(text) > LONGEST_SEEN:
            return
        self._left -= len(text) + _ENTRY
        if self._left < 0:
            self.clear()
            self._left -= len(text) + _ENTRY
        self._texts.add((checker, text))

    def clear(self) -> None:
        self._texts.clear()
        self._left = MOST_SEEN


class Schemas:
    """Compiles and shares. Raises `ValueError` where a schema cannot be compiled."""

    __slots__ = ("_by_content", "_by_place", "seen")

    def __init__(self) -> None:
        self.seen = Seen()
        self._by_place: dict[tuple[str, str, Direction], Checker] = {}
        self._by_content: dict[bytes, Checker] = {}

    def checker(self, document: Document, node: Node, direction: Direction) -> Checker:
        place = (document.digest, node.pointer, direction)
        known = self._by_place.get(place)
        if known is None:
            known = self._by_place[place] = self.compiled(standalone(document, node, direction))
        return known

    def of_payload(self, document: Document, payload: Payload, direction: Direction) -> Checker | None:
        return None if payload.schema is None else self.checker(document, payload.schema, direction)

    def compiled(self, schema: Mapping[str, Any]) -> Checker:
        content = canonical(schema)
        known = self._by_content.get(content)
        if known is None:
            known = self._by_content[content] = Checker({"$schema": DIALECT, **schema})
        return known

    def forget(self, documents: frozenset[str]) -> None:
        """Drop what belongs to none of `documents` (digests): called after a swap, or memory would only grow."""
        self._by_place = {place: checker for place, checker in self._by_place.items() if place[0] in documents}
        kept = {id(checker) for checker in self._by_place.values()}
        self._by_content = {content: c for content, c in self._by_content.items() if id(c) in kept}
        self.seen.clear()


def code_of(keyword: str) -> str:
    """``maxLength`` -> ``MAX_LENGTH``: the keyword that was broken, in the spelling of codes."""
    return _HUMP.sub("_", keyword).upper()


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)


def _detail(error: jsonschema_rs.ValidationError) -> str:
    return (
        error.message.replace("the value", "The value", 1) if error.message.startswith("the value") else error.message
    )

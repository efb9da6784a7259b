"""Rules on one value: its type, its enum, its format. Written once; the direction decides whether it hurts.

A rule here compares the facts of two shapes and says *narrowed*, *widened* or *changed*. Whether the value really
lost or gained anything in its surroundings is for the prover to say; these rules give the change its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.compat.claims import Effect, Said, parameter, request, response, rule
from policies.compat.shapes import Shape
from policies.findings import Severity


@dataclass(frozen=True, slots=True)
class ValuePair:
    """The same value in both documents. `name` is what people call it: ``body.lines[].quantity``."""

    old: Shape
    new: Shape
    name: str

    def differs(self, key: str) -> bool:
        return bool(self.old.facts.get(key) != self.new.facts.get(key))

    def __getitem__(self, key: str) -> tuple[Any, Any]:
        return self.old.facts.get(key), self.new.facts.get(key)


def joined(texts: frozenset[str]) -> str:
    return " and ".join(sorted(texts)) or "none"


def _types(types: frozenset[str]) -> str:
    return " or ".join(sorted(types - {"integer"} if "number" in types else types)) or "nothing"


def _type_said(pair: ValuePair, effect: Effect) -> Iterator[Said]:
    # with an enum on both sides the values say it all
    if not pair.differs("types") or (pair.old.values is not None and pair.new.values is not None):
        return
    old, new = pair.old.types, pair.new.types
    if old - {"null"} == new - {"null"}:
        return
    found: Effect = "narrowed" if new < old else "widened" if old < new else "changed"
    if found == effect and not (found != "changed" and (pair.old.values or pair.new.values) is not None):
        yield Said(f"{pair.name} was {_types(pair.old.types)} and is now {_types(pair.new.types)}", effect=effect)


@rule(
    "value",
    area="type",
    action="narrowed",
    settles=("types",),
    breaks=[request("type: number", "type: integer"), parameter("type: string", "type: integer")],
    safe=[response("type: number", "type: integer")],
)
def type_narrowed(pair: ValuePair) -> Iterator[Said]:
    """A type no longer admits what it admitted.

    Senders who rightly send the wider type are refused. Keep accepting the old type, or add a second member with the
    new one and deprecate the first.
    """
    yield from _type_said(pair, "narrowed")


@rule(
    "value",
    area="type",
    action="widened",
    settles=("types",),
    breaks=[response("type: integer", "type: number")],
    safe=[request("type: integer", "type: number"), parameter("type: integer", "type: string")],
)
def type_widened(pair: ValuePair) -> Iterator[Said]:
    """A type admits more than it did.

    Readers parse what the old contract promised: an integer column overflows on 0.5, a string reader fails on an
    object. Keep the promise and offer the wider value under a new name.
    """
    yield from _type_said(pair, "widened")


@rule(
    "value",
    area="type",
    action="changed",
    settles=("types",),
    breaks=[request("type: integer", "type: string"), response("type: string", "type: object")],
    safe=[request("type: string", "type: [string, integer]")],
)
def type_changed(pair: ValuePair) -> Iterator[Said]:
    """A value became another type.

    Both sides are hurt: old values are refused and new ones cannot be read. Add a member with the new type under a
    new name and deprecate the old one.
    """
    yield from _type_said(pair, "changed")


@rule(
    "value",
    area="null",
    action="narrowed",
    settles=("types",),
    breaks=[request("type: [string, 'null']", "type: string")],
    safe=[response("type: [string, 'null']", "type: string")],
)
def null_refused(pair: ValuePair) -> Iterator[Said]:
    """Null was admitted and no longer is.

    Senders who say "no value" with null are refused. Keep accepting null and treat it as absent.
    """
    if pair.new.values is None and pair.old.types - pair.new.types == {"null"} and pair.new.types < pair.old.types:
        yield Said(f"{pair.name} no longer admits null", effect="narrowed", lost=None)


@rule(
    "value",
    area="null",
    action="widened",
    settles=("types",),
    breaks=[response("type: string", "type: [string, 'null']")],
    safe=[request("type: string", "type: [string, 'null']")],
)
def null_admitted(pair: ValuePair) -> Iterator[Said]:
    """A value that was never null may now be null.

    Readers do not expect it; most languages turn it into a crash. Leave the member out instead, if it is optional, or
    give it a value that means "none".
    """
    if pair.old.values is None and pair.new.types - pair.old.types == {"null"} and pair.old.types < pair.new.types:
        yield Said(f"{pair.name} may now be null", effect="widened")


def _listed(values: list[Any]) -> str:
    shown = ", ".join(repr(value) if not isinstance(value, str) else value for value in values[:5])
    return shown + (f" and {len(values) - 5} more" if len(values) > 5 else "")


@rule(
    "value",
    area="enum",
    action="narrowed",
    settles=("enum", "types"),
    breaks=[request("enum: [AIR, ROAD, SEA]", "enum: [AIR, ROAD]"), request("const: A", "const: B")],
    safe=[response("enum: [AIR, ROAD, SEA]", "enum: [AIR, ROAD]")],
)
def enum_value_removed(pair: ValuePair) -> Iterator[Said]:
    """A listed value is no longer admitted.

    Senders who use it are refused. Keep accepting the value, mark it deprecated in the description, and remove it in
    the next major.
    """
    old, new = pair["enum"]
    if old is None or new is None:
        return
    gone = [value for text, value in old.items() if text not in new]
    if gone:
        yield Said(f"{pair.name} no longer admits {_listed(gone)}", effect="narrowed", lost=gone[0])


@rule(
    "value",
    area="enum",
    action="widened",
    settles=("enum", "types"),
    breaks=[response("enum: [OPEN, CLOSED]", "enum: [OPEN, CLOSED, BACKORDERED]")],
    safe=[request("enum: [OPEN, CLOSED]", "enum: [OPEN, CLOSED, BACKORDERED]")],
)
def enum_value_added(pair: ValuePair) -> Iterator[Said]:
    """A closed list of values grew.

    Strict readers and generated enums fail on a value the contract said would never come. Use an open code
    (``type: string`` with a pattern) beside a closed phase, or send the new value in a new member.
    """
    old, new = pair["enum"]
    if old is None or new is None:
        return
    added = [value for text, value in new.items() if text not in old]
    if added:
        yield Said(f"{pair.name} may now also be {_listed(added)}", effect="widened", lost=added[0])


@rule(
    "value",
    area="enum",
    action="narrowed",
    settles=("enum", "types"),
    breaks=[request("type: string", "{type: string, enum: [AIR, ROAD]}")],
    safe=[response("type: string", "{type: string, enum: [AIR, ROAD]}")],
)
def enum_introduced(pair: ValuePair) -> Iterator[Said]:
    """A free value is now limited to a list.

    Senders of anything else are refused. Document the values you act on, and keep accepting the others.
    """
    old, new = pair["enum"]
    if old is None and new is not None:
        yield Said(f"{pair.name} now admits only {_listed(list(new.values()))}", effect="narrowed")


@rule(
    "value",
    area="enum",
    action="widened",
    settles=("enum", "types"),
    breaks=[response("{type: string, enum: [AIR, ROAD]}", "type: string")],
    safe=[request("{type: string, enum: [AIR, ROAD]}", "type: string")],
)
def enum_lifted(pair: ValuePair) -> Iterator[Said]:
    """A listed value may now be anything.

    Readers who switch over the list meet values they do not know. Keep the list in this major.
    """
    old, new = pair["enum"]
    if old is not None and new is None:
        yield Said(f"{pair.name} is no longer limited to {_listed(list(old.values()))}", effect="widened")


_WITHIN = {
    "double": ("float",),
    "uri-reference": ("uri",),
    "iri": ("uri",),
    "iri-reference": ("uri", "uri-reference", "iri"),
    "idn-email": ("email",),
    "idn-hostname": ("hostname",),
}
"""Formats, and those of which every value is one of theirs as well."""


@rule(
    "value",
    area="format",
    action="changed",
    settles=("format",),
    breaks=[
        request("{type: string, format: date}", "{type: string, format: date-time}"),
        response("{type: string, format: date}", "{type: string, format: date-time}"),
        request("type: string", "{type: string, format: uuid}"),
    ],
    safe=[request("{type: string, format: uuid}", "type: string")],
)
def format_changed(pair: ValuePair) -> Iterator[Said]:
    """A value is written in another format.

    A parser for days cannot read instants. Keep the member and add a second one with the new format.
    """
    old, new = (frozenset(value or ()) for value in pair["format"])
    if old == new:
        return
    effect: Effect = "widened" if new < old else "narrowed" if old < new else "changed"
    if len(old) == len(new) == 1:
        effect = "widened" if min(old) in _WITHIN.get(min(new), ()) else effect
        effect = "narrowed" if min(new) in _WITHIN.get(min(old), ()) else effect
    yield Said(f"the format of {pair.name} went from {joined(old)} to {joined(new)}", effect=effect)


@rule(
    "value",
    severity=Severity.WARNING,
    direction="request",
    area="default",
    action="changed",
    breaks=[parameter("{type: integer, default: 200}", "{type: integer, default: 50}")],
    safe=[parameter("{type: integer}", "{type: integer, default: 50}")],
)
def default_changed(pair: ValuePair) -> Iterator[Said]:
    """What is assumed when a value is left out is something else now.

    Nobody is refused, but everybody who relied on the default gets another answer (a page of 50 instead of 200). Keep
    it, or announce it like a deprecation.
    """
    old, new = pair.old.notes.get("default", ...), pair.new.notes.get("default", ...)
    if old is not ... and old != new:
        became = "gone" if new is ... else f"{new!r}"
        yield Said(f"the default of {pair.name} was {old!r} and is now {became}")


@rule(
    "value",
    severity=Severity.INFO,
    area="default",
    action="added",
    no_mirror="a default that went is told by default-changed",
    tells=[parameter("{type: integer}", "{type: integer, default: 50}")],
)
def default_added(pair: ValuePair) -> Iterator[Said]:
    """What is assumed when a value is left out is now written down."""
    if "default" in pair.new.notes and "default" not in pair.old.notes:
        yield Said(f"the default of {pair.name} is now {pair.new.notes['default']!r}")


@rule(
    "value",
    severity=Severity.INFO,
    area="deprecation",
    action="changed",
    tells=[parameter("{type: integer}", "{type: integer, deprecated: true}")],
)
def deprecation_changed(pair: ValuePair) -> Iterator[Said]:
    """A value was announced as deprecated, or the announcement was taken back."""
    old, new = bool(pair.old.notes.get("deprecated")), bool(pair.new.notes.get("deprecated"))
    if old != new:
        yield Said(f"{pair.name} is {'now' if new else 'no longer'} deprecated")


@rule(
    "value",
    severity=Severity.WARNING,
    area="visibility",
    action="changed",
    breaks=[
        request(
            "{type: object, properties: {id: {type: string}}}",
            "{type: object, properties: {id: {type: string, readOnly: true}}}",
        )
    ],
)
def visibility_changed(pair: ValuePair) -> Iterator[Said]:
    """A member became readOnly or writeOnly, or ceased to be.

    A readOnly member is ignored when sent; a writeOnly one never comes back. Whoever sent or read it is not told.
    """
    for name in ("readOnly", "writeOnly"):
        old, new = bool(pair.old.notes.get(name)), bool(pair.new.notes.get(name))
        if old != new:
            yield Said(f"{pair.name} is {'now' if new else 'no longer'} {name}")

"""Rules on alternatives (``oneOf``, ``anyOf``): one added, one removed. What changed inside one is for `schemas`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.compat.claims import Said, request, response, rule
from policies.compat.shapes import Term

_CARD = "{type: object, required: [card], properties: {card: {type: string}}, additionalProperties: false}"
_IBAN = "{type: object, required: [iban], properties: {iban: {type: string}}, additionalProperties: false}"
_CASH = "{type: object, required: [cash], properties: {cash: {type: boolean}}, additionalProperties: false}"
_ONE = f"anyOf: [{_CARD}, {_CASH}]"
_TWO = f"anyOf: [{_CARD}, {_CASH}, {_IBAN}]"


@dataclass(frozen=True, slots=True)
class UnionPair:
    """One alternative in both documents; `old` or `new` is ``None`` where it has no counterpart."""

    name: str
    label: str
    old: Term | None
    new: Term | None


@rule("union", area="union", action="narrowed", breaks=[request(_TWO, _ONE)], safe=[response(_TWO, _ONE)])
def alternative_removed(pair: UnionPair) -> Iterator[Said]:
    """One of several admitted forms is gone.

    Senders of that form are refused. Keep accepting it until the next major.
    """
    if pair.new is None:
        yield Said(f"{pair.name} no longer admits the alternative {pair.label}", effect="narrowed")


@rule("union", area="union", action="widened", breaks=[response(_ONE, _TWO)], safe=[request(_ONE, _TWO)])
def alternative_added(pair: UnionPair) -> Iterator[Said]:
    """A form may come that readers were never told of.

    They have no code for it. Offer it in a new member, or to those who ask for it.
    """
    if pair.old is None:
        yield Said(f"{pair.name} also admits the alternative {pair.label}", effect="widened")

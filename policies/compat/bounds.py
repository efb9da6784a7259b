"""Rules on the bounds of one value: range, length, count, step, pattern. The direction decides whether it hurts.

Like `policies.compat.schemas`, these give a change its name; whether the value really lost or gained anything in its
surroundings is for the prover to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from policies.compat.claims import Effect, Said, parameter, request, response, rule
from policies.compat.schemas import ValuePair, joined

_BOUNDS = {
    "lower": ("the minimum", True),
    "upper": ("the maximum", False),
    "minLength": ("the least length", True),
    "maxLength": ("the greatest length", False),
    "minItems": ("the least number of items", True),
    "maxItems": ("the greatest number of items", False),
    "minProperties": ("the least number of members", True),
    "maxProperties": ("the greatest number of members", False),
}


def _bound_said(pair: ValuePair, keys: tuple[str, ...], effect: Effect) -> Iterator[Said]:
    for key in keys:
        old, new = pair[key]
        if old == new or key not in _BOUNDS:
            continue
        name, is_lower = _BOUNDS[key]
        found = _bound_effect(key, old, new, is_lower)
        if found == effect:
            yield Said(f"{name} of {pair.name} went from {_bound(old)} to {_bound(new)}", effect=effect)
    if "uniqueItems" in keys and pair.differs("uniqueItems") and (effect == "narrowed") == bool(pair["uniqueItems"][1]):
        text = "must now be" if effect == "narrowed" else "need no longer be"
        yield Said(f"the items of {pair.name} {text} unique", effect=effect)


def _bound_effect(key: str, old: Any, new: Any, is_lower: bool) -> Effect:
    if old is None or new is None:
        return "narrowed" if old is None else "widened"
    sign = 1 if is_lower else -1
    if key in ("lower", "upper"):
        mine, theirs = (sign * old[0], old[1]), (sign * new[0], new[1])
        return "narrowed" if theirs > mine else "widened"
    return "narrowed" if sign * new > sign * old else "widened"


def _bound(bound: Any) -> str:
    if bound is None:
        return "none"
    if isinstance(bound, tuple):
        return f"{bound[0]} (excluded)" if bound[1] else str(bound[0])
    return str(bound)


@rule(
    "value",
    area="range",
    action="narrowed",
    settles=("lower", "upper"),
    breaks=[
        request("{type: integer, maximum: 1000}", "{type: integer, maximum: 200}"),
        parameter("{type: integer}", "{type: integer, minimum: 1}"),
    ],
    safe=[response("{type: integer, minimum: 0}", "{type: integer, minimum: 1}")],
)
def range_narrowed(pair: ValuePair) -> Iterator[Said]:
    """A number must now lie within tighter bounds.

    Senders of the values in between are refused. Keep the bound in this major and clamp, or announce the new one.
    """
    yield from _bound_said(pair, ("lower", "upper"), "narrowed")


@rule(
    "value",
    area="range",
    action="widened",
    settles=("lower", "upper"),
    breaks=[response("{type: integer, minimum: 0}", "{type: integer}")],
    safe=[request("{type: integer, maximum: 200}", "{type: integer, maximum: 1000}")],
)
def range_widened(pair: ValuePair) -> Iterator[Said]:
    """A number may now lie outside the bounds that were promised.

    Readers who relied on "never negative" or on a column's size fail. Keep the promise and add a member for the new
    case (``oversold`` beside ``quantityAvailable``).
    """
    yield from _bound_said(pair, ("lower", "upper"), "widened")


@rule(
    "value",
    area="length",
    action="narrowed",
    settles=("minLength", "maxLength"),
    breaks=[request("{type: string, maxLength: 500}", "{type: string, maxLength: 80}")],
    safe=[response("{type: string, maxLength: 500}", "{type: string, maxLength: 80}")],
)
def length_narrowed(pair: ValuePair) -> Iterator[Said]:
    """A text must now be shorter, or longer, than before.

    Senders of texts in between are refused. Keep accepting them and shorten on your side.
    """
    yield from _bound_said(pair, ("minLength", "maxLength"), "narrowed")


@rule(
    "value",
    area="length",
    action="widened",
    settles=("minLength", "maxLength"),
    breaks=[response("{type: string, maxLength: 80}", "{type: string, maxLength: 500}")],
    safe=[request("{type: string, maxLength: 80}", "{type: string, maxLength: 500}")],
)
def length_widened(pair: ValuePair) -> Iterator[Said]:
    """A text may now be longer, or shorter, than was promised.

    Readers sized their columns and labels by the old length. Keep it, or add a member for the long text.
    """
    yield from _bound_said(pair, ("minLength", "maxLength"), "widened")


_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems")


@rule(
    "value",
    area="count",
    action="narrowed",
    settles=_COUNTS,
    breaks=[
        request(
            "{type: array, items: {type: string}, maxItems: 200}", "{type: array, items: {type: string}, maxItems: 100}"
        ),
        request("{type: array, items: {type: string}}", "{type: array, items: {type: string}, uniqueItems: true}"),
    ],
    safe=[response("{type: array, items: {type: string}}", "{type: array, items: {type: string}, minItems: 1}")],
)
def count_narrowed(pair: ValuePair) -> Iterator[Said]:
    """Fewer, more or only distinct items or members are admitted.

    Senders of the batches in between are refused. Keep the old limit, or offer a new operation with the new one.
    """
    yield from _bound_said(pair, _COUNTS, "narrowed")


@rule(
    "value",
    area="count",
    action="widened",
    settles=_COUNTS,
    breaks=[response("{type: array, items: {type: string}, minItems: 1}", "{type: array, items: {type: string}}")],
    safe=[
        request(
            "{type: array, items: {type: string}, maxItems: 10}", "{type: array, items: {type: string}, maxItems: 20}"
        )
    ],
)
def count_widened(pair: ValuePair) -> Iterator[Said]:
    """More, fewer or repeated items or members may now come.

    Readers who take the first item, or who sized a page, fail. Keep the promise in this major.
    """
    yield from _bound_said(pair, _COUNTS, "widened")


@rule(
    "value",
    area="step",
    action="changed",
    settles=("multipleOf",),
    breaks=[
        request("{type: number, multipleOf: 0.01}", "{type: number, multipleOf: 1}"),
        response("{type: number, multipleOf: 0.01}", "{type: number, multipleOf: 0.0001}"),
    ],
    safe=[request("{type: integer, multipleOf: 10}", "{type: integer, multipleOf: 5}")],
)
def multiple_changed(pair: ValuePair) -> Iterator[Said]:
    """A number must be a multiple of something else.

    A coarser step refuses what senders send; a finer one overflows the decimals readers keep. Leave the step and say
    the precision in words, or send decimals as strings.
    """
    old, new = (frozenset(value or ()) for value in pair["multipleOf"])
    if old == new:
        return
    effect: Effect = "changed"
    if all(any(_divides(step, mine) for mine in old) for step in new):
        effect = "widened"
    elif all(any(_divides(step, mine) for mine in new) for step in old):
        effect = "narrowed"
    yield Said(f"{pair.name} went from multiples of {_steps(old)} to multiples of {_steps(new)}", effect=effect)


def _divides(step: Any, multiple: Any) -> bool:
    return Decimal(str(multiple)) % Decimal(str(step)) == 0


def _steps(steps: frozenset[Any]) -> str:
    return " and ".join(str(step) for step in sorted(steps)) or "anything"


@rule(
    "value",
    area="pattern",
    action="changed",
    settles=("pattern",),
    breaks=[
        request("{type: string, pattern: '^[0-9]{4}$'}", "{type: string, pattern: '^[A-Z]{3}-[1-9]$'}"),
        request("{type: string}", "{type: string, pattern: '^[A-Z]+$'}"),
        response("{type: string, pattern: '^[A-Z]+$'}", "{type: string}"),
    ],
    safe=[request("{type: string, pattern: '^[A-Z]+$'}", "{type: string}")],
)
def pattern_changed(pair: ValuePair) -> Iterator[Said]:
    """The shape of a text is described by another pattern.

    Identifiers that were right are refused, or ones nobody expects are sent. Two patterns can rarely be compared by
    proof: where no text is found that one admits and the other does not, the change stays unproven. Prefer lengths to
    patterns.
    """
    old, new = (frozenset(value or ()) for value in pair["pattern"])
    if old == new:
        return
    effect: Effect = "widened" if new < old else "narrowed" if old < new else "changed"
    text = f"the pattern of {pair.name} went from {joined(old)} to {joined(new)}"
    yield Said(text, effect=effect, decides=effect != "changed")

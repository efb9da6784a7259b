"""One value, its parts aside: the rules name what changed, the prover and a witness say whether it matters.

A rule's word alone is never an error while the prover can contradict it: a bound that was idle, a type that the enum
had ruled out already, change nothing. And it is never green while something differs that no rule has accounted for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from policies.compat import containment, verdicts
from policies.compat.claims import Claim, Said, rules
from policies.compat.containment import Answer, contained
from policies.compat.instances import NONE
from policies.compat.ledger import Ledger, Where
from policies.compat.schemas import ValuePair
from policies.compat.shapes import Shape, leaf_schema
from policies.compat.witness import BRANCH, Witnesses, compiled, of_leaf, proposals
from policies.model.schema import Direction

assert verdicts  # registers what is written here in the prover's name

_Spoken = list[tuple[Claim, Said]]
_MEMBERS = 40
_ITEMS = 500
"""Members and items beyond which a witness would be no help to anybody."""
_ODD_NAMES = ("undeclared", "A b", "0", "x" * 65, "")
"""Members of a map that rules on names tend to refuse."""


class Leaves:
    """Judges leaves and writes claims in the ledger; also the prover's own findings, for whoever needs them."""

    def __init__(self, ledger: Ledger, witnesses: Mapping[Direction, Witnesses]) -> None:
        self.ledger = ledger
        self._witnesses = witnesses

    def compare(self, x: Shape, y: Shape, where: Where) -> None:
        pair = ValuePair(x, y, where.name)
        spoken, settled = self._ask(pair, where)
        unnamed = {key for key in x.facts.keys() | y.facts.keys() if pair.differs(key)} - settled
        if not spoken and not unnamed:
            return
        hurting = [(claim, said) for claim, said in spoken if claim.hurts]
        inner, outer = (x, y) if where.direction == "request" else (y, x)
        a, b = leaf_schema(inner), leaf_schema(outer)
        answer = contained(a, b)
        if answer is Answer.YES:
            seen = [entry for entry in spoken if not _is_unseen(entry[0], pair)]
            _acquit([entry for entry in seen if entry in hurting])
            if contained(b, a) is Answer.YES:
                _withdraw(seen)
        elif not hurting and not unnamed:
            return
        elif not hurting:
            self.generic(answer, a, b, where)
        else:
            mark = self.ledger.mark
            # an enum rules the other facts, so it is not looked at apart from them
            alone = len(hurting) == 1 or x.values is not None or y.values is not None
            left = _without_echoes(hurting)
            for claim, said in left:
                self._judge(claim, said, inner, outer, where, alone=alone)
            if self.ledger.mark == mark and not any(claim.hurts for claim, _ in left):
                self.generic(answer, a, b, where)

    def generic(
        self,
        answer: Answer,
        inner: Any,
        outer: Any,
        where: Where,
        reason: str = "the prover has no answer",
        *,
        told: bool = False,
    ) -> None:
        """The prover speaks in its own name: what was lost has no rule to name it. Without its word only a witness
        breaks; without either the change is unproven, for the `reason` given, unless a part of it was `told` to be."""
        found = self._found(inner, outer, where)
        if answer is not Answer.NO and found is NONE:
            if not told:
                self.unproven(where, reason)
            return
        request = where.direction == "request"
        rule = "compat.request-narrowed" if request else "compat.response-widened"
        verb = "no longer admits" if request else "may now be"
        lost = containment.remainder(inner, outer) if answer is Answer.NO else None
        what = "something" if lost is None else f"what this schema describes: {_short(lost)}"
        claim = self.ledger.write(rule, Said(f"{where.name} {verb} {what}"), where)
        claim.proof = "proved"
        self._attach(claim, found, where)

    def unproven(self, where: Where, reason: str) -> None:
        claim = self.ledger.write("compat.unproven", Said(f"{where.name} changed, and {reason}"), where, hurts=False)
        claim.proof = "unproven"

    # -- inside -------------------------------------------------------------------------------------------------------

    def _ask(self, pair: ValuePair, where: Where) -> tuple[_Spoken, set[str]]:
        spoken: _Spoken = []
        settled: set[str] = set()
        for rule in rules("value"):
            for said in rule.function(pair):
                if said.effect is None:
                    # what a member is like that just came or went is no change of its own
                    if not where.one_sided:
                        self.ledger.write(rule.entry.id, said, where)
                else:
                    claim = self.ledger.write(rule.entry.id, said, where, hurts=where.hurts(said.effect))
                    spoken.append((claim, said))
                    settled |= rule.settles
        return spoken, settled

    def _judge(self, claim: Claim, said: Said, inner: Shape, outer: Shape, where: Where, *, alone: bool) -> None:
        a = leaf_schema(inner)
        if not alone:
            # of several changes to one value each must hurt by itself
            own = {key: value for key, value in outer.facts.items() if key in claim.rule.settles}
            kept = {key: value for key, value in inner.facts.items() if key not in claim.rule.settles}
            outer = replace(outer, facts={**kept, **own})
        b = leaf_schema(outer)
        answer = contained(a, b)
        if answer is Answer.YES:
            if not _is_unseen(claim, ValuePair(inner, outer, "")):
                _acquit([(claim, said)])
            return
        found = self._found(a, b, where)
        if found is not NONE:
            self._attach(claim, found, where)
        elif answer is Answer.NO and not inner.rest and (not where.trail or where.trail[-1].part != BRANCH):
            claim.proof = "proved"
        elif not said.decides or _may_be_idle(claim, inner):
            claim.hurts, claim.echo = False, True
            self.unproven(where, f"no value was found that only one side admits: {claim.message}")

    def _found(self, inner: Any, outer: Any, where: Where) -> Any:
        if where.wire or not where.trail:
            return of_leaf(inner, outer)
        witnesses = self._witnesses[where.direction or "request"]
        refuses = compiled(outer)
        offered = (value for value in proposals(inner, outer) if refuses is None or not _valid(refuses, value))
        found = witnesses.between(where.trail, offered)
        if found is NONE:
            # a value with members or items needs the rest of it to be right as well
            found = witnesses.between(where.trail, _made(witnesses, where, outer))
        if found is NONE and witnesses.is_exhausted:
            found = of_leaf(inner, outer)
        return found

    def _attach(self, claim: Claim, found: Any, where: Where) -> None:
        if found is not NONE and where.trail and not where.wire:
            found = self._witnesses[where.direction or "request"].lifted(where.trail, found)
        if found is not NONE:
            claim.proof, claim.witness = "witnessed", found


def _made(witnesses: Witnesses, where: Where, outer: Any) -> Iterator[Any]:
    sent, instances = witnesses.sent(where.trail[-1]), witnesses.instances
    declared = sorted(instances.reader.shape(sent).properties)[:_MEMBERS]
    yield from (instances.of(sent, including=name) for name in (None, *_ODD_NAMES, *declared))
    yield instances.fullest(sent)
    most = outer.get("maxItems") if isinstance(outer, dict) else None
    if isinstance(most, int) and most < _ITEMS:
        yield instances.repeated(sent, most + 1)


def _valid(validator: Any, value: Any) -> bool:
    try:
        return bool(validator.is_valid(value))
    except ValueError:
        return True


def _acquit(hurting: _Spoken) -> None:
    for claim, _ in hurting:
        claim.hurts, claim.proof = False, "proved"


def _withdraw(spoken: _Spoken) -> None:
    """Both admit the same values: only the writing is another."""
    for claim, _ in spoken:
        claim.hurts, claim.proof, claim.echo = False, "proved", True


def _is_unseen(claim: Claim, pair: ValuePair) -> bool:
    """A format the prover does not look at, so that its word is nothing about it."""
    if "format" not in claim.rule.settles:
        return False
    old, new = (frozenset(value or ()) for value in pair["format"])
    return not (old ^ new) <= containment.ASSERTED


def _may_be_idle(claim: Claim, inner: Shape) -> bool:
    """A length that the pattern or the format beside it may have ruled out already."""
    return claim.rule.entry.taxonomy["area"] == "length" and bool(inner.facts.keys() & {"pattern", "format"})


def _without_echoes(hurting: _Spoken) -> _Spoken:
    """Another type makes another pattern, length and format a matter of course."""
    typed = [(claim, said) for claim, said in hurting if claim.rule.entry.taxonomy["area"] == "type"]
    if not typed:
        return hurting
    for entry in hurting:
        if entry not in typed:
            entry[0].hurts = False
    return typed


def _short(schema: Any) -> str:
    text = str(schema)
    return text if len(text) <= 200 else text[:197] + "..."

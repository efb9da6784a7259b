"""Where claims are written down: once per change, however many operations it reaches.

A shared definition is compared once per direction; meeting it again only adds the operation to the claims made then.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from policies.compat.claims import Claim, Kind, Said, rule_of, rules
from policies.compat.witness import Step
from policies.findings import Severity
from policies.model.schema import Direction


@dataclass(frozen=True, slots=True)
class Where:
    """The place two things are compared at: the pointers of both sides, and what people call it."""

    old: str | None
    new: str | None
    name: str = ""
    operation: str | None = None
    direction: Direction | None = None
    wire: bool = False
    """The value travels as text (a parameter, a header), so a number is also a string."""
    media_type: str = ""
    trail: tuple[Step, ...] = ()
    """The pairs from the payload down to here."""
    part: tuple[str, Any] | None = None
    """How the next pair hangs from the last one of the trail."""
    one_sided: bool = False
    """Only one document declares what is compared here: what is harmless has been said when it came or went."""

    def at(
        self, old: str | None, new: str | None, name: str | None = None, part: tuple[str, Any] | None = None
    ) -> Where:
        return replace(self, old=old, new=new, name=self.name if name is None else name, part=part)

    @property
    def used_at(self) -> str | None:
        """Where in the new document the definition is used that the place stands in; ``None`` where it stands in the
        open."""
        for step in reversed(self.trail):
            for node in step.new.nodes[:1]:
                if node.used_at and node.used_at != node.pointer:
                    return str(node.used_at)
        return None

    def hurts(self, effect: str | None) -> bool:
        """Requests may only widen, responses may only narrow."""
        return effect == "changed" or effect == ("narrowed" if self.direction == "request" else "widened")


class Ledger:
    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self._touched: list[Claim] = []
        self._known: dict[Hashable, tuple[Claim, ...] | None] = {}

    def write(self, rule_id: str, said: Said, where: Where, *, hurts: bool | None = None) -> Claim:
        """`hurts` defaults to the rule's own severity: an info only tells."""
        rule = rule_of(rule_id)
        claim = Claim(
            rule=rule,
            message=said.message,
            fix=said.fix,
            hurts=rule.entry.severity is not Severity.INFO if hurts is None else hurts,
            old=where.old if said.old is None else said.old,
            new=where.new if said.new is None else said.new,
            operation=where.operation,
            direction=where.direction,
            proof="rule",
            echo=where.one_sided,
            used_at=where.used_at,
            name=where.name,
        )
        if where.operation:
            claim.operations[where.operation] = None
        self.claims.append(claim)
        self._touched.append(claim)
        return claim

    def witnessed(self, claims: list[Claim], witness: Any) -> None:
        """Attach a value that shows every one of the claims."""
        for claim in claims:
            claim.witness, claim.proof = witness, "witnessed"

    def apply(self, kind: Kind, pair: Any, where: Where) -> list[Claim]:
        """Ask every rule of a kind about a pair and write down what they say."""
        return [self.write(rule.entry.id, said, where) for rule in rules(kind) for said in rule.function(pair)]

    def write_effects(self, kind: Kind, pair: Any, where: Where) -> list[Claim]:
        """The same for rules that say *narrowed* or *widened*: the direction decides."""
        return [
            self.write(rule.entry.id, said, where, hurts=where.hurts(said.effect) if said.effect else None)
            for rule in rules(kind)
            for said in rule.function(pair)
        ]

    @contextmanager
    def once(self, key: Hashable, operation: str | None) -> Iterator[bool]:
        """Whether this is the first time. The claims made within are remembered under the key; a pair that is met
        again while it is being compared is assumed to hold (coinduction)."""
        if key in self._known:
            for claim in self._known[key] or ():
                if operation:
                    claim.operations[operation] = None
                self._touched.append(claim)
            yield False
            return
        self._known[key] = None
        mark = len(self._touched)
        yield True
        self._known[key] = tuple({id(claim): claim for claim in self._touched[mark:]}.values())

    def breaking_since(self, mark: int) -> bool:
        """Whether something was found that by its rule's own nature breaks; a warning explains nothing away."""
        return any(claim.hurts and claim.rule.entry.severity is Severity.ERROR for claim in self._touched[mark:])

    def unproven_since(self, mark: int) -> bool:
        return any(claim.proof == "unproven" for claim in self._touched[mark:])

    def acquit_since(self, mark: int) -> None:
        """The whole was proved harmless, so what rules said of its parts was idle, unless a witness says otherwise.
        Rules that speak where containment is silent (a closed object, a default) keep their word."""
        for claim in self._touched[mark:]:
            contradicted = claim.rule.kind in ("value", "union", "member") and claim.proof in ("rule", "proved")
            if contradicted and claim.rule.entry.severity is Severity.ERROR:
                claim.hurts, claim.proof = False, "proved"

    def withdraw_since(self, mark: int) -> None:
        """The whole was proved to admit the same values as before: what rules said of its parts is about its writing
        only. Annotations (a default, a discriminator) are no part of that proof."""
        for claim in self._touched[mark:]:
            if claim.rule.kind in ("value", "union", "member", "object") and claim.proof in ("rule", "proved"):
                claim.echo = claim.echo or claim.rule.entry.severity is not Severity.WARNING

    @property
    def mark(self) -> int:
        return len(self._touched)

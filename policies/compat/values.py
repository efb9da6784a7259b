"""Two schemas walked in step, down to the leaf: the rules name the change, the prover judges it.

A pair is compared once per direction. It is taken apart only where that is sound: facts of the value, members, items
and alternatives each on their own; if every part of the sender's schema lies within its counterpart, so does the
whole. What cannot be taken apart is put to the prover as it stands, and if that has no answer the finding is
``compat.unproven``.

The subtle thing is who must contain whom: what the *sender* may send must lie within what the *receiver* admits. For
a request the old document is the sender and the new one the receiver; for a response it is the other way round.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from policies.compat.claims import Claim, Said
from policies.compat.containment import Answer, contained, disjoint
from policies.compat.discriminators import DiscriminatorPair
from policies.compat.identity import Identity
from policies.compat.instances import NONE
from policies.compat.leaves import Leaves
from policies.compat.ledger import Ledger, Where
from policies.compat.members import MemberPair, ObjectPair, is_closed, is_free
from policies.compat.reader import Reader
from policies.compat.rendering import READABLE, Rendering
from policies.compat.sameness import Sameness
from policies.compat.shapes import ANYTHING, Rest, Shape, Term
from policies.compat.unions import UnionPair
from policies.compat.wire import on_the_wire
from policies.compat.witness import Step, Witnesses
from policies.findings import Severity
from policies.model.document import Document, Node, UnresolvedReference
from policies.model.schema import Direction

_DEEPEST = 25
_UNDECLARED = "undeclared"
"""What a member that nobody declared is called in a witness."""
_TOO_MUCH = {"request": ("removed", "narrowed"), "response": ("added", "widened")}
"""What happened to a member where its presence is what hurts; elsewhere it is its absence."""


class Values:
    """Compares the schemas of two documents. One per check."""

    def __init__(self, old: Document, new: Document, ledger: Ledger) -> None:
        self.ledger = ledger
        self._deferred: list[tuple[Term, Term, Where]] = []
        """Pairs met too far down; they start anew once the stack is empty, so that no chain is too long."""
        directions: tuple[Direction, ...] = ("request", "response")
        self._readers = {direction: (Reader(old, direction), Reader(new, direction)) for direction in directions}
        identity = Identity(old, new)
        self._sameness = {direction: Sameness(*self._readers[direction], identity) for direction in directions}
        self._witnesses = {
            direction: Witnesses(*self._readers[direction], sends_old=direction == "request")
            for direction in directions
        }
        self.leaves = Leaves(ledger, self._witnesses)

    def compare(self, old: Node | None, new: Node | None, where: Where) -> None:
        """Compare the schemas at two places; ``None`` admits every value."""
        assert where.direction is not None
        mine, theirs = self._readers[where.direction]
        try:
            a, b = mine.term(old), theirs.term(new)
        except UnresolvedReference as error:
            self.leaves.unproven(where, f"a reference in it cannot be followed: {error}")
            return
        self._terms(a, b, where)
        while self._deferred:
            self._terms(*self._deferred.pop())

    def is_scalar(self, document: Document, node: Node) -> bool:
        """Neither a list nor an object: its style in an address makes no difference."""
        for reader in self._readers["request"]:
            if reader.document is document:
                return reader.shape(reader.term(node)).is_scalar
        return False

    # -- one pair -----------------------------------------------------------------------------------------------------

    def _terms(self, old: Term, new: Term, where: Where) -> None:
        if self._sameness[where.direction or "request"].same(old, new):
            return
        where = replace(where, old=old.pointer or where.old, new=new.pointer or where.new)
        if len(where.trail) > _DEEPEST:
            self._deferred.append((old, new, replace(where, trail=(), part=None)))
            return
        where = replace(where, trail=(*where.trail, Step(old, new, where.part)), part=None)
        place = (where.old, where.new) if not (old.nodes and new.nodes) else ()
        key = (old.key, new.key, where.direction, where.wire, where.one_sided, place)
        with self.ledger.once(key, where.operation) as first:
            if first:
                self._pair(old, new, where)

    def _pair(self, old: Term, new: Term, where: Where) -> None:
        mine, theirs = self._readers[where.direction or "request"]
        x, y = mine.shape(old), theirs.shape(new)
        if where.wire:
            x, y = on_the_wire(x, y), on_the_wire(y, x)
        mark = self.ledger.mark
        self._discriminators(x, y, where)
        if (x.alternatives or y.alternatives) and not _are_folded(x, y):
            self.leaves.compare(Shape(notes=x.notes), Shape(notes=y.notes), where)
            self._unions(old, new, x, y, where, mark)
            return
        self.leaves.compare(x, y, where)
        odd: list[str] = []
        if "object" in x.types and "object" in y.types:
            odd += self._members(x, y, where)
        if "array" in x.types and "array" in y.types:
            odd += self._items(x, y, where)
        self._rest(old, new, x, y, odd, where, mark)

    def _discriminators(self, x: Shape, y: Shape, where: Where) -> None:
        old, new = x.notes.get("discriminator"), y.notes.get("discriminator")
        if old == new:
            return
        pair = DiscriminatorPair(where.name, old, new, *(_names(shape) for shape in (x, y)))
        self.ledger.write_effects("discriminator", pair, where)

    # -- its parts ----------------------------------------------------------------------------------------------------

    def _members(self, x: Shape, y: Shape, where: Where) -> list[str]:
        assert where.direction is not None
        mine, theirs = self._readers[where.direction]
        same = self._sameness[where.direction].same
        declared = x.properties.keys() | y.properties.keys()
        for name in sorted(declared | x.required | y.required):
            old, new = x.properties.get(name), y.properties.get(name)
            if (old or new) and (not old or mine.is_hidden(old)) and (not new or theirs.is_hidden(new)):
                continue
            if old and new and (name in x.required) == (name in y.required) and same(old, new):
                continue
            pair = MemberPair(name, where.name, where.direction, old, new, x, y)
            there = where.at(
                old.pointer if old else where.old,
                new.pointer if new else where.new,
                f"{where.name}.{name}",
                ("member", name),
            )
            self._show_member(self.ledger.apply("member", pair, there), name, where)
            counterpart = self._counterpart(pair)
            if counterpart is not None:
                self._terms(*counterpart, there if old and new else replace(there, one_sided=True))
        odd = []
        if x.patterned.keys() != y.patterned.keys():
            odd.append("patternProperties")
        elif x.patterned and x.properties.keys() != y.properties.keys():
            odd.append("properties beside patternProperties")
        for name in sorted(x.patterned.keys() & y.patterned.keys()):
            old, new = x.patterned[name], y.patterned[name]
            self._terms(old, new, where.at(old.pointer, new.pointer, f"{where.name}.<{name}>"))
        self._undeclared(x, y, where)
        return odd

    def _show_member(self, claims: list[Claim], name: str, where: Where) -> None:
        """The smallest object with the member in question, or without it, shows the break if anything does."""
        hurting = [claim for claim in claims if claim.hurts and claim.rule.entry.severity is Severity.ERROR]
        if not hurting or where.wire or where.direction is None:
            return
        witnesses = self._witnesses[where.direction]
        sender, make = witnesses.sent(where.trail[-1]), witnesses.instances.of
        too_much = _TOO_MUCH[where.direction]
        with_it = any(claim.rule.entry.taxonomy["action"] in too_much for claim in hurting)
        offered = make(sender, including=name) if with_it else make(sender)
        found = witnesses.between(where.trail, [offered])
        if found is not NONE and (found := witnesses.lifted(where.trail, found)) is not NONE:
            self.ledger.witnessed(hurting, found)

    def _show_alternative(self, claims: list[Claim], term: Term, where: Where) -> None:
        """A value of the alternative that came or went shows the break."""
        hurting = [claim for claim in claims if claim.hurts]
        if hurting and not where.wire:
            witnesses = self._witnesses[where.direction or "request"]
            found = witnesses.between(where.trail, [witnesses.instances.of(term)])
            if found is not NONE and (found := witnesses.lifted(where.trail, found)) is not NONE:
                self.ledger.witnessed(hurting, found)

    def _counterpart(self, pair: MemberPair) -> tuple[Term, Term] | None:
        """What a member declared on one side only has to be compared with, if with anything."""
        old, new, x, y = pair.old, pair.new, pair.old_object, pair.new_object
        if old is not None and new is not None:
            return old, new
        if old is None and new is None:
            return None
        one_sided, other = (old, y) if new is None else (new, x)
        assert one_sided is not None
        if is_closed(other):
            return None
        rest = other.additional or ANYTHING
        sender_lacks_it = (new is None) == pair.is_("response")
        # a sender that does not declare a member does not send it, unless undeclared members are part of the deal;
        # a receiver that does not declare it takes whatever its additionalProperties take
        if sender_lacks_it and not is_free(other) and pair.name not in other.required:
            return None
        if not sender_lacks_it and not rest.nodes:
            # every value is taken, so no more is to be told than that the member came or went
            return None
        return (one_sided, rest) if new is None else (rest, one_sided)

    def _undeclared(self, x: Shape, y: Shape, where: Where) -> None:
        self._show_member(self.ledger.write_effects("object", ObjectPair(where.name, x, y), where), _UNDECLARED, where)
        old, new = x.additional, y.additional
        if is_closed(y) or ((old is None or not old.nodes) and (new is None or not new.nodes)):
            return
        if where.direction == "response":
            if is_closed(x) and not (new and new.nodes) and not is_free(y):
                return
            if new is None and y.properties:
                return
        elif is_closed(x):
            return
        there = where.at(
            old.pointer if old and old.nodes else where.old,
            new.pointer if new and new.nodes else where.new,
            f"{where.name}.*",
            ("member", _UNDECLARED),
        )
        self._terms(old or ANYTHING, new or ANYTHING, there)

    def _items(self, x: Shape, y: Shape, where: Where) -> list[str]:
        if len(x.prefix) != len(y.prefix):
            return ["prefixItems"]
        for index, (old, new) in enumerate(zip(x.prefix, y.prefix, strict=True)):
            self._terms(old, new, where.at(old.pointer, new.pointer, f"{where.name}[{index}]", ("item", index)))
        if x.items is not None or y.items is not None:
            old, new = x.items or ANYTHING, y.items or ANYTHING
            self._terms(
                old,
                new,
                where.at(old.pointer or where.old, new.pointer or where.new, f"{where.name}[]", ("item", None)),
            )
        return []

    # -- what cannot be taken apart -----------------------------------------------------------------------------------

    def _rest(self, old: Term, new: Term, x: Shape, y: Shape, odd: list[str], where: Where, mark: int) -> None:
        same = self._sameness[where.direction or "request"].same_rest
        left, right, shared = list(x.rest), list(y.rest), []
        for entry in x.rest:
            for other in right:
                if same(entry, other):
                    left.remove(entry)
                    right.remove(other)
                    shared += [entry, other]
                    break
        if "xml" not in where.media_type:
            left, right = ([entry for entry in side if entry[0] != "xml"] for side in (left, right))
        if not left and not right and not odd:
            return
        unread = sorted({key for key, _ in left + right if key not in READABLE})
        keys = {key for key, _ in left + right}
        unions = len(left) == len(right) == 1 and keys <= {"anyOf", "oneOf"}
        settled = unions and self._alternatives(left[0], right[0], where, mark)
        if settled and not self.ledger.breaking_since(mark):
            self._rewritten(old, new, tuple(shared), len(keys) > 1, where, mark)
            return
        names = ", ".join(unread or sorted(keys | set(odd))).replace("$circle", "allOf in a circle")
        self._judge_whole(
            old, new, tuple(shared), bool(unread), f"{names} cannot be compared by proof here", where, mark
        )

    def _unions(self, old: Term, new: Term, x: Shape, y: Shape, where: Where, mark: int) -> None:
        """One side at least is nothing but alternatives; a plain schema is the only alternative of itself."""
        left, right = x.alternatives or ("anyOf", (old,)), y.alternatives or ("anyOf", (new,))
        settled = self._alternatives((left[0], list(left[1])), (right[0], list(right[1])), where, mark)
        if not settled or self.ledger.breaking_since(mark):
            reason = "its alternatives may overlap, and oneOf refuses what fits two of them"
            self._judge_whole(old, new, (), False, reason, where, mark)
        else:
            self._rewritten(old, new, (), left[0] != right[0], where, mark)

    def _rewritten(
        self, old: Term, new: Term, shared: tuple[Rest, ...], differs: bool, where: Where, mark: int
    ) -> None:
        """Alternatives that turned out harmless may have changed nothing at all, or only how they are joined."""
        said = self.ledger.mark != mark
        if (said or differs) and self._equal(old, new, shared, where):
            self.ledger.withdraw_since(mark)
        elif differs and not said:
            self.ledger.write("compat.schema-rewritten", Said(f"{where.name} is written differently"), where)

    def _judge_whole(
        self, old: Term, new: Term, shared: tuple[Rest, ...], unread: bool, reason: str, where: Where, mark: int
    ) -> None:
        """The prover's word on a pair that was not, or not fully, taken apart."""
        answer, a, b = self._whole(old, new, shared, where)
        if answer is Answer.YES and not unread:
            self.ledger.acquit_since(mark)
            if self._equal(old, new, shared, where):
                self.ledger.withdraw_since(mark)
            elif self.ledger.mark == mark:
                self.ledger.write("compat.schema-rewritten", Said(f"{where.name} is written differently"), where)
        elif not self.ledger.breaking_since(mark):
            told = self.ledger.unproven_since(mark)
            self.leaves.generic(Answer.UNKNOWN if unread else answer, a, b, where, reason, told=told)

    def _equal(self, old: Term, new: Term, shared: tuple[Rest, ...], where: Where) -> bool:
        """Whether it is proved that both admit exactly the same values."""
        mine, theirs = self._readers[where.direction or "request"]
        first, second = Rendering(mine, False, shared), Rendering(theirs, False, shared)
        x, y = first.schema(old), second.schema(new)
        if x is None or y is None or not (first.faithful and second.faithful):
            return False
        return contained(x, y) is Answer.YES and contained(y, x) is Answer.YES

    def _whole(self, old: Term, new: Term, shared: tuple[Rest, ...], where: Where) -> tuple[Answer, Any, Any]:
        mine, theirs = self._readers[where.direction or "request"]
        (inner, a), (outer, b) = (
            ((mine, old), (theirs, new)) if where.direction == "request" else ((theirs, new), (mine, old))
        )
        sent, taken = Rendering(inner, True, shared), Rendering(outer, False, shared)
        x, y = sent.schema(a), taken.schema(b)
        if x is None or y is None:
            return Answer.UNKNOWN, None, None
        answer = contained(x, y)
        if (answer is Answer.YES and not taken.faithful) or (answer is Answer.NO and not (sent.exact and taken.exact)):
            answer = Answer.UNKNOWN
        return answer, x, y

    def _alternatives(self, left: Rest, right: Rest, where: Where, mark: int) -> bool:
        """Pair the alternatives of two unions: equal ones fall out, the others meet by name, then by type. Whether
        that settled the matter: a receiver's ``oneOf`` refuses what fits two alternatives, unless none do."""
        same = self._sameness[where.direction or "request"].same
        old, new = list(left[1]), list(right[1])
        for term in list(old):
            for other in new:
                if same(term, other):
                    old.remove(term)
                    new.remove(other)
                    break
        mine, theirs = self._readers[where.direction or "request"]
        for match in (_label, _kinds, _any):
            for term in list(old):
                for other in new:
                    if match(mine, term) is not None and match(mine, term) == match(theirs, other):
                        name = f"{where.name}|{_label(theirs, other) or other.pointer.rsplit('/', 1)[-1]}"
                        self._terms(term, other, where.at(term.pointer, other.pointer, name, ("branch", None)))
                        old.remove(term)
                        new.remove(other)
                        break
        for term in old:
            pair = UnionPair(where.name, _called(mine, term), term, None)
            claims = self.ledger.write_effects("union", pair, where.at(term.pointer, where.new))
            self._show_alternative(claims, term, where)
        for term in new:
            pair = UnionPair(where.name, _called(theirs, term), None, term)
            claims = self.ledger.write_effects("union", pair, where.at(where.old, term.pointer))
            self._show_alternative(claims, term, where)
        if self.ledger.breaking_since(mark):
            return True
        receiver, reader = (right, theirs) if where.direction == "request" else (left, mine)
        return receiver[0] == "anyOf" or _exclusive(reader, receiver[1])


def _exclusive(reader: Reader, terms: list[Term]) -> bool:
    """Whether no value fits two of the alternatives, so that ``oneOf`` refuses nothing ``anyOf`` would admit."""
    seen: frozenset[str] = frozenset()
    for term in terms:
        types = reader.shape(term).types
        if types & seen:
            break
        seen |= types
    else:
        return True
    texts = [Rendering(reader, False).schema(term) for term in terms]
    return all(disjoint(a, b) for index, a in enumerate(texts) for b in texts[index + 1 :])


def _names(shape: Shape) -> frozenset[str]:
    """The definitions that a union offers."""
    return frozenset(
        term.pointer.rsplit("/", 1)[-1] for _, terms in (shape.alternatives or ("", ()),) for term in terms
    )


def _label(reader: Reader, term: Term) -> str | None:
    """The name of the definition, where an alternative has one."""
    pointer = term.pointer
    return (
        pointer.rsplit("/", 1)[-1] if pointer.startswith("/components/schemas/") and pointer.count("/") == 3 else None
    )


def _kinds(reader: Reader, term: Term) -> frozenset[str]:
    return reader.shape(term).types


def _any(reader: Reader, term: Term) -> bool:
    return True


def _called(reader: Reader, term: Term) -> str:
    return _label(reader, term) or " or ".join(sorted(reader.shape(term).types))


def _are_folded(x: Shape, y: Shape) -> bool:
    """Both can be compared as one schema each: two merged unions, or a plain schema and the same or null."""
    if x.branches and y.branches:
        return True
    plain, union = (y, x) if x.branches else (x, y)
    return plain.alternatives is None and len(union.branches) == 2 and "null" in union.types

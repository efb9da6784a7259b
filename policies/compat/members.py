"""Rules on the members of an object: added, removed, required, optional, closed.

The lens: members nobody declared are unknown to both sides. So a new optional member is harmless, and what happens to
a removed one depends on whether the other side still tolerates it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.compat.claims import Said, request, response, rule
from policies.compat.shapes import Shape, Term
from policies.findings import Severity
from policies.model.schema import Direction

_A = "{type: object, properties: {sku: {type: string}}}"
_AB = "{type: object, properties: {sku: {type: string}, lot: {type: string}}}"
_AB_REQUIRED = "{type: object, required: [lot], properties: {sku: {type: string}, lot: {type: string}}}"
_AB_DEFAULTED = _AB_REQUIRED.replace("lot: {type: string}", "lot: {type: string, default: none}")
_A_CLOSED = "{type: object, additionalProperties: false, properties: {sku: {type: string}}}"
_AB_CLOSED = "{type: object, additionalProperties: false, properties: {sku: {type: string}, lot: {type: string}}}"


@dataclass(frozen=True, slots=True)
class MemberPair:
    """One member of one object in both documents; `old` or `new` is ``None`` where it is not declared."""

    name: str
    owner: str
    direction: Direction
    old: Term | None
    new: Term | None
    old_object: Shape
    new_object: Shape

    @property
    def was_required(self) -> bool:
        return self.name in self.old_object.required

    @property
    def is_required(self) -> bool:
        return self.name in self.new_object.required

    @property
    def path(self) -> str:
        return f"{self.owner}.{self.name}"

    @property
    def came(self) -> bool:
        return self.old is None and self.new is not None

    @property
    def went(self) -> bool:
        return self.old is not None and self.new is None

    @property
    def is_newly_demanded(self) -> bool:
        return self.is_("request") and self.old is None and self.is_required and not self.was_required

    @property
    def has_default(self) -> bool:
        return self.new is not None and any(node.get("default", ...) is not ... for node in self.new.nodes)

    def is_(self, direction: Direction) -> bool:
        return self.direction == direction


def is_closed(shape: Shape) -> bool:
    """No undeclared member is admitted (``additionalProperties: false``)."""
    return shape.additional is not None and any(node.value is False for node in shape.additional.nodes)


def is_free(shape: Shape) -> bool:
    """Undeclared members are part of the deal: a map, or an object of which nothing is declared."""
    if shape.additional is not None and shape.additional.nodes:
        return not is_closed(shape)
    return not shape.properties and not shape.patterned


@rule(
    "member",
    direction="request",
    area="property",
    action="removed",
    breaks=[request(_AB_CLOSED, _A_CLOSED)],
    safe=[response(_AB_CLOSED, _A_CLOSED)],
)
def request_property_removed(pair: MemberPair) -> Iterator[Said]:
    """A member that could be sent is refused now, for the object admits no other members.

    Every sender who still sends it gets an error. Keep accepting it and ignore it until the next major.
    """
    if pair.is_("request") and pair.old is not None and pair.new is None and is_closed(pair.new_object):
        yield Said(f"{pair.path} can no longer be sent", fix=f"keep declaring {pair.name} and ignore it")


@rule(
    "member",
    severity=Severity.WARNING,
    direction="request",
    area="property",
    action="removed",
    breaks=[request(_AB, _A)],
    safe=[request(_AB, _AB)],
)
def request_property_ignored(pair: MemberPair) -> Iterator[Said]:
    """A member that could be sent is no longer declared; it is tolerated and has no effect.

    Nobody is refused, and nobody is told that what they ask for no longer happens.
    """
    if not pair.is_("request") or pair.old is None or pair.new is not None:
        return
    if not is_closed(pair.new_object) and not is_free(pair.new_object):
        yield Said(f"{pair.path} is no longer read", fix=f"keep declaring {pair.name}, deprecated")


@rule(
    "member",
    direction="request",
    area="property",
    action="added",
    breaks=[request(_A, _AB_REQUIRED)],
    safe=[request(_A, _AB)],
)
def request_property_added_as_required(pair: MemberPair) -> Iterator[Said]:
    """A member that nobody sends yet must be sent.

    Every existing request is refused. Make it optional and say what is assumed when it is absent.
    """
    if pair.is_newly_demanded and not pair.has_default:
        yield Said(f"{pair.path} must now be sent", fix=f"make {pair.name} optional")


@rule(
    "member",
    direction="request",
    area="property",
    action="added",
    breaks=[request(_A, _AB_DEFAULTED)],
    safe=[request(_A, _AB)],
)
def request_property_added_as_required_with_default(pair: MemberPair) -> Iterator[Said]:
    """A member that nobody sends yet must be sent, although it has a default.

    Strictly read, ``default`` is a remark and ``required`` is the rule: a call without the member is invalid, and the
    gateway refuses it. Make it optional, and the default means what was meant.
    """
    if pair.is_newly_demanded and pair.has_default:
        yield Said(f"{pair.path} must now be sent, its default notwithstanding", fix=f"make {pair.name} optional")


@rule("member", severity=Severity.INFO, direction="request", area="property", action="added", tells=[request(_A, _AB)])
def request_property_added(pair: MemberPair) -> Iterator[Said]:
    """A member may now be sent that could not be sent before.

    Callers that do not know it leave it out and are served as before. It takes a minor version.
    """
    if pair.is_("request") and pair.old is None and pair.new is not None and not pair.is_required:
        yield Said(f"{pair.path} may now be sent")


@rule(
    "member",
    direction="request",
    area="property",
    action="required",
    breaks=[request(_AB, _AB_REQUIRED)],
    safe=[response(_AB, _AB_REQUIRED)],
)
def request_property_became_required(pair: MemberPair) -> Iterator[Said]:
    """A member that could be left out must be sent.

    Whoever rightly left it out is refused. Keep it optional and say what is assumed when it is absent.
    """
    if pair.is_("request") and pair.old is not None and pair.is_required and not pair.was_required:
        yield Said(f"{pair.path} was optional and must now be sent", fix=f"keep {pair.name} optional")


@rule(
    "member",
    severity=Severity.INFO,
    direction="request",
    area="property",
    action="optional",
    tells=[request(_AB_REQUIRED, _AB)],
)
def request_property_became_optional(pair: MemberPair) -> Iterator[Said]:
    """A member that had to be sent may be left out.

    Whoever sends it is served as before. Say in its description what is assumed when it is absent.
    """
    if pair.is_("request") and pair.was_required and not pair.is_required and not pair.went:
        yield Said(f"{pair.path} may now be left out")


@rule(
    "member",
    direction="response",
    area="property",
    action="removed",
    breaks=[response(_AB_REQUIRED, _A)],
    safe=[request(_AB_REQUIRED, _AB)],
)
def response_property_removed(pair: MemberPair) -> Iterator[Said]:
    """A member that always came is gone.

    Readers rely on it. Keep sending it, deprecated, until the next major.
    """
    if pair.is_("response") and pair.was_required and not pair.is_required and pair.new is None:
        yield Said(f"{pair.path} always came and is gone", fix=f"keep sending {pair.name}, deprecated")


@rule(
    "member",
    severity=Severity.WARNING,
    direction="response",
    area="property",
    action="removed",
    breaks=[response(_AB, _A)],
    safe=[response(_A, _AB)],
)
def response_optional_property_removed(pair: MemberPair) -> Iterator[Said]:
    """A member that came sometimes never comes again.

    The contract allowed its absence, so nobody is formally broken; whoever used it loses it without a word.
    """
    if not pair.is_("response") or pair.old is None or pair.new is not None or pair.was_required:
        return
    if is_closed(pair.new_object) or not is_free(pair.new_object):
        yield Said(f"{pair.path} no longer comes", fix=f"keep sending {pair.name}, deprecated")


@rule(
    "member",
    severity=Severity.INFO,
    direction="response",
    area="property",
    action="added",
    tells=[response(_A, _AB), response(_A, _AB_REQUIRED)],
)
def response_property_added(pair: MemberPair) -> Iterator[Said]:
    """A new member comes. Readers ignore members they do not know.

    Responses are open: a reader that refuses unknown members asks for more than the contract promised. It takes a
    minor version.
    """
    if pair.is_("response") and pair.old is None and pair.new is not None and not is_closed(pair.old_object):
        yield Said(f"{pair.path} now comes" + ("" if pair.is_required else " sometimes"))


@rule(
    "member",
    direction="response",
    area="property",
    action="added",
    breaks=[response(_A_CLOSED, _AB_CLOSED)],
    safe=[response(_A, _AB)],
)
def response_property_added_to_closed_object(pair: MemberPair) -> Iterator[Said]:
    """A new member comes in an object that was promised to have no others.

    Readers who validate against the contract refuse the whole answer. Leave response objects open from the start.
    """
    if pair.is_("response") and pair.old is None and pair.new is not None and is_closed(pair.old_object):
        yield Said(f"{pair.path} now comes, where no further member was promised", fix="offer it in a new operation")


@rule(
    "member",
    direction="response",
    area="property",
    action="optional",
    breaks=[response(_AB_REQUIRED, _AB)],
    safe=[request(_AB_REQUIRED, _AB)],
)
def response_property_became_optional(pair: MemberPair) -> Iterator[Said]:
    """A member that always came may be absent.

    Readers never wrote the code for its absence. Keep sending it; if there is nothing to say, say so by a value.
    """
    if pair.is_("response") and pair.was_required and not pair.is_required and pair.new is not None:
        yield Said(f"{pair.path} always came and may now be absent", fix=f"keep {pair.name} required")


@rule(
    "member",
    severity=Severity.INFO,
    direction="response",
    area="property",
    action="required",
    tells=[response(_AB, _AB_REQUIRED)],
)
def response_property_became_required(pair: MemberPair) -> Iterator[Said]:
    """A member that came sometimes now always comes. Backends that still leave it out violate the contract."""
    if pair.is_("response") and pair.is_required and not pair.was_required and not pair.came:
        yield Said(f"{pair.path} now always comes")


@dataclass(frozen=True, slots=True)
class ObjectPair:
    """One object in both documents, for what concerns undeclared members."""

    name: str
    old: Shape
    new: Shape


@rule(
    "object",
    area="object",
    action="narrowed",
    breaks=[request(_A, _A_CLOSED)],
    safe=[response(_A, _A_CLOSED)],
)
def object_closed(pair: ObjectPair) -> Iterator[Said]:
    """Members that are not declared are refused now.

    Senders of harmless extras (and of misspelt members that were ignored) get errors. Close request objects in a new
    major only.
    """
    both = "object" in pair.old.types and "object" in pair.new.types
    if both and is_closed(pair.new) and not is_closed(pair.old):
        yield Said(f"{pair.name} no longer admits undeclared members", effect="narrowed", fix="leave the object open")


@rule(
    "object",
    severity=Severity.INFO,
    area="object",
    action="widened",
    tells=[request(_A_CLOSED, _A), response(_A_CLOSED, _A)],
)
def object_opened(pair: ObjectPair) -> Iterator[Said]:
    """Undeclared members are no longer refused.

    No caller is refused that was served before. A misspelt member now passes unnoticed; keep a request closed where
    that would lose data.
    """
    both = "object" in pair.old.types and "object" in pair.new.types
    if both and is_closed(pair.old) and not is_closed(pair.new):
        yield Said(f"{pair.name} now admits undeclared members")

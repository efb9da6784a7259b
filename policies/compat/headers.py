"""Rules on the headers that the service sends: there or not, always or not, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.compat.claims import Said, operation, rule
from policies.findings import Severity
from policies.model.document import Parameter

_OK_EMPTY = "responses: {'200': {description: found}}"
_HEADER_OBJECT = "responses: {'200': {description: found, headers: {Info: {%sschema: {type: object}}}}}"
_HEADER = "responses: {'200': {description: found, headers: {ETag: {%sschema: {type: string}}}}}"


@dataclass(frozen=True, slots=True)
class HeaderPair:
    """One header that the service sends, in both documents: of a response, or (called a parameter there) of a webhook.
    Names are compared without case."""

    old: Parameter | None
    new: Parameter | None
    scalar: bool = True
    """Its value is neither a list nor an object in either document."""
    word: str = "response header"

    @property
    def called(self) -> str:
        header = self.new or self.old
        return f"{self.word} {header.name}" if header else ""


@rule(
    "header",
    direction="response",
    area="header",
    action="removed",
    breaks=[operation(_HEADER % "required: true, ", _OK_EMPTY)],
    safe=[operation(_OK_EMPTY, _HEADER % "required: true, ")],
)
def response_header_removed(pair: HeaderPair) -> Iterator[Said]:
    """A header that always came is gone.

    Readers rely on it. Keep sending it.
    """
    if pair.old and not pair.new and pair.old.required:
        yield Said(f"the {pair.called} always came and is gone", fix="keep sending it")


@rule(
    "header",
    severity=Severity.WARNING,
    direction="response",
    area="header",
    action="removed",
    breaks=[operation(_HEADER % "", _OK_EMPTY)],
    safe=[operation(_OK_EMPTY, _HEADER % "")],
)
def response_optional_header_removed(pair: HeaderPair) -> Iterator[Said]:
    """A header that came sometimes is no longer declared.

    Nobody is formally broken; whoever used it loses it without a word.
    """
    if pair.old and not pair.new and not pair.old.required:
        yield Said(f"the {pair.called} is no longer declared", fix="keep sending it")


@rule(
    "header",
    direction="response",
    area="header",
    action="optional",
    no_mirror="a header that now always comes is told by response-header-added",
    breaks=[operation(_HEADER % "required: true, ", _HEADER % "")],
    safe=[operation(_HEADER % "", _HEADER % "required: true, ")],
)
def response_header_became_optional(pair: HeaderPair) -> Iterator[Said]:
    """A header that always came may be absent.

    Readers never wrote the code for its absence. Keep sending it.
    """
    if pair.old and pair.new and pair.old.required and not pair.new.required:
        yield Said(f"the {pair.called} always came and may now be absent", fix="keep it required")


@rule(
    "header",
    direction="response",
    area="header",
    action="rewritten",
    breaks=[operation(_HEADER_OBJECT % "", _HEADER_OBJECT % "explode: true, ")],
    safe=[operation(_HEADER % "", _HEADER % "explode: true, ")],
)
def response_header_style_changed(pair: HeaderPair) -> Iterator[Said]:
    """An object is written another way in a header (``a,1`` or ``a=1``).

    Readers take it apart the old way and misread it. Keep ``explode`` as it was.
    """
    if pair.old and pair.new and not pair.scalar and pair.old.explode != pair.new.explode:
        said = f"the {pair.called} was written with explode {pair.old.explode}, now with explode {pair.new.explode}"
        yield Said(said.replace("True", "true").replace("False", "false"), fix="keep explode as it was")


@rule(
    "header",
    severity=Severity.INFO,
    direction="response",
    area="header",
    action="added",
    tells=[operation(_OK_EMPTY, _HEADER % ""), operation(_HEADER % "", _HEADER % "required: true, ")],
)
def response_header_added(pair: HeaderPair) -> Iterator[Said]:
    """A header now comes, or always comes.

    Readers ignore headers they do not know. It takes a minor version.
    """
    if pair.new and not pair.old:
        yield Said(f"the {pair.called} is new")
    elif pair.old and pair.new and pair.new.required and not pair.old.required:
        yield Said(f"the {pair.called} now always comes")

"""Rules on the ``links`` of a response: what a reader may do next with what it got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.compat.claims import Said, operation, rule
from policies.findings import Severity

_LINKED = "responses: {'200': {description: found, links: {cancel: {operationId: %s}}}}"
_ONE, _OTHER = _LINKED % "cancelOrder", _LINKED % "voidOrder"
_NONE = "responses: {'200': {description: found}}"


@dataclass(frozen=True, slots=True)
class LinkPair:
    """One link of one response in both documents, references followed."""

    name: str
    status: str
    old: Any
    new: Any

    @property
    def called(self) -> str:
        return f"the link {self.name} of {self.status}"


@rule(
    "link",
    severity=Severity.WARNING,
    direction="response",
    area="link",
    action="removed",
    breaks=[operation(_ONE, _NONE)],
    safe=[operation(_NONE, _ONE)],
)
def link_removed(pair: LinkPair) -> Iterator[Said]:
    """A link that readers could follow is no longer described.

    No call fails for it; whoever generated code from it loses a step. Keep it as long as its target exists.
    """
    if pair.old is not None and pair.new is None:
        yield Said(f"{pair.called} is gone", fix="keep the link")


@rule(
    "link",
    severity=Severity.WARNING,
    direction="response",
    area="link",
    action="changed",
    breaks=[operation(_ONE, _OTHER)],
    safe=[operation(_ONE, _ONE)],
)
def link_changed(pair: LinkPair) -> Iterator[Said]:
    """A link leads elsewhere, or passes something else on.

    Whoever follows it under its name ends up in another place. Give the new step a name of its own.
    """
    if pair.old is not None and pair.new is not None:
        yield Said(f"{pair.called} leads elsewhere", fix="keep the link and add another")


@rule(
    "link",
    severity=Severity.INFO,
    direction="response",
    area="link",
    action="added",
    tells=[operation(_NONE, _ONE)],
)
def link_added(pair: LinkPair) -> Iterator[Said]:
    """A further step is described. Readers that know nothing of it do what they did."""
    if pair.new is not None and pair.old is None:
        yield Said(f"{pair.called} is new")

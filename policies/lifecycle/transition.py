"""What is asked for (`Transition`) and what is known (`Evidence`). The registry fills both; gates only read them.

Families do not know each other, so a comparison is known here by its shape (`Change`), not by its class in
`policies.compat`. Evidence that was not gathered is ``None`` or empty, and a gate that needs it blocks: what was not
evaluated is never green.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from policies.findings import Finding, Report, Waiver
from policies.lifecycle.stages import Action
from policies.model.contract import Contract, Stage, Version


class Change(Protocol):
    """What gates read of a `policies.compat.Comparison`. `verdict` is compatible, breaking or unproven; `bump` is the
    least semver step that the change needs: major, minor, patch or none."""

    @property
    def verdict(self) -> str: ...
    @property
    def bump(self) -> str: ...
    @property
    def forced_by(self) -> Finding | None: ...
    @property
    def report(self) -> Report: ...


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison, and the number of the older version it was made with."""

    number: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What somebody wants to do with one version.

    `version` is ``None`` when the version does not exist yet (it is being created). `number` is its semver. `sunset_at`
    and `successor` belong to deprecating. `forced` is an admin's word and counts only together with a `reason`.
    `sunset_at` and `now` are unix seconds.
    """

    action: Action
    number: str
    contract: Contract
    actor: str
    now: int
    version: Version | None = None
    forced: bool = False
    reason: str | None = None
    sunset_at: int | None = None
    successor: str | None = None

    @property
    def stage(self) -> Stage:
        """The stage it leaves; a version being created leaves draft."""
        return self.version.stage if self.version else Stage.DRAFT

    @property
    def major(self) -> int:
        return int(self.number.partition(".")[0])

    @property
    def is_forced(self) -> bool:
        return self.forced and bool(self.reason and self.reason.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the registry knows.

    `lint` and `comparisons` are needed to submit and to publish: one comparison per live version of the major, none
    when the major has no live version. `previous` is the comparison with the newest live version of an earlier major
    (or of any other), for judging how much review a new major needs. `author` published or submitted the document,
    `approver` makes the transition. `subscribers` are the ids of applications with a live subscription to this
    major. `callers` are those that were seen calling the major, with unix seconds of their last call, the latest first;
    `observed_at` is when a gateway last reported any (unix seconds, ``None`` for never). `live_numbers` are all live
    versions of the contract, `ending_numbers` those of them that are deprecated. `owner_exists` says that the
    contract's owner is a registered team. `waivers` are those of this contract, expired ones included: gates weigh them
    at `now`.
    """

    now: int
    lint: Report | None = None
    comparisons: tuple[Compared, ...] = ()
    previous: Compared | None = None
    author: str | None = None
    approver: str | None = None
    subscribers: tuple[str, ...] = ()
    callers: tuple[tuple[str, int], ...] = ()
    observed_at: int | None = None
    live_numbers: tuple[str, ...] = ()
    ending_numbers: tuple[str, ...] = ()
    owner_exists: bool = True
    waivers: tuple[Waiver, ...] = ()

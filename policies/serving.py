"""Which version answers whom: a contract's majors, and in each the version that an application gets.

Owns the head rule, rollouts, previews and pins. The gateway routes by it and the registry tells a consumer its own
contract by it, so it is written once; what is served (bound routes here, a document there) is for the caller to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from zlib import crc32

import semver

from policies.model.contract import LIVE, Contract, Rollout, Stage, Version
from policies.model.snapshot import SnapshotRefused
from policies.traffic import Caller, Exchange, Problem


class Served(Protocol):
    """One version as it is served."""

    @property
    def number(self) -> str: ...


S = TypeVar("S", bound=Served)
ROUTED = LIVE | {Stage.RETIRED}
_REQUESTED = re.compile(
    r"v?(0|[1-9][0-9]{0,8})|(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?"
)


@dataclass(slots=True)
class Canary(Generic[S]):
    """A rollout: the named applications, and a stable share of the others, get `served`."""

    served: S
    applications: frozenset[str]
    share: int
    salt: int

    def takes(self, caller: Caller | None) -> bool:
        if caller is None:
            return False
        name = caller.application.id
        return name in self.applications or (self.share > 0 and crc32(name.encode(), self.salt) % 100 < self.share)


class Steer(Protocol[S]):
    """What one application gets of a major, where that is not what everybody gets."""

    pin: S | None

    def choose(self, exchange: Exchange) -> S | None: ...


@dataclass(slots=True)
class MajorLine(Generic[S]):
    """What ``/{contract}/v{major}`` serves. `numbers` are the live versions the head stands for."""

    contract: str
    major: int
    head: S | None
    canaries: tuple[Canary[S], ...] = ()
    previews: Mapping[str, tuple[S, frozenset[str]]] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    live: bool = False
    steering: dict[str, Steer[S]] = field(default_factory=dict)
    """By application: those that are pinned to a version or try one."""

    def steered(self, number: str | None, exchange: Exchange) -> S | None:
        """What was agreed for this application; ``None`` where nothing was, and for who asks for a number: of these the
        one that it is pinned to is served besides those that everybody may ask for."""
        steer = self.steering.get(exchange.caller.application.id) if exchange.caller is not None else None
        if steer is None:
            return None
        if number is None:
            return steer.choose(exchange)
        return steer.pin if steer.pin is not None and steer.pin.number == number else None

    def served(self, number: str | None, caller: Caller | None) -> S | Problem:
        """The version for a caller, and for the exact number it asked for if it did: a live one that the head stands
        for, one in rollout that this caller gets anyway, or one in review that it may preview."""
        if number is not None and number in self.previews:
            served, applications = self.previews[number]
            if caller is not None and caller.application.id in applications:
                return served
        stands = number is None or number in self.numbers
        for canary in self.canaries:
            if (stands or canary.served.number == number) and canary.takes(caller):
                return canary.served
        if stands and self.head is not None:
            return self.head
        wanted = f"v{self.major}" if number is None else number
        return version_unknown(f"{self.contract} has no version {wanted} to serve.")


class ContractLines(Generic[S]):
    """The majors of one contract."""

    __slots__ = ("_default", "by_segment", "majors", "name")

    def __init__(self, name: str, lines: list[MajorLine[S]], default_major: int | None) -> None:
        self.name = name
        self.majors = {line.major: line for line in lines}
        self.by_segment = {f"v{line.major}": line for line in lines}
        live = [line.major for line in lines if line.live]
        newest = max(live or self.majors, default=None)
        self._default = default_major if default_major in self.majors else newest

    def requested(self, text: str, line: MajorLine[S] | None) -> tuple[MajorLine[S], str | None] | Problem:
        """Line and exact number for what a caller asked for by header; `line` is the one its path names, if any."""
        match = _REQUESTED.fullmatch(text.strip())
        if match is None:
            return bad_request("A version is a major (2) or an exact number (2.1.0).")
        major = int(match[1] or match[2])
        if line is not None and line.major != major:
            return bad_request(f"The path names v{line.major}, and the version asked for is {text.strip()}.")
        found = self.majors.get(major)
        if found is None:
            return version_unknown(self.told())
        return found, None if match[1] is not None else text.strip()

    def assigned(self, caller: Caller | None) -> MajorLine[S] | Problem:
        """The line for a caller that names no version: its pin, else the contract's default."""
        major = self._default if caller is None else caller.application.pins.get(self.name, self._default)
        line = None if major is None else self.majors.get(major)
        return line if line is not None else version_unknown(self.told())

    def told(self) -> str:
        known = ", ".join(f"v{major}" for major in sorted(self.majors))
        return f"{self.name} offers {known}." if known else f"{self.name} offers no version."


def lines_of(
    contract: Contract,
    versions: Iterable[Version],
    rollouts: Iterable[Rollout],
    serve: Callable[[Version, str | None, list[int]], S],
) -> ContractLines[S]:
    """The majors of a contract, of a snapshot's versions and rollouts. `serve` makes what is served of a version, the
    name of a rollout's own upstream and the live majors. Raises `SnapshotRefused`."""
    mine = sorted((version for version in versions if version.contract == contract.name), key=_order)
    majors = sorted({version.major for version in mine})
    live = [version.major for version in mine if version.stage in LIVE]
    canaries = [rollout for rollout in rollouts if rollout.contract == contract.name]
    made = [_line(contract, [v for v in mine if v.major == major], canaries, live, serve) for major in majors]
    return ContractLines(contract.name, made, contract.default_major)


def _line(
    contract: Contract,
    versions: list[Version],
    rollouts: list[Rollout],
    live: list[int],
    serve: Callable[[Version, str | None, list[int]], S],
) -> MajorLine[S]:
    """`versions` of one major, ascending."""
    rollouts = _in_order(rollouts, versions)
    head = head_of(versions, rollouts)
    by_number = {version.number: version for version in versions}
    return MajorLine(
        contract=contract.name,
        major=versions[0].major,
        head=None if head is None else serve(head, None, live),
        canaries=tuple(
            Canary(
                serve(by_number[rollout.version], rollout.upstream, live),
                frozenset(rollout.applications),
                rollout.share,
                # applications fall differently in every rollout, and alike in every worker
                crc32(f"{contract.name}@{rollout.version}".encode()),
            )
            for rollout in rollouts
        ),
        previews={
            version.number: (serve(version, None, live), frozenset(version.preview_applications))
            for version in versions
            if version.stage is Stage.IN_REVIEW and version.preview_applications
        },
        numbers=frozenset() if head is None else _numbers(versions[: versions.index(head) + 1]),
        live=head is not None and head.stage in LIVE,
    )


def _numbers(versions: Iterable[Version]) -> frozenset[str]:
    return frozenset(version.number for version in versions if version.stage in ROUTED)


def _in_order(rollouts: Iterable[Rollout], versions: Iterable[Version]) -> list[Rollout]:
    """Those of live versions, the newest first."""
    numbers = {version.number for version in versions if version.stage in LIVE}
    mine = [rollout for rollout in rollouts if rollout.version in numbers]
    return sorted(mine, key=lambda rollout: semver.Version.parse(rollout.version), reverse=True)


def head_of(versions: list[Version], rollouts: list[Rollout]) -> Version | None:
    """What a major serves to everybody: its highest-numbered version that is published, deprecated or retired, leaving
    versions in rollout to their callers unless nothing else is live. `versions` ascend."""
    canary = {rollout.version for rollout in rollouts}
    routed = [version for version in versions if version.stage in ROUTED]
    others = [version for version in routed if version.number not in canary]
    if others and (others[-1].stage in LIVE or not canary):
        return others[-1]
    return routed[-1] if routed else None


def successor_of(version: Version, live: list[int]) -> int | None:
    """The major that replaces a version: the one it names (a major or a number), else the newest live one after it."""
    if version.successor is not None:
        named = version.successor.removeprefix("v").partition(".")[0]
        return int(named) if named.isdigit() else None
    return max((major for major in live if major > version.major), default=None)


def _order(version: Version) -> semver.Version:
    try:
        return semver.Version.parse(version.number)
    except ValueError as error:
        raise SnapshotRefused(f"{version.contract}@{version.number} is not a semantic version") from error


def version_unknown(detail: str) -> Problem:
    return Problem(status=404, slug="version-unknown", title="There is no such version", detail=detail)


def bad_request(detail: str) -> Problem:
    return Problem(status=400, slug="bad-request", title="The request is ambiguous", detail=detail)

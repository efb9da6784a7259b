"""From a path to one operation: contract, then version, then template, then method. One match serves everything after.

Owns how a version is chosen; how its templates are matched is in `gateway.templates`. Must not know what a route does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from zlib import crc32

from gateway.templates import PathItem, Templates
from policies.traffic import Caller, Problem

T = TypeVar("T")
_MAJOR_SEGMENT = re.compile(r"v(0|[1-9][0-9]{0,8})")
_REQUESTED = re.compile(
    r"v?(0|[1-9][0-9]{0,8})|(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?"
)


@dataclass(slots=True)
class Served(Generic[T]):
    """One version as it is served. `fallback` answers what matches nothing: a retired version says 410 to all.
    `fields` are announced where a call meets the version and none of its operations."""

    number: str
    templates: Templates[T]
    fallback: T | None = None
    fields: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(slots=True)
class Canary(Generic[T]):
    """A rollout: the named applications, and a stable share of the others, get `served`."""

    served: Served[T]
    applications: frozenset[str]
    share: int
    salt: int

    def takes(self, caller: Caller | None) -> bool:
        if caller is None:
            return False
        name = caller.application.id
        return name in self.applications or (self.share > 0 and crc32(name.encode(), self.salt) % 100 < self.share)


@dataclass(slots=True)
class MajorLine(Generic[T]):
    """What ``/{contract}/v{major}`` serves. `numbers` are the live versions the head stands for."""

    contract: str
    major: int
    head: Served[T] | None
    canaries: tuple[Canary[T], ...] = ()
    previews: Mapping[str, tuple[Served[T], frozenset[str]]] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    live: bool = False

    def served(self, number: str | None, caller: Caller | None) -> Served[T] | Problem:
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


class ContractLines(Generic[T]):
    """The majors of one contract."""

    __slots__ = ("_default", "by_segment", "majors", "name")

    def __init__(self, name: str, lines: list[MajorLine[T]], default_major: int | None) -> None:
        self.name = name
        self.majors = {line.major: line for line in lines}
        self.by_segment = {f"v{line.major}": line for line in lines}
        live = [line.major for line in lines if line.live]
        newest = max(live or self.majors, default=None)
        self._default = default_major if default_major in self.majors else newest

    def requested(self, text: str, line: MajorLine[T] | None) -> tuple[MajorLine[T], str | None] | Problem:
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

    def assigned(self, caller: Caller | None) -> MajorLine[T] | Problem:
        """The line for a caller that names no version: its pin, else the contract's default."""
        major = self._default if caller is None else caller.application.pins.get(self.name, self._default)
        line = None if major is None else self.majors.get(major)
        return line if line is not None else version_unknown(self.told())

    def told(self) -> str:
        known = ", ".join(f"v{major}" for major in sorted(self.majors))
        return f"{self.name} offers {known}." if known else f"{self.name} offers no version."


def accepted_version(accept: str) -> str | None:
    """The ``version`` parameter of the first media range in ``Accept`` that has one."""
    if "version" not in accept.lower():
        return None
    for media_range in accept.split(","):
        for parameter in media_range.split(";")[1:]:
            name, equals, value = parameter.partition("=")
            if equals and name.strip().lower() == "version":
                return value.strip().strip('"')
    return None


def is_major_segment(segment: str) -> bool:
    return _MAJOR_SEGMENT.fullmatch(segment) is not None


def not_found(detail: str) -> Problem:
    return Problem(status=404, slug="not-found", title="There is nothing here", detail=detail)


def version_unknown(detail: str) -> Problem:
    return Problem(status=404, slug="version-unknown", title="There is no such version", detail=detail)


def bad_request(detail: str) -> Problem:
    return Problem(status=400, slug="bad-request", title="The request is ambiguous", detail=detail)


def method_not_allowed(item: PathItem[Any]) -> Problem:
    return Problem(
        status=405,
        slug="method-not-allowed",
        title="The method is not offered here",
        detail=f"This path answers {item.allow}.",
        headers=(("Allow", item.allow),),
    )

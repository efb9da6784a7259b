"""Semver numbers as gates read them: precedence, the step between two, and the next number that claims a change."""

from __future__ import annotations

from collections.abc import Iterable

from semver import Version as Semver

RANK = {"none": 0, "patch": 1, "minor": 2, "major": 3}


def precedence(number: str) -> Semver:
    """Orders numbers by semver 2.0 section 11. Raises `ValueError` for what is no semver."""
    return Semver.parse(number)


def major_of(number: str) -> int:
    return int(number.partition(".")[0])


def step(old: str, new: str) -> str:
    """What the newer number claims about the change: major, minor, patch or none.

    A pre-release has promised nothing yet, so whatever follows it within its own line may claim anything.
    """
    before, after = Semver.parse(old), Semver.parse(new)
    if before.major != after.major or (before.prerelease and before.finalize_version() == after.finalize_version()):
        return "major"
    if before.minor != after.minor:
        return "minor"
    return "patch" if before != after else "none"


def binding(live: Iterable[str]) -> list[str]:
    """Of live numbers those whose promises bind, oldest first.

    A pre-release has promised nothing, and once a release of its major is live behind which it stands, nobody is served
    by it either.
    """
    found: list[str] = []
    released: set[int] = set()
    for number in sorted(live, key=precedence, reverse=True):
        parsed = Semver.parse(number)
        if not parsed.prerelease:
            released.add(parsed.major)
        if not parsed.prerelease or parsed.major not in released:
            found.append(number)
    return found[::-1]


def raised(number: str, bump: str) -> str:
    """The next number that claims `bump`."""
    base = Semver.parse(number)
    return str({"major": base.bump_major, "minor": base.bump_minor, "patch": base.bump_patch}[bump]())

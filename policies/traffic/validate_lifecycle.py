"""Answer for versions that are no longer, or for the moment not, served. The upstream never sees such a call.

It runs after the limits: a retired version is still authenticated and counted, so that its last callers can be named.
"""

from __future__ import annotations

from math import ceil

from policies.model.contract import Block, Stage
from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy

_BLOCKED_RETRY = 60
"""Seconds told to callers of a version that is blocked until somebody lifts it."""


class Retired:
    __slots__ = ("_problem",)
    phase = Phase.VALIDATE

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def decide(self, exchange: Exchange) -> Decision:
        return self._problem


def retired(contract: str, major: int, number: str, successor: int | None) -> Problem:
    """What is said of a version that was retired, whoever asks."""
    detail = f"{contract} {number} was retired."
    extensions: dict[str, object] = {"version": number}
    if successor is not None:
        detail += f" Use v{successor}: /{contract}/v{successor}."
        extensions["successor"] = f"/{contract}/v{successor}"
    return Problem(
        status=410,
        slug="version-retired",
        title=f"{contract} v{major} is retired",
        detail=detail,
        extensions=extensions,
    )


class Blocked:
    __slots__ = ("_block", "_title")
    phase = Phase.VALIDATE

    def __init__(self, title: str, block: Block) -> None:
        self._title = title
        self._block = block

    def decide(self, exchange: Exchange) -> Decision:
        until = self._block.until
        if until is not None and exchange.now >= until:
            return None
        wait = _BLOCKED_RETRY if until is None else max(1, ceil(until - exchange.now))
        return Problem(
            status=503,
            slug="version-blocked",
            title=self._title,
            # the reason is for those who run the service, and may name what no partner should read
            detail=f"Its owner has switched it off for now. Try again in {wait} s.",
            headers=(("Retry-After", str(wait)),),
        )


@policy
def validate_lifecycle(facts: RouteFacts) -> Policy | None:
    """Answers 410 for a retired version, naming its successor, and 503 for one that is blocked for the moment.

    Retirement is announced long before, in ``Deprecation`` and ``Sunset`` headers of every reply: watch for them.
    """
    version = facts.version
    if version.stage is Stage.RETIRED:
        return Retired(retired(facts.contract.name, version.major, version.number, facts.successor))
    if version.block is not None:
        return Blocked(f"{facts.contract.name} v{version.major} is blocked", version.block)
    return None

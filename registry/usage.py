"""Observed use: what gateways report of who called what, and what is made of it.

    report(unit, actor, report, *, keep_days, now) -> Receipt       counts each report once; no audit row, no snapshot
    usage(unit, *, contract, application, days, daily, ...) -> list[UseSum]
    last_used(unit, credentials) -> dict[str, int]                  unix seconds by credential id
    observed(unit, contract, major, *, days, now) -> list[Observed]     for `policies.impact`
    callers(unit, contract, major, subscribed) -> tuple[(application, unix seconds), ...]     for the gates

A gateway is believed about who called, not about what exists: versions nobody registered are passed over, and so are
credentials; a clock that is ahead of ours is set back. The subtle thing is refusals: somebody who was only ever turned
away (4xx) without a subscription knocks at a closed door, and is no reader that a change could hurt.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from msgspec import Struct

from policies.impact import Observed
from registry.audit import Actor
from registry.errors import Forbidden
from registry.store import Unit
from registry.store.records import Use, UseSum

UNNAMED = "callers without a name"
"""How those are called whose calls are served without credentials."""
DAY = 86_400
_REFUSED = "4xx"


class Called(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls of one kind since the report before; `application` is ``None`` for callers that nobody knows."""

    application: str | None
    contract: str
    major: int
    number: str
    operation: str
    status_class: str
    calls: int
    last_at: int


class UsedCredential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    last_used_at: int


class UsageReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one gateway worker counted. `source` is the worker's own name since it started, `sequence` grows with each
    of its reports: one that is sent again has the number it had."""

    source: str
    sequence: int
    uses: tuple[Called, ...] = ()
    credentials: tuple[UsedCredential, ...] = ()


class Receipt(Struct, frozen=True, kw_only=True):
    """`accepted` is false for a report that was counted before; `ignored` counts uses of what is not registered, or of
    days that are kept no longer."""

    accepted: bool
    ignored: int = 0


def day_of(instant: int) -> str:
    """The day in UTC, as days are kept and compared."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d")


def report(unit: Unit, actor: Actor, report: UsageReport, *, keep_days: int, now: int) -> Receipt:
    """Count a gateway's report, once. Raises `Forbidden` for anybody but gateways and admins."""
    if actor.role not in ("gateway", "admin"):
        raise Forbidden(
            f"only a key with the role gateway may report usage; {actor.name} is a {actor.role}: have an admin make one"
        )
    if not unit.uses.accept(report.source, report.sequence, now=now):
        return Receipt(accepted=False)
    oldest = now - keep_days * DAY
    named = {(use.contract, use.number) for use in report.uses}
    known = {(v.contract, v.number, v.major) for place in named if (v := unit.versions.get(*place)) is not None}
    counted = [
        Use(
            day=day_of(min(use.last_at, now)),
            contract=use.contract,
            major=use.major,
            number=use.number,
            application=use.application or "",
            operation=use.operation,
            status_class=use.status_class,
            calls=use.calls,
            last_at=min(use.last_at, now),
        )
        for use in report.uses
        if (use.contract, use.number, use.major) in known and use.last_at >= oldest
    ]
    unit.uses.add(counted)
    unit.uses.note_credentials({used.id: min(used.last_used_at, now) for used in report.credentials})
    unit.uses.prune(before=day_of(oldest), before_at=oldest)
    return Receipt(accepted=True, ignored=len(report.uses) - len(counted))


def usage(
    unit: Unit,
    *,
    contract: str | None = None,
    application: str | None = None,
    days: int = 30,
    daily: bool = False,
    after: list[str | int] | None = None,
    limit: int | None = None,
    now: int,
) -> list[UseSum]:
    """The calls of the last `days` days, today included, by contract, version, application, operation and outcome."""
    return unit.uses.sums(
        since=_since(days, now), contract=contract, application=application, daily=daily, after=after, limit=limit
    )


def last_used(unit: Unit, credentials: list[str]) -> dict[str, int]:
    """When gateways last saw each; those that were never seen are left out."""
    return unit.uses.last_used(credentials)


def observed(unit: Unit, contract: str, major: int, *, days: int, now: int) -> list[Observed]:
    """Who called what of a major within the last `days` days."""
    found: dict[tuple[str, str], list[UseSum]] = defaultdict(list)
    for use in unit.uses.sums(since=_since(days, now), contract=contract, major=major):
        found[use.application, use.operation].append(use)
    today = now // DAY
    return [
        Observed(
            application=application,
            operation=operation,
            calls=sum(use.calls for use in uses),
            served=sum(use.calls for use in uses if use.status_class != _REFUSED),
            days=today - min(_day_number(use.first_day) for use in uses) + 1,
            last_called_at=max(use.last_at for use in uses),
        )
        for (application, operation), uses in sorted(found.items())
    ]


def callers(unit: Unit, contract: str, major: int, subscribed: frozenset[str]) -> tuple[tuple[str, int], ...]:
    """Who called a major and when last, the latest first. Whoever was only refused counts only with a subscription."""
    latest: dict[str, int] = {}
    for use in unit.uses.sums(since="", contract=contract, major=major):
        if use.status_class != _REFUSED or use.application in subscribed:
            name = use.application or UNNAMED
            latest[name] = max(latest.get(name, 0), use.last_at)
    return tuple(sorted(latest.items(), key=lambda entry: (-entry[1], entry[0])))


def _since(days: int, now: int) -> str:
    return day_of(max(0, now - (days - 1) * DAY))


def _day_number(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) // DAY

"""The calendar of quotas: which hour, day, ISO week or month of a time zone an instant falls into.

Owns where a period begins and ends, in whole unix seconds. Opens no file: a time zone is handed in as a value that was
read when the snapshot was loaded. The subtle thing is that a period's bounds are instants and never local readings:
every instant has exactly one period, days are 23 or 25 hours long where clocks change (or 24.5, or missing), and a
midnight that a zone skips is the instant of the change.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from policies.model.access import Period

HOUR = 3600
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """From `since` up to but not including `until`, unix seconds."""

    since: int
    until: int


def span(period: Period, zone: tzinfo, now: float) -> Span:
    """The period that holds `now` (unix seconds)."""
    if period == "hour":
        # an hour is counted from the day's beginning, so a clock set by half an hour leaves no moment without a period
        day = span("day", zone, now)
        since = day.since + (int(now) - day.since) // HOUR * HOUR
        return Span(since, min(since + HOUR, day.until))
    first = _first(period, datetime.fromtimestamp(now, zone).date())
    since = _begins(first, zone)
    while True:
        # a day that a zone never had is empty; a clock set back over midnight reads the old date again
        following = _next(period, first)
        until = _begins(following, zone)
        if until > now:
            return Span(since, until)
        first, since = following, until


def _begins(day: date, zone: tzinfo) -> int:
    """The first instant of a day: the earlier midnight of two, or, where midnight is skipped, the change itself."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _first(period: Period, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())  # ISO 8601: weeks begin on Monday
    return day.replace(day=1) if period == "month" else day


def _next(period: Period, first: date) -> date:
    if period == "month":
        return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first + (7 * _DAY if period == "week" else _DAY)

"""Where hours, days, weeks and months of a time zone begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model.access import Period
from policies.traffic.limit_calendar import span

HOUR = 3600
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Chicago",
    "America/Havana",  # clocks change at midnight
    "America/St_Johns",  # changed at one past midnight: a date was read twice
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # changes by half an hour
    "Pacific/Apia",  # never had 2011-12-30
    "Asia/Kathmandu",
)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def told(period: Period, zone: str, now: str) -> tuple[str, str, float]:
    found = span(period, ZoneInfo(zone), at(now, zone))
    since, until = (datetime.fromtimestamp(instant, ZoneInfo(zone)) for instant in found)
    return f"{since:%Y-%m-%d %H:%M}", f"{until:%Y-%m-%d %H:%M}", (found.until - found.since) / HOUR


@pytest.mark.parametrize(
    ("period", "zone", "now", "expected"),
    [
        ("hour", "UTC", "2026-03-01T12:59:59", ("2026-03-01 12:00", "2026-03-01 13:00", 1)),
        ("hour", "Asia/Kolkata", "2026-03-01T12:10", ("2026-03-01 12:00", "2026-03-01 13:00", 1)),
        ("day", "UTC", "2026-03-01T00:00", ("2026-03-01 00:00", "2026-03-02 00:00", 24)),
        ("day", "Europe/Berlin", "2026-03-29T12:00", ("2026-03-29 00:00", "2026-03-30 00:00", 23)),
        ("day", "Europe/Berlin", "2026-10-25T02:30", ("2026-10-25 00:00", "2026-10-26 00:00", 25)),
        ("day", "America/Havana", "2026-03-08T12:00", ("2026-03-08 01:00", "2026-03-09 00:00", 23)),
        ("day", "Pacific/Apia", "2011-12-29T12:00", ("2011-12-29 00:00", "2011-12-31 00:00", 24)),
        ("week", "UTC", "2027-01-03T23:59:59", ("2026-12-28 00:00", "2027-01-04 00:00", 168)),
        ("week", "UTC", "2027-01-04T00:00", ("2027-01-04 00:00", "2027-01-11 00:00", 168)),
        ("week", "Europe/Berlin", "2026-03-25T12:00", ("2026-03-23 00:00", "2026-03-30 00:00", 167)),
        ("month", "UTC", "2028-02-29T12:00", ("2028-02-01 00:00", "2028-03-01 00:00", 29 * 24)),
        ("month", "UTC", "2027-02-28T23:59:59", ("2027-02-01 00:00", "2027-03-01 00:00", 28 * 24)),
        ("month", "UTC", "2100-02-28T12:00", ("2100-02-01 00:00", "2100-03-01 00:00", 28 * 24)),
        ("month", "America/Chicago", "2026-12-31T23:59:59", ("2026-12-01 00:00", "2027-01-01 00:00", 31 * 24)),
        ("month", "America/Chicago", "2026-03-31T12:00", ("2026-03-01 00:00", "2026-04-01 00:00", 31 * 24 - 1)),
    ],
)
def test_periods(period: Period, zone: str, now: str, expected: tuple[str, str, float]) -> None:
    assert told(period, zone, now) == expected


instants = st.datetimes(datetime(1970, 1, 8), datetime(2120, 1, 1), timezones=st.just(UTC))


@given(st.sampled_from(["hour", "day", "week", "month"]), st.sampled_from(ZONES), instants)
def test_every_instant_has_one_period(period: Period, name: str, moment: datetime) -> None:
    zone, now = ZoneInfo(name), moment.timestamp()
    found = span(period, zone, now)
    assert found.since <= now < found.until
    assert span(period, zone, found.since) == span(period, zone, found.until - 1) == found
    assert span(period, zone, found.until).since == found.until
    assert span(period, zone, found.since - 1).until == found.since


@pytest.mark.parametrize("name", ZONES)
def test_days_follow_each_other_without_gap_through_every_change(name: str) -> None:
    zone, now = ZoneInfo(name), at("1986-12-31T12:00")
    end = at("2027-01-01T00:00")
    day = span("day", zone, now)
    lengths = set()
    while day.until < end:
        following = span("day", zone, day.until)
        assert following.since == day.until
        hour = span("hour", zone, following.until - 1)
        assert hour.until == following.until
        day = following
        lengths.add(timedelta(seconds=day.until - day.since))
    assert lengths <= {timedelta(hours=hours) for hours in (22, 23, 23.5, 24, 24.5, 25, 26)}

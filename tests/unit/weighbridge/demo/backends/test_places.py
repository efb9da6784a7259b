from __future__ import annotations

from datetime import UTC, datetime

import pytest

from weighbridge.demo.backends.places import BY_CODE, BY_ID, SITES, YARDS
from weighbridge.demo.backends.values import check_digit, stamp


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_places_are_told_apart() -> None:
    assert [site.site_id for site in SITES] == ["HUB", "DAL-2", "PHX-1", "ATL-1", "TOR-1", "STJ-1"]
    assert [site.port_offset for site in SITES] == [0, 1, 2, 3, 4, 5]
    assert sorted(BY_CODE) == ["0118", "0142", "0155", "0810"]
    assert {site.country for site in YARDS} == {"US", "CA"}
    for site in SITES:
        assert check_digit(site.gln[:-1]) == site.gln[-1], site.site_id


@pytest.mark.parametrize(
    ("now", "posted", "following"),
    [
        ("2026-03-31T13:30:00-04:00", "2026-03-31T06:00:00-04:00", "2026-03-31T14:00:00-04:00"),
        ("2026-03-31T14:00:00-04:00", "2026-03-31T14:00:00-04:00", "2026-03-31T22:00:00-04:00"),
        ("2026-04-01T05:59:59-04:00", "2026-03-31T22:00:00-04:00", "2026-04-01T06:00:00-04:00"),
    ],
)
def test_atlanta_posts_at_shift_end(now: str, posted: str, following: str) -> None:
    atlanta = BY_ID["ATL-1"]
    assert stamp(atlanta.posted(at(now))) == posted
    assert stamp(atlanta.next_posting(at(now))) == following


def test_st_johns_keeps_its_book_by_hand_on_working_days() -> None:
    branch = BY_ID["STJ-1"]
    sunday = at("2026-03-29T12:00:00-02:30")
    assert branch.is_closed(sunday)
    assert stamp(branch.posted(sunday)) == "2026-03-27T08:00:00-02:30"
    assert stamp(branch.reopens(sunday)) == "2026-03-30T00:00:00-02:30"
    assert not branch.is_closed(at("2026-03-30T12:00:00-02:30"))


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-03-31T01:59:59-02:30", None),
        ("2026-03-31T02:00:00-02:30", "2026-03-31T02:20:00-02:30"),
        ("2026-03-31T02:20:00-02:30", None),
    ],
)
def test_the_backup_runs_by_local_time(now: str, ends: str | None) -> None:
    found = BY_ID["STJ-1"].backup_ends(at(now))
    assert (stamp(found) if found else None) == ends
    assert BY_ID["DAL-2"].backup_ends(at(now)) is None


def test_cut_offs_follow_daylight_saving_and_closing_days() -> None:
    dallas, branch = BY_ID["DAL-2"], BY_ID["STJ-1"]
    # the night of 2026-03-08 the clocks in Dallas move forward
    assert dallas.next_cut_off(dallas.cut_offs[0], at("2026-03-07T16:00:00-06:00")) == "2026-03-08T15:30:00-05:00"
    assert branch.next_cut_off(branch.cut_offs[0], at("2026-03-28T12:00:00-02:30")) == "2026-03-30T14:00:00-02:30"


def test_what_joined_late_is_not_offered_in_old_majors() -> None:
    branch = BY_ID["STJ-1"]
    assert [branch.offers("inventory-availability", major) for major in (1, 2)] == [False, True]
    assert not branch.offers("supplier-acknowledgement", 2)
    assert BY_ID["PHX-1"].minors_behind("inventory-availability") == 1
    assert BY_ID["PHX-1"].minors_behind("shipment") == 0
    assert [site.site_id for site in SITES if site.offers("pricing", 2)] == ["HUB"]

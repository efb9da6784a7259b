"""Observed use is kept alike on SQLite and on a real PostgreSQL, also by writers that race."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from registry.errors import Invalid
from registry.store import Store, open_store
from registry.store.records import Use, UseSum
from registry.store.uses import MOST_CALLS, place

USE = Use(
    day="2027-01-15",
    contract="stock",
    major=1,
    number="1.0.0",
    application="oakhurst",
    operation="getStock",
    status_class="2xx",
    calls=1,
    last_at=100,
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.close()


def _use(**changes: object) -> Use:
    return msgspec.structs.replace(USE, **changes)


def test_uses_add_up_within_a_batch_and_over_batches(store: Store) -> None:
    with store.write() as unit:
        unit.uses.add([USE, _use(calls=2, last_at=300), _use(calls=4, last_at=200), _use(application="")])
        unit.uses.add([_use(calls=10**12)])
        unit.uses.add([])
    with store.read() as unit:
        found = unit.uses.sums(since="2027-01-15")
    assert [(use.application, use.calls, use.last_at) for use in found] == [("", 1, 100), ("oakhurst", 10**12 + 7, 300)]


def test_calls_beyond_belief_burst_nothing(store: Store) -> None:
    with store.write() as unit:
        for _ in range(3):
            unit.uses.add([_use(calls=10**12)] * 700)
    with store.read() as unit:
        assert [use.calls for use in unit.uses.sums(since="")] == [MOST_CALLS]


def test_every_page_follows_the_one_before(store: Store) -> None:
    uses = [
        _use(day=day, application=application, major=major, number=f"{major}.0.0")
        for day in ("2027-01-14", "2027-01-15")
        for application in ("", "Z", "a", "\u00e9")  # compared by bytes, on both databases
        for major in (2, 10)
    ]
    with store.write() as unit:
        unit.uses.add(uses)
    with store.read() as unit:
        for daily, number in ((True, 16), (False, 8)):
            whole = unit.uses.sums(since="", daily=daily)
            paged: list[UseSum] = []
            while page := unit.uses.sums(
                since="", daily=daily, after=place(paged[-1], daily=daily) if paged else None, limit=3
            ):
                paged += page
            assert paged == whole
            assert len(paged) == number
        assert [use.application for use in unit.uses.sums(since="", major=2)] == ["", "Z", "a", "\u00e9"]
        assert [use.calls for use in unit.uses.sums(since="2027-01-15", application="a")] == [1, 1]
        assert unit.uses.sums(since="", contract="a\0b") == []


def test_a_value_that_cannot_be_stored_is_refused(store: Store) -> None:
    with pytest.raises(Invalid), store.write() as unit:
        unit.uses.add([_use(operation="a\0b")])
    with pytest.raises(RuntimeError, match="read unit"), store.read() as unit:
        unit.uses.add([USE])


def test_of_reports_that_race_each_counts_once(store: Store) -> None:
    def deliver(sequence: int) -> bool:
        with store.write() as unit:
            new = unit.uses.accept("worker", sequence, now=sequence)
            if new:
                unit.uses.add([USE])
            return new

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(deliver, [7] * 16)) == 1
    assert not deliver(6)
    assert deliver(8)
    with store.read() as unit:
        assert unit.uses.sums(since="")[0].calls == 2


def test_what_is_old_is_forgotten_and_the_rest_stays(store: Store) -> None:
    with store.write() as unit:
        unit.uses.add([USE, _use(day="2026-01-01")])
        unit.uses.accept("old", 5, now=100)
        unit.uses.accept("young", 5, now=200)
        unit.uses.prune(before="2026-01-02", before_at=200)
        assert [use.first_day for use in unit.uses.sums(since="", daily=True)] == ["2027-01-15"]
        assert not unit.uses.accept("young", 5, now=300)
        assert unit.uses.accept("old", 5, now=300)

"""Counters that only grow, whatever happens to the workers that count."""

from pathlib import Path
from typing import Any

from gateway.exposition import merged
from gateway.telemetry import BOUNDS, Sample
from gateway.totals import Totals

LABELS = ["yard", "1", "listLoads"]


def reading(count: int, connections: int = 1) -> list[Sample]:
    return [
        ("requests", [*LABELS, "200"], count),
        ("request_seconds", [*LABELS], [count, *[0] * len(BOUNDS), count / 2]),
        ("connections", [], connections),
        ("ready", [], 1),
    ]


def total(totals: Totals, *seen: tuple[int, int, list[Sample]]) -> tuple[Any, ...]:
    """Requests, the histogram's first bucket and sum, open connections, ready."""
    found = merged(totals.readings(list(seen)))
    requests = found["requests"][(*LABELS, "200")][0]
    histogram = found["request_seconds"][tuple(LABELS)]
    return requests, histogram[0], histogram[-1], found["connections"][()][0], found["ready"][()][0]


def test_what_a_worker_counted_outlives_it(tmp_path: Path) -> None:
    totals = Totals(tmp_path / "totals")
    assert total(totals, (0, 11, reading(100)), (1, 12, reading(50))) == (150, 150, 75.0, 2, 1)
    assert total(totals, (0, 11, reading(101)), (1, 13, reading(0))) == (151, 151, 75.5, 2, 1)
    assert total(totals, (0, 11, reading(101)), (1, 14, reading(3))) == (154, 154, 77.0, 2, 1)
    assert total(totals, (0, 15, reading(1)), (1, 14, reading(4))) == (156, 156, 78.0, 2, 1)


def test_one_that_does_not_answer_keeps_its_count_and_nothing_else(tmp_path: Path) -> None:
    totals = Totals(tmp_path / "totals")
    assert total(totals, (0, 11, reading(100)), (1, 12, reading(50))) == (150, 150, 75.0, 2, 1)
    assert total(totals, (0, 11, reading(100)), (1, 0, [("ready", [], 0)])) == (150, 150, 75.0, 1, 0)
    assert total(totals, (0, 11, reading(100)), (1, 12, reading(60))) == (160, 160, 80.0, 2, 1)


def test_the_one_that_is_asked_may_be_replaced_itself(tmp_path: Path) -> None:
    path = tmp_path / "totals"
    assert total(Totals(path), (0, 11, reading(100)), (1, 12, reading(50)))[0] == 150
    assert total(Totals(path), (0, 13, reading(2)), (1, 12, reading(51)))[0] == 153
    assert total(Totals(path), (0, 14, reading(1)), (1, 0, []))[0] == 154


def test_a_damaged_or_missing_file_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "totals"
    for damage in (b"", b"{", b'{"last":7}', b"\xff"):
        path.write_bytes(damage)
        assert total(Totals(path), (0, 11, reading(5)))[0] == 5
    assert total(Totals(tmp_path / "gone" / "totals"), (0, 11, reading(5)))[0] == 5


def test_a_gateway_of_one_worker_keeps_nothing(tmp_path: Path) -> None:
    totals = Totals(None)
    assert total(totals, (0, 11, reading(100)))[0] == 100
    assert total(totals, (0, 12, reading(1)))[0] == 1

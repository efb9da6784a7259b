"""Who calls what: counted cheaply, bounded everywhere, folded when somebody asks."""

from __future__ import annotations

import pytest

from gateway import usage as module
from gateway.usage import OTHER, Usage
from policies.model.access import Application
from policies.traffic import Caller, Exchange, Problem

OPERATION = ("yard", "1", "listLoads")
LABELS = (*OPERATION, "1.0.0")
NEWER = (*OPERATION, "1.1.0")
NOW = 1_800_000_000.25
TODAY = 1_800_000_000 // 86_400


def _caller(application: str, credential: str = "key-1") -> Caller:
    return Caller(
        Application(id=application, name=application, consumer="c", audience="partner"), credential, frozenset(), 2e9
    )


def _exchange(application: str, *, now: float = NOW, problem: Problem | None = None) -> Exchange:
    made = Exchange("GET", "/yard/v1/loads", "", [], "10.0.0.9", now)
    made.caller = _caller(application) if application else None
    made.problem = problem
    return made


def test_usage_is_counted_by_application_and_class_of_status() -> None:
    usage = Usage()
    for application, status in [("a", 200), ("a", 204), ("a", 404), ("", 401)]:
        usage.record(_exchange(application), LABELS, status)
    assert sorted(usage.reading()) == [
        ("usage", ["", *OPERATION, "4xx"], 1),
        ("usage", ["a", *OPERATION, "2xx"], 2),
        ("usage", ["a", *OPERATION, "4xx"], 1),
    ]
    usage.record(_exchange("a"), NEWER, 200)
    assert ("usage", ["a", *OPERATION, "2xx"], 3) in usage.reading()


def test_what_is_pending_is_by_day_and_version_and_remembers_the_last_call() -> None:
    usage = Usage(reported=True)
    usage.record(_exchange("a"), LABELS, 200)
    usage.settle()
    usage.record(_exchange("a", now=NOW + 5), LABELS, 200)
    usage.record(_exchange("a", now=NOW + 60), LABELS, 201)
    usage.record(_exchange("a"), NEWER, 404)
    usage.settle()
    usage.record(_exchange("a", now=NOW + 86_400), LABELS, 200)
    usage.settle()
    assert sorted(usage.take(10)) == [
        ((TODAY, "a", LABELS, 2), [3, 1_800_000_060]),
        ((TODAY, "a", NEWER, 4), [1, 1_800_000_000]),
        ((TODAY + 1, "a", LABELS, 2), [1, 1_800_086_400]),
    ]
    assert usage.take(10) == []
    assert usage.take_used(10) == [("key-1", NOW + 86_400)]


def test_counts_are_folded_in_slices_and_each_once() -> None:
    usage = Usage(reported=True)
    for number in range(25):
        usage.record(_exchange(f"a{number}"), LABELS, 200)
    for left in (15, 5, 0, 0):
        usage.settle(10)
        assert usage.unsettled == left
    assert len(usage.reading()) == len(usage.take(100)) == 25


def test_nothing_grows_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SERIES", 100)
    monkeypatch.setattr(module, "MAX_PENDING", 60)
    usage = Usage(reported=True)
    refused = Problem(status=403, slug="scope-missing", title="t")
    for number in range(105):
        usage.record(_exchange(f"a{number}", problem=refused), LABELS, 403)
    assert usage.unsettled <= 100
    reading = usage.reading()
    assert len([sample for sample in reading if sample[0] == "usage"]) == 101
    assert ("usage", [OTHER, *OPERATION, "4xx"], 5) in reading
    assert ("refusals", [OTHER, "403", "scope-missing", ""], 5) in reading
    assert (len(usage.pending), usage.dropped) == (60, 45)


def test_credentials_of_a_registry_that_is_away_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CREDENTIALS", 3)
    usage = Usage(reported=True)
    for number in range(4):
        made = _exchange("a")
        made.caller = _caller("a", f"key-{number}")
        usage.record(made, LABELS, 200)
    usage.settle()
    assert (usage.used, usage.dropped) == ({}, 4)


def test_where_nobody_reports_nothing_is_kept_for_it() -> None:
    usage = Usage()
    usage.record(_exchange("a"), LABELS, 200)
    usage.settle()
    assert (usage.pending, usage.used, usage.dropped) == ({}, {}, 0)


def test_refusals_name_the_limit_that_was_reached() -> None:
    usage = Usage()
    limited = Problem(status=429, slug="limit-exceeded", title="t", extensions={"limits": ["quota", "rate"]})
    crowded = Problem(status=429, slug="too-many-concurrent", title="t")
    for problem in (limited, limited, crowded):
        usage.record(_exchange("a", problem=problem), LABELS, 429)
    usage.record(_exchange("", problem=Problem(status=401, slug="credentials-missing", title="t")), LABELS, 401)
    assert [sample for sample in usage.reading() if sample[0] == "refusals"] == [
        ("refusals", ["a", "429", "limit-exceeded", "quota"], 2),
        ("refusals", ["a", "429", "too-many-concurrent", ""], 1),
    ]

"""What happened between two readings, in numbers that can be added up by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.unit.weighbridge.watching.made import GET, LIST, URL, buckets, reading
from weighbridge.watching.rates import ConsumerLine, LimitLine, View, baseline, compare, percentile
from weighbridge.watching.readings import Reading

BEFORE = (
    ("requests", [*GET, "200"], 1000),
    ("requests", [*GET, "404"], 10),
    ("request_seconds", [*GET], buckets(ms5=1010)),
    ("usage", ["oakhurst", *GET, "2xx"], 1000),
    ("usage", ["oakhurst", *GET, "4xx"], 10),
    ("refusals", ["oakhurst", "429", "limit-exceeded", "rate"], 5),
    ("upstream_in_flight", ["dal:80"], 1),
    ("upstream_failures", ["dal:80"], 3),
    ("upstream_refusals", ["dal:80"], 0),
    ("upstream_ejected", ["dal:80"], 0),
    ("connections", [], 4),
)
AFTER = (
    ("requests", [*GET, "200"], 1160),
    ("requests", [*GET, "404"], 20),
    ("requests", [*GET, "502"], 30),
    ("requests", [*LIST, "200"], 2),
    ("request_seconds", [*GET], buckets(ms5=1110, ms10=90, ms100=10)),
    ("request_seconds", [*LIST], buckets(more=2)),
    ("usage", ["oakhurst", *GET, "2xx"], 1160),
    ("usage", ["oakhurst", *GET, "4xx"], 20),
    ("usage", ["", *GET, "5xx"], 30),
    ("refusals", ["oakhurst", "429", "limit-exceeded", "rate"], 9),
    ("refusals", ["oakhurst", "429", "too-many-concurrent", ""], 2),
    ("refusals", ["oakhurst", "403", "not-subscribed", ""], 4),
    ("upstream_in_flight", ["dal:80"], 6),
    ("upstream_failures", ["dal:80"], 33),
    ("upstream_refusals", ["dal:80"], 8),
    ("upstream_ejected", ["dal:80"], 1),
    ("connections", [], 9),
)


def _view(before: Reading, *after: Reading, **more: Any) -> View:
    return compare(baseline([before]), after, **more)


def test_routes_consumers_limits_and_upstreams_by_the_second() -> None:
    view = _view(reading(10.0, *BEFORE), reading(12.0, *AFTER))
    (gateway,) = view.gateways
    assert (gateway.state, gateway.per_second, gateway.connections, gateway.workers) == ("ready", 101.0, 9, 2)
    assert (gateway.revision, gateway.age_seconds) == (7, 3.25)
    first, second = view.routes
    assert (first.contract, first.major, first.operation, first.per_second) == (*GET, 100.0)
    assert (first.refused, first.failed) == (0.05, 0.15)
    # of 200: 100 up to 5 ms, 90 up to 10, 10 up to 100
    assert first.p50 == pytest.approx(5.0)
    assert first.p95 == pytest.approx(10.0)
    assert first.p99 == pytest.approx(50 + 50 * 8 / 10)
    assert (second.operation, second.per_second, second.p50) == ("listShipments", 1.0, math.inf)
    assert view.consumers == (
        ConsumerLine(application="oakhurst", per_second=85.0, limited=3.0, forbidden=2.0, failed=0.0),
        ConsumerLine(application="", per_second=15.0, limited=0.0, forbidden=0.0, failed=15.0),
    )
    assert view.limits == (
        LimitLine(application="oakhurst", limit="rate", per_second=2.0),
        LimitLine(application="oakhurst", limit="too-many-concurrent", per_second=1.0),
    )
    (upstream,) = view.upstreams
    assert (upstream.in_flight, upstream.failures, upstream.refusals, upstream.ejected) == (6, 15.0, 4.0, True)


def test_gateways_add_up_each_over_its_own_interval() -> None:
    other = "http://127.0.0.1:9001"
    before = baseline([reading(10.0, *BEFORE), reading(10.0, *BEFORE, url=other)])
    view = compare(before, [reading(12.0, *AFTER), reading(14.0, *AFTER, url=other)])
    assert [gateway.per_second for gateway in view.gateways] == [101.0, 50.5]
    assert view.routes[0].per_second == 150.0
    assert view.routes[0].p95 == pytest.approx(10.0)
    assert (view.upstreams[0].in_flight, view.upstreams[0].failures) == (12, 22.5)


@pytest.mark.parametrize(
    "restarted",
    [
        [("requests", [*GET, "200"], 5)],
        [("requests", [*GET, "200"], 5000)],  # more calls than before, yet what was there is gone
        [],
    ],
)
def test_a_restart_is_no_rate_at_all_and_the_next_interval_is_right(restarted: list[Any]) -> None:
    after = reading(12.0, *restarted)
    view = _view(reading(10.0, *BEFORE), after)
    assert (view.gateways[0].per_second, view.routes, view.consumers) == (None, (), ())
    following = reading(14.0, *restarted, ("requests", [*LIST, "200"], 6))
    assert _view(after, following).gateways[0].per_second == 3.0


def test_a_gateway_that_goes_away_and_comes_back() -> None:
    gone = Reading(url=URL, at=12.0, error="connection refused")
    view = _view(reading(10.0, *BEFORE), gone)
    assert (view.gateways[0].state, view.gateways[0].why) == ("down", "connection refused")
    assert (view.routes, view.upstreams) == ((), ())
    assert baseline([gone]) == {}
    back = _view(gone, reading(14.0, *AFTER))
    assert (back.gateways[0].state, back.gateways[0].per_second) == ("ready", None)


def test_a_worker_that_was_not_asked_makes_nothing_jump() -> None:
    half = reading(12.0, ("requests", [*GET, "200"], 500), status="not-ready", reasons=["worker 1 does not answer"])
    view = _view(reading(10.0, *BEFORE), half)
    assert (view.gateways[0].state, view.gateways[0].why) == ("not-ready", "worker 1 does not answer")
    assert view.gateways[0].per_second is None
    assert baseline([half]) == {}


def test_a_lag_is_explained() -> None:
    (gateway,) = _view(reading(1.0), reading(2.0, last_error="ConnectError", snapshot=None)).gateways
    assert (gateway.state, gateway.why, gateway.revision) == ("ready", "ConnectError", None)


def test_what_comes_first() -> None:
    slow, failing, busy = (("c", "1", name) for name in ("z-slow", "failing", "busy"))
    after = reading(
        2.0,
        ("requests", [*slow, "200"], 10),
        ("requests", [*failing, "500"], 5),
        ("requests", [*busy, "200"], 99),
        ("request_seconds", [*slow], buckets(ms10000=10)),
        ("request_seconds", [*failing], buckets(ms5=5)),
        ("request_seconds", [*busy], buckets(ms5=99)),
        ("usage", ["calm", *busy, "2xx"], 99),
        ("usage", ["hurt", *failing, "5xx"], 5),
    )
    expected = {
        "rate": (["busy", "z-slow", "failing"], ["calm", "hurt"]),
        "errors": (["failing", "busy", "z-slow"], ["hurt", "calm"]),
        "latency": (["z-slow", "busy", "failing"], ["calm", "hurt"]),
        "name": (["busy", "failing", "z-slow"], ["calm", "hurt"]),
    }
    for sort, (routes, consumers) in expected.items():
        view = _view(reading(1.0), after, sort=sort)
        assert [line.operation for line in view.routes] == routes, sort
        assert [line.application for line in view.consumers] == consumers, sort


def test_what_is_written_as_json_is_json() -> None:
    plain = _view(reading(10.0, *BEFORE), reading(12.0, *AFTER)).to_dict()
    assert plain["routes"][1]["p99"] is None  # beyond the last bound
    assert plain["routes"][0]["p50"] == 5.0
    assert plain["gateways"][0]["per_second"] == 101.0


@pytest.mark.parametrize(
    ("share", "counts", "expected"),
    [
        (0.5, [], None),
        (0.5, [(1.0, 0), (math.inf, 0)], None),
        (0.5, [(1.0, 10), (math.inf, 10)], 0.5),
        (0.5, [(1.0, 0), (2.0, 10), (math.inf, 10)], 1.5),
        (0.99, [(1.0, 98), (math.inf, 100)], math.inf),
        (1.0, [(1.0, 4), (2.0, 4), (math.inf, 4)], 1.0),
    ],
)
def test_percentiles(share: float, counts: list[tuple[float, float]], expected: float | None) -> None:
    assert percentile(share, counts) == expected

"""One look at a gateway, and at what is none."""

from __future__ import annotations

import json
import socket

import pytest

from gateway.exposition import METRICS
from tests.unit.weighbridge.watching.made import GET, READY, URL, door, metrics
from weighbridge.watching import readings
from weighbridge.watching.readings import LABELS, Watcher, parse


def test_what_is_looked_at_is_what_a_gateway_says() -> None:
    names = {name.removesuffix("_total").removesuffix("_bucket"): labels for name, labels in LABELS.items()}
    assert {name: METRICS[name][2] for name in names} == {
        name: tuple(label for label in labels if label != "le") for name, labels in names.items()
    }


def test_names_cannot_move_the_cursor() -> None:
    text = metrics(("requests", ["a\x1b[2J", "1", "b\u202ec", "200"], 1))
    told = json.dumps({**READY, "reasons": ["\x1b]0;title\x07"], "last_error": "\r\nx"})
    made = parse(URL, 1.0, told, text)
    assert list(made.series["requests_total"]) == [("a\ufffd[2J", "1", "b\ufffdc", "200")]
    assert (made.reasons, made.last_error) == (("\ufffd]0;title\ufffd",), "\ufffd\ufffdx")


def test_numbers_that_are_none_are_left_out() -> None:
    made = parse(URL, 1.0, json.dumps(READY), "weighbridge_connections NaN\nweighbridge_counters_lost +Inf\n")
    assert (made.series["connections"], made.series["counters_lost"]) == ({}, {})


def test_gateways_are_asked_and_the_rest_is_said_to_be_none() -> None:
    with door() as gateway, door() as stranger, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: refused
        gateway.samples = [("requests", [*GET, "200"], 3)]
        stranger.readiness = {"status": "ready"}
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        watcher = Watcher([gateway.url + "/", stranger.url, dead, gateway.url], clock=lambda: 5.0)
        first, second, third = watcher.look()
        assert (first.url, first.at, first.ready, first.workers) == (gateway.url, 5.0, True, 2)
        assert first.series["requests_total"] == {(*GET, "200"): 3.0}
        assert second.error == "what answers there is no gateway's admin port"
        assert third.error is not None
        assert "refused" in third.error
        gateway.readiness = {**READY, "status": "not-ready", "reasons": ["draining"]}
        assert (watcher.look()[0].ready, watcher.look()[0].reasons) == (False, ("draining",))
        gateway.readiness = None
        assert watcher.look()[0].error is not None
        watcher.close()


def test_a_page_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "MAX_BYTES", 100)
    with door() as gateway:
        watcher = Watcher([gateway.url])
        assert watcher.look()[0].error == "what answers there is no gateway's admin port"
        watcher.close()

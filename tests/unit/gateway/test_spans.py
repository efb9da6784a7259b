"""Spans as a collector reads them: exact names, kinds, times and parents."""

import json
from typing import Any

import msgspec
import pytest

from gateway.spans import Attempt, Finished, encode, envelope
from gateway.telemetry import UNROUTED
from gateway.tracecontext import Context
from gateway.upstream import Address
from tests.collector import plain

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLED = Context(TRACE.encode(), b"00f067aa0ba902b7", 3, b"congo=t61,rojo=1")


def finished(**members: Any) -> Finished:
    done = Finished(
        trace_id=TRACE, span_id=0xABC, context=CALLED, now=1_700_000_000.0, began=100.0, ended=100.25, method="GET",
        path="/yard/v1/loads/7", route="/loads/{id}", labels=("yard", "1", "getLoad"), host=b"gate.example:8443",
        peer="192.0.2.7", request_id="f" * 32, status=200, problem=None, version="1.2.0", site="DAL-2",
        application="oakhurst", aborted=False, upstream=Address("https://hub.example:9443/base/"),
        attempts=[Attempt(0xDEF, 100.125, 100.1875, 200, None)],
    )  # fmt: skip
    return msgspec.structs.replace(done, **members)


def spans(done: Finished, scheme: str = "https") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(b"[%b]" % encode(done, scheme))
    return [{**span, "attributes": plain(span["attributes"])} for span in found]


def test_an_exchange_is_a_server_span_and_a_client_span_below_it() -> None:
    server, client = spans(finished())
    assert server == {
        "traceId": TRACE, "spanId": "0000000000000abc", "parentSpanId": "00f067aa0ba902b7",
        "traceState": "congo=t61,rojo=1", "flags": 0x303, "name": "GET /yard/v1/loads/{id}", "kind": 2,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000250000000",
        "attributes": {
            "http.request.method": "GET", "url.scheme": "https", "url.path": "/yard/v1/loads/{id}",
            "http.route": "/yard/v1/loads/{id}", "http.response.status_code": 200, "server.address": "gate.example",
            "server.port": 8443, "client.address": "192.0.2.7", "weighbridge.request_id": "f" * 32,
            "weighbridge.contract": "yard", "weighbridge.version": "1.2.0", "weighbridge.operation": "getLoad",
            "weighbridge.site": "DAL-2", "weighbridge.application": "oakhurst",
        },
    }  # fmt: skip
    assert client == {
        "traceId": TRACE, "spanId": "0000000000000def", "parentSpanId": "0000000000000abc",
        "traceState": "congo=t61,rojo=1", "flags": 0x103, "name": "GET", "kind": 3,
        "startTimeUnixNano": "1700000000125000000", "endTimeUnixNano": "1700000000187500000",
        "attributes": {
            "http.request.method": "GET", "url.full": "https://hub.example:9443/base/loads/{id}",
            "server.address": "hub.example", "server.port": 9443, "http.response.status_code": 200,
        },
    }  # fmt: skip


def test_a_trace_that_begins_here_has_no_parent() -> None:
    (server,) = spans(finished(context=None, attempts=[]))
    assert server["flags"] == 0x101
    assert "parentSpanId" not in server
    assert "traceState" not in server


def test_a_second_attempt_says_that_it_is_one() -> None:
    attempts = [Attempt(1, 100.0, 100.1, 0, "upstream-unreachable"), Attempt(2, 100.1, 100.2, 200, None)]
    _, first, second = spans(finished(attempts=attempts))
    assert (first["attributes"]["error.type"], first["status"]) == ("upstream-unreachable", {"code": 2})
    assert "http.response.status_code" not in first["attributes"]
    assert "http.request.resend_count" not in first["attributes"]
    assert second["attributes"]["http.request.resend_count"] == 1
    assert "status" not in second


@pytest.mark.parametrize(
    ("status", "problem", "error"),
    [(502, "upstream-unreachable", "upstream-unreachable"), (500, None, "500"), (404, "not-found", None)],
)
def test_only_a_failure_of_the_server_is_an_error_of_its_span(
    status: int, problem: str | None, error: str | None
) -> None:
    (server,) = spans(finished(status=status, problem=problem, attempts=[]))
    assert server["attributes"].get("error.type") == error
    assert server["attributes"].get("weighbridge.problem") == problem
    assert server.get("status") == ({"code": 2} if error else None)


def test_any_refusal_of_an_upstream_is_an_error_of_the_attempt() -> None:
    server, client = spans(finished(status=404, attempts=[Attempt(1, 100.0, 100.1, 404, None)]))
    assert "status" not in server
    assert (client["attributes"]["error.type"], client["status"]) == ("404", {"code": 2})


def test_a_client_that_left_was_sent_no_status() -> None:
    (server,) = spans(finished(status=499, aborted=True, attempts=[]))
    assert "http.response.status_code" not in server["attributes"]
    assert server["attributes"]["weighbridge.aborted"] is True
    assert "status" not in server


def test_what_is_not_known_is_left_out() -> None:
    (server,) = spans(
        finished(
            route=None, labels=UNROUTED, path="/wbk_1_secret", version="", site=None, application=None, status=404,
            problem="not-found", upstream=None, attempts=[], host=b"[::1]",
        ),
        "http",
    )  # fmt: skip
    assert server["name"] == "GET"
    assert server["attributes"] == {
        "http.request.method": "GET", "url.scheme": "http", "url.path": "/(secret)", "http.response.status_code": 404,
        "server.address": "::1", "client.address": "192.0.2.7", "weighbridge.request_id": "f" * 32,
        "weighbridge.problem": "not-found",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        (b"h", "h", None), (b"h:80", "h", 80), (b"[2001:db8::1]:8080", "2001:db8::1", 8080), (b"[::1]", "::1", None),
        (b"", None, None),
    ],
)  # fmt: skip
def test_host_and_port(host: bytes, address: str | None, port: int | None) -> None:
    said = spans(finished(host=host))[0]["attributes"]
    assert (said.get("server.address"), said.get("server.port")) == (address, port)


def test_a_method_that_nobody_knows_is_other() -> None:
    (server,) = spans(finished(method="", route=None, labels=UNROUTED, attempts=[]))
    assert server["name"] == "HTTP"
    assert server["attributes"]["http.request.method"] == "_OTHER"


def test_an_envelope_names_the_service() -> None:
    resource: dict[str, str | int] = {"service.name": "weighbridge-gateway", "service.version": "1", "process.pid": 7}
    assert json.loads(envelope(resource, [b'{"a":1},{"b":2}', b'{"c":3}'])) == {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": "service.name", "value": {"stringValue": "weighbridge-gateway"}},
                        {"key": "service.version", "value": {"stringValue": "1"}},
                        {"key": "process.pid", "value": {"intValue": "7"}},
                    ]
                },
                "scopeSpans": [
                    {"scope": {"name": "weighbridge.gateway", "version": "1"}, "spans": [{"a": 1}, {"b": 2}, {"c": 3}]}
                ],
            }
        ]
    }

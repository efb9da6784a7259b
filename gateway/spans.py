"""Finished exchanges -> spans in OTLP's JSON: one SERVER span each, and one CLIENT span per upstream attempt.

Names and attributes are those of OpenTelemetry's HTTP semantic conventions. Paths are templates, as they are in the
access log, and no query, header or credential is told. Runs in the thread that exports, never in the loop.

Must not know: how spans are sent (`gateway.otlp`). The one subtle thing is OTLP's JSON: ids are hex, 64-bit integers
are strings, enumerations are numbers.
"""

from __future__ import annotations

from typing import Any

import orjson
from msgspec import Struct

from gateway.telemetry import shown_path
from gateway.tracecontext import Context
from gateway.upstream import Address

_NEVER_SENT = 499  # gateway.answer.CLIENT_GONE
_SERVER, _CLIENT = 2, 3  # opentelemetry.proto.trace.v1.Span.SpanKind
_ERROR = {"code": 2}
_HAS_REMOTE, _REMOTE = 0x100, 0x200  # SpanFlags: is it known whether the parent is elsewhere, and is it


class Attempt(Struct, gc=False):
    """One request to an upstream. `began` and `ended` are monotonic seconds, `status` is 0 where no reply came, `error`
    is the slug of what went wrong with the connection."""

    span_id: int
    began: float
    ended: float
    status: int
    error: str | None


class Finished(Struct, gc=False):
    """What the loop notes of one sampled exchange; everything in it was there already. `now` is unix seconds at the
    monotonic moment `began`; `route` is the path template, without contract and major, where a route matched."""

    trace_id: str
    span_id: int
    context: Context | None
    now: float
    began: float
    ended: float
    method: str
    path: str
    route: str | None
    labels: tuple[str, ...]
    host: bytes
    peer: str
    request_id: str
    status: int
    problem: str | None
    version: str
    site: str | None
    application: str | None
    aborted: bool
    upstream: Address | None
    attempts: list[Attempt]


def envelope(resource: dict[str, str | int], spans: list[bytes]) -> bytes:
    """An `ExportTraceServiceRequest` of spans that `encode` made."""
    head = orjson.dumps({"attributes": _attributes(resource)})
    scope = orjson.dumps({"name": "weighbridge.gateway", "version": resource["service.version"]})
    return b'{"resourceSpans":[{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[%b]}]}]}' % (
        head,
        scope,
        b",".join(spans),
    )


def encode(done: Finished, scheme: str) -> bytes:
    """The spans of one exchange, joined by commas. `scheme` is what the gateway's clients speak."""
    return b",".join(map(orjson.dumps, [_server(done, scheme), *(_client(done, n) for n in range(len(done.attempts)))]))


def _server(done: Finished, scheme: str) -> dict[str, Any]:
    context = done.context
    route = None if done.route is None else f"/{done.labels[0]}/v{done.labels[1]}{done.route}"
    address, port = _host(done.host)
    failed = done.status >= 500
    span = _span(
        done,
        done.span_id,
        f"{done.method or 'HTTP'} {route}" if route else done.method or "HTTP",
        _SERVER,
        done.began,
        done.ended,
        {
            "http.request.method": done.method or "_OTHER",
            "url.scheme": scheme,
            "url.path": route or shown_path(done.path),
            "http.route": route,
            "http.response.status_code": done.status if done.status != _NEVER_SENT else None,
            "error.type": (done.problem or str(done.status)) if failed else None,
            "server.address": address,
            "server.port": port,
            "client.address": done.peer,
            "weighbridge.request_id": done.request_id,
            "weighbridge.contract": done.labels[0],
            "weighbridge.version": done.version,
            "weighbridge.operation": done.labels[2],
            "weighbridge.site": done.site,
            "weighbridge.application": done.application,
            "weighbridge.problem": done.problem,
            "weighbridge.aborted": True if done.aborted else None,
        },
        failed,
    )
    span["flags"] = _flags(done) | _HAS_REMOTE | (0 if context is None else _REMOTE)
    if context is not None:
        span["parentSpanId"] = context.parent_id.decode("ascii")
    return span


def _client(done: Finished, number: int) -> dict[str, Any]:
    attempt, upstream = done.attempts[number], done.upstream
    assert upstream is not None
    failed = attempt.error is not None or attempt.status >= 400
    authority, base = upstream.authority.decode("ascii"), upstream.base.decode("ascii")
    span = _span(
        done,
        attempt.span_id,
        done.method,
        _CLIENT,
        attempt.began,
        attempt.ended,
        {
            "http.request.method": done.method,
            "url.full": f"{'https' if upstream.tls else 'http'}://{authority}{base}{done.route or ''}",
            "server.address": upstream.host,
            "server.port": upstream.port,
            "http.response.status_code": attempt.status or None,
            "error.type": (attempt.error or str(attempt.status)) if failed else None,
            "http.request.resend_count": number or None,
        },
        failed,
    )
    span["flags"] = _flags(done) | _HAS_REMOTE
    span["parentSpanId"] = f"{done.span_id:016x}"
    return span


def _span(
    done: Finished, id_: int, name: str, kind: int, began: float, ended: float, said: dict[str, Any], failed: bool
) -> dict[str, Any]:
    span = {
        "traceId": done.trace_id,
        "spanId": f"{id_:016x}",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": _nanoseconds(done.now + began - done.began),
        "endTimeUnixNano": _nanoseconds(done.now + ended - done.began),
        "attributes": _attributes(said),
    }
    if done.context is not None and done.context.state:
        span["traceState"] = done.context.state.decode("ascii")
    if failed:
        span["status"] = _ERROR
    return span


def _nanoseconds(seconds: float) -> str:
    """A clock's float knows microseconds, and not more."""
    return str(round(seconds * 1e6) * 1000)


def _flags(done: Finished) -> int:
    return 1 if done.context is None else done.context.flags


def _attributes(said: dict[str, Any]) -> list[dict[str, Any]]:
    """What is known; empty values say nothing."""
    return [{"key": key, "value": _value(value)} for key, value in said.items() if value is not None and value != ""]


def _value(value: str | int | bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def _host(host: bytes) -> tuple[str, int | None]:
    """Address and port of a Host field, which `gateway.framing` has judged."""
    name, colon, port = host.decode("ascii", "replace").rpartition(":")
    if not colon or not port.isdigit():
        return host.decode("ascii", "replace").strip("[]"), None
    return name.strip("[]"), int(port)

"""Exchanges that are traced, over the wire: what a collector is told, and what the upstream is told of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.connection import Connection
from gateway.otlp import Tracer
from gateway.passage import Passage
from policies.model.contract import Upstream
from policies.traffic import Problem
from tests.backends import Backend, Seen, Wire
from tests.collector import Collector
from tests.wire import Gate, OneUpstream, Reply, Route, gate, on_loop

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def called(flags: str, more: str = "") -> bytes:
    return f"GET /a HTTP/1.1\r\nHost: h\r\ntraceparent: 00-{TRACE}-{SPAN}-{flags}\r\n{more}\r\n".encode()


@asynccontextmanager
async def traced(
    table: Any, draw: Callable[[], float] = lambda: 0.0, **settings: Any
) -> AsyncIterator[tuple[Gate, Collector]]:
    """A gateway that exports; at the end of the block everything has been sent."""
    async with Collector() as to:
        tracer = Tracer(f"{to.url}/v1/traces", {}, 0.5, draw=draw)
        async with gate(table, tracer=tracer, **settings) as g:
            yield g, to
        await asyncio.to_thread(tracer.close)


def sent(seen: Seen) -> tuple[str, str, str]:
    (parent,) = seen.all("traceparent")
    version, trace, span, flags = parent.split("-")
    assert version == "00"
    return trace, span, flags


def request_id(reply: Reply) -> str:
    return str(reply.get("X-Request-Id"), "ascii")


def by_kind(to: Collector) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    spans = sorted(to.spans, key=lambda span: int(span["startTimeUnixNano"]))
    return [span for span in spans if span["kind"] == 2], [span for span in spans if span["kind"] == 3]


@on_loop
async def test_client_span_and_upstream_are_joined() -> None:
    async with Backend() as backend, traced(OneUpstream(backend.url)) as (g, to):
        reply = await g.ask(GET)
    ((server,), (client,)) = by_kind(to)
    assert sent(backend.seen[0]) == (request_id(reply), client["spanId"], "01")
    assert server["traceId"] == client["traceId"] == request_id(reply)
    assert server["attributes"]["weighbridge.request_id"] == request_id(reply)
    assert client["parentSpanId"] == server["spanId"]
    assert "parentSpanId" not in server
    assert server["name"] == "GET /yard/v1/anything"
    assert server["attributes"]["http.response.status_code"] == client["attributes"]["http.response.status_code"] == 200
    assert client["attributes"]["server.port"] == backend.port
    times = [int(span[at]) for span, at in (
        (server, "startTimeUnixNano"), (client, "startTimeUnixNano"), (client, "endTimeUnixNano"),
        (server, "endTimeUnixNano"))]  # fmt: skip
    assert times == sorted(times)
    assert times[0] < times[3]


@pytest.mark.parametrize(
    ("given", "flags", "sampled"),
    [("01", "01", True), ("03", "03", True), ("00", "00", False), ("02", "02", False), ("fd", "01", True)],
)
def test_the_callers_decision_holds(given: str, flags: str, sampled: bool) -> None:
    @on_loop
    async def scenario() -> None:
        table = OneUpstream("")
        async with Backend() as backend, traced(table, draw=lambda: pytest.fail("drawn")) as (g, to):
            table.url = backend.url
            await g.ask(called(given, "tracestate: congo=1, rojo=2\r\n"))
        trace, span, told = sent(backend.seen[0])
        assert (trace, told) == (TRACE, flags)
        assert backend.seen[0].all("tracestate") == ["congo=1,rojo=2"]
        assert span != SPAN
        assert len(to.spans) == (2 if sampled else 0)
        if sampled:
            ((server,), (client,)) = by_kind(to)
            assert (server["parentSpanId"], server["traceState"]) == (SPAN, "congo=1,rojo=2")
            assert span == client["spanId"]

    scenario()


@on_loop
async def test_what_is_not_sampled_is_told_so_and_not_exported() -> None:
    async with Backend() as backend, traced(OneUpstream(backend.url), draw=lambda: 0.5) as (g, to):
        reply = await g.ask(GET)
    assert (sent(backend.seen[0])[0], sent(backend.seen[0])[2]) == (request_id(reply), "00")
    assert to.seen == []


@on_loop
async def test_a_connection_that_repeats_its_head_gets_its_own_spans() -> None:
    async with Backend() as backend, traced(OneUpstream(backend.url)) as (g, to):
        peer = await g.connect()
        for _ in range(3):
            await peer.ask(called("01"))
    servers, clients = by_kind(to)
    assert len({span["spanId"] for span in to.spans}) == 6
    assert {server["parentSpanId"] for server in servers} == {SPAN}
    assert [sent(seen)[1] for seen in backend.seen] == [client["spanId"] for client in clients]


@on_loop
async def test_a_refusal_has_a_span_and_no_attempt() -> None:
    refused = Problem(status=403, slug="forbidden", title="t")
    async with traced(OneUpstream("http://unused", on_open=lambda _: refused)) as (g, to):
        assert (await g.ask(called("01"))).status == 403
        assert (await g.ask(b"GET /.. HTTP/1.1\r\nHost: h\r\n\r\n")).status == 400
    servers, clients = by_kind(to)
    assert clients == []
    told, odd = (server["attributes"] for server in servers)
    assert (servers[0]["traceId"], told["weighbridge.problem"], told["http.response.status_code"]) == (
        TRACE, "forbidden", 403,
    )  # fmt: skip
    assert odd["weighbridge.problem"] == "bad-request"


@on_loop
async def test_every_attempt_has_its_own_span_and_tells_the_upstream_so() -> None:
    async def one_only(seen: Seen, wire: Wire) -> None:
        if len(backend.seen) == 2:  # a pooled connection that turns out to be dead
            wire.close()
        else:
            await wire.reply(200, b"ok")

    async with Backend(one_only) as backend, traced(OneUpstream(backend.url)) as (g, to):
        await g.ask(called("01"))
        assert (await g.ask(called("01"))).status == 200
    servers, clients = by_kind(to)
    assert len(servers) == 2
    _, first, second = clients
    assert [sent(seen)[1] for seen in backend.seen] == [client["spanId"] for client in clients]
    assert first["attributes"]["error.type"] == "upstream-unreachable"
    assert second["attributes"]["http.request.resend_count"] == 1
    assert first["parentSpanId"] == second["parentSpanId"] == servers[1]["spanId"]


@on_loop
async def test_an_upstream_that_is_not_there_is_an_error_of_both() -> None:
    async with Backend() as backend:
        pass
    async with traced(OneUpstream(backend.url)) as (g, to):
        assert (await g.ask(GET)).status == 502
    ((server,), (client,)) = by_kind(to)
    assert server["attributes"]["error.type"] == client["attributes"]["error.type"] == "upstream-unreachable"
    assert server["status"] == client["status"] == {"code": 2}
    assert "http.response.status_code" not in client["attributes"]


@on_loop
async def test_a_bulkhead_that_is_full_is_no_attempt() -> None:
    table = OneUpstream("http://127.0.0.1:1", spec=Upstream(url="", max_concurrent=0))
    async with traced(table) as (g, to):
        assert (await g.ask(GET)).status == 503
    servers, clients = by_kind(to)
    assert (len(servers), clients) == (1, [])


@on_loop
async def test_a_client_that_leaves_abandons_the_attempt() -> None:
    async def waits(seen: Seen, wire: Wire) -> None:
        arrived.set()
        await wire.reader.readexactly(1)

    arrived = asyncio.Event()
    async with Backend(waits) as backend, traced(OneUpstream(backend.url)) as (g, to):
        peer = await g.connect()
        await peer.send(GET)
        await arrived.wait()
        Wire(peer.reader, peer.writer).reset()
        await backend.lost.wait()
    ((server,), (client,)) = by_kind(to)
    assert server["attributes"]["weighbridge.aborted"] is True
    assert "http.response.status_code" not in server["attributes"]
    assert client["attributes"]["error.type"] == "abandoned"


@on_loop
async def test_an_upstream_that_breaks_off_is_seen_where_it_broke() -> None:
    async def half(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        wire.close()

    async with Backend(half) as backend, traced(OneUpstream(backend.url)) as (g, to):
        peer = await g.connect()
        await peer.send(GET)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await peer.reply()
    ((server,), (client,)) = by_kind(to)
    assert client["attributes"]["http.response.status_code"] == 200
    assert client["attributes"]["error.type"] == "upstream-unreachable"
    assert server["attributes"]["weighbridge.aborted"] is True


@on_loop
async def test_a_body_goes_on_as_it_came_behind_the_new_parent() -> None:
    body = b"\r\ntraceparent: 00-" + b"x" * 100_000
    table = OneUpstream("", route=Route(validates_body=True, max_body_bytes=200_000, method="POST"))
    async with Backend() as backend, traced(table) as (g, to):
        table.url = backend.url
        head = (
            f"POST /a HTTP/1.1\r\nHost: h\r\ntraceparent: 00-{TRACE}-{SPAN}-01\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        assert (await g.ask(head.encode() + body)).status == 200
    assert backend.seen[0].body == body
    assert sent(backend.seen[0]) == (TRACE, by_kind(to)[1][0]["spanId"], "01")


@on_loop
async def test_no_span_tells_a_secret() -> None:
    async with Backend() as backend, traced(OneUpstream(f"{backend.url}/base")) as (g, to):
        await g.ask(
            b"GET /a/secret?token=secret HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer secret\r\nX-API-Key: secret\r\n"
            b"Cookie: secret\r\nUser-Agent: secret\r\ntraceparent: secret\r\n\r\n"
        )
    assert len(to.spans) == 2
    assert b"secret" not in to.seen[0].body


@on_loop
async def test_without_a_collector_passages_are_the_plain_ones() -> None:
    async with gate(OneUpstream("http://unused")) as g:
        assert Connection(g.worker)._begins is Passage

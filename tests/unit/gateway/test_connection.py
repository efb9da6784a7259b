"""Transcripts: bytes in, bytes out, over real loopback sockets and one forwarding route."""

import asyncio
import json

import pytest

from policies.traffic import Exchange, Problem
from tests.backends import Backend, Seen, Wire
from tests.wire import OneUpstream, Peer, Reply, Route, eventually, gate, on_loop

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
REFUSED = Problem(status=403, slug="scope-missing", title="Scope missing")


def slug(reply: Reply) -> str:
    body = json.loads(reply.body)
    assert body["status"] == reply.status
    assert body["requestId"].encode() == reply.get("X-Request-Id")
    return str(body["type"].rpartition("/")[2])


async def is_closed(peer: Peer) -> bool:
    return await peer.rest() == b""


@on_loop
async def test_a_request_is_forwarded_and_its_reply_comes_back() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        reply = await g.ask(b"GET /a/b?c=%20d HTTP/1.1\r\nHost: api.example:8000\r\nAccept: text/x\r\n\r\n")
        assert reply.status == 200
        assert json.loads(reply.body) == {"method": "GET", "target": "/a/b?c=%20d", "body": ""}
        assert reply.all("Content-Type") == [b"application/json"]
        assert reply.all("API-Version") == [b"1.0.0"]
        assert reply.get("Date") is not None
        (seen,) = backend.seen
        assert seen.get("Accept") == "text/x"
        assert seen.all("Host") == [backend.url.removeprefix("http://")]
        assert seen.get("X-Forwarded-Host") == "api.example:8000"
        assert seen.get("X-Forwarded-For") == "127.0.0.1"
        assert seen.get("X-Forwarded-Proto") == "http"
        assert seen.get("Via") == "1.1 weighbridge"
        assert seen.get(
            "X-Request-Id",
        ).encode() == reply.get("X-Request-Id")  # type: ignore[union-attr]


@on_loop
async def test_connections_are_kept_on_both_sides() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        for _ in range(3):
            assert (await peer.ask(GET)).status == 200
            assert (await peer.ask(POST)).status == 200
        assert (len(backend.seen), backend.connections) == (6, 1)
        assert g.worker.telemetry.accepted == 1


@on_loop
async def test_pipelined_requests_are_answered_in_order() -> None:
    async def slow_first(seen: Seen, wire: Wire) -> None:
        if seen.target == "/0":
            await asyncio.sleep(0.05)
        await wire.reply(200, seen.target.encode() + seen.body)

    async with Backend(slow_first) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        chunked = b"POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n"
        counted = b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nz"
        await peer.send(b"GET /0 HTTP/1.1\r\nHost: h\r\n\r\n" + counted + chunked + b"\r\n" + GET + b"GET /.. HTTP/1.1")
        bodies = [(await peer.reply()).body for _ in range(4)]
        assert bodies == [b"/0", b"/1z", b"/2xy", b"/a"]
        await peer.send(b"\r\nHost: h\r\n\r\n" + GET)
        assert (await peer.reply()).status == 400
        assert await is_closed(peer)  # nothing behind a refused head is read
        assert len(backend.seen) == 4


@on_loop
async def test_a_request_may_arrive_byte_by_byte() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        data = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        for byte in data:
            await peer.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert json.loads((await peer.reply()).body)["body"] == "abc"


@on_loop
async def test_an_empty_line_before_a_request_is_ignored() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        assert (await g.ask(b"\r\n" + GET)).status == 200


@on_loop
async def test_head_has_no_body_and_keeps_the_connection() -> None:
    async def head(seen: Seen, wire: Wire) -> None:
        await wire.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + (b"x" * 1000 if seen.method == "GET" else b"")
        )

    async with Backend(head) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        reply = await peer.ask(b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (reply.status, reply.get("Content-Length")) == (200, b"1000")
        assert len((await peer.ask(GET)).body) == 1000
        assert backend.connections == 1


@on_loop
async def test_a_refused_head_request_has_no_body_either() -> None:
    table = OneUpstream("http://unused", on_open=lambda exchange: REFUSED)
    async with gate(table) as g:
        peer = await g.connect()
        reply = await peer.ask(b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert reply.status == 403
        assert slug(await peer.ask(GET)) == "scope-missing"


@pytest.mark.parametrize("status", [204, 304])
def test_replies_without_body(status: int) -> None:
    async def empty(seen: Seen, wire: Wire) -> None:
        await wire.send(b'HTTP/1.1 %d X\r\nETag: "1"\r\n\r\n' % status)

    @on_loop
    async def scenario() -> None:
        async with Backend(empty) as backend, gate(OneUpstream(backend.url)) as g:
            peer = await g.connect()
            for _ in range(2):
                reply = await peer.ask(GET)
                assert (reply.status, reply.get("ETag")) == (status, b'"1"')
                assert reply.get("Content-Length") is None
                assert reply.get("Transfer-Encoding") is None
            assert backend.connections == 1

    scenario()


@on_loop
async def test_a_chunked_reply_without_known_end_is_chunked_for_the_client() -> None:
    async def chunks(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n")
        await asyncio.sleep(0.02)
        await wire.send(b"1\r\nc\r\n0\r\nX-Sum: 1\r\n\r\n")

    async with Backend(chunks) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        for _ in range(2):
            reply = await peer.ask(GET)
            assert (reply.get("Transfer-Encoding"), reply.get("Trailer"), reply.body) == (b"chunked", None, b"abc")
        assert backend.connections == 1


@on_loop
async def test_a_reply_that_ends_with_its_connection_is_passed_on_whole() -> None:
    async def until_close(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.0 200 OK\r\n\r\nabc")
        await asyncio.sleep(0.02)
        await wire.send(b"def")
        wire.close()

    async with Backend(until_close) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        reply = await peer.ask(GET)
        assert (reply.get("Transfer-Encoding"), reply.body) == (b"chunked", b"abcdef")
        assert (await peer.ask(GET)).body == b"abcdef"


@on_loop
async def test_an_http_1_0_client_gets_no_chunks_and_a_close() -> None:
    async def chunks(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await asyncio.sleep(0.02)
        await wire.send(b"0\r\n\r\n")

    async with Backend(chunks) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        reply = await peer.ask(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (reply.head[:9], reply.get("Connection"), reply.body) == (b"HTTP/1.1 ", b"close", b"ab")


@on_loop
async def test_an_http_1_0_client_may_keep_its_connection() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        for _ in range(2):
            reply = await peer.ask(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (reply.status, reply.get("Connection")) == (200, b"keep-alive")
        reply = await peer.ask(b"GET /a HTTP/1.0\r\n\r\n")
        assert (reply.status, reply.get("Connection")) == (200, b"close")
        assert await is_closed(peer)


@on_loop
async def test_close_is_honoured() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        reply = await peer.ask(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert (reply.status, reply.get("Connection")) == (200, b"close")
        assert await is_closed(peer)
        assert backend.seen[0].get("Connection") is None


@on_loop
async def test_expect_100_continue_is_answered_when_the_body_is_wanted() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        head = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        assert (await peer.ask(head)).status == 100
        await peer.send(b"abc")
        reply = await peer.reply()
        assert json.loads(reply.body)["body"] == "abc"
        assert backend.seen[0].get("Expect") is None
        assert (await peer.ask(GET)).status == 200


@on_loop
async def test_expect_100_continue_is_not_answered_when_the_request_is_refused() -> None:
    async with gate(OneUpstream("http://unused", on_open=lambda exchange: REFUSED)) as g:
        peer = await g.connect()
        head = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        reply = await peer.ask(head)
        assert (reply.status, reply.get("Connection")) == (403, b"close")
        assert await is_closed(peer)


@on_loop
async def test_a_refused_request_with_a_short_body_keeps_its_connection() -> None:
    async with gate(OneUpstream("http://unused", on_open=lambda exchange: REFUSED)) as g:
        peer = await g.connect()
        await peer.send(POST[:-2])
        assert (await peer.reply()).get("Connection") is None
        await peer.send(POST[-2:] + POST)
        assert slug(await peer.reply()) == "scope-missing"


@on_loop
async def test_a_refused_request_with_a_long_body_is_closed_without_losing_the_reply() -> None:
    async with gate(OneUpstream("http://unused", on_open=lambda exchange: REFUSED)) as g:
        peer = await g.connect()
        await peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n" + b"x" * 300_000)
        reply = await peer.reply()
        assert (reply.status, reply.get("Connection")) == (403, b"close")
        assert await is_closed(peer)


IDENTITY_GAMES = (
    b"GET /a HTTP/1.1\r\nHost: h\r\n"
    b"Weighbridge-Application: evil\r\nweighbridge-scopes: all\r\nX-Request-Id: mine\r\nX-Forwarded-For: 1.2.3.4\r\n"
    b"Forwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nX-Forwarded-Host: evil\r\nAuthorization: Bearer secret\r\n"
    b"X-API-Key: wbk_1_secret\r\nConnection: X-Drop, keep-alive\r\nX-Drop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
    b"Proxy-Authorization: Basic x\r\nX-Kept: 1\r\nVia: 1.0 edge\r\n\r\n"
)


@on_loop
async def test_what_upstreams_believe_is_said_by_us_alone() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        reply = await g.ask(IDENTITY_GAMES)
        seen = backend.seen[0]
        names = [name for name, _ in seen.headers]
        assert names == [
            "Host", "X-Kept", "Via", "X-Request-Id", "traceparent",
            "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via",
        ]  # fmt: skip
        assert seen.all("X-Request-Id") == [str(reply.get("X-Request-Id"), "ascii")]
        assert seen.get("X-Request-Id") != "mine"
        assert seen.all("X-Forwarded-For") == ["127.0.0.1"]
        assert seen.all("Via") == ["1.0 edge", "1.1 weighbridge"]


@on_loop
async def test_what_upstreams_say_about_themselves_is_filtered() -> None:
    async def talkative(seen: Seen, wire: Wire) -> None:
        await wire.reply(
            200,
            b"ok",
            ("API-Version", "9.9.9"),
            ("RateLimit", "x"),
            ("Weighbridge-Secret", "x"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Link", "<up>"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        )

    table_fields = [(b"API-Version", b"1.1.0"), (b"Link", b'</x>; rel="successor-version"')]
    async with Backend(talkative) as backend, gate(OneUpstream(backend.url, announced=table_fields)) as g:
        reply = await g.ask(GET)
        assert sorted({name for name, _ in reply.headers}) == [
            b"API-Version", b"Content-Length", b"Date", b"Link", b"Set-Cookie", b"X-Request-Id",
        ]  # fmt: skip
        assert reply.all("API-Version") == [b"1.1.0"]
        assert reply.all("Set-Cookie") == [b"a=1", b"b=2"]
        assert reply.all("Link") == [b"<up>", b'</x>; rel="successor-version"']
        assert reply.all("Date") == [b"Sun, 06 Nov 1994 08:49:37 GMT"]


TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "trace_id", "flags", "state"),
    [
        ([(b"traceparent", TRACE), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")], TRACE[3:35], "01", "a=1,b=2"),
        ([(b"traceparent", b"cc" + TRACE[2:] + b"-more")], TRACE[3:35], "01", None),
        ([(b"TraceParent", b"\t " + TRACE + b" \t"), (b"TRACESTATE", b" a=1 ")], TRACE[3:35], "01", "a=1"),
        ([(b"traceparent", TRACE[:-2] + b"ff"), (b"tracestate", b"A=1")], TRACE[3:35], "03", None),
        ([(b"traceparent", TRACE[:-2] + b"02"), (b"tracestate", b"")], TRACE[3:35], "02", None),
        ([(b"traceparent", TRACE + b"-more")], None, "00", None),
        ([(b"traceparent", b"ff" + TRACE[2:])], None, "00", None),
        ([(b"traceparent", TRACE.upper()), (b"tracestate", b"a=1")], None, "00", None),
        ([(b"traceparent", b"00-" + b"0" * 32 + TRACE[35:])], None, "00", None),
        ([(b"traceparent", TRACE), (b"traceparent", TRACE)], None, "00", None),
        ([(b"tracestate", b"a=1")], None, "00", None),
    ],
)
def test_trace_context(given: list[tuple[bytes, bytes]], trace_id: bytes | None, flags: str, state: str | None) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
            fields = b"".join(b"%b: %b\r\n" % field for field in given)
            reply = await g.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n")
            (parent,) = backend.seen[0].all("traceparent")
            version, trace, span, sampled = parent.split("-")
            assert (version, sampled) == ("00", flags)
            assert trace.encode() == (trace_id or reply.get("X-Request-Id"))
            assert len(span) == 16
            assert span != "00f067aa0ba902b7"
            assert backend.seen[0].all("tracestate") == ([state] if state else [])

    scenario()


HOSTILE = {
    "bare LF": b"GET /a HTTP/1.1\nHost: h\n\n",
    "CL and TE": b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "TE with a comma": b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "TE behind a space": b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE behind a tab": b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "TE twice": b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "TE gzip": b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "TE from HTTP/1.0": b"POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "CL twice": b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "CL list": b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
    "CL plus": b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
    "CL huge": b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    "no Host": b"GET /a HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /a HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n",
    "a folded line": b"GET /a HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    "a folded first line": b"GET /a HTTP/1.1\r\n Host: h\r\n\r\n",
    "NUL": b"GET /a HTTP/1.1\r\nHost: h\r\nX: \x00\r\n\r\n",
    "a space in a name": b"GET /a HTTP/1.1\r\nHost: h\r\nX Y: 1\r\n\r\n",
    "an empty name": b"GET /a HTTP/1.1\r\nHost: h\r\n: 1\r\n\r\n",
    "no colon": b"GET /a HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n",
    "HTTP/0.9": b"GET /a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "websocket": b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "a dot segment": b"GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_ambiguous_is_refused_and_closed(data: bytes) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
            peer = await g.connect()
            await peer.send(data + GET)
            reply = await peer.reply()
            assert (reply.status, reply.get("Connection"), slug(reply)) == (400, b"close", "bad-request")
            assert await is_closed(peer)
            assert backend.seen == []

    scenario()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"BREW /a HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET /a HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /a HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /a HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 40_000, 431),
        (b"GET /a HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n", 417),
    ],
)
def test_limits_and_unknown_methods(data: bytes, status: int) -> None:
    @on_loop
    async def scenario() -> None:
        async with gate(OneUpstream("http://unused")) as g:
            peer = await g.connect()
            reply = await peer.ask(data)
            assert (reply.status, reply.get("Connection")) == (status, b"close")
            assert await is_closed(peer)

    scenario()


@on_loop
async def test_an_offer_of_h2c_is_ignored_as_java_expects() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        offer = (
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQ\r\n"
        )
        reply = await peer.ask(b"POST /a HTTP/1.1\r\n" + offer + b"Host: h\r\nContent-Length: 3\r\n\r\nabc")
        assert (reply.status, json.loads(reply.body)["body"]) == (200, "abc")
        assert {name.lower() for name, _ in backend.seen[0].headers} & {
            "upgrade",
            "http2-settings",
            "connection",
        } == set()
        assert (await peer.ask(GET)).status == 200


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"0\r\nContent-Length: 3\r\n\r\n",
        b"1;" + b"x" * 400,
    ],
)
def test_malformed_chunks_never_become_a_request(chunks: bytes) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
            peer = await g.connect()
            await peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + GET)
            reply = await peer.reply()
            assert (reply.status, reply.get("Connection")) == (400, b"close")
            assert await is_closed(peer)
            assert backend.seen == []

    scenario()


@on_loop
async def test_malformed_chunks_in_mid_stream_break_the_request_off() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        await peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await eventually(lambda: backend.connections == 1)
        await peer.send(b"nonsense\r\n" + GET)
        assert (await peer.reply()).status == 400
        await backend.lost.wait()
        assert backend.seen == []


@on_loop
async def test_a_body_is_kept_for_validation_and_sent_with_a_length() -> None:
    bodies: list[bytes | None] = []

    def check(exchange: Exchange) -> Problem | None:
        bodies.append(exchange.body)
        return REFUSED if exchange.body == b"bad" else None

    table = OneUpstream("", Route(validates_body=True), on_body=check)
    async with Backend() as backend, gate(table) as g:
        table.url = backend.url
        peer = await g.connect()
        chunked = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
        assert (await peer.ask(chunked)).status == 200
        assert (backend.seen[0].get("Content-Length"), backend.seen[0].body) == ("3", b"abc")
        assert (await peer.ask(POST.replace(b"abc", b"bad"))).status == 403
        assert (await peer.ask(GET)).status == 200
        assert bodies == [b"abc", b"bad", b""]
        assert len(backend.seen) == 2


@on_loop
async def test_a_body_over_the_cap_is_refused_where_a_wrong_one_would_be() -> None:
    table = OneUpstream("http://unused", Route(validates_body=True, max_body_bytes=10))
    async with gate(table) as g:
        peer = await g.connect()
        assert slug(await peer.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n" + b"x" * 11)) == (
            "payload-too-large"
        )
        chunked = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + b"x" * 11 + b"\r\n"
        assert slug(await peer.ask(chunked)) == "payload-too-large"


@on_loop
async def test_a_body_over_the_cap_streams_through_where_nothing_is_blocked() -> None:
    table = OneUpstream("", Route(validates_body=True, blocks_body=False, max_body_bytes=10))
    async with Backend() as backend, gate(table) as g:
        table.url = backend.url
        chunked = (
            b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n789012\r\n0\r\n\r\n"
        )
        for data in (b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n123456789012", chunked):
            assert json.loads((await g.ask(data)).body)["body"] == "123456789012"
        series = g.worker.telemetry.series(table.route.metric_labels)
        assert series.unevaluated == {"request": 2, "response": 0}


@on_loop
async def test_a_policy_that_waits_holds_the_body_back() -> None:
    release = asyncio.Event()

    async def wait() -> Problem | None:
        await release.wait()
        return None

    async with Backend() as backend, gate(OneUpstream(backend.url, on_open=lambda exchange: wait())) as g:
        peer = await g.connect()
        await peer.send(POST + GET)
        await asyncio.sleep(0.05)
        assert backend.seen == []
        release.set()
        assert json.loads((await peer.reply()).body)["body"] == "abc"
        assert (await peer.reply()).status == 200


@on_loop
async def test_a_fault_of_ours_is_one_opaque_500() -> None:
    def explode(exchange: Exchange) -> None:
        raise ValueError("wbk_1_secret")

    table = OneUpstream("http://unused", on_open=explode)
    async with gate(table) as g:
        peer = await g.connect()
        reply = await peer.ask(GET)
        assert (reply.status, slug(reply)) == (500, "internal-error")
        assert b"secret" not in reply.body
        table.on_open = lambda exchange: REFUSED
        assert (await peer.ask(GET)).status == 403
        assert table.released == 2


@on_loop
async def test_without_a_table_the_gateway_is_not_ready() -> None:
    async with gate(None) as g:
        reply = await g.ask(GET)
        assert (reply.status, slug(reply), reply.get("Retry-After")) == (503, "not-ready", b"1")


@on_loop
async def test_an_exchange_keeps_the_table_it_began_with() -> None:
    answer = asyncio.Event()

    async def later(seen: Seen, wire: Wire) -> None:
        await answer.wait()
        await wire.reply(200, b"old")

    async with Backend(later) as old, gate(OneUpstream(old.url)) as g:
        peer = await g.connect()
        await peer.send(GET)
        await eventually(lambda: len(old.seen) == 1)
        g.worker.table = OneUpstream("http://unused", announced=[(b"API-Version", b"2.0.0")], on_open=lambda _: REFUSED)
        answer.set()
        reply = await peer.reply()
        assert (reply.body, reply.get("API-Version")) == (b"old", b"1.0.0")
        reply = await peer.ask(GET)
        assert (reply.status, reply.get("API-Version")) == (403, b"2.0.0")


@on_loop
async def test_a_client_that_stops_sending_is_still_answered() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        await peer.send(GET + POST)
        peer.writer.write_eof()
        assert (await peer.reply()).status == 200
        assert json.loads((await peer.reply()).body)["body"] == "abc"
        assert await is_closed(peer)


@on_loop
async def test_slow_heads_and_idle_connections_are_let_go() -> None:
    async with gate(OneUpstream("http://unused", on_open=lambda _: REFUSED), head_seconds=0.1, idle_seconds=0.1) as g:
        slow, silent, idle = await g.connect(), await g.connect(), await g.connect()
        await slow.send(GET[:10])
        assert (await idle.ask(GET)).status == 403
        reply = await slow.reply()
        assert (reply.status, slug(reply), reply.get("Connection")) == (408, "request-timeout", b"close")
        assert await is_closed(slow)
        assert await is_closed(silent)
        assert await is_closed(idle)


@on_loop
async def test_a_body_that_stops_arriving_ends_the_request() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url), body_idle_seconds=0.1) as g:
        peer = await g.connect()
        await peer.send(POST[:-1])
        assert (await peer.reply()).status == 408
        await backend.lost.wait()


@on_loop
async def test_connections_over_the_limit_are_turned_away() -> None:
    async with gate(OneUpstream("http://unused", on_open=lambda _: REFUSED), max_connections=1) as g:
        first = await g.connect()
        assert (await first.ask(GET)).status == 403
        second = await g.connect()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await second.ask(GET)
        assert (await first.ask(GET)).status == 403
        assert g.worker.telemetry.turned_away == 1

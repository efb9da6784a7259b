"""Raw frames of HTTP/2 that are cheap to send: what they cost is bounded, and nobody else waits for them.

The kinds are those of public reports: rapid reset (CVE-2023-44487), resets that the server is made to send
(CVE-2025-8671), settings, pings, empty data, priorities (CVE-2019-9511 to 9518), CONTINUATION, window updates and
frames that nobody knows.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.http2 import NUISANCES, SPARE_UPDATES
from tests.backends import Backend, Seen, Wire
from tests.unit.gateway.test_http2 import library
from tests.unit.gateway.test_keyed import table
from tests.wire import Gate, OneUpstream, eventually, gate, on_loop

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
ENDED, END_HEADERS, ACK = 1, 4, 1
PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 1, 11


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head(*fields: tuple[bytes, bytes], method: bytes = b"GET") -> bytes:
    """Every field as a literal that is not remembered (RFC 7541 section 6.2.2)."""
    listed = [(b":method", method), (b":path", b"/a"), (b":scheme", b"http"), (b":authority", b"h"), *fields]
    return b"".join(b"\x00%c%b%c%b" % (len(name), name, len(value), value) for name, value in listed)


def request(stream: int, *, ended: bool = True) -> bytes:
    return frame(HEADERS, END_HEADERS | (ENDED if ended else 0), stream, head(method=b"GET" if ended else b"POST"))


START = PREFACE + frame(SETTINGS, 0, 0)
FLOODS = {
    "settings": frame(SETTINGS, 0, 0) * 5000,
    "acknowledged pings": frame(PING, ACK, 0, b"x" * 8) * 5000,
    "pings": frame(PING, 0, 0, b"x" * 8) * 5000,
    "priorities": frame(PRIORITY, 0, 1, b"\0\0\0\0\x10") * 5000,
    "empty data": request(1, ended=False) + frame(DATA, 0, 1) * 5000,
    "rapid reset": b"".join(request(n) + frame(RST, 0, n, b"\0\0\0\x08") for n in range(1, 6000, 2)),
    "made to reset, by a window": b"".join(
        request(n, ended=False) + frame(WINDOW, 0, n, b"\x7f\xff\xff\xff") for n in range(1, 6000, 2)
    ),
    "made to reset, by data": b"".join(request(n) + frame(DATA, ENDED, n, b"x") for n in range(1, 6000, 2)),
    "unknown frames": frame(0x42, 0, 0, b"x") * 5000,
    "window updates": frame(WINDOW, 0, 0, b"\0\0\0\1") * 5000,
}


async def said(g: Gate, data: bytes) -> list[tuple[int, bytes]]:
    """Everything that was answered until the gateway closed: kinds and payloads."""
    peer = await g.connect()
    answer = b""
    try:
        peer.writer.write(START + data)
        while piece := await peer.reader.read(65_536):
            answer += piece
    except ConnectionError:  # what it did not read any more
        pass
    return list(_frames(answer))


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        yield data[3], data[9 : 9 + size]
        data = data[9 + size :]


@pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
def test_a_flood_ends_its_connection_long_before_it_is_read(flood: bytes) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
            answered = await said(g, flood)
            (farewell,) = [payload for kind, payload in answered if kind == GOAWAY]
            assert int.from_bytes(farewell[4:8], "big") == ENHANCE_YOUR_CALM
            answers = len([kind for kind, _ in answered if kind in (PING, RST, SETTINGS)])
            assert answers < 2 * NUISANCES + SPARE_UPDATES + 500  # one slice more, at the most
            await eventually(lambda: not g.worker.connections)

    scenario()


BROKEN = {
    "CONTINUATION without end": frame(HEADERS, ENDED, 1, head()) + frame(CONTINUATION, 0, 1) * 20_000,
    "something between HEADERS and CONTINUATION": frame(HEADERS, ENDED, 1, head()) + frame(PING, 0, 0, b"x" * 8),
    "an even stream": request(2),
    "a stream before": request(5) + request(3),
    "data for nobody": frame(DATA, ENDED, 1, b"x"),
    "no window at all": frame(WINDOW, 0, 0, b"\0\0\0\0"),
    "more data than announced": frame(HEADERS, END_HEADERS, 1, head((b"content-length", b"3"), method=b"POST"))
    + frame(DATA, ENDED, 1, b"abcde"),
    "less data than announced": frame(HEADERS, END_HEADERS, 1, head((b"content-length", b"5"), method=b"POST"))
    + frame(DATA, ENDED, 1, b"abc"),
    "a path in trailers": request(1, ended=False) + frame(HEADERS, ENDED | END_HEADERS, 1, b"\x00\x05:path\x02/b"),
    "trailers that go on": request(1, ended=False) + frame(HEADERS, END_HEADERS, 1, b"\x00\x01x\x01y"),
    "a line end in a value": frame(HEADERS, ENDED | END_HEADERS, 1, head((b"x", b"a\r\nb: c"))),
    "padding larger than the frame": request(1, ended=False) + frame(DATA, 9, 1, b"\xffab"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=list(BROKEN))
def test_what_breaks_the_protocol_ends_the_connection_with_one_reason(data: bytes) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
            (farewell,) = [payload for kind, payload in await said(g, data) if kind == GOAWAY]
            assert int.from_bytes(farewell[4:8], "big") == PROTOCOL_ERROR
            assert [seen for seen in backend.seen if seen.body] == []
            await eventually(lambda: not g.worker.connections)

    scenario()


@pytest.mark.parametrize("end", [FLOODS["pings"], frame(WINDOW, 0, 0, b"\0\0\0\0")], ids=["a flood", "an error"])
def test_a_connection_that_is_ended_cancels_what_it_asked_for(end: bytes) -> None:
    async def never(seen: Seen, wire: Wire) -> None:
        await wire.reader.read()

    @on_loop
    async def scenario() -> None:
        served = OneUpstream("")
        async with Backend(never) as backend, gate(served) as g:
            served.url = backend.url
            peer = await g.connect()
            await peer.send(START + request(1) + request(3))
            await eventually(lambda: len(backend.seen) == 2)
            peer.writer.write(end)
            await eventually(lambda: served.released == 2 and not g.worker.connections)
            (pool,) = g.worker.upstreams.reading()
            assert pool["in_flight"] == 0

    scenario()


@on_loop
async def test_window_updates_for_what_was_sent_are_no_flood() -> None:
    async def large(seen: Seen, wire: Wire) -> None:
        await wire.reply(200, b"x" * 40_000_000)

    async with Backend(large) as backend, gate(OneUpstream(backend.url)) as g, library(g) as client:
        reply = await client.get("/a")
        assert len(reply.content) == 40_000_000


def test_a_key_counts_over_http_2_as_well(tmp_path: Path) -> None:
    made = 0
    may_answer = asyncio.Event()

    async def make(seen: Seen, wire: Wire) -> None:
        nonlocal made
        made += 1
        await may_answer.wait()
        await wire.reply(201, b"made")

    @on_loop
    async def scenario() -> None:
        nonlocal may_answer
        may_answer = asyncio.Event()
        key = {"Idempotency-Key": "key-1"}
        async with Backend(make) as backend, gate(table(backend.url), state_dir=tmp_path) as g:
            async with library(g) as client:
                first = asyncio.create_task(client.post("/a", headers=key, content=b"abc"))
                await eventually(lambda: made == 1)
                first.cancel()  # and its stream is reset
                with pytest.raises(asyncio.CancelledError):
                    await first
            may_answer.set()
            await eventually(lambda: not g.worker.connections)  # somebody waited for the answer
            async with library(g) as client:
                again = await client.post("/a", headers=key, content=b"abc")
                assert (again.status_code, again.content, again.headers["idempotency-replayed"]) == (
                    201,
                    b"made",
                    "true",
                )
                other = await client.post("/a", headers=key, content=b"abd")
                assert other.status_code == 422
        assert made == 1

    scenario()

"""HTTP/2 as clients speak it, a library's client and frames by hand; behind it stands the same line as for HTTP/1.1."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from gateway.http2 import MAX_STREAMS, NUISANCES
from gateway.streams import MOST_WAITING
from tests.backends import Backend, Seen, Wire, echo
from tests.unit.gateway.test_upstream import unused_port
from tests.wire import Gate, OneUpstream, Route, eventually, gate, on_loop

GET = [(":method", "GET"), (":path", "/a?b=c"), (":scheme", "http"), (":authority", "h")]


class Client:
    """Frames by hand: what a library's client would not send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
        self.reader, self.writer = reader, writer
        self.events: list[Event] = []
        self.h2.initiate_connection()

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def ask(self, headers: list[tuple[str, str]], body: bytes = b"", *, end: bool = True) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=end and not body)
        if body:
            self.h2.send_data(stream, body, end_stream=end)
        await self.flush()
        return stream

    async def until(self, *kinds: type[Event], stream: int | None = None) -> Event:
        """The next event of a kind; everything that came is kept in `events`."""
        while True:
            for event in self.events:
                if isinstance(event, kinds) and stream in (None, getattr(event, "stream_id", None)):
                    return event
            data = await asyncio.wait_for(self.reader.read(65536), 5)
            if not data:
                raise ConnectionError("the gateway closed")
            self.events += self.h2.receive_data(data)
            await self.flush()

    def status(self, stream: int) -> int:
        (head,) = [e for e in self.events if isinstance(e, ResponseReceived) and e.stream_id == stream]
        return int(dict(head.headers or [])[":status"])


@asynccontextmanager
async def client(g: Gate) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", g.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def library(g: Gate, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client that knows beforehand that HTTP/2 is spoken."""
    async with httpx.AsyncClient(
        http1=False, http2=True, trust_env=False, base_url=f"http://127.0.0.1:{g.port}", **options
    ) as made:
        yield made


@on_loop
async def test_a_get_and_a_post_go_through() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g, library(g) as http:
        read = await http.get("/a", params={"b": "c"}, headers={"X-Thing": "1"})
        made = await http.post("/a", content=b"x" * 200_000)
        assert (read.http_version, read.status_code, made.status_code) == ("HTTP/2", 200, 200)
        assert (backend.seen[0].target, backend.seen[1].body) == ("/a?b=c", b"x" * 200_000)
        assert backend.seen[0].get("X-Thing") == "1"
        assert "connection" not in read.headers
        assert len(read.headers["X-Request-Id"]) == 32
        assert len(g.worker.connections) == 1


@on_loop
async def test_many_streams_share_a_connection() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g, library(g) as http:
        answers = await asyncio.gather(*(http.get(f"/a?n={n}") for n in range(80)))
        assert [answer.status_code for answer in answers] == [200] * 80
        assert {seen.target for seen in backend.seen} == {f"/a?n={n}" for n in range(80)}
        assert len(g.worker.connections) == 1


@on_loop
async def test_a_refusal_is_the_same_problem() -> None:
    async with gate(OneUpstream(f"http://127.0.0.1:{unused_port()}")) as g, library(g) as http:
        answer = await http.get("/a")
        assert (answer.status_code, answer.headers["Content-Type"]) == (502, "application/problem+json")
        assert answer.json()["code"] == "UPSTREAM_UNREACHABLE"
        assert (await http.get("/a//b")).status_code == 400
        assert (await http.request("BREW", "/a")).status_code == 501


@on_loop
async def test_a_body_is_validated_before_it_is_sent() -> None:
    table = OneUpstream("http://unused", Route(validates_body=True, max_body_bytes=10))
    async with gate(table) as g, library(g) as http:
        assert (await http.post("/a", content=b"x" * 100)).status_code == 413


@on_loop
async def test_a_head_has_no_body() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g, library(g) as http:
        answer = await http.head("/a")
        assert (answer.status_code, answer.content) == (200, b"")


@on_loop
async def test_a_slow_reader_holds_the_upstream_back() -> None:
    total = 4_000_000

    async def large(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        await wire.send(b"x" * total)

    async with Backend(large) as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
        stream = await c.ask(GET)
        await c.until(ResponseReceived, stream=stream)
        await asyncio.sleep(0.2)
        (connection,) = g.worker.connections
        waiting = max(len(s._waiting) for s in connection.streams.values())  # type: ignore[attr-defined]
        assert waiting < MOST_WAITING + 600_000, "what the upstream sent before it was held back"
        received = 0
        while received < total:
            for event in c.events:
                if isinstance(event, DataReceived):
                    received += len(event.data or b"")
                    c.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            c.events.clear()
            await c.flush()
            if received < total:
                c.events += c.h2.receive_data(await asyncio.wait_for(c.reader.read(65536), 5))
        assert received == total


@on_loop
async def test_a_client_that_resets_its_stream_cancels_the_upstream() -> None:
    gone = asyncio.Event()

    async def slow(seen: Seen, wire: Wire) -> None:
        await wire.reader.read()
        gone.set()

    async with Backend(slow) as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
        stream = await c.ask(GET)
        await eventually(lambda: len(backend.seen) == 1)
        c.h2.reset_stream(stream)
        await c.flush()
        await asyncio.wait_for(gone.wait(), 5)
        backend.handler = echo
        again = await c.ask(GET)
        await c.until(StreamEnded, stream=again)
        assert c.status(again) == 200


@pytest.mark.parametrize("kind", ["reset", "ping", "settings"])
def test_frames_that_ask_nothing_end_the_connection(kind: str) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
            await c.flush()
            with pytest.raises((ConnectionError, ConnectionResetError)):
                for _ in range(NUISANCES + 50):
                    if kind == "reset":
                        c.h2.reset_stream(await c.ask(GET))
                    elif kind == "ping":
                        c.h2.ping(b"12345678")
                    else:
                        c.h2.update_settings({4: 65535})
                    await c.flush()
                await c.until(type("Never", (Event,), {}))
            (end,) = [event for event in c.events if isinstance(event, ConnectionTerminated)]
            assert end.error_code == ErrorCodes.ENHANCE_YOUR_CALM
            await eventually(lambda: not g.worker.connections)

    scenario()


@on_loop
async def test_more_streams_than_agreed_are_an_error() -> None:
    async def never(seen: Seen, wire: Wire) -> None:
        await wire.reader.read()

    async with Backend(never) as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
        await c.flush()
        with pytest.raises((ConnectionError, ConnectionResetError)):
            for _ in range(MAX_STREAMS + 1):
                await c.ask(GET)
            await c.until(type("Never", (Event,), {}))


ODD = {
    "no path": [(":method", "GET"), (":scheme", "http"), (":authority", "h")],
    "connection": [*GET, ("connection", "close")],
    "transfer-encoding": [*GET, ("transfer-encoding", "chunked")],
    "upper case": [*GET, ("X-Thing", "1")],
    "pseudo behind": [*GET[:3], ("x", "1"), GET[3]],
}


@pytest.mark.parametrize("headers", ODD.values(), ids=list(ODD))
def test_malformed_heads_are_refused_and_never_forwarded(headers: list[tuple[str, str]]) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
            c.h2.config.normalize_outbound_headers = False
            try:
                stream = await c.ask(headers)
                await c.until(StreamEnded, StreamReset, ConnectionTerminated)
                assert not [e for e in c.events if isinstance(e, ResponseReceived)] or c.status(stream) >= 400
            except ConnectionError:
                pass
            assert backend.seen == []

    scenario()


REFUSED = {
    "two authorities": [*GET, ("host", "other")],
    "control": [*GET, ("x-thing", "a\x01b")],
    "underscores": [*GET, ("weighbridge_application", "me")],
    "length": [*GET, ("content-length", "1, 1")],
    "a length and no body": [*GET, ("content-length", "5")],
    "a name that is no token": [*GET, ("x(thing)", "1")],
    "a scheme that is none": [*GET[:2], (":scheme", "ht tp"), GET[3]],
    "a scheme of others": [*GET[:2], (":scheme", "ftp"), GET[3]],
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=list(REFUSED))
def test_what_http_1_would_refuse_is_refused(headers: list[tuple[str, str]]) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
            try:
                stream = await c.ask(headers)
                await c.until(StreamEnded, StreamReset, ConnectionTerminated)
                assert not [e for e in c.events if isinstance(e, ResponseReceived)] or c.status(stream) == 400
            except ConnectionError:
                pass
            assert backend.seen == []

    scenario()


@on_loop
async def test_cookie_crumbs_become_one_field() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
        stream = await c.ask([*GET, ("cookie", "a=1"), ("cookie", "b=2")])
        await c.until(StreamEnded, stream=stream)
        assert backend.seen[0].get("Cookie") == "a=1; b=2"


@on_loop
async def test_a_body_that_stops_coming_is_a_408() -> None:
    async with (
        Backend() as backend,
        gate(OneUpstream(backend.url, Route(validates_body=True)), body_idle_seconds=0.1) as g,
        client(g) as c,
    ):
        stream = await c.ask([(":method", "POST"), *GET[1:]], b"half", end=False)
        await c.until(StreamEnded, stream=stream)
        assert c.status(stream) == 408


@on_loop
async def test_an_upstream_that_dies_in_mid_reply_resets_the_stream() -> None:
    async def half(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await asyncio.sleep(0.02)
        wire.close()

    async with Backend(half) as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
        stream = await c.ask(GET)
        assert isinstance(await c.until(StreamReset, StreamEnded, stream=stream), StreamReset)


@on_loop
async def test_a_drain_lets_streams_finish_and_says_goodbye() -> None:
    release = asyncio.Event()

    async def wait(seen: Seen, wire: Wire) -> None:
        await release.wait()
        await echo(seen, wire)

    async with Backend(wait) as backend, gate(OneUpstream(backend.url)) as g, client(g) as c:
        stream = await c.ask(GET)
        await eventually(lambda: len(backend.seen) == 1)
        drained = asyncio.create_task(g.listener.drain())
        await asyncio.sleep(0.05)
        release.set()
        await c.until(StreamEnded, stream=stream)
        assert c.status(stream) == 200
        await drained
        assert [e for e in c.events if isinstance(e, ConnectionTerminated)] or (await c.reader.read()) is not None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(("offers_http2", "spoken"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
def test_over_tls_the_client_chooses(certificate: Path, offers_http2: bool, spoken: str) -> None:
    @on_loop
    async def scenario() -> None:
        async with Backend() as backend, gate(OneUpstream(backend.url), tls_certificate=certificate) as g:
            trusted = ssl.create_default_context(cafile=str(certificate))
            async with httpx.AsyncClient(http2=offers_http2, verify=trusted, trust_env=False) as http:
                answer = await http.get(f"https://localhost:{g.port}/a")
            assert (answer.http_version, answer.status_code) == (spoken, 200)
            assert backend.seen[0].get("X-Forwarded-Proto") == "https"

    scenario()


@on_loop
async def _unfinished(certificate: Path) -> None:
    async with gate(OneUpstream("http://unused"), tls_certificate=certificate, head_seconds=0.2) as g:
        peer = await g.connect()
        await peer.send(b"\x16\x03\x01")
        assert await asyncio.wait_for(peer.rest(), 5) == b""


def test_a_handshake_has_as_long_as_a_head(certificate: Path) -> None:
    _unfinished(certificate)

"""The wire under pressure: streaming, back-pressure, aborts, and a drain that drops nobody."""

import asyncio
import socket
import struct
import time

import pytest

from policies.model.contract import Upstream
from policies.traffic import Exchange, Problem
from tests.backends import Backend, Seen, Wire, echo
from tests.wire import Gate, OneUpstream, Peer, Route, eventually, gate, on_loop

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
MEGABYTE = 1_048_576


def buffered(g: Gate) -> int:
    """Bytes the gateway's own buffers hold for its clients and upstreams."""
    client = sum(c._transport.get_write_buffer_size() for c in g.worker.connections if c._transport)  # type: ignore[attr-defined]
    return client + sum(line.transport.get_write_buffer_size() for line in g.worker.upstreams.busy if line.transport)


async def stalled(progress: list[int]) -> int:
    """Wait until nothing moves any more; returns how far it got."""
    before = -1
    while progress[0] != before:
        before = progress[0]
        await asyncio.sleep(0.2)
    return before


@on_loop
async def test_a_reply_streams_while_it_is_made() -> None:
    next_piece = asyncio.Event()

    async def pieces(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        await next_piece.wait()
        await wire.send(b"def")

    async with Backend(pieces) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        await peer.send(GET)
        await peer.reader.readuntil(b"\r\n\r\n")
        assert await peer.reader.readexactly(3) == b"abc"
        next_piece.set()
        assert await peer.reader.readexactly(3) == b"def"
        assert (await peer.ask(GET)).body == b"abcdef"


@on_loop
async def test_a_request_streams_while_it_is_sent() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(seen: Seen, wire: Wire) -> None:
        for _ in range(2):
            arrived.put_nowait(await wire.reader.readexactly(3))
        await wire.reply(200, b"done")

    async with Backend(read, read_body=False) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        await peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        assert await arrived.get() == b"abc"
        await peer.send(b"def")
        assert await arrived.get() == b"def"
        assert (await peer.reply()).body == b"done"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_bodies_arrive_whole_in_both_directions(framing: str) -> None:
    body = bytes(range(256)) * 20_000

    async def mirror(seen: Seen, wire: Wire) -> None:
        if framing == "length":
            await wire.reply(200, seen.body)
        else:
            await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(seen.body), 70_001):
                piece = seen.body[at : at + 70_001]
                await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await wire.send(b"0\r\n\r\n")

    @on_loop
    async def scenario() -> None:
        async with Backend(mirror) as backend, gate(OneUpstream(backend.url)) as g:
            peer = await g.connect()
            if framing == "length":
                head, sent = b"Content-Length: %d" % len(body), body
            else:
                pieces = [body[at : at + 99_991] for at in range(0, len(body), 99_991)]
                sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
                head = b"Transfer-Encoding: chunked"
            for _ in range(2):
                sending = asyncio.create_task(peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n" + sent))
                assert (await peer.reply()).body == body
                await sending
            assert backend.connections == 1

    scenario()


@on_loop
async def test_a_slow_reader_holds_the_upstream_back() -> None:
    sent = [0]

    async def flood(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MEGABYTE))
        for _ in range(64 * 16):
            await wire.send(b"x" * 65_536)
            sent[0] += 65_536

    async with Backend(flood) as backend, gate(OneUpstream(backend.url)) as g:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", g.port))
            await loop.sock_sendall(client, GET)
            reached = await stalled(sent)
            assert reached < 64 * MEGABYTE
            assert buffered(g) < MEGABYTE
            received = 0
            while received < 64 * MEGABYTE:
                received += len(await loop.sock_recv(client, MEGABYTE))
            assert sent[0] == 64 * MEGABYTE


@on_loop
async def test_a_slow_upstream_holds_the_client_back() -> None:
    read_on = asyncio.Event()

    async def slow(seen: Seen, wire: Wire) -> None:
        await read_on.wait()
        await wire.reader.readexactly(64 * MEGABYTE)
        await wire.reply(200, b"done")

    sent = [0]

    async def flood(peer: Peer) -> None:
        await peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (64 * MEGABYTE))
        for _ in range(64 * 16):
            await peer.send(b"x" * 65_536)
            sent[0] += 65_536

    async with Backend(slow, read_body=False) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        flooding = asyncio.create_task(flood(peer))
        reached = await stalled(sent)
        assert reached < 64 * MEGABYTE
        assert buffered(g) < MEGABYTE
        read_on.set()
        await flooding
        assert (await peer.reply()).body == b"done"


@on_loop
async def test_a_client_that_pipelines_without_reading_is_not_read_for_ever() -> None:
    answered = [0]

    async def answer(seen: Seen, wire: Wire) -> None:
        answered[0] += 1
        await wire.reply(200, b"x" * 65_536)

    async with Backend(answer) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        peer.writer.write(GET * 20_000)
        assert await stalled(answered) < 1000
        assert buffered(g) < MEGABYTE


@on_loop
async def test_a_client_that_goes_away_ends_the_work_upstream() -> None:
    async def never(seen: Seen, wire: Wire) -> None:
        await wire.reader.readexactly(1)

    table = OneUpstream("")
    async with Backend(never) as backend, gate(table) as g:
        table.url = backend.url
        for reset in (False, True):
            backend.lost.clear()
            peer = await g.connect()
            await peer.send(GET)
            await eventually(lambda: len(backend.seen) == 1 + reset)  # noqa: B023
            if reset:
                sock = peer.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            await backend.lost.wait()
        await eventually(lambda: table.released == 2)
        (pool,) = g.worker.upstreams.reading()
        assert (pool["in_flight"], pool["failures"]) == (0, 0)
        assert g.worker.telemetry.aborted == 2


@on_loop
async def test_a_client_that_goes_away_in_mid_body_ends_the_work_upstream() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        await peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        await eventually(lambda: backend.connections == 1)
        peer.close()
        await backend.lost.wait()
        assert backend.seen == []


@on_loop
async def test_an_early_reply_ends_the_request() -> None:
    async def impatient(seen: Seen, wire: Wire) -> None:
        await wire.reply(413, b"enough", ("Connection", "close"))

    async with Backend(impatient, read_body=False) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        await peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc")
        reply = await peer.reply()
        assert (reply.status, reply.body, reply.get("Connection")) == (413, b"enough", b"close")
        assert await peer.rest() == b""


def judging(url: str, judge: object) -> OneUpstream:
    return OneUpstream(url, judges=True, on_response=judge)  # type: ignore[arg-type]


@on_loop
async def test_a_reply_is_held_back_until_it_is_judged() -> None:
    judged: list[bytes] = []

    def judge(exchange: Exchange, status: int, headers: object, body: bytes) -> Problem | None:
        judged.append(body)
        bad = b"bad" in body
        return Problem(status=502, slug="response-invalid", title="t", detail="no leak") if bad else None

    async def reply(seen: Seen, wire: Wire) -> None:
        await wire.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + seen.target[1:].encode() + b"\r\n"
        )
        await asyncio.sleep(0.02)
        await wire.send(b"3\r\n!!!\r\n0\r\n\r\n")

    async with Backend(reply) as backend, gate(judging(backend.url, judge)) as g:
        peer = await g.connect()
        fine = await peer.ask(b"GET /fin HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (fine.status, fine.get("Content-Length"), fine.body) == (200, b"6", b"fin!!!")
        bad = await peer.ask(b"GET /bad HTTP/1.1\r\nHost: h\r\n\r\n")
        assert bad.status == 502
        assert b"bad!!!" not in bad.body
        assert judged == [b"fin!!!", b"bad!!!"]
        assert backend.connections == 1


@on_loop
async def test_a_reply_too_large_to_be_judged_streams_and_is_counted() -> None:
    async def large(seen: Seen, wire: Wire) -> None:
        if seen.target == "/known":
            await wire.reply(200, b"x" * 2000)
        else:
            await wire.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 900)
            await asyncio.sleep(0.02)
            await wire.send(b"x" * 1100)
            wire.close()

    def judge(*_: object) -> None:
        raise AssertionError("must not be asked")

    async with Backend(large) as backend, gate(judging(backend.url, judge), max_judged_response_bytes=1000) as g:
        for target in (b"/known", b"/open"):
            reply = await g.ask(GET.replace(b"/a", target))
            assert (reply.status, reply.body) == (200, b"x" * 2000)
        assert g.worker.telemetry.series(("yard", "1", "anything")).unevaluated["response"] == 2


@on_loop
async def test_a_drain_finishes_what_is_under_way() -> None:
    finish = asyncio.Event()

    async def download(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        await finish.wait()
        await wire.send(b"def")

    async with Backend(download) as backend, gate(OneUpstream(backend.url), drain_seconds=10) as g:
        busy, waiting, idle = await g.connect(), await g.connect(), await g.connect()
        await busy.send(GET)
        await busy.reader.readuntil(b"\r\n\r\nabc")  # a request id may hold abc
        await waiting.send(GET)
        await eventually(lambda: len(backend.seen) == 2)
        draining = asyncio.create_task(g.listener.drain())
        await eventually(lambda: g.worker.draining)
        with pytest.raises(OSError):
            await (await g.connect()).ask(GET)
        finish.set()
        assert await busy.reader.readexactly(3) == b"def"
        assert await busy.rest() == b""
        reply = await waiting.reply()
        assert reply.body == b"abcdef"
        assert await waiting.rest() == b""
        assert await idle.rest() == b""
        await draining


@on_loop
async def test_a_drain_answers_those_who_had_already_knocked() -> None:
    """The kernel accepts for us; a listener that closes resets whoever it has not handed over."""
    async with Backend() as backend, gate(OneUpstream(backend.url), drain_seconds=5) as gateway:
        callers = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(20)]  # the loop does not turn
        for caller in callers:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        draining = asyncio.create_task(gateway.listener.drain())
        await asyncio.sleep(0.05)
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            async with asyncio.timeout(0.1):
                await gateway.connect()
        for caller in callers:
            reply = await asyncio.to_thread(caller.recv, 4096)
            assert reply.startswith(b"HTTP/1.1 200")
            assert b"Connection: close" in reply
            caller.close()
        await draining


@on_loop
async def test_a_drain_tells_kept_connections_to_close() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        assert (await peer.ask(GET)).get("Connection") is None
        draining = asyncio.create_task(g.listener.drain())
        await eventually(lambda: g.worker.draining)
        reply = await peer.ask(GET)  # no reset for a client that was just about to ask
        assert (reply.status, reply.get("Connection")) == (200, b"close")
        assert await peer.rest() == b""
        await draining


@on_loop
async def test_a_drain_ends_in_time() -> None:
    async def never(seen: Seen, wire: Wire) -> None:
        await wire.reader.readexactly(1)

    async with Backend(never) as backend, gate(OneUpstream(backend.url), drain_seconds=0.3) as g:
        peer = await g.connect()
        await peer.send(GET)
        await eventually(lambda: len(backend.seen) == 1)
        began = time.monotonic()
        await g.listener.drain()
        assert time.monotonic() - began < 5
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await peer.reply()


@on_loop
async def test_swapping_tables_under_load_drops_nobody() -> None:
    async with Backend() as one, Backend() as two, gate(OneUpstream(one.url)) as g:
        stop = asyncio.Event()
        answered = [0]

        async def client() -> None:
            peer = await g.connect()
            while not stop.is_set():
                assert (await peer.ask(GET)).status == 200
                answered[0] += 1

        clients = [asyncio.create_task(client()) for _ in range(8)]
        for turn in range(40):
            g.worker.table = OneUpstream((one, two)[turn % 2].url, spec=Upstream(url="", max_concurrent=64))
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*clients)
        assert answered[0] == len(one.seen) + len(two.seen)
        assert one.seen
        assert two.seen


@on_loop
async def test_slow_clients_do_not_outlive_their_time() -> None:
    async def flood(seen: Seen, wire: Wire) -> None:
        await wire.reply(200, b"x" * 32 * MEGABYTE)

    async with Backend(flood) as backend, gate(OneUpstream(backend.url), body_idle_seconds=0.3) as g:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", g.port))
            await loop.sock_sendall(client, GET)
            await eventually(lambda: g.worker.telemetry.aborted == 1)
            assert len(g.worker.connections) == 0


@on_loop
async def test_an_echo_after_many_kinds_of_traffic_leaves_nothing_behind() -> None:
    table = OneUpstream("", Route(validates_body=True))
    async with Backend(echo) as backend, gate(table) as g:
        table.url = backend.url
        for data in (GET, b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok", b"GET /.. HTTP/1.1\r\n\r\n"):
            for _ in range(20):
                await g.ask(data)
        for peer in g.peers:
            peer.close()
        await eventually(lambda: not g.worker.connections)
        assert not g.worker.upstreams.busy
        assert table.released == 40

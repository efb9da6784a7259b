"""Pools and lines, seen through one forwarding route: what becomes of an upstream's faults."""

import asyncio
import errno
import json
import select
import socket
import threading
from dataclasses import replace

import pytest
import structlog

from gateway.line import MAX_REPLY_HEAD
from gateway.names import Names
from gateway.upstream import EJECT_SECONDS, FAILURES_TO_EJECT, FIRST_WINDOW, NEW_SECONDS, Address
from policies.model.contract import Upstream
from tests.backends import Backend, Seen, Wire, echo
from tests.wire import Gate, OneUpstream, Reply, Route, eventually, gate, on_loop

CLOSE = b"Connection: close\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"


def slug(reply: Reply) -> str:
    return str(json.loads(reply.body)["type"].rpartition("/")[2])


def spec(**limits: float) -> Upstream:
    return Upstream(url="", **limits)  # type: ignore[arg-type]


async def never(seen: Seen, wire: Wire) -> None:
    await wire.reader.read()


async def endless(seen: Seen, wire: Wire) -> None:
    """More than any buffer between a backend and a client takes."""
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(1000):
        await wire.send(b"x" * 1_000_000)


def reading(g: Gate) -> dict[str, int]:
    (pool,) = g.worker.upstreams.reading()
    return {name: value for name, value in pool.items() if name != "upstream"}


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_an_address_is_taken_apart_once() -> None:
    plain = Address("http://wms.example:8080/api/v1/")
    assert (plain.host, plain.port, plain.tls, plain.authority, plain.base) == (
        "wms.example", 8080, False, b"wms.example:8080", b"/api/v1",
    )  # fmt: skip
    secure = Address("https://user:secret@wms.example")
    assert (secure.port, secure.tls, secure.authority, secure.base) == (443, True, b"wms.example", b"")
    assert Address("http://[::1]:80").host == "::1"


@on_loop
async def test_the_base_path_of_an_upstream_stands_before_the_path() -> None:
    async with Backend() as backend, gate(OneUpstream(f"{backend.url}/base/v1")) as g:
        assert (await g.ask(GET.replace(b"/a", b"/a?b=c"))).status == 200
        assert backend.seen[0].target == "/base/v1/a?b=c"


@on_loop
async def test_connections_to_one_upstream_are_shared_by_clients() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        for _ in range(3):
            assert (await g.ask(GET)).status == 200
        assert backend.connections == 1
        assert reading(g) == {
            "in_flight": 0, "idle": 1, "connects": 1, "failures": 0, "retries": 0, "refusals": 0, "ejected": 0,
        }  # fmt: skip


@on_loop
async def test_an_upstream_that_refuses_is_a_502() -> None:
    async with gate(OneUpstream(f"http://127.0.0.1:{unused_port()}")) as g:
        peer = await g.connect()
        reply = await peer.ask(GET)
        assert (reply.status, slug(reply)) == (502, "upstream-unreachable")
        assert json.loads(reply.body)["retryable"] is True
        assert (await peer.ask(POST)).status == 502


@on_loop
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_the_door_for_operators_is_nobodys_upstream(host: str) -> None:
    async with Backend() as backend:
        port = int(backend.url.rpartition(":")[2])
        async with gate(OneUpstream(f"http://{host}:{port}"), admin_port=port) as g:
            assert slug(await g.ask(GET)) == "upstream-unreachable"
        assert backend.seen == []


@on_loop
async def test_an_upstream_whose_name_is_unknown_is_a_502() -> None:
    async with gate(OneUpstream("http://no-such-host.invalid:1")) as g:
        assert slug(await g.ask(GET)) == "upstream-unreachable"


@on_loop
async def test_an_upstream_that_does_not_accept_is_a_504() -> None:
    with socket.socket() as full:  # a full accept queue: further SYNs are dropped
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        try:
            async with gate(OneUpstream(f"http://127.0.0.1:{address[1]}", spec=spec(connect_timeout=0.1))) as g:
                reply = await g.ask(GET)
                assert (reply.status, slug(reply)) == (504, "upstream-timeout")
        finally:
            for filler in fillers:
                filler.close()


@pytest.mark.parametrize("limits", [{"first_byte_timeout": 0.1}, {"total_timeout": 0.1}])
def test_an_upstream_that_does_not_answer_is_a_504(limits: dict[str, float]) -> None:
    async def silent(seen: Seen, wire: Wire) -> None:
        await wire.reader.read()

    @on_loop
    async def scenario() -> None:
        async with Backend(silent) as backend, gate(OneUpstream(backend.url, spec=spec(**limits))) as g:
            peer = await g.connect()
            reply = await peer.ask(GET)
            assert (reply.status, slug(reply)) == (504, "upstream-timeout")
            assert (reading(g)["in_flight"], reading(g)["failures"]) == (0, 1)
            backend.handler = echo
            assert (await peer.ask(GET)).status == 200

    scenario()


@on_loop
async def test_an_upstream_that_falls_silent_in_mid_reply_breaks_it_off() -> None:
    async def half(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await wire.reader.read()

    async with Backend(half) as backend, gate(OneUpstream(backend.url), upstream_idle_seconds=0.1) as g:
        peer = await g.connect()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await peer.ask(GET)
        assert g.worker.telemetry.aborted == 1


@pytest.mark.parametrize("head", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_upstream_that_dies_in_mid_reply_breaks_it_off(head: bytes) -> None:
    async def half(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n3\r\nabc\r\n")
        await asyncio.sleep(0.02)
        wire.close()

    @on_loop
    async def scenario() -> None:
        async with Backend(half) as backend, gate(OneUpstream(backend.url)) as g:
            for version in (b"1.1", b"1.0"):
                peer = await g.connect()
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await peer.ask(GET.replace(b"1.1", version))
            assert len(backend.seen) == 2  # never asked again
            problems = {labels[0]: n for metric, labels, n in g.worker.telemetry.reading() if metric == "problems"}
            assert problems == {"upstream-unreachable": 2}

    scenario()


ODD = {
    "not HTTP": b"SSH-2.0-OpenSSH\r\n",
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "CL twice": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "TE gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na",
    "TE gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 1\n\na",
    "a huge head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
    "a huge head at once": b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_REPLY_HEAD + b"\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("data", ODD.values(), ids=list(ODD))
def test_an_odd_answer_is_a_502_and_its_connection_is_not_used_again(data: bytes) -> None:
    async def odd(seen: Seen, wire: Wire) -> None:
        await wire.send(data)
        if not data:
            wire.close()

    @on_loop
    async def scenario() -> None:
        async with Backend(odd) as backend, gate(OneUpstream(backend.url)) as g:
            peer = await g.connect()
            reply = await peer.ask(GET)
            assert (reply.status, slug(reply)) == (502, "upstream-unreachable")
            backend.handler = echo
            assert (await peer.ask(GET)).status == 200
            assert backend.connections == 2

    scenario()


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b"poison", b"\r\n"])
def test_what_stands_behind_a_reply_never_meets_the_next_request(extra: bytes) -> None:
    async def generous(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + extra)

    @on_loop
    async def scenario() -> None:
        async with Backend(generous) as backend, gate(OneUpstream(backend.url)) as g:
            peer = await g.connect()
            for _ in range(3):
                assert (await peer.ask(GET)).body == b"good"

    scenario()


@on_loop
async def test_late_bytes_on_a_pooled_connection_close_it() -> None:
    async def late(seen: Seen, wire: Wire) -> None:
        await wire.reply(200, b"good")
        await asyncio.sleep(0.02)
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")

    async with Backend(late) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        assert (await peer.ask(GET)).body == b"good"
        await eventually(lambda: reading(g)["idle"] == 0)
        assert (await peer.ask(GET)).body == b"good"
        assert backend.connections == 2


@on_loop
async def test_a_client_that_does_not_read_is_not_held_against_the_upstream() -> None:
    """Five of them would eject the backend for everybody else."""
    async with Backend(endless) as backend, gate(OneUpstream(backend.url, spec=spec(total_timeout=0.5))) as g:
        peer = await g.connect()
        await peer.send(GET)
        await peer.reader.readexactly(10)
        await eventually(lambda: g.worker.telemetry.aborted == 1)
        assert (reading(g)["failures"], reading(g)["in_flight"]) == (0, 0)


@on_loop
async def test_a_client_that_dawdles_over_its_body_is_not_held_against_the_upstream() -> None:
    async with Backend(read_body=False) as backend, gate(OneUpstream(backend.url, spec=spec(total_timeout=0.3))) as g:
        backend.handler = never
        reply = await g.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        assert (reply.status, slug(reply), reply.get("Connection")) == (408, "request-timeout", b"close")
        assert (reading(g)["failures"], reading(g)["in_flight"]) == (0, 0)


@on_loop
async def test_interim_replies_are_passed_over() -> None:
    async def interim(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.02)
        await wire.reply(201, b"made")

    async with Backend(interim) as backend, gate(OneUpstream(backend.url)) as g:
        reply = await g.ask(POST)
        assert (reply.status, reply.body, reply.get("Link")) == (201, b"made", None)


async def _once_then_hang_up(seen: Seen, wire: Wire) -> None:
    """Answer the first request of a connection; close it when a second one comes, as a restarting backend does."""
    if getattr(wire, "asked", False):
        wire.close()
        return
    wire.asked = True  # type: ignore[attr-defined]
    await echo(seen, wire)


@on_loop
async def test_a_stale_connection_costs_a_get_nothing() -> None:
    async with Backend(_once_then_hang_up) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        for _ in range(3):
            assert (await peer.ask(GET)).status == 200
        assert [seen.connection for seen in backend.seen] == [1, 1, 2, 2, 3]
        assert (reading(g)["retries"], reading(g)["failures"]) == (2, 0)


@on_loop
async def test_a_stale_connection_is_not_tried_again_where_that_is_unsafe() -> None:
    table = OneUpstream("", Route(may_retry=False))
    async with Backend(_once_then_hang_up) as backend, gate(table) as g:
        table.url = backend.url
        peer = await g.connect()
        assert (await peer.ask(POST)).status == 200
        assert slug(await peer.ask(POST)) == "upstream-unreachable"
        assert [seen.connection for seen in backend.seen] == [1, 1]
        assert reading(g)["retries"] == 0


@on_loop
async def test_a_fresh_connection_that_fails_is_not_tried_again() -> None:
    async def hang_up(seen: Seen, wire: Wire) -> None:
        wire.close()

    async with Backend(hang_up) as backend, gate(OneUpstream(backend.url)) as g:
        assert (await g.ask(GET)).status == 502
        assert len(backend.seen) == 1


@on_loop
async def test_a_connection_that_a_backend_closed_is_not_used() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        assert (await peer.ask(POST)).status == 200
        backend.drop_connections()
        await eventually(lambda: reading(g)["idle"] == 0)
        assert (await peer.ask(POST)).status == 200
        assert backend.connections == 2


@on_loop
async def test_retries_have_a_budget() -> None:
    async with Backend(_once_then_hang_up) as backend, gate(OneUpstream(backend.url)) as g:
        peer = await g.connect()
        statuses = [(await peer.ask(GET)).status for _ in range(60)]
        # the credit is 10, every request earns 0.2: most of these would have needed a retry
        assert reading(g)["retries"] <= 10 + 0.2 * 60
        assert statuses.count(502) > 0


@on_loop
async def test_an_upstream_is_not_blamed_for_what_we_ran_out_of() -> None:
    def out_of_files(host: str, port: int) -> tuple[str, ...]:
        raise OSError(errno.EMFILE, "Too many open files")

    async with gate(OneUpstream("http://dock:80")) as g:
        g.worker.upstreams.names = Names(out_of_files)
        for _ in range(2 * FAILURES_TO_EJECT):
            reply = await g.ask(GET)
            assert (reply.status, slug(reply)) == (503, "gateway-exhausted")
        assert (reading(g)["failures"], reading(g)["ejected"], reading(g)["in_flight"]) == (0, 0, 0)


@on_loop
async def test_an_upstream_has_a_bound_of_concurrent_requests() -> None:
    release = asyncio.Event()

    async def wait(seen: Seen, wire: Wire) -> None:
        await release.wait()
        await echo(seen, wire)

    async with Backend(wait) as backend, gate(OneUpstream(backend.url, spec=spec(max_concurrent=2))) as g:
        waiting = [await g.connect(), await g.connect()]
        for peer in waiting:
            await peer.send(GET)
        await eventually(lambda: len(backend.seen) == 2)
        reply = await g.ask(GET)
        assert (reply.status, slug(reply), reply.get("Retry-After")) == (503, "upstream-overloaded", b"1")
        release.set()
        for peer in waiting:
            assert (await peer.reply()).status == 200
        assert (await g.ask(GET)).status == 200
        assert reading(g)["refusals"] == 1


@on_loop
async def test_an_upstream_that_keeps_failing_is_ejected_and_probed() -> None:
    port = unused_port()
    async with gate(OneUpstream(f"http://127.0.0.1:{port}")) as g:
        peer = await g.connect()
        for _ in range(FAILURES_TO_EJECT):
            assert (await peer.ask(GET)).status == 502
        assert (reading(g)["connects"], reading(g)["ejected"]) == (FAILURES_TO_EJECT, 1)
        assert (await peer.ask(GET)).status == 502
        assert (reading(g)["connects"], reading(g)["refusals"]) == (FAILURES_TO_EJECT, 1)  # not even tried
        server = await asyncio.start_server(_answer_ok, "127.0.0.1", port)
        async with server:
            g.worker.upstreams.now += 60.0
            assert (await peer.ask(GET)).status == 200
            assert reading(g)["ejected"] == 0
            g.worker.upstreams.close()


@on_loop
async def test_many_that_fail_together_eject_an_upstream_once() -> None:
    """Each of them would double the time: a hiccup under load would cost half a minute."""
    async with Backend(never) as backend, gate(OneUpstream(backend.url, spec=spec(first_byte_timeout=0.1))) as g:
        peers = [await g.connect() for _ in range(6 * FAILURES_TO_EJECT)]
        for peer in peers:
            await peer.send(GET)
        assert {(await peer.reply()).status for peer in peers} == {504}
        assert reading(g)["ejected"] == 1
        backend.handler = echo
        g.worker.upstreams.now += EJECT_SECONDS[0] + 0.1
        assert (await peers[0].ask(GET)).status == 200


@on_loop
async def test_the_log_says_once_that_an_upstream_is_ejected_and_that_it_answers_again() -> None:
    async with Backend(never) as backend, gate(OneUpstream(backend.url, spec=spec(first_byte_timeout=0.05))) as g:
        peer = await g.connect()
        with structlog.testing.capture_logs() as logs:
            for _ in range(FAILURES_TO_EJECT):
                assert (await peer.ask(GET)).status == 504
            g.worker.upstreams.now += EJECT_SECONDS[0] + 0.1
            assert (await peer.ask(GET)).status == 504  # the probe
            backend.handler = echo
            g.worker.upstreams.now += 60.0
            assert (await peer.ask(GET)).status == 200
            assert (await peer.ask(GET)).status == 200
        told = [(line["event"], line["upstream"]) for line in logs]
        where = backend.url.removeprefix("http://")
        assert told == [("upstream ejected", where), ("upstream answers again", where)]


async def _answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    await writer.drain()
    writer.close()


@on_loop
async def test_pooled_connections_are_let_go_after_a_while() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url), upstream_keepalive_seconds=0.05) as g:
        assert (await g.ask(GET)).status == 200
        await backend.lost.wait()
        assert reading(g)["idle"] == 0


@on_loop
async def test_only_so_many_connections_are_pooled() -> None:
    gathered = asyncio.Barrier(3)

    async def together(seen: Seen, wire: Wire) -> None:
        await gathered.wait()
        await echo(seen, wire)

    async with Backend(together) as backend, gate(OneUpstream(backend.url), upstream_max_idle=1) as g:
        peers = [await g.connect() for _ in range(3)]
        for peer in peers:
            await peer.send(GET)
        for peer in peers:
            assert (await peer.reply()).status == 200
        assert (backend.connections, reading(g)["idle"]) == (3, 1)


@on_loop
async def test_nothing_new_goes_to_an_address_that_an_upstream_has_left() -> None:
    """The upstream keeps its name when its address changes."""
    async with Backend() as old, Backend() as new, gate(OneUpstream(old.url, name="yard/v1/default")) as g:
        peer = await g.connect()
        assert (await peer.ask(GET)).status == 200
        g.worker.table = replace(g.worker.table, url=new.url)
        assert (await peer.ask(GET)).status == 200
        assert (len(old.seen), len(new.seen)) == (1, 1)


@pytest.mark.parametrize("keeps", [True, False], ids=["keep-alive", "one request a connection"])
def test_a_burst_does_not_overflow_the_accept_queue_of_a_small_backend(keeps: bool) -> None:
    """A server that does one thing after the other, with the smallest queue."""
    stop = threading.Event()

    def serve(server: socket.socket) -> None:
        while not stop.is_set():
            try:
                line, _ = server.accept()
            except OSError:
                return
            with line:
                while line.recv(65536):
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nok" % (b"" if keeps else CLOSE))
                    if not keeps or not select.select([line], [], [], 0.02)[0]:
                        break

    @on_loop
    async def scenario() -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(5)
            worker = threading.Thread(target=serve, args=(server,))
            worker.start()
            try:
                async with gate(OneUpstream(f"http://127.0.0.1:{server.getsockname()[1]}")) as g:
                    peers = [await g.connect() for _ in range(60)]
                    for peer in peers:
                        await peer.send(GET)
                    assert [(await peer.reply()).status for peer in peers] == [200] * 60
                    assert reading(g)["in_flight"] == 0
            finally:
                stop.set()
                server.shutdown(socket.SHUT_RDWR)
                worker.join()

    scenario()


@on_loop
async def test_new_connections_are_counted_until_they_answer() -> None:
    hold = asyncio.Event()

    async def wait(seen: Seen, wire: Wire) -> None:
        await hold.wait()
        await echo(seen, wire)

    async with Backend(wait) as backend, gate(OneUpstream(backend.url)) as g:
        peers = [await g.connect() for _ in range(40)]
        for peer in peers:
            await peer.send(GET)
        await eventually(lambda: len(backend.seen) == FIRST_WINDOW)
        await asyncio.sleep(0.05)
        assert len(backend.seen) == FIRST_WINDOW, "nobody else is let in before somebody was answered"
        hold.set()
        assert [(await peer.reply()).status for peer in peers] == [200] * 40
        (pool,) = g.worker.upstreams._pools.values()
        assert (pool.window + pool.unproven, reading(g)["in_flight"]) == (FIRST_WINDOW + backend.connections, 0)
        peers[0].close()
        backend.drop_connections()
        await eventually(lambda: reading(g)["idle"] == 0)
        assert pool.unproven == 0


@on_loop
async def test_whoever_waits_for_an_upstream_that_is_ejected_is_told_at_once() -> None:
    async with gate(OneUpstream(f"http://127.0.0.1:{unused_port()}")) as g:
        peers = [await g.connect() for _ in range(30)]
        for peer in peers:
            await peer.send(GET)
        assert [(await peer.reply()).status for peer in peers] == [502] * 30
        assert reading(g)["in_flight"] == 0
        assert reading(g)["connects"] < 30


@on_loop
async def test_a_client_that_leaves_while_it_waits_for_a_connection_costs_nothing() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url)) as g:
        peers = [await g.connect() for _ in range(20)]
        for peer in peers:
            await peer.send(GET)
        for peer in peers[1:]:
            peer.close()
        assert (await peers[0].reply()).status == 200
        await eventually(lambda: reading(g)["in_flight"] == 0)
        assert (await g.ask(GET)).status == 200


@on_loop
async def test_slow_answers_on_new_connections_hold_nobody_else_up() -> None:
    hold = asyncio.Event()

    async def some_are_slow(seen: Seen, wire: Wire) -> None:
        if seen.target == "/slow":
            await hold.wait()
        await echo(seen, wire)

    async with Backend(some_are_slow) as backend, gate(OneUpstream(backend.url)) as g:
        slow = [await g.connect() for _ in range(FIRST_WINDOW)]
        for peer in slow:
            await peer.send(GET.replace(b"/a", b"/slow"))
        await eventually(lambda: len(backend.seen) == FIRST_WINDOW)
        async with asyncio.timeout(NEW_SECONDS + 1):
            assert (await g.ask(GET)).status == 200
        hold.set()
        assert [(await peer.reply()).status for peer in slow] == [200] * FIRST_WINDOW

"""What bounds one client: its connections, its pace, how much of it is held; and that nobody else pays for it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx

from policies.traffic import Exchange, Problem
from tests.backends import Backend, Seen, Wire
from tests.wire import OneUpstream, Peer, Reply, Route, eventually, gate, on_loop

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
REFUSED = Problem(status=403, slug="scope-missing", title="t")
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"


def refusing() -> OneUpstream:
    return OneUpstream("http://unused", on_open=lambda exchange: REFUSED)


async def trickle(peer: Peer, pause: float = 0.02, piece: bytes = b"x") -> None:
    while not peer.reader.at_eof():
        try:
            await peer.send(piece)
        except ConnectionError:
            return
        await asyncio.sleep(pause)


# -- connections ------------------------------------------------------------------------------------------------------


@on_loop
async def test_connections_of_one_address_are_bounded() -> None:
    async with gate(refusing(), max_connections_per_address=2) as g:
        one, two, three = await g.connect(), await g.connect(), await g.connect()
        assert (await one.ask(GET)).status == 403
        assert (await two.ask(GET)).status == 403
        assert await gone(three)
        assert g.worker.telemetry.turned_away == 1
        one.close()
        await eventually(lambda: len(g.worker.connections) == 1)
        assert (await g.ask(GET)).status == 403


async def gone(peer: Peer) -> bool:
    try:
        return await peer.rest() == b""
    except ConnectionError:
        return True


@on_loop
async def test_a_connection_that_turns_to_http_2_counts_once() -> None:
    async with gate(refusing(), max_connections_per_address=1) as g:
        for _ in range(3):
            async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
                assert (await client.get(f"http://127.0.0.1:{g.port}/a")).status_code == 403
            await eventually(lambda: not g.worker.connections)


@on_loop
async def test_a_trusted_proxy_has_no_such_bound_and_names_its_clients() -> None:
    async with Backend() as backend:
        settings: dict[str, Any] = {"max_connections_per_address": 1, "trusted_proxies": "127.0.0.0/8"}
        async with gate(OneUpstream(backend.url), **settings) as g:
            peers = [await g.connect() for _ in range(3)]
            for number, peer in enumerate(peers):
                for client in (f"192.0.2.{number}", "192.0.2.99"):  # twice on one connection: not remembered
                    head = f"GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6, {client}\r\n\r\n"
                    assert (await peer.ask(head.encode())).status == 200
                    assert backend.seen[-1].all("X-Forwarded-For") == [client]
            async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
                await client.get(f"http://127.0.0.1:{g.port}/a", headers={"X-Forwarded-For": "192.0.2.77"})
            assert backend.seen[-1].all("X-Forwarded-For") == ["192.0.2.77"]


@on_loop
async def test_the_word_of_anybody_else_is_not_taken() -> None:
    peers: list[str] = []

    def noting(exchange: Exchange) -> Problem:
        peers.append(exchange.peer)
        return REFUSED

    async with gate(OneUpstream("", on_open=noting), trusted_proxies="10.0.0.0/8") as g:
        await g.ask(b"GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
    assert peers == ["127.0.0.1"]


# -- requests ---------------------------------------------------------------------------------------------------------


@on_loop
async def test_the_last_request_of_a_connection_closes_it() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url), max_requests_per_connection=3) as g:
        peer = await g.connect()
        told = [(await peer.ask(GET)).get("Connection") for _ in range(3)]
        assert told == [None, None, b"close"]
        assert await peer.rest() == b""


@on_loop
async def test_the_last_stream_of_a_connection_is_answered() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url), max_requests_per_connection=3) as g:
        async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
            for _ in range(7):
                assert (await client.get(f"http://127.0.0.1:{g.port}/a")).status_code == 200
        assert g.worker.telemetry.accepted == 3


@on_loop
async def test_a_connection_that_asks_too_often_waits_for_the_second_to_end() -> None:
    async with gate(refusing(), max_requests_per_second=10) as g:
        peer = await g.connect()
        began = time.monotonic()
        await peer.send(GET * 25)
        replies = [await peer.reply() for _ in range(25)]
        took = time.monotonic() - began
        assert {reply.status for reply in replies} == {403}
        assert 1.5 < took < 4
        assert (await g.ask(GET)).status == 403  # nobody else waits


@on_loop
async def test_streams_that_come_too_often_wait_for_the_second_to_end() -> None:
    async with gate(refusing(), max_requests_per_second=10) as g:
        async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
            began = time.monotonic()
            for _ in range(25):
                assert (await client.get(f"http://127.0.0.1:{g.port}/a")).status_code == 403
        assert 1.5 < time.monotonic() - began < 4


@on_loop
async def test_a_flood_of_refused_requests_lets_others_in_between() -> None:
    """Each is refused on the spot: without a turn for others the loop would not come back before the last."""
    turns = [0]
    done = asyncio.Event()

    async def others() -> None:
        while not done.is_set():
            turns[0] += 1
            await asyncio.sleep(0)

    async with gate(refusing()) as g:
        peer = await g.connect()
        flood = GET * 1000
        watching = asyncio.create_task(others())
        await eventually(lambda: bool(g.worker.connections))
        (connection,) = g.worker.connections
        turns[0] = 0
        connection.data_received(flood)  # type: ignore[union-attr]
        assert g.worker.telemetry._problems["scope-missing"] == 100
        for _ in range(1000):
            assert (await peer.reply()).status == 403
        assert turns[0] >= 9
        done.set()
        await watching


# -- bodies -----------------------------------------------------------------------------------------------------------


@on_loop
async def test_a_body_that_trickles_is_given_up() -> None:
    async with Backend() as backend:
        for route in (Route(), Route(validates_body=True)):
            table = OneUpstream(backend.url, route)
            async with gate(table, body_grace_seconds=0.3, min_body_rate=500) as g:
                peer = await g.connect()
                await peer.send(POST % 900)
                trickling = asyncio.create_task(trickle(peer))
                reply = await peer.reply()
                assert (reply.status, reply.get("Connection")) == (408, b"close")
                await trickling
        assert backend.seen == []


@on_loop
async def test_a_body_that_comes_at_its_pace_is_taken() -> None:
    async with Backend() as backend, gate(OneUpstream(backend.url), body_grace_seconds=0.3, min_body_rate=500) as g:
        peer = await g.connect()
        await peer.send(POST % 1000)
        for _ in range(10):  # a second in all, twice the rate
            await peer.send(b"x" * 100)
            await asyncio.sleep(0.1)
        assert (await peer.reply()).status == 200


@on_loop
async def test_a_stream_that_trickles_is_given_up() -> None:
    async def body() -> Any:
        for _ in range(100):
            yield b"x"
            await asyncio.sleep(0.02)

    async with (
        Backend() as backend,
        gate(OneUpstream(backend.url), body_grace_seconds=0.3, min_body_rate=500) as g,
        httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client,
    ):
        reply = await client.post(f"http://127.0.0.1:{g.port}/a", content=body())
        assert reply.status_code == 408


@on_loop
async def test_time_in_which_nobody_reads_is_not_the_clients() -> None:
    """An upstream that takes its time to read holds the client back: that is no slow client."""
    read_on = asyncio.Event()

    async def slow(seen: Seen, wire: Wire) -> None:
        await read_on.wait()
        await wire.reader.readexactly(32_000_000)
        await wire.reply(200, b"done")

    async with Backend(slow, read_body=False) as backend:
        limits = {"body_grace_seconds": 0.3, "min_body_rate": 30_000_000, "body_idle_seconds": 0.3}
        async with gate(OneUpstream(backend.url), **limits) as g:
            peer = await g.connect()
            sending = asyncio.create_task(peer.send(POST % 32_000_000 + b"x" * 32_000_000))
            await asyncio.sleep(1.0)
            read_on.set()
            assert (await peer.reply()).body == b"done"
            await sending


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["code"]


@on_loop
async def test_bodies_that_are_held_are_bounded_together() -> None:
    async with Backend() as backend:
        table = OneUpstream(backend.url, Route(validates_body=True, max_body_bytes=100_000))
        async with gate(table, max_held_bytes=150_000) as g:
            first, second = await g.connect(), await g.connect()
            await first.send(POST % 100_000 + b"x" * 99_999)
            await eventually(lambda: g.worker.budget.held == 99_999)
            await second.send(POST % 100_000 + b"x" * 99_999)
            assert code(await second.reply()) == (503, "GATEWAY_EXHAUSTED")
            assert (await g.ask(POST % 16_000 + b"x" * 16_000)).status == 200  # small ones are
            await first.send(b"x")
            assert (await first.reply()).status == 200
            assert g.worker.budget.held == 0
            assert (await g.ask(POST % 100_000 + b"x" * 100_000)).status == 200
            third = await g.connect()
            await third.send(POST % 100_000 + b"x" * 99_999)
            await eventually(lambda: g.worker.budget.held == 99_999)
            third.close()
            await eventually(lambda: g.worker.budget.held == 0)
            assert g.worker.budget.refusals == 1


@on_loop
async def test_where_bodies_are_only_reported_they_stream_instead() -> None:
    async with Backend() as backend:
        table = OneUpstream(backend.url, Route(validates_body=True, blocks_body=False, max_body_bytes=100_000))
        async with gate(table, max_held_bytes=50_000) as g:
            reply = await g.ask(POST % 100_000 + b"x" * 100_000)
            assert (reply.status, len(json.loads(reply.body)["body"])) == (200, 100_000)
            assert g.worker.telemetry.series(("yard", "1", "anything")).unevaluated["request"] == 1
            assert g.worker.budget.held == 0


async def large(seen: Seen, wire: Wire) -> None:
    if seen.target == "/chunked":
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await wire.send(b"%x\r\n%b\r\n" % (400_000, b"x" * 400_000))
        await asyncio.sleep(0.05)
        await wire.send(b"0\r\n\r\n")
    else:
        await wire.reply(200, b"x" * 400_000)


@on_loop
async def test_replies_that_are_held_are_bounded_together() -> None:
    """Nobody takes them: what was judged waits for its client, and still counts."""
    judged = [0]

    def judge(*_: object) -> None:
        judged[0] += 1

    async with Backend(large) as backend:
        table = OneUpstream(backend.url, judges=True, on_response=judge)
        async with gate(table, max_held_bytes=1_000_000) as g:
            peers = [await g.connect() for _ in range(6)]
            for index, peer in enumerate(peers):
                peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await peer.send(GET.replace(b"/a", b"/chunked" if index % 2 else b"/a"))
            await eventually(lambda: len(backend.seen) == 6)
            series = g.worker.telemetry.series(("yard", "1", "anything"))
            await eventually(lambda: judged[0] + series.unevaluated["response"] == 6)
            assert g.worker.budget.held <= 1_000_000
            for peer in peers:
                peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            for peer in peers:
                assert len((await peer.reply()).body) == 400_000
            await eventually(lambda: g.worker.budget.held == 0)
            assert (await g.ask(GET)).status == 200
            assert series.unevaluated["response"] >= 1


@on_loop
async def test_a_stream_gives_back_what_it_held() -> None:
    async with Backend(large) as backend, gate(OneUpstream(backend.url, judges=True)) as g:
        async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
            reply = await client.get(f"http://127.0.0.1:{g.port}/a")
            assert len(reply.content) == 400_000
            async with client.stream("GET", f"http://127.0.0.1:{g.port}/a"):
                pass  # given up with most of it unread
        await eventually(lambda: not g.worker.connections)
        assert g.worker.budget.held == 0

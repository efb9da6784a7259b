"""Clients that are slow, hostile or huge, beside twenty that are not."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.backends import Seen, Wire
from tests.soak import scene
from tests.soak.load import Client, Load
from tests.soak.rig import Counting, Feed, Gateway, measured, running, soak
from tests.unit.gateway.test_connection import HOSTILE

KEY = f"X-API-Key: {scene.key('wide')}\r\n".encode()
CROWD = 1_000
SLOW_SECONDS = 12.0

Slow = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def attacked(tmp_path: Path) -> AsyncIterator[tuple[Gateway, Load, Counting]]:
    async with Counting() as steady, Counting() as other, Feed() as feed:
        feed.publish(scene.snapshot(1, {"steady": steady.url, "other": other.url}, max_concurrent=2 * CROWD))
        gateway = Gateway(tmp_path / "state", feed.url, more={"UPSTREAM_MAX_IDLE": "20"})
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            yield gateway, load, other


async def head_by_bytes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for piece in b"GET /other/v1/items/1 HTTP/1.1\r\nHost: gate\r\nX-Slow: yes":
        writer.write(bytes([piece]))
        await asyncio.sleep(1)


async def body_by_bytes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = b"POST /other/v1/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
    writer.write(head + KEY + b"Content-Length: 10000\r\n\r\n")
    while True:
        writer.write(b" ")
        await asyncio.sleep(1)


async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /other/v1/items/1 HTTP/1.1\r\nHost: gate\r\n" + KEY + b"\r\n")
    await asyncio.sleep(60)


async def large(media_type: str, seen: Seen, wire: Wire) -> None:
    body = json.dumps({"target": "x" * 100_000}).encode()
    await wire.reply(200, body, ("Content-Type", media_type))


@pytest.mark.parametrize("slow", [head_by_bytes, body_by_bytes, read_nothing])
@soak
async def test_a_thousand_slow_clients(tmp_path: Path, slow: Slow) -> None:
    async with attacked(tmp_path) as (gateway, load, other):
        other.then = lambda seen, wire: large("text/plain", seen, wire)
        peak = await crowded(gateway, slow)
        await load.stop()
        load.clean(f"19 {slow.__name__.replace('_', ' ')} x {CROWD}", RSS_peak_MB=f"+{peak}")
        assert peak < 150


@soak
async def test_a_thousand_slow_readers_of_replies_that_are_judged(tmp_path: Path) -> None:
    """A hundred kilobytes each, held whole to be judged: the bound is the gateway's, not the crowd's."""
    async with attacked(tmp_path) as (gateway, load, other):
        other.then = lambda seen, wire: large("application/json", seen, wire)
        peak = await crowded(gateway, read_nothing)
        await load.stop()
        load.clean(f"19 read nothing x {CROWD}, judged", RSS_peak_MB=f"+{peak}")
        assert peak < 300


async def crowded(gateway: Gateway, slow: Slow) -> int:
    """A thousand of them for some seconds; returns by how many MB the gateway grew at most."""
    before = gateway.footprint()[1]

    async def one(number: int) -> None:
        await asyncio.sleep(4 * number / CROWD)
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        try:
            await slow(reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    crowd = [asyncio.create_task(one(number)) for number in range(CROWD)]
    peak, end = 0, time.monotonic() + SLOW_SECONDS
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        peak = max(peak, gateway.footprint()[1] - before)
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    await asyncio.sleep(2)
    return peak


def post(body: bytes, *fields: bytes) -> bytes:
    head = b"POST /other/v1/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n" + KEY
    return head + b"".join(field + b"\r\n" for field in fields) + b"Content-Length: %d\r\n\r\n" % len(body) + body


GET = b"GET /other/v1/items/1 HTTP/1.1\r\nHost: gate\r\n" + KEY
PACKED = gzip.compress(b'{"quantity": 1, "note": "' + b"x" * 20_000_000 + b'"}')
BOMBS = {
    "a header of 1 MB": GET + b"X-Big: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "10,000 headers": GET + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"\r\n",
    "a URL of 100 kB": b"GET /other/v1/items/" + b"1" * 100_000 + b" HTTP/1.1\r\nHost: gate\r\n\r\n",
    "a query of 100 kB": b"GET /other/v1/items/1?" + b"a=b&" * 25_000 + b" HTTP/1.1\r\nHost: gate\r\n\r\n",
    "JSON 100,000 deep": post(b'{"quantity": 1, "note": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "objects 100,000 deep": post(b'{"quantity": 1, "note": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001),
    "a number of 100,000 digits": post(b'{"quantity": ' + b"9" * 100_000 + b"}"),
    "an exponent": post(b'{"quantity": 1e999999999}'),
    "a name twice": post(b'{"quantity": 1, "quantity": 2}'),
    "a gzip bomb": post(PACKED, b"Content-Encoding: gzip"),
    "brotli": post(b"\x0b\x02\x80", b"Content-Encoding: br"),
    "a body too large": post(b'{"quantity": 1, "note": "' + b"x" * 1_100_000 + b'"}'),
    "a chunk extension of 1 MB": b"POST /other/v1/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
    + KEY + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 1_000_000 + b"\r\n1\r\n0\r\n\r\n",
}  # fmt: skip


@soak
async def test_bombs(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=31)  # before the load begins: whoever measures must not stall
    packed = [packer.compress(b'{"target": "'), *(packer.compress(b"x" * 100_000) for _ in range(1_000))]
    bomb = b"".join([*packed, packer.compress(b'"}'), packer.flush()])
    async with attacked(tmp_path) as (gateway, load, other):
        slowest, told = 0.0, Counter[int]()
        for _ in range(20):
            for name, sent in BOMBS.items():
                status, seconds = await explode(gateway, sent)
                assert 400 <= status < 500, (name, status)
                told[status] += 1
                assert seconds < 1.0, name
                slowest = max(slowest, seconds)
        chunks = GET.replace(b"GET /other/v1/items/1", b"POST /other/v1/items")
        chunks += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        status, seconds = await explode(gateway, chunks, endless=b"1\r\nx\r\n" * 10_000)
        assert status == 400
        assert seconds < 1.0, "endless chunks"
        slowest = max(slowest, seconds)
        assert other.calls.total() == 0

        async def explodes(seen: Seen, wire: Wire) -> None:
            await wire.reply(200, bomb, ("Content-Type", "application/json"), ("Content-Encoding", "gzip"))

        other.then = explodes
        client = Client(gateway.port)
        began = time.monotonic()
        answer = await client.ask("/other/v1/items/1")
        assert (answer.status, answer.body) == (200, bomb)  # passed as it came, and told as not evaluated
        assert time.monotonic() - began < 1.0
        client.close()
        assert await gateway.metric("weighbridge_faults_total") == 1
        await load.stop()
        load.clean("20 bombs", kinds=len(BOMBS) + 2, slowest_s=round(slowest, 2), statuses=dict(told))


async def explode(gateway: Gateway, bomb: bytes, endless: bytes = b"") -> tuple[int, float]:
    """Send as much of it as is taken; returns the status and the seconds until it came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    began = time.monotonic()
    writer.write(bomb)

    async def go_on() -> None:
        while endless:
            writer.write(endless)
            await writer.drain()
            await asyncio.sleep(0)

    sending = asyncio.create_task(go_on())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    seconds = time.monotonic() - began
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    writer.transport.abort()
    return int(head.split(b" ")[1]), seconds


@soak
async def test_smuggling_is_refused_or_one_clean_request(tmp_path: Path) -> None:
    """What the unit tests refuse one by one, all at once on a real gateway, with a second request behind each."""
    async with attacked(tmp_path) as (gateway, load, other):
        behind = GET + b"X-Smuggled: yes\r\n\r\n"
        outcome: Counter[int] = Counter()

        async def smuggle(data: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(data.replace(b" /a", b" /other/v1/items/1") + behind)
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.transport.abort()
            outcome[int(answer.split(b" ")[1])] += 1
            assert answer.count(b"\r\nX-Request-Id: ") == 1, (data, answer)

        for _ in range(5):
            await asyncio.gather(*(smuggle(data) for data in HOSTILE.values()))
        assert set(outcome) == {400}
        assert other.calls.total() == 0
        await load.stop()
        load.clean("18 smuggling", attempts=outcome.total())


GAMES = ["//other/v1/items/1", "/other/v1/../v1/items/1", "/other/v1/items/1%2f..", "/other/v1/items/%2e%2e/1",
         "/other/v1/items/1;a=b", "/other/v1/items/1%00", "/other/v1/items\\1", "/other%2fv1/items/1",
         "/OTHER/v1/items/1", "/other/V1/items/1", "/other/v01/items/1", "/other/v1/items/1/"]  # fmt: skip
FORGED = ("Weighbridge-Application", "Weighbridge-Scopes", "Weighbridge-Site", "Weighbridge_Application",
          "X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id")  # fmt: skip


@soak
async def test_path_and_header_games_have_one_outcome(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (gateway, load, other):
        client = Client(gateway.port)
        told: Counter[int] = Counter()
        for game in GAMES:
            answers = {(await client.ask(game)).status for _ in range(3)}
            assert len(answers) == 1, game
            told[answers.pop()] += 1
        assert set(told) <= {400, 404}
        assert other.calls.total() == 0
        received: list[tuple[str, str]] = []

        async def note(seen: Seen, wire: Wire) -> None:
            received.extend(seen.headers)
            await wire.reply(200, b'{"target": ""}', ("Content-Type", "application/json"))

        other.then = note
        for name in FORGED:
            await client.ask("/other/v1/items/1", headers=f"{name}: forged\r\n")
        assert received
        assert [field for field in received if "forged" in field[1]] == []
        client.close()
        await load.stop()
        load.clean("21 path and header games", statuses=dict(told))
        measured("21 forged headers", kinds=len(FORGED), passed_on=0)

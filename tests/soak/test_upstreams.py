"""Backends refuse, hang, flap, die in mid-body, frame oddly, break their contract; the stable route does not notice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.backends import Seen, Wire
from tests.soak import scene
from tests.soak.chaos import Chaos, Mode
from tests.soak.load import Client, Load, statuses
from tests.soak.rig import Counting, Feed, Gateway, echo, running, soak, until

RISKY = "/risky/v1/items/1"


@asynccontextmanager
async def risky(
    tmp_path: Path, *, workers: int = 1, **spec: Any
) -> AsyncIterator[tuple[Gateway, Load, Counting, Chaos]]:
    """A stable route under load, and a risky one whose backend stands behind the chaos proxy."""
    async with Counting() as steady, Counting() as far, Chaos("127.0.0.1", far.port) as chaos, Feed() as feed:
        place = f"http://127.0.0.1:{chaos.port}"
        upstreams = {"steady": steady.url, "risky": place, "blocking": place}
        feed.publish(scene.snapshot(1, upstreams, **spec))
        gateway = Gateway(tmp_path / "state", feed.url, workers=workers)
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            yield gateway, load, far, chaos


@pytest.mark.parametrize(
    ("mode", "statuses_told"), [(Mode.REFUSE, {502}), (Mode.BLACK_HOLE, {502, 504}), (Mode.RESET, {502})]
)
@soak
async def test_an_upstream_that_fails_is_ejected_and_found_again(
    tmp_path: Path, mode: Mode, statuses_told: set[int]
) -> None:
    limits = {"connect_timeout": 0.5, "first_byte_timeout": 0.5, "max_concurrent": 16}
    async with risky(tmp_path, **limits) as (gateway, load, far, chaos):
        assert (await statuses(gateway.port, RISKY, 40, at_once=10)) == {200: 40}
        chaos.mode = mode
        chaos.drop()
        began = time.monotonic()
        failing = await statuses(gateway.port, RISKY, 200, at_once=30)
        took = time.monotonic() - began
        assert set(failing) <= {*statuses_told, 503}
        assert failing[503] <= 200
        assert await gateway.metric("weighbridge_upstream_ejected") == 1
        asked = far.calls.total()
        assert (await statuses(gateway.port, RISKY, 50)) == {502: 50}  # at once, and nobody is asked
        assert far.calls.total() == asked
        chaos.mode = Mode.PASS
        chaos.drop()
        client = Client(gateway.port)
        began = time.monotonic()
        while (await client.ask(RISKY)).status != 200:
            assert time.monotonic() - began < 35
            await asyncio.sleep(0.1)
        back = time.monotonic() - began
        client.close()
        assert (await statuses(gateway.port, RISKY, 50, at_once=10)) == {200: 50}
        await load.stop()
        load.clean(
            f"13 upstream: {mode.name.lower()}",
            answers=dict(failing),
            in_s=round(took, 1),
            found_again_s=round(back, 1),
        )


@soak
async def test_a_slow_upstream_takes_nobody_with_it(tmp_path: Path) -> None:
    """The bulkhead: what is too much for it is refused at once, and the others have their own."""
    async with risky(tmp_path, first_byte_timeout=3.0, max_concurrent=16) as (gateway, load, far, _):

        async def dawdle(seen: Seen, wire: Wire) -> None:
            await asyncio.sleep(1.5)
            await echo(seen, wire)

        far.then = dawdle
        seen = await statuses(gateway.port, RISKY, 200, at_once=100)
        assert seen[200] >= 16
        assert set(seen) == {200, 503}
        assert far.connections <= 16
        await load.stop()
        load.clean("13 upstream: slow, 100 at once", answers=dict(seen))


@soak
async def test_an_upstream_that_flaps(tmp_path: Path) -> None:
    async with risky(tmp_path, connect_timeout=0.3, first_byte_timeout=0.3) as (gateway, load, _, chaos):
        seen: Counter[int | str] = Counter()
        for _ in range(4):
            for mode, rounds in ((Mode.RESET, 5), (Mode.PASS, 25)):
                chaos.mode = mode
                chaos.drop()
                for _ in range(rounds):
                    seen += await statuses(gateway.port, RISKY, 10, at_once=10)
                    await asyncio.sleep(0.1)
        assert set(seen) == {200, 502}
        chaos.mode = Mode.PASS
        await until(lambda: _answers(gateway), 35)
        await load.stop()
        load.clean("13 upstream: flaps", answers=dict(seen))


async def _answers(gateway: Gateway) -> bool:
    client = Client(gateway.port)
    status = (await client.ask(RISKY)).status
    client.close()
    return status == 200


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.RESET, Mode.HALF_CLOSE])
@soak
async def test_a_reply_that_breaks_off_is_seen_to_be_broken(tmp_path: Path, mode: Mode) -> None:
    """No retry, no whole-looking half."""
    async with risky(tmp_path) as (gateway, load, far, chaos):

        async def large(seen: Seen, wire: Wire) -> None:
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4000000\r\n\r\n")
            await wire.send(b"x" * 1000)
            await asyncio.sleep(0.1)
            chaos.mode = mode
            await wire.send(b"x" * 3_999_000)

        far.then = large
        for _ in range(3):
            chaos.mode = Mode.PASS
            client = Client(gateway.port)
            before = far.calls.total()
            with pytest.raises((OSError, EOFError)):
                await client.ask(RISKY)
            assert far.calls.total() == before + 1
        chaos.mode = Mode.PASS
        far.then = echo
        assert (await statuses(gateway.port, RISKY, 20)) == {200: 20}
        await load.stop()
        load.clean(f"14 dies in mid-body: {mode.name.lower()}")


@soak
async def test_stale_connections_cost_a_get_nothing_and_retries_have_a_budget(tmp_path: Path) -> None:
    async with risky(tmp_path) as (gateway, load, far, _):
        seen: Counter[int | str] = Counter()
        for _ in range(20):
            seen += await statuses(gateway.port, RISKY, 40, at_once=4)
            far.drop_connections()
        assert seen[200] == 800, seen

        async def dies(seen: Seen, wire: Wire) -> None:
            """A connection that has served before and takes the next request with it, as a crashed process does."""
            if seen.connection in served:
                wire.reset()
                raise ConnectionError
            served.add(seen.connection)
            await echo(seen, wire)

        served: set[int] = set()
        far.then = dies
        before = await gateway.metric("weighbridge_upstream_retries_total")
        asked = far.calls.total()
        outcome = await statuses(gateway.port, RISKY, 400, at_once=4)
        retries = await gateway.metric("weighbridge_upstream_retries_total") - before
        assert far.calls.total() - asked == 400 + retries  # at most one more each, and only within the budget
        assert retries <= 0.2 * 400 + 10
        body = b'{"quantity": 1}'
        posts: Counter[int] = Counter()
        asked = far.calls.total()
        for _ in range(20):
            client = Client(gateway.port)
            posts[(await client.ask("/risky/v1/items", method="POST", body=body)).status] += 1
            client.close()
        assert far.calls.total() - asked == 20  # what may have been sent is never sent again
        await load.stop()
        load.clean("15 stale connections", answers=dict(outcome), retries=int(retries), posts=dict(posts))


ODD = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 204 No\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 200 OK\nContent-Length: 6\n\npoison",
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
]


@soak
async def test_odd_framing_never_reaches_the_next_caller(tmp_path: Path) -> None:
    """Odd and good answers mixed on few connections: every good one belongs to who asked."""
    async with risky(tmp_path) as (gateway, load, far, _):
        number = 0

        async def odd(seen: Seen, wire: Wire) -> None:
            nonlocal number
            number += 1
            if number % 5 == 0:
                await wire.send(ODD[number // 5 % len(ODD)])
            else:
                await echo(seen, wire)

        far.then = odd
        seen: Counter[int | str] = Counter()

        async def call(who: int) -> None:
            client = Client(gateway.port)
            for count in range(100):
                path = f"/items/{who * 1000 + count}"
                try:
                    answer = await client.ask(f"/risky/v1{path}")
                except (OSError, EOFError):
                    seen["broken off"] += 1
                    continue
                seen[answer.status] += 1
                assert b"poison" not in answer.body
                if answer.status == 200 and answer.body not in (b"ok", b"hello"):
                    assert answer.json()["target"] == path
            client.close()

        await asyncio.gather(*(call(who) for who in range(8)))
        await load.stop()
        load.clean("17 odd upstream framing", answers=dict(seen))


@soak
async def test_a_reply_that_breaks_its_contract(tmp_path: Path) -> None:
    async with risky(tmp_path) as (gateway, load, far, _):

        async def wrong(seen: Seen, wire: Wire) -> None:
            await wire.reply(200, b'{"target": 7, "secret": "s3cr3t"}', ("Content-Type", "application/json"))

        far.then = wrong
        client = Client(gateway.port)
        blocked = await client.ask("/blocking/v1/items/1")
        assert blocked.status == 502
        assert b"s3cr3t" not in blocked.body
        reported = await client.ask(RISKY)
        assert (reported.status, reported.json()["target"]) == (200, 7)
        client.close()
        assert await gateway.metric("weighbridge_faults_total") >= 1
        await until(lambda: "/target" in (tmp_path / "state" / "access.log").read_text())
        await load.stop()
        load.clean("16 reply breaks its contract")


@soak
async def test_a_name_that_no_longer_resolves(tmp_path: Path) -> None:
    """The resolver fails, then hangs: who was reached before is still reached, and nobody else waits for it."""
    broken = tmp_path / "broken"
    wrapper = RESOLVER.format(path=str(broken))
    async with Counting() as steady, Counting() as named, Feed() as feed:
        upstreams = {
            "steady": steady.url.replace("127.0.0.1", "localhost"),
            "risky": named.url.replace("127.0.0.1", "localhost"),
            **{f"lost{number}": f"http://lost{number}.invalid:80" for number in range(8)},
        }
        feed.publish(scene.snapshot(1, upstreams, connect_timeout=0.5))
        gateway = Gateway(tmp_path / "state", feed.url, wrapper=wrapper)
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            assert (await statuses(gateway.port, RISKY, 20)) == {200: 20}
            for how in ("fails", "hangs"):
                broken.write_text(how)
                named.drop_connections()  # and new ones need the name
                await asyncio.sleep(0.2)
                lost = asyncio.gather(*(statuses(gateway.port, f"/lost{number}/v1/items/1", 8) for number in range(8)))
                assert (await statuses(gateway.port, RISKY, 100)) == {200: 100}
                steady.drop_connections()
                for outcome in await lost:
                    assert set(outcome) <= {502, 504}
                await asyncio.sleep(12)  # longer than an address is fresh
                named.drop_connections()
                assert (await statuses(gateway.port, RISKY, 100)) == {200: 100}
            broken.unlink()
            await load.stop()
            load.clean("23 DNS fails, then hangs")


RESOLVER = """
import socket as _socket, time as _time
from pathlib import Path as _Path
_resolve = _socket.getaddrinfo
def _broken(host, *more, **named):
    how = _Path({path!r}).read_text() if _Path({path!r}).exists() else ""
    if isinstance(host, str) and not host[0].isdigit():
        if how == "fails":
            raise _socket.gaierror(-3, "Temporary failure in name resolution")
        if how == "hangs":
            _time.sleep(60)
    return _resolve(host, *more, **named)
_socket.getaddrinfo = _broken
"""

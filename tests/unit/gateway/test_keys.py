"""Issuers' keys: fetched beside the traffic, throttled, and never lost to a failure."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator
from inspect import isawaitable
from typing import Any

import httpx
import orjson
import pytest

from gateway import keys as module
from gateway.keys import FetchFailed, KeyRing, RemoteKeys, fetch, may_fetch
from policies.outgoing import Networks
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_jwt import Memory, Tokens
from policies.traffic.authenticate_jwt_keys import InvalidKeys
from tests.unit.policies.traffic.facts import exchange
from tests.unit.policies.traffic.tokens import issuer, jwk, token

SET = orjson.dumps({"keys": [jwk()]})


class Publisher:
    """An issuer's key endpoint."""

    def __init__(
        self,
        body: bytes = SET,
        head: bytes = b"HTTP/1.1 200 OK\r\n",
        *,
        delay: float = 0.0,
        trickles: bool = False,
    ) -> None:
        self.body = body
        self.head = head
        self.delay = delay
        self.trickles = trickles
        self.fetched = 0
        self.uri = ""
        self.tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
        try:
            yield
        finally:
            server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            self.fetched += 1
            await asyncio.sleep(self.delay)
            if self.trickles:
                writer.write(b"HTTP/1.1 200 OK\r\n")
            while self.trickles:
                writer.write(b"X-A: b\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(self.head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(self.body) + self.body)
            await writer.drain()


@contextlib.asynccontextmanager
async def running(ring: KeyRing) -> AsyncIterator[None]:
    task = asyncio.create_task(ring.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def remote(ring: KeyRing, uri: str) -> RemoteKeys:
    source = ring.source(issuer(jwks=None, jwks_uri=uri))
    assert isinstance(source, RemoteKeys)
    return source


def test_keys_are_fetched_before_they_are_asked_for() -> None:
    async def body() -> None:
        publisher = Publisher()
        ring = KeyRing()
        async with publisher.serving(), running(ring):
            await asyncio.sleep(0)
            source = remote(ring, publisher.uri)
            await until(lambda: set(source.keys) == {"k1"} and ring.epoch())
            assert (publisher.fetched, ring.epoch()) == (1, 1)
            assert remote(ring, publisher.uri) is source

    asyncio.run(body())


def test_unknown_kids_cause_few_fetches() -> None:
    async def body() -> None:
        publisher = Publisher()
        ring = KeyRing()
        async with publisher.serving(), running(ring):
            source = remote(ring, publisher.uri)
            await until(lambda: source.keys)
            source._asked_at = float("-inf")  # as if the first fetch were long ago
            waits = [wait for _ in range(10_000) if (wait := source.refresh()) is not None]
            await asyncio.gather(*waits)
            await until(lambda: publisher.fetched >= 2)  # on a busy machine the waiting may end before the fetch
            assert publisher.fetched == 2
            assert [source.refresh() for _ in range(100)] == [None] * 100

    asyncio.run(body())


def test_a_rotated_key_is_there_when_the_wait_ends() -> None:
    async def body() -> None:
        publisher = Publisher()
        ring = KeyRing()
        async with publisher.serving(), running(ring):
            source = remote(ring, publisher.uri)
            await until(lambda: source.keys)
            publisher.body = orjson.dumps({"keys": [jwk(kid="k2", name="second")]})
            source._asked_at = float("-inf")
            wait = source.refresh()
            assert wait is not None
            await wait
            assert set(source.keys) == {"k2"}
            await until(lambda: ring.epoch() == 2)

    asyncio.run(body())


def test_nobody_waits_long() -> None:
    async def body() -> None:
        source = RemoteKeys("id", "http://127.0.0.1:9/", lambda: None)
        wait = source.refresh()
        assert wait is not None
        async with asyncio.timeout(module.PATIENCE_SECONDS + 1):
            await wait
        assert source.keys == {}

    asyncio.run(body())


def test_a_failed_fetch_keeps_what_there_was_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_RANGE", (0.01, 0.01))
    monkeypatch.setattr(module, "RETRY_RANGE", (0.01, 0.01))

    async def body() -> None:
        publisher = Publisher()
        ring = KeyRing()
        async with publisher.serving(), running(ring):
            source = remote(ring, publisher.uri)
            await until(lambda: source.keys)
            publisher.head = b"HTTP/1.1 500 No\r\n"
            failed_from = publisher.fetched
            await until(lambda: publisher.fetched > failed_from + 2)
            assert set(source.keys) == {"k1"}
            assert ring.epoch() == 1

    asyncio.run(body())


def test_an_issuer_that_is_gone_for_days_is_still_asked() -> None:
    async def body() -> None:
        publisher = Publisher(head=b"HTTP/1.1 500 No\r\n")
        async with publisher.serving(), httpx.AsyncClient(trust_env=False) as client:
            source = RemoteKeys("id", publisher.uri, lambda: None)
            source._failures = 5_000
            asked = time.monotonic()
            assert await source.fetch(client) is False
            assert module.RETRY_RANGE[1] <= source.due - asked < module.RETRY_RANGE[1] + 10

    asyncio.run(body())


def test_ten_thousand_bogus_tokens_cause_one_more_fetch() -> None:
    """As they come: through the judge, while keys are being fetched and after."""

    async def body() -> None:
        publisher = Publisher()
        ring = KeyRing()
        async with publisher.serving(), running(ring):
            source = remote(ring, publisher.uri)
            judge = Tokens([(issuer(jwks=None, jwks_uri=publisher.uri), source)], [], Callers([], []), Memory())

            async def refused(number: int) -> None:
                outcome: Any = judge.judge(exchange(), b"Bearer " + token(header={"kid": f"bogus-{number}"}))
                problem = await outcome if isawaitable(outcome) else outcome
                assert problem.slug == "credentials-invalid"

            for start in range(0, 10_000, 500):
                await asyncio.gather(*(refused(start + n) for n in range(500)))
            assert publisher.fetched <= 2
            assert set(source.keys) == {"k1"}

    asyncio.run(body())


def test_a_token_that_comes_while_keys_are_fetched_waits_for_them() -> None:
    async def body() -> None:
        publisher = Publisher(delay=0.05)
        ring = KeyRing()
        async with publisher.serving(), running(ring):
            source = remote(ring, publisher.uri)
            await until(lambda: source.fetching)
            wait = source.refresh()
            assert wait is not None
            await wait
            assert set(source.keys) == {"k1"}
            assert publisher.fetched == 1

    asyncio.run(body())


def test_a_slow_issuer_keeps_no_other_from_being_heard() -> None:
    async def body() -> None:
        slow, quick = Publisher(delay=60.0), Publisher()
        ring = KeyRing()
        async with slow.serving(), quick.serving(), running(ring):
            stuck = remote(ring, slow.uri)
            source = remote(ring, quick.uri)
            await until(lambda: source.keys and slow.fetched)
            assert (ring.epoch(), stuck.fetching) == (1, True)
            quick.body = orjson.dumps({"keys": [jwk(kid="k2", name="second")]})
            source._asked_at = float("-inf")
            wait = source.refresh()
            assert wait is not None
            await wait
            assert set(source.keys) == {"k2"}
            assert (ring.epoch(), stuck.fetching) == (2, True)

    asyncio.run(body())


@pytest.mark.parametrize("what", ["trickle", "silence"])
def test_an_answer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.2)

    async def attempt() -> None:
        publisher = Publisher(delay=0.0 if what == "trickle" else 60.0, trickles=what == "trickle")
        async with publisher.serving(), httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(FetchFailed, match="took longer"):
                await fetch(client, publisher.uri)

    asyncio.run(attempt())


@pytest.mark.parametrize("networks", ["public", "10.0.0.0/8"])
def test_where_keys_may_not_be_fetched_from_none_are(networks: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def body() -> None:
        publisher = Publisher()
        ring = KeyRing(Networks.parse(networks))
        async with publisher.serving(), running(ring):
            source = remote(ring, publisher.uri)
            await until(lambda: source.due > 0)
            assert (publisher.fetched, source.keys) == (0, {})

    asyncio.run(body())
    assert "127.0.0.1 is loopback, which is not allowed here" in capsys.readouterr().out


def test_what_is_no_longer_used_is_no_longer_fetched() -> None:
    ring = KeyRing()
    one = remote(ring, "http://127.0.0.1:9/one")
    ring.keep((issuer(jwks=None, jwks_uri="http://127.0.0.1:9/two"),))
    assert remote(ring, "http://127.0.0.1:9/one") is not one


def test_embedded_keys_never_change() -> None:
    source = KeyRing().source(issuer(jwk()))
    assert set(source.keys) == {"k1"}
    assert source.refresh() is None
    assert KeyRing().source(issuer(jwks=None)).keys == {}


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("https://id.example/jwks", True),
        ("http://127.0.0.1:8080/jwks", True),
        ("http://[::1]/jwks", True),
        ("http://localhost/jwks", True),
        ("http://id.example/jwks", False),
        ("http://169.254.169.254/latest", False),
        ("http://127.0.0.1.evil.example/", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1/", False),
        ("https:///jwks", False),
        ("https://[bad/", False),
        ("", False),
    ],
)
def test_where_keys_may_be_fetched_from(uri: str, allowed: bool) -> None:
    assert may_fetch(uri) is allowed
    if not allowed:
        with pytest.raises(InvalidKeys):
            KeyRing().source(issuer(jwks=None, jwks_uri=uri))


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n", b"", "answered 302"),
        (b"HTTP/1.1 404 No\r\n", b"", "answered 404"),
        (b"HTTP/1.1 200 OK\r\n", b"<html>", "InvalidKeys"),
        (b"HTTP/1.1 200 OK\r\n", b"[]", "InvalidKeys"),
        (b"HTTP/1.1 200 OK\r\n", b"", "InvalidKeys"),
        (b"HTTP/1.1 200 OK\r\n", SET[:-1] + b',"keys":[]}', "InvalidKeys"),
        (b"HTTP/1.1 200 OK\r\n", b"\xef\xbb\xbf" + SET, "InvalidKeys"),
        (b"HTTP/1.1 200 OK\r\n", b"[" * 100_000, "InvalidKeys"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", gzip.compress(SET), "coding"),
        (b"HTTP/1.1 304 Not Modified\r\n", b"", "answered 304"),
        (b"HTTP/1.1 206 Partial Content\r\n", SET, "answered 206"),
        (b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n", b"", "answered 301"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", b"zz\r\n", "ProtocolError"),
        (b"garbage\r\n", b"", "ProtocolError"),
        (b"HTTP/1.1 200 OK\r\n", b'{"keys": []}', "no key"),
        (b"HTTP/1.1 200 OK\r\n", b'{"keys": [' + b" " * 10_000_000 + b"]}", "more than"),
        (b"HTTP/1.1 200 OK\r\n", orjson.dumps({"keys": [jwk(), {"kty": "oct", "k": "c2VjcmV0"}]}), "symmetric"),
    ],
)
def test_sets_that_are_not_taken(head: bytes, body: bytes, reason: str) -> None:
    async def attempt() -> None:
        publisher = Publisher(body, head)
        async with publisher.serving(), httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(FetchFailed, match=reason):
                await fetch(client, publisher.uri)

    asyncio.run(attempt())


@pytest.mark.parametrize(
    ("header", "fresh"),
    [
        (b"", module.FRESH_SECONDS),
        (b"Cache-Control: public, max-age=900\r\n", 900),
        (b"Cache-Control: max-age=1\r\n", 60),
        (b"Cache-Control: max-age=999999\r\n", 3600),
        (b"Cache-Control: s-maxage=900\r\n", module.FRESH_SECONDS),
    ],
)
def test_the_issuer_says_how_long_its_set_is_fresh(header: bytes, fresh: float) -> None:
    async def attempt() -> float:
        publisher = Publisher(head=b"HTTP/1.1 200 OK\r\n" + header)
        async with publisher.serving(), httpx.AsyncClient(trust_env=False) as client:
            return (await fetch(client, publisher.uri))[1]

    assert asyncio.run(attempt()) == fresh

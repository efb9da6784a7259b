"""The gateway's wire under test: a real listener over loopback, a small real table, and a client that speaks bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec

import uvloop

from gateway.fields import Fields
from gateway.listener import Listener
from gateway.otlp import Tracer
from gateway.settings import Settings
from gateway.sink import Sink
from gateway.telemetry import Telemetry
from gateway.worker import Worker
from policies.model.contract import Upstream
from policies.traffic import Caller, Exchange, Problem

P = ParamSpec("P")


def on_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on uvloop, as the gateway runs."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), 30))

    return run


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait, within the test's own time limit, for something that no event announces."""
    while not condition():
        await asyncio.sleep(0.005)


@dataclass
class Route:
    contract: str = "yard"
    major: int = 1
    operation_id: str = "anything"
    template: str = "/anything"
    method: str = "GET"
    validates_body: bool = False
    blocks_body: bool = True
    max_body_bytes: int = 1000
    may_retry: bool = True
    resends: bool = False
    metric_labels: tuple[str, ...] = ("yard", "1", "anything")
    usage_labels: tuple[str, ...] = ("yard", "1", "anything", "1.0.0")


@dataclass
class Target:
    url: str
    spec: Upstream
    key: str


@dataclass
class OneUpstream:
    """A table with one route that forwards everything to one place; each stop can be replaced by the test."""

    url: str
    route: Route = field(default_factory=Route)
    spec: Upstream = field(default_factory=lambda: Upstream(url=""))
    name: str = ""
    announced: Fields = field(default_factory=lambda: [(b"API-Version", b"1.0.0")])
    caller: Caller | None = None
    site: str | None = None
    on_open: Callable[[Exchange], Problem | Awaitable[Problem | None] | None] = lambda exchange: None
    on_body: Callable[[Exchange], Problem | None] = lambda exchange: None
    judges: bool = False
    on_response: Callable[[Exchange, int, Fields, bytes], Problem | None] = lambda *_: None
    released: int = 0
    tls: Any = None

    def open(self, exchange: Exchange) -> Problem | Awaitable[Problem | None] | None:
        exchange.route, exchange.caller, exchange.site = self.route, self.caller, self.site
        exchange.rest = exchange.path
        exchange.upstream = Target(self.url, self.spec, self.name or self.url)
        exchange.release = self._release
        return self.on_open(exchange)

    def _release(self) -> None:
        self.released += 1

    def check_body(self, exchange: Exchange) -> Problem | None:
        return self.on_body(exchange)

    def wants_response(self, exchange: Exchange, status: int, headers: Fields) -> bool:
        return self.judges

    def judge_response(self, exchange: Exchange, status: int, headers: Fields, body: bytes) -> Problem | None:
        return self.on_response(exchange, status, headers, body)

    def announce(self, exchange: Exchange) -> None:
        exchange.reply_headers.extend(self.announced)


@dataclass
class Reply:
    status: int
    headers: Fields
    body: bytes
    head: bytes

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name.lower().encode()]

    def get(self, name: str) -> bytes | None:
        return next(iter(self.all(name)), None)


@dataclass
class Peer:
    """A client that says exactly what a test writes down."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, *, to: str = "GET") -> Reply:
        """Read one reply, or raise `asyncio.IncompleteReadError` / `ConnectionError` where it breaks off."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = int(lines[0].split(b" ")[1])
        headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines[1:] if line)]
        reply = Reply(status, headers, b"", head)
        if to == "HEAD" or status in (100, 204, 304):
            return reply
        if reply.get("Transfer-Encoding") == b"chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                reply.body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        elif (length := reply.get("Content-Length")) is not None:
            reply.body = await self.reader.readexactly(int(length))
        else:
            reply.body = await self.reader.read()
        return reply

    async def ask(self, data: bytes) -> Reply:
        await self.send(data)
        return await self.reply(to=data.split(b" ", 1)[0].decode("latin-1"))

    async def rest(self) -> bytes:
        """Everything until the gateway closes."""
        return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


@dataclass
class Gate:
    port: int
    worker: Worker
    listener: Listener
    peers: list[Peer] = field(default_factory=list)

    async def connect(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**20))
        self.peers.append(peer)
        return peer

    async def ask(self, data: bytes) -> Reply:
        """One request on a connection of its own."""
        return await (await self.connect()).ask(data)


@asynccontextmanager
async def gate(
    table: Any, *, sink: Sink | None = None, tracer: Tracer | None = None, **settings: Any
) -> AsyncIterator[Gate]:
    worker = Worker(Settings(**settings), Telemetry(sink), tracer)
    worker.table = table
    listener = Listener(worker)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    await listener.start(sock)
    running = Gate(sock.getsockname()[1], worker, listener)
    try:
        yield running
    finally:
        for peer in running.peers:
            peer.close()
        await listener.stop()

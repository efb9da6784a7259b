"""A loopback backend that does what a test tells it to, also what no backend should."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Seen:
    """One request as the backend received it. `connection` counts the backend's connections from 1."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    connection: int
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


@dataclass
class Wire:
    """The backend's end of one connection, for handlers that want to misbehave."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, status: int = 200, body: bytes = b"", *headers: tuple[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{n}: {v}" for n, v in headers)]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Handler = Callable[[Seen, Wire], Awaitable[None]]


async def echo(seen: Seen, wire: Wire) -> None:
    """Answer with what was received."""
    body = json.dumps({"method": seen.method, "target": seen.target, "body": seen.body.decode("latin-1")}).encode()
    await wire.reply(200, b"" if seen.method == "HEAD" else body, ("Content-Type", "application/json"))


@dataclass
class Backend:
    """``async with Backend() as backend``: `seen` and `connections` grow, `handler` may be replaced at any time.

    With `read_body` false the handler reads the body itself, from `Wire.reader`.
    """

    handler: Handler = echo
    read_body: bool = True
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway ended a connection."""

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def stop_accepting(self) -> None:
        self._server.close()
        await asyncio.sleep(0)

    def drop_connections(self) -> None:
        """Close every connection, as a backend does that restarts."""
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        wire = Wire(reader, writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = [(name, value) for name, _, value in (line.partition(": ") for line in head[1:] if line)]
                seen = Seen(method, target, headers, number)
                if self.read_body:
                    seen.body = await _body(seen, reader)
                self.seen.append(seen)
                await self.handler(seen, wire)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.lost.set()
        finally:
            self._writers.discard(writer)
            writer.close()


async def _body(seen: Seen, reader: asyncio.StreamReader) -> bytes:
    if seen.get("Transfer-Encoding") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return body
    return await reader.readexactly(int(seen.get("Content-Length") or 0))

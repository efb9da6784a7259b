"""A TCP proxy that misbehaves on purpose: it stands between two parties and does to their bytes what networks do.

Must not know: what the bytes mean. `Chaos.mode` may be changed at any time and holds for connections that stand as well
as for new ones; the one subtle thing is that a mode which loses bytes (`BLACK_HOLE`) never gives them back, so whoever
was connected then has to connect again.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

PIECE = 65_536


class Mode(Enum):
    PASS = auto()
    DELAY = auto()
    """Every piece arrives `Chaos.seconds` late."""
    THROTTLE = auto()
    """`Chaos.bytes_per_second` in each direction."""
    BLACK_HOLE = auto()
    """Connections stand and are accepted, and nothing crosses."""
    HALF_CLOSE = auto()
    """After the next piece from the far side, its direction ends; the other stays open."""
    CUT = auto()
    """After the next piece from the far side, the connection ends in order, wherever the message is."""
    RESET = auto()
    """After the next piece from the far side, the connection is reset."""
    REFUSE = auto()
    """Whoever connects is reset at once."""


@dataclass
class Chaos:
    """``async with Chaos("127.0.0.1", port) as chaos``: connect to `chaos.port` instead."""

    host: str
    far: int
    mode: Mode = Mode.PASS
    seconds: float = 0.1
    bytes_per_second: int = 10_000
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Reset every connection that stands."""
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        far_writer = None
        try:
            if self.mode is Mode.REFUSE:
                _reset(writer)
                return
            far_reader, far_writer = await asyncio.open_connection(self.host, self.far)
            self._writers.add(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far_writer, from_far=False))
                group.create_task(self._carry(far_reader, writer, from_far=True))
        except (OSError, ExceptionGroup):
            pass
        finally:
            for end in (writer, far_writer):
                if end is not None:
                    self._writers.discard(end)
                    end.close()
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_far: bool) -> None:
        while data := await reader.read(PIECE):
            mode = self.mode
            if mode is Mode.BLACK_HOLE:
                continue
            if mode is Mode.DELAY:
                await asyncio.sleep(self.seconds)
            if mode is Mode.THROTTLE:
                await self._trickle(data, writer)
                continue
            broken = from_far and mode in (Mode.CUT, Mode.RESET, Mode.HALF_CLOSE)
            writer.write(data[: max(1, len(data) // 2)] if broken else data)
            await writer.drain()
            if not broken:
                continue
            if mode is Mode.HALF_CLOSE:
                break
            if mode is Mode.RESET:
                _reset(writer)
            raise ConnectionError("cut")
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    async def _trickle(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        step = max(1, self.bytes_per_second // 20)
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            await asyncio.sleep(0.05)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

"""The operator's door, on its own port: ``/healthz``, ``/readyz`` and ``/metrics``.

Must not know: traffic. Every worker describes itself as a `State`; whoever holds the admin port gathers them all. The
one subtle thing: ready means that this gateway answers calls as its newest good snapshot says; being out of touch with
the registry is said (age, last error) but is no reason to stop sending traffic.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from gateway.exposition import expose
from gateway.replies import STATUS_LINES
from gateway.totals import Totals

MAX_HEAD = 8192
PATIENCE_SECONDS = 5.0


class SnapshotState(Struct, kw_only=True):
    """Which snapshot a worker serves. `age_seconds` counts from the registry's last confirmation."""

    revision: int
    digest: str
    compiled_at: int
    routes: int
    age_seconds: float | None


class State(Struct, kw_only=True):
    """One worker as it describes itself. `reasons` say why it is not ready; `last_error` why it lags behind."""

    worker: int
    process: int = 0
    """0 where it did not answer."""
    reasons: list[str]
    snapshot: SnapshotState | None
    last_error: str | None
    samples: list[tuple[str, list[str], Any]]

    @property
    def is_ready(self) -> bool:
        return not self.reasons


Gather = Callable[[], Awaitable[list[State]]]


class Admin:
    def __init__(self, gather: Gather, totals: Totals) -> None:
        self._gather = gather
        self._totals = totals
        self._server: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        self._server = await asyncio.start_server(self._serve, sock=sock, limit=MAX_HEAD)

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *fields = head.split("\r\n")
                method, _, rest = line.partition(" ")
                accept = next((f.partition(":")[2].strip() for f in fields if f.lower().startswith("accept:")), "")
                status, media_type, body = await self._answer(method, rest.partition(" ")[0].partition("?")[0], accept)
                writer.write(
                    b"%b\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
                    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
                    % (STATUS_LINES[status], media_type.encode(), len(body))
                )
                if method != "HEAD":
                    writer.write(body)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(self, method: str, path: str, accept: str) -> tuple[int, str, bytes]:
        if method not in ("GET", "HEAD"):
            return 405, "text/plain", b"GET only\n"
        if path == "/healthz":
            return 200, "application/json", b'{"status":"ok"}'
        if path == "/readyz":
            states = await self._gather()
            ready = all(state.is_ready for state in states)
            return 200 if ready else 503, "application/json", orjson.dumps(readiness(states))
        if path == "/metrics":
            content_type, text = await asyncio.to_thread(self._scrape, await self._gather(), accept)
            return 200, content_type, text
        return 404, "text/plain", b"/healthz, /readyz or /metrics\n"

    def _scrape(self, states: list[State], accept: str) -> tuple[str, bytes]:
        seen = [(state.worker, state.process, _samples(state)) for state in states]
        return expose(self._totals.readings(seen), accept)


def readiness(states: list[State]) -> dict[str, Any]:
    """What ``/readyz`` says: the gateway is ready when all its workers are."""
    reasons = sorted({reason for state in states for reason in state.reasons})
    oldest = min(
        (state for state in states if state.snapshot is not None),
        key=lambda state: state.snapshot.revision if state.snapshot else 0,
        default=None,
    )
    return {
        "status": "not-ready" if reasons else "ready",
        "reasons": reasons,
        "snapshot": None if oldest is None else msgspec.to_builtins(oldest.snapshot),
        "last_error": next((state.last_error for state in states if state.last_error), None),
        "workers": len(states),
    }


def _samples(state: State) -> list[tuple[str, list[str], Any]]:
    samples = [*state.samples, ("ready", [], int(state.is_ready))]
    if state.snapshot is not None:
        samples += [
            ("snapshot_revision", [], state.snapshot.revision),
            ("snapshot_routes", [], state.snapshot.routes),
            ("snapshot_age_seconds", [], state.snapshot.age_seconds or 0.0),
        ]
    return samples


class Siblings:
    """How the workers of one gateway describe themselves to each other: a Unix socket each, in a private directory."""

    def __init__(self, directory: Path, index: int, count: int, describe: Callable[[], State]) -> None:
        self._directory = directory
        self._index = index
        self._count = count
        self._describe = describe
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        path = self._path(self._index)
        path.unlink(missing_ok=True)  # left by a worker that died
        self._server = await asyncio.start_unix_server(self._tell, path)

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def gather(self) -> list[State]:
        """Everybody's state; a worker that does not answer is not ready."""
        others = [index for index in range(self._count) if index != self._index]
        return [self._describe(), *await asyncio.gather(*map(self._ask, others))]

    def _path(self, index: int) -> Path:
        return self._directory / f"worker-{index}"

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(msgspec.json.encode(self._describe()))
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _ask(self, index: int) -> State:
        try:
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_unix_connection(self._path(index))
                try:
                    return msgspec.json.decode(await reader.read(), type=State)
                finally:
                    writer.close()
        except (OSError, TimeoutError, msgspec.DecodeError):
            reasons = [f"worker {index} does not answer"]
            return State(worker=index, reasons=reasons, snapshot=None, last_error=None, samples=[])

"""The rig of a soak: gateways as real processes, a registry's feed, a backend that counts.

What was measured is handed to `measured` and printed when the run ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest
import uvloop

from tests.backends import Backend, Seen, Wire
from tests.soak import scene

P = ParamSpec("P")
ROOT = Path(__file__).parent.parent.parent

measurements: list[tuple[str, str]] = []


def measured(scenario: str, **numbers: object) -> None:
    """Note what was seen, for the table at the end of the run."""
    measurements.append((scenario, ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in numbers.items())))


def soak(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A long test on uvloop, run by `make soak` only."""

    @pytest.mark.soak
    @pytest.mark.timeout(240)
    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], bool | Coroutine[Any, Any, bool]], within: float = 10.0) -> float:
    """Wait until something holds; returns the seconds it took."""
    began = time.monotonic()
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return time.monotonic() - began
        assert time.monotonic() - began < within, f"not within {within} s"
        await asyncio.sleep(0.02)


# -- what stands around a gateway -------------------------------------------------------------------------------------


async def echo(seen: Seen, wire: Wire) -> None:
    body = json.dumps({"target": seen.target, "connection": seen.connection}).encode()
    await wire.reply(200, body, ("Content-Type", "application/json"))


class Counting(Backend):
    """Echoes what was asked, so that a wrong answer shows, and counts by path without keeping anything."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.calls: Counter[str] = Counter()
        self.then = echo

    async def _answer(self, seen: Seen, wire: Wire) -> None:
        self.seen.clear()
        self.calls[seen.target.partition("?")[0]] += 1
        await self.then(seen, wire)


@dataclass
class Feed:
    """The snapshot feed as a registry serves it, down to the long poll. `stop` and `start` are its death and return."""

    data: bytes = b""
    port: int = 0
    polls: int = 0
    reports: int = 0

    async def __aenter__(self) -> Feed:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish(self, data: bytes) -> None:
        self.data = data
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def etag(self) -> bytes:
        # the checksum as the envelope states it, or something else where a test broke it
        return b'"%b"' % (self.data.split(b'"', 6)[5] if self.data.startswith(b'{"format"') else b"broken")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST /v1/usage "):
                    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                    await reader.readexactly(length)
                    self.reports += 1
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    continue
                self.polls += 1
                if self.etag in head and b"wait=" in head:
                    try:
                        async with asyncio.timeout(5):
                            await self._changed.wait()
                    except TimeoutError:
                        pass
                if self.etag in head:
                    writer.write(b"HTTP/1.1 304 Not Modified\r\nETag: %b\r\n\r\n" % self.etag)
                else:
                    answer = b"HTTP/1.1 200 OK\r\nETag: %b\r\nContent-Length: %d\r\n\r\n"
                    writer.write(answer % (self.etag, len(self.data)) + self.data)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


@asynccontextmanager
async def around() -> AsyncIterator[tuple[Counting, Feed]]:
    """A stable backend, and a feed that serves revision 1."""
    async with Counting() as steady, Feed() as feed:
        feed.publish(scene.snapshot(1, {"steady": steady.url}))
        yield steady, feed


# -- gateways ---------------------------------------------------------------------------------------------------------


_candidates = itertools.cycle(range(14_000 + os.getpid() % 100 * 8, 15_000))


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now and that were not given out lately, outside the range that the kernel gives to
    clients."""
    found: list[int] = []
    while len(found) < count:
        port = next(_candidates)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


@dataclass
class Gateway:
    """One gateway of `workers` processes. `more` are settings; `files` caps its descriptors; `wrapper` is Python that
    runs before it, for what only the process itself can be made to see."""

    state: Path
    registry: str
    workers: int = 1
    more: dict[str, str] = field(default_factory=dict)
    files: int | None = None
    wrapper: str = ""
    stdout: Any = None
    stderr: Any = None

    def __post_init__(self) -> None:
        self.port, self.admin = free_ports(2)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "ADMIN_PORT": str(self.admin),
            "REGISTRY_URL": self.registry,
            "REGISTRY_KEY": "wbo_soak",
            "STATE_DIR": str(self.state),
            "WORKERS": str(self.workers),
            "ACCESS_LOG": str(self.state / "access.log"),
            **self.more,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
        environment = {**clean, **{f"WEIGHBRIDGE_GATEWAY_{name}": value for name, value in settings.items()}}
        self.state.mkdir(parents=True, exist_ok=True)
        run = f"import runpy, sys; {self.wrapper}\nsys.argv = ['weighbridge', 'gateway']; "
        code = run + "runpy.run_module('weighbridge', run_name='__main__')"
        files = self.files
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env=environment,
                stdout=self.stdout,
                stderr=log if self.stderr is None else self.stderr,
                preexec_fn=files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))),
            )

    async def ready(self, within: float = 15.0) -> float:
        """Wait for it; returns the seconds it took."""

        async def is_ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return (await self.readyz())[0] == 200

        return await until(is_ready, within)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """Every process of it, the parent first."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    @property
    def worker_pids(self) -> list[int]:
        return self.pids[1:] or [self.pid]

    @property
    def log_path(self) -> Path:
        return self.state.with_name(f"{self.state.name}.log")

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def ended(self, within: float = 15.0) -> int:
        assert self.process is not None
        process = self.process
        await until(lambda: process.poll() is not None, within)
        return process.returncode

    async def readyz(self) -> tuple[int, dict[str, Any]]:
        """Status and document, ``0`` where nobody answers."""
        status, body = await self._admin("/readyz")
        return status, json.loads(body) if body else {}

    async def revision(self) -> int:
        """The oldest that any worker serves."""
        told = (await self.readyz())[1].get("snapshot")
        return int(told["revision"]) if told else 0

    async def serves(self, revision: int) -> bool:
        return await self.revision() >= revision

    async def metric(self, name: str) -> float:
        """The sum over all its series."""
        _, body = await self._admin("/metrics")
        lines = [line for line in body.decode().splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def _admin(self, path: str) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.admin)
                writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
                answer = await reader.read()
                writer.close()
        except (OSError, TimeoutError):
            return 0, b""
        head, _, body = answer.partition(b"\r\n\r\n")
        return (int(head.split(b" ")[1]), body) if body else (0, b"")

    def footprint(self) -> tuple[int, int]:
        """Open descriptors, and resident MB, of all its processes."""
        files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids)
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)
        return files, pages * resource.getpagesize() // 1_048_576

    async def stop(self) -> None:
        process = self.process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            try:
                await self.ended(10)
            except AssertionError:
                process.kill()
                process.wait()


@asynccontextmanager
async def running(*gateways: Gateway) -> AsyncIterator[None]:
    """Start them, wait until they are ready, and stop them."""
    try:
        for gateway in gateways:
            gateway.start()
        for gateway in gateways:
            await gateway.ready()
        assert [gateway.log for gateway in gateways if gateway.process and gateway.process.poll() is not None] == []
        yield
    finally:
        for gateway in gateways:
            await gateway.stop()

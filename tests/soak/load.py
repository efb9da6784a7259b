"""The steady load of a soak, and single callers beside it.

*Clean* is said in one place, `Load.clean`: no wrong answer, no reset, and a p99 that stays near that of the calm.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.soak import scene
from tests.soak.rig import Gateway, measured

CLIENTS = 20
PAUSE = 0.04
"""Between two calls of one client: about 400 calls a second in all, which leaves a small machine room for the rest."""
BUSY_MACHINE = 0.25
"""Seconds; a p99 below this is never held against the gateway, since a neighbour on the machine can cause it."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One caller with one kept-alive connection; `ask` raises `OSError` or `EOFError` where the answer breaks off."""

    def __init__(self, port: int, plan: str = "wide", key: str = "") -> None:
        self.port = port
        self.key = key or scene.key(plan)
        self._wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, *, method: str = "GET", body: bytes = b"", headers: str = "") -> Answer:
        began = time.monotonic()
        if self._wire is None:
            self._wire = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        reader, writer = self._wire
        framing = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: gate\r\nX-API-Key: {self.key}\r\n{framing}{headers}\r\n"
        try:
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            answer = b""
            if fields.get("transfer-encoding") == "chunked":
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    answer += (await reader.readexactly(size + 2))[:-2]
                await reader.readexactly(2)
            else:
                answer = await reader.readexactly(int(fields.get("content-length", "0")))
        except BaseException:
            self.close()
            raise
        if fields.get("connection") == "close":
            self.close()
        return Answer(int(lines[0].split()[1]), fields, answer, time.monotonic() - began)

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire[1].close()


async def statuses(port: int, path: str, count: int, *, plan: str = "wide", at_once: int = 20) -> Counter[int | str]:
    """Make `count` calls, `at_once` at a time, and count how they ended."""
    seen: Counter[int | str] = Counter()
    left = iter(range(count))

    async def call() -> None:
        client = Client(port, plan)
        for _ in left:
            try:
                seen[(await client.ask(path)).status] += 1
            except (OSError, EOFError) as error:
                seen[type(error).__name__] += 1
        client.close()

    await asyncio.gather(*(call() for _ in range(at_once)))
    return seen


class Load:
    """Twenty steady callers of the stable route, spread over the gateways. With `reconnect` each call has a connection
    of its own; `may_be_refused` is for gateways that are meant to end: a refused connect is no answer lost."""

    def __init__(
        self,
        *gateways: Gateway,
        reconnect: bool = False,
        may_be_refused: bool = False,
        route: str = "/steady/v1/items/",
        key: str = "",
    ) -> None:
        self._gateways = gateways
        self._route = route
        self._key = key
        self._reconnect = reconnect
        self._may_be_refused = may_be_refused
        self.faults: Counter[str] = Counter()
        self.samples: list[tuple[float, float]] = []
        self.refused = 0
        self.pause = PAUSE
        self._calm = 0.0
        self._before: list[tuple[int, int]] = []
        self._since = 0.0

    async def __aenter__(self) -> Load:
        self._stop = False
        ports = [gateway.port for gateway in self._gateways]
        self._tasks = [asyncio.create_task(self._call(ports[i % len(ports)], i)) for i in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _call(self, port: int, number: int) -> None:
        client = Client(port, key=self._key)
        count = 0
        await asyncio.sleep(PAUSE * number / CLIENTS)
        while not self._stop:
            count += 1
            item = str(number * 1_000_000 + count)
            began = time.monotonic()
            try:
                async with asyncio.timeout(30):
                    answer = await client.ask(self._route + item)
                if answer.status != 200 or not answer.json()["target"].endswith("/" + item):
                    self.faults[f"{answer.status} {answer.body[:200]!r}"] += 1
            except ConnectionRefusedError:
                self.refused += 1
                if not self._may_be_refused:
                    self.faults["refused"] += 1
                await asyncio.sleep(PAUSE)
                continue
            except (OSError, EOFError, TimeoutError) as error:
                self.faults[f"{type(error).__name__}: {error}"] += 1
            self.samples.append((began, time.monotonic() - began))
            if self._reconnect:
                client.close()
            await asyncio.sleep(self.pause)
        client.close()

    async def calm(self, seconds: float = 2.0) -> None:
        """Measure what it is like before anything happens."""
        await asyncio.sleep(1.0)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        self._calm = self.p99(began)
        self._before = [gateway.footprint() for gateway in self._gateways]
        self._since = time.monotonic()

    def p99(self, since: float) -> float:
        times = sorted(seconds for began, seconds in self.samples if began >= since)
        return times[len(times) * 99 // 100] if times else 0.0

    def clean(self, scenario: str, *, p99: bool = True, growth: bool = True, **numbers: object) -> None:
        """Since `calm`: no wrong answer, no reset, a p99 near the calm one, and nothing grew."""
        now = self.p99(self._since)
        told: dict[str, object] = {
            "calls": sum(began >= self._since for began, _ in self.samples),
            "faults": sum(self.faults.values()),
            "p99_calm_ms": round(self._calm * 1000, 1),
            "p99_ms": round(now * 1000, 1),
        }
        if growth:
            after = [gateway.footprint() for gateway in self._gateways]
            files = max(a[0] - b[0] for a, b in zip(after, self._before, strict=True))
            memory = max(a[1] - b[1] for a, b in zip(after, self._before, strict=True))
            told |= {"fd": f"{files:+d}", "RSS_MB": f"{memory:+d}"}
        measured(scenario, **told, **numbers)
        assert not self.faults, self.faults.most_common(5)
        if p99:
            assert now <= max(3 * self._calm, BUSY_MACHINE)
        if growth:
            assert files <= 2 * CLIENTS
            assert memory <= 50

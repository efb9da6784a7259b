"""The work of one exchange without sockets: `python -m tests.bench.inner`.

Everything a worker does between reading a request and writing its reply, driven by hand on transports that only keep
what they are given: connection, policies, upstream line, records. It tells CPU microseconds an exchange, the least of
several rounds, so it is steady enough to judge a change by; what an exchange costs in all is measured by
`tests.bench.gateway`.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop

from gateway.connection import Connection
from gateway.counters import open_counters
from gateway.keys import KeyRing
from gateway.line import Line
from gateway.pipeline import Pipeline
from gateway.settings import Settings
from gateway.sink import Sink
from gateway.telemetry import Telemetry
from gateway.worker import Worker
from policies.model.snapshot import loads
from tests.bench import load, ours

BACKEND = "http://127.0.0.1:9"
CONNECTIONS = 64


class Transport:
    """Keeps the last thing that was written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written = data

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None: ...


def request(workload: str, token: str, port: int = 8000) -> bytes:
    """As the load generator writes it."""
    head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
    if workload == "w1":
        return f"GET {load.PATH}?{load.QUERY} HTTP/1.1\r\n{head}\r\n".encode()
    head += f"Content-Type: application/json\r\nContent-Length: {len(load.W2_BODY)}\r\n"
    return f"POST /orders/v1/orders HTTP/1.1\r\n{head}\r\n".encode() + load.W2_BODY


def reply(workload: str, number: int) -> bytes:
    """As the static backend writes it; `number` makes every body another one."""
    status, body = (b"200 OK", load.W1_REPLY) if workload == "w1" else (b"201 Created", load.W2_REPLY)
    body = body.replace(b"c" * 8, b"%08d" % number, 1).replace(b"r" * 8, b"%08d" % number, 1)
    return (
        b"HTTP/1.1 %b\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json"
        b"\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (status, len(body), body)
    )


async def measure(options: argparse.Namespace) -> dict[str, float]:
    identity = ours.Identity.new()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state_dir=Path(folder))
        sink = Sink(str(Path(folder) / "access.log"))
        worker = Worker(settings, Telemetry(sink))
        keys = KeyRing()
        pipeline = Pipeline(open_counters("memory://"), keys)
        worker.table = pipeline.build(*loads(ours.snapshot(identity, BACKEND, routes=60, applications=100)))
        found = {}
        for workload in options.workloads.split(","):
            found[workload] = _rounds(worker, workload, identity.token(), options)
        worker.cut()
        sink.close(5)
    return found


def _rounds(worker: Worker, workload: str, token: str, options: argparse.Namespace) -> float:
    asked = request(workload, token)
    different = options.repeats * CONNECTIONS * 20 if options.varying else 1  # more than are remembered
    answers = cycle([reply(workload, number) for number in range(different)])
    connections = [Connection(worker) for _ in range(CONNECTIONS)]
    clients = [Transport() for _ in connections]
    for connection, client in zip(connections, clients, strict=True):
        connection.connection_made(client)  # type: ignore[arg-type]
    key = "orders/v1/DAL-2" if workload == "w1" else "orders/v1/default"
    pool = worker.upstreams.pool(key, BACKEND)
    lines: list[Line] = []
    for _ in range(CONNECTIONS):
        line = Line(pool)
        line.connection_made(Transport())  # type: ignore[arg-type]
        pool.idle.append(line)

    def one_round() -> None:
        for connection in connections:
            connection.data_received(asked)
        lines[:] = list(pool.busy)
        for line, answer in zip(lines, answers, strict=False):
            line.data_received(answer)

    one_round()
    status = b"HTTP/1.1 200" if workload == "w1" else b"HTTP/1.1 201"
    assert all(client.written.startswith(status) for client in clients), clients[0].written
    if options.profile:
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(50):
            one_round()
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
    least = float("inf")
    for _ in range(options.rounds):
        began = time.process_time()
        for _ in range(options.repeats):
            one_round()
        least = min(least, time.process_time() - began)
        worker.sweep()
        time.sleep(0.05)  # the log is written meanwhile
    assert all(client.written.startswith(status) for client in clients)
    return least / options.repeats / CONNECTIONS * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--workloads", default="w1,w2")
    parser.add_argument("--varying", action="store_true", help="every reply is another one")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps({name: round(value, 1) for name, value in runner.run(measure(options)).items()}))


if __name__ == "__main__":
    main()

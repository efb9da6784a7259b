"""Starting what is measured, each on its core, and stopping it again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.load import Candidate

ROOT = Path(__file__).parent.parent.parent
NATIVE = ROOT / "build" / "native"
"""The same source after `make native`; measured where that copy stands."""


def started(
    stack: ExitStack,
    name: str,
    command: list[str],
    port: int,
    validates: bool,
    more: dict[str, str] | None = None,
    folder: Path = ROOT,
) -> Candidate:
    pid = start(stack, 0, command, port, more, folder)
    return Candidate(name, f"http://127.0.0.1:{port}", (pid, *children(pid)), validates)


def nginx(folder: Path, name: str, text: str) -> list[str]:
    config = folder / f"nginx-{name}.conf"
    config.write_text(text)
    return ["nginx", "-p", str(folder), "-c", str(config)]


def start(
    stack: ExitStack,
    core: int,
    command: list[str],
    port: int,
    more: dict[str, str] | None = None,
    folder: Path = ROOT,
) -> int:
    """Run on one core until the stack unwinds; returns once the port answers."""
    environment = {**os.environ, **(more or {})}
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command], env=environment, cwd=folder, stderr=subprocess.DEVNULL
    )
    stack.callback(stop, process)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {' '.join(command)}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process.pid
        time.sleep(0.05)
    raise RuntimeError(f"{command[0]} does not listen on {port}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def children(pid: int) -> tuple[int, ...]:
    return tuple(int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def free_ports(count: int) -> list[int]:
    with reserved(count) as ports:
        return ports


@contextmanager
def reserved(count: int) -> Iterator[list[int]]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        yield [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()

"""One `weighbridge up` on free ports for all end-to-end tests, and what it takes to use it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from weighbridge.client import Client
from weighbridge.settings import read_private

ROOT = Path(__file__).parent.parent.parent
SUPPLIER, CUSTOMER, INTERNAL = "brightwater-edi-bridge", "oakhurst-procurement", "close-reconciler"


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now; consecutive, since the demo backends take a row."""
    for base in range(21000, 29000, count + 3):
        probes = []
        try:
            for offset in range(count):
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return [base + offset for offset in range(count)]
    raise RuntimeError("no free row of ports")


@dataclass
class Running:
    """A running `weighbridge up`."""

    home: Path
    ports: list[int]
    process: subprocess.Popen[str] | None = None
    page: str = ""
    _client: Client | None = None

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def registry(self) -> str:
        return f"http://127.0.0.1:{self.ports[2]}"

    @property
    def environment(self) -> dict[str, str]:
        """What a second terminal would have."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
        path = f"{Path(sys.executable).parent}:{clean.get('PATH', '')}"
        quick = {"WEIGHBRIDGE_GATEWAY_USAGE_REPORT_SECONDS": "0.5"}
        return {**clean, **quick, "PATH": path, "WEIGHBRIDGE_HOME": str(self.home), "TERM": "dumb", "COLUMNS": "200"}

    def start(self) -> float:
        """Start and read the page it ends with; returns the seconds it took to be ready."""
        began = time.monotonic()
        gateway, admin, registry, backends = self.ports[0], self.ports[1], self.ports[2], self.ports[3]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "weighbridge", "up", "--home", str(self.home)),
                *("--gateway-port", str(gateway), "--admin-port", str(admin)),
                *("--registry-port", str(registry), "--backends-port", str(backends)),
            ],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if "Ctrl-C stops everything" in line:
                break
        else:
            logs = "\n".join(path.read_text()[-2000:] for path in sorted((self.home / "logs").glob("*.log")))
            raise RuntimeError("up ended early:\n" + "".join(lines) + logs)
        self.page = "".join(lines)
        return time.monotonic() - began

    def stop(self) -> int:
        """Ctrl-C, and wait."""
        if self._client is not None:
            self._client.close()
            self._client = None
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        return self.process.returncode

    def pid(self, name: str) -> int:
        return int(read_private(self.home / "run.json")[name])

    @property
    def client(self) -> Client:
        if self._client is None:
            held = read_private(self.home / "client.json")
            self._client = Client(held["url"], held["key"])
        return self._client

    @property
    def demo(self) -> dict[str, Any]:
        return read_private(self.home / "demo.json")

    def key(self, application: str) -> dict[str, str]:
        return {"X-API-Key": self.demo["keys"][application]}

    def call(
        self, path: str, application: str | None = CUSTOMER, method: str = "GET", **options: Any
    ) -> httpx.Response:
        headers = {**(self.key(application) if application else {}), **options.pop("headers", {})}
        return httpx.request(method, self.gateway + path, headers=headers, trust_env=False, timeout=20, **options)

    def run(self, *arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command line, as a second terminal has it; with a `key`, as somebody else has it."""
        return subprocess.run(
            [sys.executable, "-m", "weighbridge", *arguments],
            cwd=ROOT,
            env=self.environment | ({"WEIGHBRIDGE_KEY": key} if key else {}),
            capture_output=True,
            text=True,
            timeout=120,
        )


def eventually(condition: Any, seconds: float = 5.0) -> Any:
    """Ask until it is true; returns the first true answer. A bounded wait for what crosses between processes."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo, running."""
    running = Running(tmp_path_factory.mktemp("up") / "home", free_ports(9))
    running.start()
    try:
        yield running
    finally:
        assert running.stop() == 0

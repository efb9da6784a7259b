"""Gateways as `weighbridge top` sees them: pages written by the gateway's own exposition."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.exposition import expose
from gateway.telemetry import BOUNDS
from weighbridge.watching.readings import Reading, parse

URL = "http://127.0.0.1:8001"
GET, LIST = ("shipment", "1", "getShipment"), ("shipment", "1", "listShipments")
READY = {
    "status": "ready",
    "reasons": [],
    "snapshot": {"revision": 7, "digest": "sha256:0", "compiled_at": 1, "routes": 2, "age_seconds": 3.25},
    "last_error": None,
    "workers": 2,
}


def buckets(**counts: int) -> list[float]:
    """Counts by bound in milliseconds (``ms5=10``), ``more=1`` beyond the last; a sum that nobody reads."""
    numbers = [0.0] * (len(BOUNDS) + 2)
    for name, count in counts.items():
        index = len(BOUNDS) if name == "more" else BOUNDS.index(float(name.removeprefix("ms")) / 1000)
        numbers[index] = count
    return numbers


def metrics(*samples: tuple[str, list[str], Any]) -> str:
    return expose([samples])[1].decode()


def reading(at: float, *samples: tuple[str, list[str], Any], url: str = URL, **readiness: Any) -> Reading:
    return parse(url, at, json.dumps({**READY, **readiness}), metrics(*samples))


class Door:
    """An admin port that says what it is told to; ``None`` hangs up."""

    def __init__(self) -> None:
        self.readiness: dict[str, Any] | None = READY
        self.samples: list[tuple[str, list[str], Any]] = []
        self.url = ""


@contextmanager
def door() -> Iterator[Door]:
    made = Door()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if made.readiness is None:
                self.close_connection = True
                return
            told = json.dumps(made.readiness) if self.path == "/readyz" else metrics(*made.samples)
            self.send_response(200 if made.readiness["status"] == "ready" else 503)
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Where spans go: noted by the loop, encoded and sent by a thread, dropped and counted when it falls behind.

OTLP/HTTP with JSON, as every collector takes it on port 4318. What may be sent again (a collector out of reach, 429,
502, 503, 504) is, with growing pauses; the rest is dropped and counted.

Must not know: what a span says (`gateway.spans`). The one subtle thing: neither a collector that hangs nor one that
refuses may hold up traffic or fill the memory, so nothing is ever waited for except, briefly, at the end; and since the
thread shares its interpreter with the loop, it encodes a few exchanges at a time and then stands aside.
"""

from __future__ import annotations

import math
import os
import random
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import orjson
import structlog

from gateway.settings import Settings
from gateway.spans import Finished, encode, envelope
from gateway.tracecontext import SAMPLED, Context

MAX_WAITING = 4096
"""Exchanges that wait to be sent, besides those that are being sent."""
BATCH = 256
"""Exchanges sent together."""
PIECE = 16
"""Exchanges encoded at a time."""
ASIDE_SECONDS = 0.001
TRIES = 5
PAUSES = (1.0, 30.0)
"""Seconds: the first pause before a batch is sent again, and the longest."""
TIMEOUT_SECONDS = 5.0
MAX_ANSWER = 65_536
AGAIN = frozenset({429, 502, 503, 504})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")

_log = structlog.get_logger("gateway.traces")


class InvalidCollector(Exception):
    """What the operator has to change, in one line; never what was set."""


def collector(settings: Settings) -> tuple[str, dict[str, str]] | None:
    """Address and headers to export to, or ``None`` where nothing is. Raises `InvalidCollector`."""
    endpoint = settings.otlp_endpoint.rstrip("/")
    if not endpoint:
        return None
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment:
        raise InvalidCollector(
            "WEIGHBRIDGE_GATEWAY_OTLP_ENDPOINT is not the address of a collector: write http://host:4318, and put"
            " credentials into WEIGHBRIDGE_GATEWAY_OTLP_HEADERS"
        )
    headers: dict[str, str] = {}
    for number, pair in enumerate(settings.otlp_headers.get_secret_value().split(","), 1):
        if not pair.strip():
            continue
        name, equals, value = pair.partition("=")
        name, value = name.strip(), unquote(value.strip())
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise InvalidCollector(
                f"WEIGHBRIDGE_GATEWAY_OTLP_HEADERS: pair {number} is not name=value; pairs are separated by commas, and"
                " commas in a value are written %2C"
            )
        headers[name] = value
    return endpoint if parts.path.endswith("/v1/traces") else f"{endpoint}/v1/traces", headers


def open_tracer(settings: Settings) -> Tracer | None:
    """Start exporting, where settings say so. Raises `InvalidCollector`."""
    found = collector(settings)
    if found is None:
        return None
    scheme = "http" if settings.tls_certificate is None else "https"
    return Tracer(*found, settings.trace_ratio, scheme, limit=settings.trace_limit)


class Tracer:
    """One worker's spans. `ratio` of the traces that begin here are sampled, chosen by `draw` (of numbers from 0 to 1);
    a caller's trace is sampled where the caller says so; of both together at most `limit` a second, since a caller may
    always say so. With `pauses` (first, longest) a batch is sent again."""

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        ratio: float,
        scheme: str = "http",
        draw: Callable[[], float] = random.random,
        pauses: tuple[float, float] = PAUSES,
        limit: int = 1_000,
    ) -> None:
        self._url = url
        self._headers = {**headers, "content-type": "application/json", "accept-encoding": "identity"}
        self._ratio = ratio
        self._scheme = scheme
        self._draw = draw
        self._pauses = pauses
        self._limit = limit
        self._room: float = limit
        self._flushed_at = -math.inf
        self.over_limit = 0
        """Exchanges that would have been sampled."""
        pid = os.getpid()
        self._resource: dict[str, str | int] = {
            "service.name": "weighbridge-gateway",
            "service.version": version("weighbridge"),
            "service.instance.id": f"{socket.gethostname()}-{pid}",
            "host.name": socket.gethostname(),
            "process.pid": pid,
        }
        self.exported = 0
        """Spans that a collector took."""
        self.dropped = 0
        """Spans that none did."""
        self._handed = 0
        self._noted: list[Finished] = []
        self._waiting: deque[Finished] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    # -- in the loop --

    def samples(self, context: Context | None) -> bool:
        """Is this exchange sampled, as part of the caller's trace or of one that begins here?"""
        if not (self._draw() < self._ratio if context is None else context.flags & SAMPLED):
            return False
        if self._room < 1.0:
            self.over_limit += 1
            return False
        self._room -= 1.0
        return True

    def note(self, done: Finished) -> None:
        self._noted.append(done)

    def flush(self, now: float) -> None:
        """Hand over what was noted since the last call, or as much of it as there is room for; `now` is monotonic
        seconds."""
        self._room = min(self._limit, self._room + (now - self._flushed_at) * self._limit)
        self._flushed_at = now
        if not self._noted:
            return
        noted, self._noted = self._noted, []
        with self._changed:
            self._handed += _spans(noted)
            room = MAX_WAITING - len(self._waiting)
            self._waiting.extend(noted[:room])
            self.dropped += _spans(noted[room:])
            self._changed.notify()

    def reading(self) -> list[tuple[str, list[str], int]]:
        """Samples ``(metric, label values, value)``."""
        return [
            ("spans_exported", [], self.exported),
            ("spans_dropped", [], self.dropped),
            ("traces_over_limit", [], self.over_limit),
        ]

    def close(self, seconds: float = 2.0) -> None:
        """Send what is waiting, but do not wait longer than `seconds` for it."""
        self.flush(time.monotonic())
        with self._changed:
            self._closing.set()
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            left = self._handed - self.exported - self.dropped
        if left:
            _log.warning("traces were lost at the end", spans=left)

    # -- in the thread --

    def _run(self) -> None:
        limits = httpx.Limits(max_connections=1)
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False, limits=limits) as client:
            while batch := self._next():
                sent = 0
                try:
                    sent = self._deliver(client, batch)
                except Exception:  # whatever it is, it costs this batch and not those to come
                    _log.exception("traces could not be sent")
                with self._changed:
                    self.exported += sent
                    self.dropped += _spans(batch) - sent

    def _next(self) -> list[Finished]:
        """What to send next; nothing once everything is sent and no more will come."""
        with self._changed:
            while not self._waiting and not self._closing.is_set():
                self._changed.wait()
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _deliver(self, client: httpx.Client, batch: list[Finished]) -> int:
        """Send a batch, again where that may help; returns how many spans were taken."""
        pieces: list[bytes] = []
        good = 0
        for number, done in enumerate(batch, 1):
            try:
                pieces.append(encode(done, self._scheme))
                good += 1 + len(done.attempts)
            except (TypeError, ValueError):  # text that is none: that exchange is lost, and no other
                pass
            if not number % PIECE:
                time.sleep(ASIDE_SECONDS)
        if not pieces:
            return 0
        body = envelope(self._resource, pieces)
        pause, longest = self._pauses
        for attempt in range(TRIES):
            status, answer, told = self._post(client, body)
            if 200 <= status < 300:
                self._works()
                return good - min(good, _rejected(answer))
            self._fails(status or answer.decode())
            if (status and status not in AGAIN) or attempt == TRIES - 1 or self._closing.is_set():
                break
            self._closing.wait(min(longest, max(pause, told)))
            pause *= 2
        return 0

    def _post(self, client: httpx.Client, body: bytes) -> tuple[int, bytes, float]:
        """Status, answer and the seconds that the collector asks us to wait. Status 0 is a collector out of reach; then
        the answer is the kind of failure."""
        until = time.monotonic() + TIMEOUT_SECONDS
        try:
            with client.stream("POST", self._url, content=body, headers=self._headers) as response:
                answer = b""
                for chunk in response.iter_raw():
                    answer += chunk
                    if len(answer) > MAX_ANSWER or time.monotonic() > until:
                        break
                told = response.headers.get("retry-after", "")
                return response.status_code, answer, float(told) if told.isdecimal() and len(told) < 6 else 0.0
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return 0, type(error).__name__.encode(), 0.0

    def _fails(self, reason: object) -> None:
        if not self._failing:
            self._failing = True
            _log.warning("the collector does not take traces", reason=reason)

    def _works(self) -> None:
        if self._failing:
            self._failing = False
            _log.info("the collector takes traces again")


def _spans(noted: list[Finished]) -> int:
    return sum(1 + len(done.attempts) for done in noted)


def _rejected(answer: bytes) -> int:
    """How many spans of a batch a collector says that it did not keep."""
    try:
        told: Any = orjson.loads(answer)["partialSuccess"]["rejectedSpans"]
        return max(0, int(told))
    except (ValueError, TypeError, KeyError, OverflowError):
        return 0

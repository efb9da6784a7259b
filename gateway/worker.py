"""What all connections of one process share: the current table, the pools, the numbers, the clock.

Must not know: how it was started (`gateway.server`) or what a connection does. The one subtle thing: deadlines are
enforced by one sweep a few times a second instead of a timer per request, so they are late by up to `SWEEP_SECONDS`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from email.utils import formatdate
from typing import Any, Protocol

from gateway.budget import Budget
from gateway.heads import Identities
from gateway.idempotency import open_answers
from gateway.otlp import Tracer
from gateway.settings import Settings
from gateway.telemetry import Sample, Telemetry
from gateway.tls import valid_until
from gateway.upstream import Upstreams
from gateway.usage import Usage
from gateway.visitors import Visitors

SWEEP_SECONDS = 0.25
DRAIN_IDLE_SECONDS = 1.0
"""How long a draining worker lets an idle connection ask once more (and be told to close)."""
FINISH_SECONDS = 2.0
"""After the last exchange, what is still to be written down about it has this long."""


class Swept(Protocol):
    """A client connection as the sweep sees it. `deadline` is monotonic seconds."""

    deadline: float

    @property
    def is_idle(self) -> bool: ...
    def expire(self) -> None: ...
    def cut(self) -> None: ...


class Worker:
    def __init__(self, settings: Settings, telemetry: Telemetry, tracer: Tracer | None = None) -> None:
        self.settings = settings
        self.telemetry = telemetry
        self.tracer = tracer
        """``None`` where no traces are exported."""
        self.usage = Usage(reported=settings.usage_report_seconds > 0)
        self.identities = Identities()
        self.now = time.monotonic()
        """As of the last sweep."""
        self.upstreams = Upstreams(settings, self.now)
        self.date_line = b""
        self.answers = open_answers(settings.idempotency_url, settings.state_dir, settings.idempotency_seconds)
        self.key_counts: dict[str, int] = {}
        """Calls with an idempotency key, by what became of the key."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.body_patience = settings.body_idle_seconds
        """Seconds until the first bytes of a body have to be here."""
        if settings.min_body_rate:
            self.body_patience = min(self.body_patience, settings.body_grace_seconds)
        self.scheme = b"http" if settings.tls_certificate is None else b"https"
        self.knows_certificates = settings.tls_certificate is not None or bool(settings.trusted_proxies)
        """Whether a connection may show a client certificate at all."""
        until = valid_until(settings)
        self.certificate_until = None if until is None else int(until.timestamp())
        """When our own certificate expires, of the file as it was when this worker started."""
        self.connections: set[Swept] = set()
        self.visitors = Visitors(settings.max_connections_per_address, settings.trusted_proxies)
        self._places: dict[Swept, str] = {}
        self.budget = Budget(settings.max_held_bytes)
        self.table: Any = None
        """The current `gateway.pipeline.Table`; replaced whole, read once per exchange."""
        self.draining = False
        self.emptied = asyncio.Event()
        """Set when a draining worker has lost its last connection."""
        self._drain_started = 0.0
        self.sweep()

    def drain(self) -> None:
        """From now on every reply closes its connection, and idle connections are let go."""
        self.draining = True
        self._drain_started = self.now
        if not self.connections:
            self.emptied.set()

    def admit(self, connection: Swept, transport: asyncio.BaseTransport) -> str | None:
        """Count a new client connection, and say where it comes from; ``None`` where there are too many already."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        if len(self.connections) >= self.settings.max_connections or (place := self.visitors.enter(address)) is None:
            self.telemetry.turned_away += 1
            return None
        self.telemetry.accepted += 1
        self.connections.add(connection)
        if place:
            self._places[connection] = place
        return address

    def forget(self, connection: Swept) -> None:
        self.connections.discard(connection)
        self.visitors.leave(self._places.pop(connection, ""))

    def body_deadline(self, since: float, received: int) -> float:
        """When a client that began a body at `since` has kept us waiting for too long: since its last bytes, or for so
        few of them."""
        settings = self.settings
        idle = self.now + settings.body_idle_seconds
        if not settings.min_body_rate:
            return idle
        return min(idle, since + settings.body_grace_seconds + received / settings.min_body_rate)

    def left(self, connection: Swept) -> None:
        """A client connection ended."""
        self.forget(connection)
        if self.draining and not self.connections:
            self.emptied.set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work that no exchange may cancel."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait, not for ever, for such work, and close what it used."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
        await self.answers.close()

    def count_key(self, outcome: str) -> None:
        self.key_counts[outcome] = self.key_counts.get(outcome, 0) + 1

    def reading(self) -> list[Sample]:
        """What is held, and what became of keys."""
        return [
            ("held_bytes", [], self.budget.held),
            ("held_refusals", [], self.budget.refusals),
            ("idempotency_lost", [], int(self.answers.lost)),
            *(("idempotency_keys", [outcome], n) for outcome, n in self.key_counts.items()),
            *(
                ()
                if self.certificate_until is None
                else (("tls_certificate_expiry_seconds", [], self.certificate_until),)
            ),
        ]

    def sweep(self) -> None:
        """Enforce every deadline, hand over log and traces, refresh the date."""
        now = self.now = time.monotonic()
        self.date_line = b"Date: %b" % formatdate(usegmt=True).encode("ascii")
        self.upstreams.sweep(now)
        patience = self._drain_started + DRAIN_IDLE_SECONDS if self.draining else None
        for connection in [c for c in self.connections if c.deadline < now or patience is not None]:
            if connection.deadline < now or (patience is not None and patience <= now and connection.is_idle):
                connection.expire()
        self.telemetry.flush()
        if self.tracer is not None:
            self.tracer.flush(now)

    def cut(self) -> None:
        """End whatever is left."""
        for connection in list(self.connections):
            connection.cut()
        self.upstreams.close()
        self.telemetry.flush()

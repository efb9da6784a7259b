"""Tells the registry who called what: small numbered reports, every few seconds, beside the traffic.

A report is held, number and content, until the registry has taken it: delivered twice it counts once, and what is
counted meanwhile goes into the next one. A registry that is away, or a key that may not report, costs nothing but the
memory that `gateway.usage` bounds. The one subtle thing: everything here runs on the loop that serves, so counts are
folded in slices.

Must not know: what a request is.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from typing import Any

import httpx
import msgspec
import structlog

from gateway.settings import Settings
from gateway.usage import OTHER, Pending, Usage

MAX_ITEMS = 500
"""Kinds of calls, and credentials, in one report: what the registry takes."""
SLICE = 500
"""Counts folded without letting traffic pass."""
MAX_OPERATION = 200
FLUSH_SECONDS = 2.0
"""How long a worker that ends tries to deliver what is left."""
SIGN_OF_LIFE_SECONDS = 3600.0
"""So often a worker says at least that there was nothing: silence must not look like a gateway that does not report."""
_MALFORMED = (400, 413, 415, 422)
"""The registry will never take that report; it is another build's, and nothing is gained by sending it again."""

_ID = re.compile("[A-Za-z0-9_-]{1,64}")
"""How the registry names a credential; one that is named otherwise is none of its own, and would spoil the report."""

_log = structlog.get_logger("gateway.usage")


class Reporter:
    """`run` until cancelled, then `flush`."""

    def __init__(self, settings: Settings, usage: Usage, clock: Callable[[], float] = time.monotonic) -> None:
        self.sent = 0
        self.failed = 0
        """Attempts; what they held is tried again."""
        self.refused = 0
        """Reports that the registry called malformed: lost."""
        self.last_error: str | None = None
        self._settings = settings
        self._usage = usage
        self._clock = clock
        self._silent_until = -inf
        self._source = secrets.token_hex(16)
        self._sequence = 0
        self._held: bytes | None = None

    async def run(self) -> None:
        pause = self._settings.usage_report_seconds
        await asyncio.sleep(pause * random.random())  # noqa: S311 - spreads workers out
        async with self._client() as client:
            while True:
                await self._round(client)
                await asyncio.sleep(pause)

    async def flush(self) -> None:
        """Deliver what is left, or give up after `FLUSH_SECONDS`."""
        try:
            async with asyncio.timeout(FLUSH_SECONDS), self._client() as client:
                await self._round(client)
        except TimeoutError:
            self._fail("it did not answer in time")

    def reading(self) -> list[tuple[str, list[str], int]]:
        """Samples ``(metric, label values, value)``."""
        return [
            ("usage_reports", ["sent"], self.sent),
            ("usage_reports", ["failed"], self.failed),
            ("usage_reports", ["refused"], self.refused),
            ("usage_dropped", [], self._usage.dropped),
            ("usage_pending", [], len(self._usage.pending)),
        ]

    def _client(self) -> httpx.AsyncClient:
        key = self._settings.registry_key.get_secret_value()
        return httpx.AsyncClient(
            base_url=self._settings.registry_url,
            headers={"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})},
            timeout=httpx.Timeout(5.0, connect=2.0),
            trust_env=False,
        )

    async def _round(self, client: httpx.AsyncClient) -> None:
        try:
            for _ in range(0, self._usage.unsettled, SLICE):
                self._usage.settle(SLICE)
                await asyncio.sleep(0)
            while (report := self._held or self._next()) is not None:
                self._held = report
                if not await self._deliver(client, report):
                    return
                self._held = None
        except Exception as error:  # whatever it is, a gateway goes on serving and counting
            self._fail(f"{type(error).__name__}: {error}".rstrip(": "))

    def _next(self) -> bytes | None:
        uses, used = self._usage.take(MAX_ITEMS), self._usage.take_used(MAX_ITEMS)
        if not uses and not used and self._clock() < self._silent_until:
            return None
        self._silent_until = self._clock() + SIGN_OF_LIFE_SECONDS
        self._sequence += 1
        return msgspec.json.encode(
            {
                "source": self._source,
                "sequence": self._sequence,
                "uses": [_use(key, *counted) for key, counted in uses],
                "credentials": [
                    {"id": id_, "last_used_at": _instant(int(at))} for id_, at in used if _ID.fullmatch(id_)
                ],
            }
        )

    async def _deliver(self, client: httpx.AsyncClient, report: bytes) -> bool:
        """Whether the report is done with."""
        reply = await client.post("/v1/usage", content=report)
        if reply.is_success:
            self.sent += 1
            self.last_error = None
            return True
        if reply.status_code in _MALFORMED:
            self.refused += 1
            _log.error("usage report refused", status=reply.status_code)
            return True
        if reply.status_code in (401, 403):
            self._fail(
                f"the registry answered {reply.status_code}: set WEIGHBRIDGE_GATEWAY_REGISTRY_KEY to a key with the "
                "role gateway"
            )
        else:
            self._fail(f"the registry answered {reply.status_code}")
        return False

    def _fail(self, reason: str) -> None:
        self.failed += 1
        if self.last_error != reason:  # once per outage, not once per attempt
            _log.warning("usage not reported", reason=reason)
        self.last_error = reason


def _use(key: Pending, calls: int, last_at: int) -> dict[str, Any]:
    _, application, (contract, major, operation, version), status_class = key
    return {
        "contract": contract,
        "major": int(major),
        "number": version,
        "application": None if application in ("", OTHER) else application,
        "operation": operation[:MAX_OPERATION],
        "status_class": f"{status_class}xx",
        "calls": calls,
        "last_at": _instant(last_at),
    }


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""One look at a gateway: its ``/readyz`` and ``/metrics``, as numbers.

What a gateway says is bounded and cleaned here: labels hold names from other people's contracts, and a terminal obeys
what it is sent.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

SECONDS = 2.0
"""How long a gateway may take to answer; the others are not held up longer."""
MAX_BYTES = 64 * 1024 * 1024
_OPERATION = ("contract", "major", "operation")
LABELS: dict[str, tuple[str, ...]] = {
    "requests_total": (*_OPERATION, "status"),
    "request_seconds_bucket": (*_OPERATION, "le"),
    "usage_total": ("application", *_OPERATION, "class"),
    "refusals_total": ("application", "status", "problem", "limit"),
    "upstream_in_flight": ("upstream",),
    "upstream_failures_total": ("upstream",),
    "upstream_refusals_total": ("upstream",),
    "upstream_ejected": ("upstream",),
    "connections": (),
    "counters_lost": (),
}
"""What is looked at, and the order in which its labels are kept."""
_PREFIX = "weighbridge_"

Series = dict[str, dict[tuple[str, ...], float]]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """`at` is seconds of a clock that nobody sets. `error` says why there is nothing else."""

    url: str
    at: float
    error: str | None = None
    ready: bool = False
    reasons: tuple[str, ...] = ()
    last_error: str | None = None
    workers: int = 0
    revision: int | None = None
    age_seconds: float | None = None
    series: Series = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all workers were asked: without one of them sums drop, and jump when it is back."""
        return self.error is None and not any("does not answer" in reason for reason in self.reasons)


class Watcher:
    """Asks all gateways at once."""

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._urls = list(dict.fromkeys(url.rstrip("/") for url in urls))
        self._clock = clock
        self._client = httpx.Client(timeout=SECONDS, trust_env=False, headers={"Accept": "text/plain"})
        self._pool = ThreadPoolExecutor(min(16, len(self._urls)))

    def look(self) -> list[Reading]:
        """One reading for each gateway, in the order they were named."""
        return list(self._pool.map(self._read, self._urls))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _read(self, url: str) -> Reading:
        try:
            readiness = self._fetch(f"{url}/readyz")
            metrics = self._fetch(f"{url}/metrics")
            return parse(url, self._clock(), readiness, metrics)
        except httpx.HTTPError as error:
            return Reading(url=url, at=self._clock(), error=printable(str(error) or type(error).__name__))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Reading(url=url, at=self._clock(), error="what answers there is no gateway's admin port")

    def _fetch(self, url: str) -> str:
        body = bytearray()
        with self._client.stream("GET", url) as reply:
            for part in reply.iter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise ValueError("too large")
            if reply.status_code not in (200, 503):
                raise ValueError("no such page")
        return body.decode()


def parse(url: str, at: float, readiness: str, metrics: str) -> Reading:
    """Raises `ValueError` and its like for what no gateway says."""
    import json

    from prometheus_client.parser import text_string_to_metric_families

    told: dict[str, Any] = json.loads(readiness)
    snapshot = told["snapshot"] or {}
    series: Series = {name: {} for name in LABELS}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            name = sample.name.removeprefix(_PREFIX)
            if name in LABELS and math.isfinite(sample.value):
                labels = tuple(printable(sample.labels.get(label, "")) for label in LABELS[name])
                series[name][labels] = series[name].get(labels, 0.0) + sample.value
    return Reading(
        url=url,
        at=at,
        ready=told["status"] == "ready",
        reasons=tuple(printable(str(reason)) for reason in told["reasons"]),
        last_error=printable(str(told["last_error"])) if told.get("last_error") else None,
        workers=int(told.get("workers", 1)),
        revision=snapshot.get("revision"),
        age_seconds=snapshot.get("age_seconds"),
        series=series,
    )


def printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:300])

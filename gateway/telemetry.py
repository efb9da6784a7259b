"""What happened, cheaply: counters and histograms in plain lists, and one record per exchange for the access log.

A request pays one dictionary read, a few additions and one append; names and labels are made when somebody scrapes
(`gateway.exposition`), text in the thread that writes the log, many records in one call. Of exchanges that went well
only a share may be recorded; every one is counted. Records carry the path
template instead of the path where a route matched, and never a credential, a query value or a header. What broke the
contract is named by pointer and code, as the caller was told it: the owner of a backend that strays has to find the
place.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.records import AccessRecord, encode_records
from gateway.sink import Sink
from policies.model.generated import without_secrets
from policies.traffic import Exchange, Fault

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""
UNROUTED = ("", "", "")
MAX_LOGGED_PATH = 256
MAX_LOGGED_FAULTS = 5
MAX_LOGGED_POINTER = 128
"""Characters: names in a pointer may be the sender's."""

Sample = tuple[str, list[str], Any]
"""``(metric, label values, value)``: see `gateway.exposition.METRICS`."""


class Series:
    """One operation's numbers. `buckets` has one more entry than `BOUNDS`, for what was slower than all."""

    __slots__ = ("buckets", "received", "seconds", "sent", "statuses", "unevaluated", "upstream_seconds")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.upstream_seconds = 0.0
        self.received = 0
        self.sent = 0
        self.unevaluated = {"request": 0, "response": 0}


class Telemetry:
    """One worker's numbers. `sink` is where access records go, or ``None``; `share` of those exchanges that went well
    and took less than `slow_seconds` are recorded, chosen by `draw` (of numbers from 0 to 1)."""

    def __init__(
        self,
        sink: Sink | None,
        share: float = 1.0,
        slow_seconds: float = 1.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.sink = sink
        self._share = share
        self._slow_seconds = slow_seconds
        self._draw = draw
        self.left_out = 0
        self.accepted = 0
        self.turned_away = 0
        self.aborted = 0
        self._series: dict[tuple[str, ...], Series] = {}
        self._problems: dict[str, int] = {}
        self._faults: dict[tuple[str, ...], int] = {}
        self._records: list[AccessRecord] = []
        self._second = -1
        self._time = ""  # of that second, as records begin with it

    def series(self, labels: tuple[str, ...]) -> Series:
        found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = Series()
        return found

    def record(
        self,
        exchange: Exchange,
        labels: tuple[str, ...],
        status: int,
        seconds: float,
        upstream_seconds: float,
        received: int,
        sent: int,
        aborted: bool,
        trace_id: str | None = None,
    ) -> None:
        """Count one finished exchange. `received` and `sent` are bytes of body; `aborted` says that the client did
        not get the whole reply; `trace_id` is the id of its caller's trace."""
        series = self.series(labels)
        statuses = series.statuses
        statuses[status] = statuses.get(status, 0) + 1
        series.buckets[bisect_left(BOUNDS, seconds)] += 1
        series.seconds += seconds
        series.upstream_seconds += upstream_seconds
        series.received += received
        series.sent += sent
        if aborted:
            self.aborted += 1
        problem = exchange.problem
        if problem is not None:
            self._problems[problem.slug] = self._problems.get(problem.slug, 0) + 1
        if exchange.faults:
            self._note_faults((*labels, exchange.site or "", "response"), len(exchange.faults))
        if exchange.request_faults:
            self._note_faults((*labels, exchange.site or "", "request"), len(exchange.request_faults))
        if self.sink is not None:
            if (
                self._share < 1.0
                and status < 400
                and problem is None
                and not (aborted or exchange.faults or exchange.request_faults)
                and seconds < self._slow_seconds
                and self._draw() >= self._share
            ):
                self.left_out += 1
                return
            self._records.append(
                self._accessed(exchange, labels, status, seconds, upstream_seconds, received, sent, aborted, trace_id)
            )

    def _accessed(
        self,
        exchange: Exchange,
        labels: tuple[str, ...],
        status: int,
        seconds: float,
        upstream_seconds: float,
        received: int,
        sent: int,
        aborted: bool,
        trace_id: str | None,
    ) -> AccessRecord:
        now = exchange.now
        second = int(now)
        if second != self._second:
            self._second, self._time = second, datetime.fromtimestamp(second, UTC).isoformat()[:19]
        route, caller, problem = exchange.route, exchange.caller, exchange.problem
        refused = exchange.request_faults or (() if problem is None else problem.errors)
        contract, major, operation = labels
        # positional, because this runs once per exchange
        return AccessRecord(
            f"{self._time}.{int((now - second) * 1000):03}+00:00",
            exchange.request_id,
            exchange.method,
            shown_path(exchange.path) if route is None else route.template,
            status,
            _milliseconds(seconds),
            received,
            sent,
            exchange.peer,
            _milliseconds(upstream_seconds) if upstream_seconds else None,
            contract or None,
            major or None,
            operation or None,
            exchange.version or None,
            exchange.site,
            None if caller is None else caller.application.id,
            None if caller is None else caller.credential,
            None if problem is None else problem.slug,
            _named(refused) if refused else None,
            _named(exchange.faults) if exchange.faults else None,
            aborted or None,
            trace_id,
        )

    def _note_faults(self, key: tuple[str, ...], number: int) -> None:
        self._faults[key] = self._faults.get(key, 0) + number

    def flush(self) -> None:
        """Hand the records since the last call to the sink."""
        if self._records and self.sink is not None:
            batch, self._records = self._records, []
            self.sink.put(batch, encode_records)

    def reading(self) -> list[Sample]:
        """Samples of everything counted since the worker started."""
        samples: list[Sample] = [
            ("connections_accepted", [], self.accepted),
            ("connections_turned_away", [], self.turned_away),
            ("replies_aborted", [], self.aborted),
            ("log_lines_left_out", [], self.left_out),
            ("log_lines_dropped", [], self.sink.dropped if self.sink is not None else 0),
        ]
        for labels, series in self._series.items():
            named = list(labels)
            samples += [("requests", [*named, str(status)], n) for status, n in series.statuses.items()]
            samples.append(("request_seconds", named, [*series.buckets, series.seconds]))
            samples.append(("upstream_seconds", named, series.upstream_seconds))
            samples.append(("request_bytes", named, series.received))
            samples.append(("response_bytes", named, series.sent))
            samples += [("not_evaluated", [*named, way], n) for way, n in series.unevaluated.items() if n]
        samples += [("problems", [slug], n) for slug, n in self._problems.items()]
        samples += [("faults", list(key), n) for key, n in self._faults.items()]
        return samples


def shown_path(path: str) -> str:
    """A path that matches no route, as it may be written down: of bounded length, and without what a caller put there
    that belongs into a header."""
    return without_secrets(path[:MAX_LOGGED_PATH])


def _milliseconds(seconds: float) -> float:
    return int(seconds * 1e6 + 0.5) / 1000


def _named(faults: tuple[Fault, ...]) -> list[str]:
    """The first places and what is wrong with each, ``/body/lines/0/quantity MINIMUM``."""
    return [f"{fault.pointer[:MAX_LOGGED_POINTER]} {fault.code}" for fault in faults[:MAX_LOGGED_FAULTS]]

"""Two readings of each gateway -> what happened in between. Pure.

Counters only grow while a gateway lives. One that shrank means a restart, of the gateway or of one of its workers: then
nothing can be said about that interval, so nothing is, and the new reading is what the next one is compared with.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from weighbridge.watching.readings import Reading

_COUNTERS = ("requests_total", "request_seconds_bucket", "usage_total", "refusals_total", "upstream_failures_total")


@dataclass(frozen=True, kw_only=True)
class GatewayLine:
    """`state` is ``ready``, ``not-ready`` or ``down``; `why` explains the latter two, or a lag. Without a reading to
    compare with, `per_second` is ``None``."""

    url: str
    state: str
    why: str = ""
    workers: int = 0
    revision: int | None = None
    age_seconds: float | None = None
    connections: int = 0
    counters_lost: bool = False
    per_second: float | None = None


@dataclass(frozen=True, kw_only=True)
class RouteLine:
    """Shares are of its calls: `refused` 4xx, `failed` 5xx. Percentiles are milliseconds, ``None`` without calls; those
    beyond the last bound of the histogram are infinite."""

    contract: str
    major: str
    operation: str
    per_second: float
    refused: float
    failed: float
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, kw_only=True)
class ConsumerLine:
    """All per second: calls, of them answered with 429 and 403 by us, and those that failed (5xx)."""

    application: str
    per_second: float
    limited: float
    forbidden: float
    failed: float


@dataclass(frozen=True, kw_only=True)
class UpstreamLine:
    upstream: str
    in_flight: int
    failures: float
    refusals: float
    ejected: bool


@dataclass(frozen=True, kw_only=True)
class LimitLine:
    """Who is being limited by what, refusals per second."""

    application: str
    limit: str
    per_second: float


@dataclass(frozen=True, kw_only=True)
class View:
    gateways: tuple[GatewayLine, ...]
    routes: tuple[RouteLine, ...]
    consumers: tuple[ConsumerLine, ...]
    upstreams: tuple[UpstreamLine, ...]
    limits: tuple[LimitLine, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; an infinite percentile is ``null``, like an unknown one: JSON has neither."""
        plain: dict[str, Any] = _finite(asdict(self))
        return plain


@dataclass(frozen=True)
class _Between:
    """One gateway, from one reading to the next."""

    after: Reading
    seconds: float
    grown: Mapping[str, Mapping[tuple[str, ...], float]]


def compare(before: Mapping[str, Reading], now: Sequence[Reading], *, sort: str = "rate") -> View:
    """`before` are the readings of a moment ago, by address; gateways without one are counted from the next time on."""
    between = {reading.url: _between(before.get(reading.url), reading) for reading in now}
    known = [entry for entry in between.values() if entry is not None]
    return View(
        gateways=tuple(_gateway(reading, between[reading.url]) for reading in now),
        routes=tuple(_routes(known, sort)),
        consumers=tuple(_consumers(known, sort)),
        upstreams=tuple(_upstreams(now, known)),
        limits=tuple(_limits(known)),
    )


def baseline(now: Iterable[Reading]) -> dict[str, Reading]:
    """What the next readings are compared with: one that is not whole would make the next one jump."""
    return {reading.url: reading for reading in now if reading.is_whole}


def percentile(share: float, counts: Sequence[tuple[float, float]]) -> float | None:
    """The value below which `share` of what was counted lies. `counts` are (upper bound, how many at or below it), by
    bound, the last one infinite. Within a bucket it is taken to be spread evenly, as Prometheus does."""
    total = counts[-1][1] if counts else 0.0
    if total <= 0:
        return None
    wanted = share * total
    lower, below = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            if math.isinf(bound) or count <= below:
                return bound
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    return math.inf


def _between(before: Reading | None, after: Reading) -> _Between | None:
    if before is None or not after.is_whole or after.at <= before.at:
        return None
    grown: dict[str, dict[tuple[str, ...], float]] = {}
    for name in (*_COUNTERS, "upstream_refusals_total"):
        old, new = before.series[name], after.series[name]
        if name in _COUNTERS and any(new.get(labels, 0.0) < value for labels, value in old.items()):
            return None  # restarted
        grown[name] = {labels: max(0.0, value - old.get(labels, 0.0)) for labels, value in new.items()}
    return _Between(after, after.at - before.at, grown)


def _gateway(reading: Reading, between: _Between | None) -> GatewayLine:
    if reading.error is not None:
        return GatewayLine(url=reading.url, state="down", why=reading.error)
    per_second = sum(between.grown["requests_total"].values()) / between.seconds if between else None
    return GatewayLine(
        url=reading.url,
        state="ready" if reading.ready else "not-ready",
        why=", ".join(reading.reasons) or (reading.last_error or ""),
        workers=reading.workers,
        revision=reading.revision,
        age_seconds=reading.age_seconds,
        connections=int(sum(reading.series["connections"].values())),
        counters_lost=any(reading.series["counters_lost"].values()),
        per_second=per_second,
    )


def _routes(known: Sequence[_Between], sort: str) -> list[RouteLine]:
    rates: dict[tuple[str, ...], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    buckets: dict[tuple[str, ...], dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for entry in known:
        for labels, grown in entry.grown["requests_total"].items():
            rates[labels[:-1]][labels[-1][:1]] += grown / entry.seconds
        for labels, grown in entry.grown["request_seconds_bucket"].items():
            buckets[labels[:-1]][float(labels[-1])] += grown
    lines = []
    for operation, classes in rates.items():
        total = sum(classes.values())
        counts = sorted(buckets[operation].items())
        p50, p95, p99 = (
            None if (at := percentile(share, counts)) is None else at * 1000 for share in (0.5, 0.95, 0.99)
        )
        contract, major, name = operation
        lines.append(
            RouteLine(
                contract=contract,
                major=major,
                operation=name,
                per_second=total,
                refused=classes["4"] / total if total else 0.0,
                failed=classes["5"] / total if total else 0.0,
                p50=p50,
                p95=p95,
                p99=p99,
            )
        )
    lines.sort(key=lambda line: (line.contract, line.major, line.operation))
    if sort == "rate":
        lines.sort(key=lambda line: -line.per_second)
    elif sort == "errors":
        lines.sort(key=lambda line: (-line.failed, -line.refused, -line.per_second))
    elif sort == "latency":
        lines.sort(key=lambda line: -(line.p99 or 0.0))
    return lines


def _consumers(known: Sequence[_Between], sort: str) -> list[ConsumerLine]:
    calls: dict[str, float] = defaultdict(float)
    failed: dict[str, float] = defaultdict(float)
    limited: dict[str, float] = defaultdict(float)
    forbidden: dict[str, float] = defaultdict(float)
    for entry in known:
        for (application, *_, status_class), grown in entry.grown["usage_total"].items():
            calls[application] += grown / entry.seconds
            failed[application] += grown / entry.seconds if status_class == "5xx" else 0.0
        for (application, status, _, _), grown in entry.grown["refusals_total"].items():
            limited[application] += grown / entry.seconds if status == "429" else 0.0
            forbidden[application] += grown / entry.seconds if status == "403" else 0.0
    lines = [
        ConsumerLine(
            application=application,
            per_second=calls[application],
            limited=limited[application],
            forbidden=forbidden[application],
            failed=failed[application],
        )
        for application in sorted(calls)
    ]
    if sort == "errors":
        lines.sort(key=lambda line: -(line.limited + line.forbidden + line.failed))
    elif sort != "name":
        lines.sort(key=lambda line: -line.per_second)
    return lines


def _upstreams(now: Sequence[Reading], known: Sequence[_Between]) -> list[UpstreamLine]:
    names = sorted({labels[0] for reading in now for labels in reading.series.get("upstream_in_flight", {})})

    def rate(metric: str, name: str) -> float:
        return sum(entry.grown[metric].get((name,), 0.0) / entry.seconds for entry in known)

    lines = [
        UpstreamLine(
            upstream=name,
            in_flight=int(sum(r.series.get("upstream_in_flight", {}).get((name,), 0.0) for r in now)),
            failures=rate("upstream_failures_total", name),
            refusals=rate("upstream_refusals_total", name),
            ejected=any(r.series.get("upstream_ejected", {}).get((name,), 0.0) > 0 for r in now),
        )
        for name in names
    ]
    return sorted(lines, key=lambda line: (not line.ejected, -line.failures, -line.in_flight, line.upstream))


def _limits(known: Sequence[_Between]) -> list[LimitLine]:
    rates: dict[tuple[str, str], float] = defaultdict(float)
    for entry in known:
        for (application, status, problem, limit), grown in entry.grown["refusals_total"].items():
            if status == "429" and grown:
                rates[application, limit or problem] += grown / entry.seconds
    lines = [LimitLine(application=who, limit=what, per_second=rate) for (who, what), rate in rates.items()]
    return sorted(lines, key=lambda line: (-line.per_second, line.application, line.limit))


def _finite(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    if isinstance(tree, float):
        return round(tree, 4) if math.isfinite(tree) else None
    return tree

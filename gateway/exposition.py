"""Samples of one or several workers -> Prometheus or OpenMetrics text. Runs only when somebody scrapes.

Must not know: how numbers are gathered. The one subtle thing: workers are separate processes, so their samples are
added up here; gauges that describe the same thing in every worker take the worst value instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gateway.telemetry import BOUNDS, Sample
from gateway.usage import OTHER

_OPERATION = ("contract", "major", "operation")

METRICS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "requests": ("counter", "Exchanges, by the status that ended them.", (*_OPERATION, "status")),
    "request_seconds": ("histogram", "From a whole request head to the last byte of the reply.", _OPERATION),
    "upstream_seconds": ("counter", "Time from a whole request head to the head of the upstream's reply.", _OPERATION),
    "request_bytes": ("counter", "Bytes of request bodies.", _OPERATION),
    "response_bytes": ("counter", "Bytes of reply bodies.", _OPERATION),
    "not_evaluated": (
        "counter",
        "Messages that were passed without the validation their contract asks for.",
        (*_OPERATION, "direction"),
    ),
    "faults": ("counter", "Reported breaches of contract that were let pass.", (*_OPERATION, "site", "direction")),
    "problems": ("counter", "Problems that ended an exchange, by slug.", ("problem",)),
    "usage": ("counter", "Exchanges by application.", ("application", *_OPERATION, "class")),
    "connections_accepted": ("counter", "Client connections accepted.", ()),
    "connections_turned_away": ("counter", "Client connections over the limit.", ()),
    "replies_aborted": ("counter", "Replies that their client did not get whole.", ()),
    "log_lines_dropped": ("counter", "Access records that were not written.", ()),
    "log_lines_left_out": ("counter", "Access records that sampling left out; their exchanges are counted.", ()),
    "spans_exported": ("counter", "Spans that the collector took.", ()),
    "spans_dropped": ("counter", "Spans that were not exported: too many were waiting, or nobody took them.", ()),
    "snapshots_refused": ("counter", "Snapshots that were fetched or found and not served.", ()),
    "counters_lost": ("gauge", "1 while shared counters are out of reach and plans say what happens instead.", ()),
    "connections": ("gauge", "Open client connections.", ()),
    "upstream_in_flight": ("gauge", "Requests at an upstream.", ("upstream",)),
    "upstream_idle": ("gauge", "Pooled connections to an upstream.", ("upstream",)),
    "upstream_connects": ("counter", "Connections opened to an upstream.", ("upstream",)),
    "upstream_failures": ("counter", "Failures of an upstream to answer.", ("upstream",)),
    "upstream_retries": ("counter", "Requests sent a second time.", ("upstream",)),
    "upstream_refusals": ("counter", "Requests not sent: upstream at its limit, or ejected.", ("upstream",)),
    "upstream_ejected": ("gauge", "1 while an upstream is ejected.", ("upstream",)),
    "ready": ("gauge", "1 while this gateway is ready.", ()),
    "snapshot_revision": ("gauge", "Revision of the snapshot being served.", ()),
    "snapshot_age_seconds": ("gauge", "Since the served snapshot was last confirmed by the registry.", ()),
    "snapshot_routes": ("gauge", "Routes in the snapshot being served.", ()),
}
_WORST = {
    "ready": min,
    "counters_lost": max,
    "snapshot_revision": min,
    "snapshot_age_seconds": max,
    "snapshot_routes": min,
    "upstream_ejected": max,
}


def of_few_applications(samples: Iterable[Sample], most: int) -> Iterator[Sample]:
    """Samples of ``usage`` in the order in which applications first called; those after the first `most` are added up,
    since every label value of a metric is a series that Prometheus keeps for weeks. Who is named once stays named."""
    named: set[str] = set()
    others: dict[tuple[str, ...], int] = {}
    for metric, (application, *labels), count in samples:
        if application in named or application in (OTHER, "") or len(named) < most:
            named.add(application)
            yield metric, [application, *labels], count
        else:
            others[tuple(labels)] = others.get(tuple(labels), 0) + count
    for rest, count in others.items():
        yield "usage", [OTHER, *rest], count


def merged(readings: Iterable[Iterable[Sample]]) -> dict[str, dict[tuple[str, ...], list[float]]]:
    """Samples of all workers by metric and labels; a histogram's value is its buckets followed by its sum."""
    out: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for reading in readings:
        for metric, labels, value in reading:
            values = list(value) if isinstance(value, list) else [value]
            series = out.setdefault(metric, {})
            known = series.get(tuple(labels))
            if known is None:
                series[tuple(labels)] = values
            elif metric in _WORST:
                series[tuple(labels)] = [_WORST[metric](known[0], values[0])]
            else:
                series[tuple(labels)] = [a + b for a, b in zip(known, values, strict=True)]
    return out


class _Scrape(Collector):
    def __init__(self, samples: dict[str, dict[tuple[str, ...], list[float]]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for metric, series in self._samples.items():
            kind, text, labels = METRICS[metric]
            name = f"weighbridge_{metric}"
            if kind == "histogram":
                yield _histogram(name, text, labels, series)
                continue
            family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, text, labels=labels)
            for values, value in series.items():
                family.add_metric(values, value[0])
            yield family


def _histogram(name: str, text: str, labels: tuple[str, ...], series: dict[tuple[str, ...], list[float]]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, numbers in series.items():
        *counts, total = numbers
        buckets, below = [], 0.0
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], counts, strict=True):
            below += count
            buckets.append((bound, below))
        family.add_metric(values, buckets, total)
    return family


def expose(readings: Iterable[Iterable[Sample]], accept: str = "") -> tuple[str, bytes]:
    """Content type and text, in the format that `accept` (the scraper's Accept header) prefers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(merged(readings)))
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)

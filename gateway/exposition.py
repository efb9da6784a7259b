"""Samples of one or several workers -> Prometheus or OpenMetrics text. Runs only when somebody scrapes, in a thread.

The text is written here, and not by prometheus-client, because a thousand routes are thirty thousand lines: that took
the better part of a second of the interpreter that traffic waits for. What the library writes is the test of this.

Must not know: how numbers are gathered. The one subtle thing: workers are separate processes, so their samples are
added up here; gauges that describe the same thing in every worker take the worst value instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.exposition import choose_encoder

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
    "refusals": (
        "counter",
        "Exchanges of an application that a problem ended, with the limit that was reached where it was one.",
        ("application", "status", "problem", "limit"),
    ),
    "tryout_calls": (
        "counter",
        "Calls of an application while it tries a version, by whether they tried it (tried, base) and how they ended.",
        ("application", "contract", "major", "version", "arm", "outcome"),
    ),
    "tryout_rollbacks": (
        "counter",
        "Tryouts that failed and were rolled back, as each worker decided.",
        ("application", "contract", "major", "version"),
    ),
    "usage_reports": ("counter", "Usage reports to the registry: sent, failed (tried again) or refused.", ("outcome",)),
    "usage_dropped": ("counter", "Calls that no usage report will tell of.", ()),
    "usage_pending": ("gauge", "Kinds of calls waiting for the next usage report.", ()),
    "connections_accepted": ("counter", "Client connections accepted.", ()),
    "connections_turned_away": ("counter", "Client connections over the limit.", ()),
    "replies_aborted": ("counter", "Replies that their client did not get whole.", ()),
    "log_lines_dropped": ("counter", "Access records that were not written.", ()),
    "log_lines_left_out": ("counter", "Access records that sampling left out; their exchanges are counted.", ()),
    "spans_exported": ("counter", "Spans that the collector took.", ()),
    "spans_dropped": ("counter", "Spans that were not exported: too many were waiting, or nobody took them.", ()),
    "traces_over_limit": ("counter", "Exchanges that were not traced since too many were, though sampled.", ()),
    "snapshots_refused": ("counter", "Snapshots that were fetched or found and not served.", ()),
    "counters_lost": ("gauge", "1 while shared counters are out of reach and plans say what happens instead.", ()),
    "idempotency_keys": ("counter", "Calls with an idempotency key, by what became of the key.", ("outcome",)),
    "idempotency_lost": ("gauge", "1 while answers to calls with an idempotency key cannot be kept.", ()),
    "tls_certificate_expiry_seconds": ("gauge", "Unix time at which the gateway's own certificate expires.", ()),
    "connections": ("gauge", "Open client connections.", ()),
    "held_bytes": ("gauge", "Bytes of larger bodies held to be judged.", ()),
    "held_refusals": ("counter", "Bodies that were not judged, because too much was held already.", ()),
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
    "idempotency_lost": max,
    "tls_certificate_expiry_seconds": min,
    "snapshot_revision": min,
    "snapshot_age_seconds": max,
    "snapshot_routes": min,
    "upstream_ejected": max,
}


def of_few_applications(samples: Iterable[Sample], most: int) -> Iterator[Sample]:
    """Samples that begin with an application, in the order in which applications first called; those after the first
    `most` are added up, since every label value of a metric is a series that Prometheus keeps for weeks. Who is named
    once stays named."""
    named: set[str] = set()
    others: dict[tuple[str, ...], int] = {}
    for metric, (application, *labels), count in samples:
        if application in named or application in (OTHER, "") or len(named) < most:
            named.add(application)
            yield metric, [application, *labels], count
        else:
            rest = (metric, *labels)
            others[rest] = others.get(rest, 0) + count
    for (metric, *labels), count in others.items():
        yield metric, [OTHER, *labels], count


def merged(readings: Iterable[Iterable[Sample]]) -> dict[str, dict[tuple[str, ...], list[float]]]:
    """Samples of all workers by metric and labels; a histogram's value is its buckets followed by its sum."""
    out: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for reading in readings:
        for metric, labels, value in reading:
            series = out.get(metric)
            if series is None:
                series = out[metric] = {}
            key = tuple(labels)
            values = value if isinstance(value, list) else [value]
            known = series.get(key)
            if known is None:
                series[key] = values
            elif metric in _WORST:
                series[key] = [_WORST[metric](known[0], values[0])]
            else:
                series[key] = [a + b for a, b in zip(known, values, strict=True)]
    return out


def expose(readings: Iterable[Iterable[Sample]], accept: str = "") -> tuple[str, bytes]:
    """Content type and text, in the format that `accept` (the scraper's Accept header) prefers."""
    content_type = choose_encoder(accept)[1]
    open_metrics = content_type.startswith("application/openmetrics-text")
    lines: list[str] = []
    written: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}  # names -> values -> both, as many metrics repeat
    for metric, series in merged(readings).items():
        kind, text, names = METRICS[metric]
        name = f"weighbridge_{metric}"
        sample = f"{name}_total" if kind == "counter" else name
        family = name if open_metrics else sample  # OpenMetrics counts the suffix to the sample, not to the name
        lines += (f"# HELP {family} {text}", f"# TYPE {family} {kind}")
        known = written.setdefault(names, {})
        for values, numbers in series.items():
            labels = known.get(values)
            if labels is None:
                labels = known[values] = ",".join(
                    f'{label}="{_escaped(value)}"' for label, value in zip(names, values, strict=True)
                )
            if kind == "histogram":
                _histogram(lines, name, f"{labels}," if labels else "", f"{{{labels}}}" if labels else "", numbers)
            else:
                lines.append(f"{sample}{{{labels}}} {numbers[0]}" if labels else f"{sample} {numbers[0]}")
    lines.append("# EOF\n" if open_metrics else "")
    return content_type, "\n".join(lines).encode("utf-8", "replace")


_BOUNDS = (*map(str, BOUNDS), "+Inf")


def _histogram(lines: list[str], name: str, within: str, around: str, numbers: list[float]) -> None:
    below: float = 0
    for bound, count in zip(_BOUNDS, numbers, strict=False):
        below += count
        lines.append(f'{name}_bucket{{{within}le="{bound}"}} {below}')
    lines.append(f"{name}_count{around} {below}")
    lines.append(f"{name}_sum{around} {numbers[-1]}")


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value

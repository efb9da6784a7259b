"""Metrics as Prometheus wants them: named by its rules, and never more of them than an operator can foresee."""

import random
import re
from collections.abc import Iterator
from itertools import accumulate

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.registry import Collector

from gateway.exposition import METRICS, expose, merged, of_few_applications
from gateway.settings import Settings
from gateway.telemetry import BOUNDS, Sample, Telemetry
from gateway.upstream import Upstreams
from gateway.usage import OTHER, Usage
from policies.model.access import Application, Limit, Plan
from policies.model.contract import Upstream
from policies.traffic import Caller, Exchange, Fault, Problem
from tests.backends import Backend
from tests.unit.gateway import snapshots_made as made
from tests.unit.gateway.test_telemetry import LABELS, exchange
from tests.wire import Gate, gate, on_loop

# what `promtool check metrics` asks
TYPES = ("counter", "gauge", "histogram", "summary", "untyped", "info")
ABBREVIATIONS = frozenset("s ms us ns sec b kb mb gb tb pb m h d".split())
BASE_UNITS = ("seconds", "bytes")
OTHER_UNITS = re.compile(
    r"(pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mibi|giga|gibi|tera|tebi|peta|pebi)(seconds|bytes)"
    r"|minutes|hours|days|weeks|bits"
)
RESERVED = frozenset({"le", "quantile", "job", "instance", "__name__"})


def one_of_each() -> Iterator[Sample]:
    for metric, (kind, _, labels) in METRICS.items():
        yield metric, ["x"] * len(labels), [1] * (len(BOUNDS) + 1) + [0.5] if kind == "histogram" else 1


def families(samples: Iterator[Sample] | list[Sample]) -> list[Metric]:
    return list(parse(expose([samples])[1].decode()))


def test_every_metric_is_exposed_with_its_type_and_help() -> None:
    found = {family.name: family for family in families(one_of_each())}
    assert found.keys() == {f"weighbridge_{metric}" for metric in METRICS}
    for metric, (kind, text, _) in METRICS.items():
        family = found[f"weighbridge_{metric}"]
        assert (family.type, family.documentation) == (kind, text)
        assert len(text) > 10
        assert text.endswith(".")


def test_samples_are_named_by_the_rules() -> None:
    for family in families(one_of_each()):
        for sample in family.samples:
            name, labels = sample.name, sample.labels.keys()
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name
            assert name.endswith("_total") is (family.type == "counter"), name
            assert name.endswith(("_bucket", "_count", "_sum")) is (family.type == "histogram"), name
            assert ("le" in labels) is name.endswith("_bucket"), name
            assert not labels & (RESERVED - {"le"}), name
            assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in labels), name
            words = family.name.split("_")
            assert not set(words) & (ABBREVIATIONS | {*TYPES}), name
            assert not any(OTHER_UNITS.fullmatch(word) for word in words), name


def test_a_unit_stands_at_the_end_of_its_name() -> None:
    for metric in METRICS:
        for unit in BASE_UNITS:
            assert unit not in metric.split("_")[:-1], metric


def test_a_counter_of_bytes_or_seconds_tells_its_unit_and_no_other_metric_has_one() -> None:
    assert {metric for metric in METRICS if metric.endswith(BASE_UNITS)} == {
        "request_seconds", "upstream_seconds", "request_bytes", "response_bytes", "snapshot_age_seconds", "held_bytes",
            "tls_certificate_expiry_seconds",
    }  # fmt: skip


class ByLibrary(Collector):
    """The same samples as prometheus-client would write them."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = merged([samples])

    def collect(self) -> Iterator[Metric]:
        for metric, series in self._samples.items():
            kind, text, labels = METRICS[metric]
            if kind == "histogram":
                histogram = HistogramMetricFamily(f"weighbridge_{metric}", text, labels=labels)
                for values, (*counts, total) in series.items():
                    below = list(accumulate(counts))
                    bounds = [*map(str, BOUNDS), "+Inf"]
                    histogram.add_metric(values, list(zip(bounds, below, strict=True)), total)
                yield histogram
                continue
            kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
            family = kinds[kind](f"weighbridge_{metric}", text, labels=labels)
            for values, value in series.items():
                family.add_metric(values, value[0])
            yield family


ODD = ["", "plain", 'quote"', "back\\slash", "two\nlines", "\\n", "comma,equals=brace}", "ünïcode", "\x7f", "a" * 500]


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain; version=0.0.4",
        "text/plain;version=1.0.0;escaping=allow-utf-8",
        "application/openmetrics-text; version=1.0.0",
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
    ],
)
def test_the_text_says_what_prometheus_client_would_have_said(accept: str) -> None:
    rng = random.Random(accept)
    samples: list[Sample] = []
    for metric, (kind, _, labels) in METRICS.items():
        for n in range(len(ODD) if labels else 1):
            values = [ODD[(n + at) % len(ODD)] for at in range(len(labels))]
            value = rng.choice([0, 1, 7, 10**9, 2**53, 0.1, 1e-9, 12345.678])
            numbers = [rng.randrange(100) for _ in range(len(BOUNDS) + 1)]
            samples.append((metric, values, [*numbers, value] if kind == "histogram" else value))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ByLibrary(samples))
    encode, content_type = choose_encoder(accept)
    told_type, text = expose([samples], accept)
    assert told_type == content_type
    read = openmetrics if "openmetrics" in content_type else parse
    theirs, ours = (
        [(f.name, f.type, f.documentation, [(s.name, s.labels, s.value) for s in f.samples]) for f in read(t.decode())]
        for t in (encode(registry), text)
    )
    assert ours == theirs


# -- how many there can be --


def series(g: Gate, applications: int = 1_000) -> set[str]:
    """What a scrape of this worker is, without the values."""
    usage = of_few_applications(g.worker.usage.reading(), applications)
    text = expose([[*g.worker.telemetry.reading(), *usage]])[1].decode()
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


HOSTILE = (
    "/", "/orders", "/orders/v1", "/orders/v99/x", "/orders/v{n}/orders", "/{n}", "/{n}/v1/orders", "/orders/v1/{n}",
    "/orders/v1/orders/{n}", "/orders/v1/orders/x{n}", "/orders/v1/orders?siteId=S{n}", "/orders/v1/orders?{n}={n}",
    "/orders/health", "/..;/{n}", "/%2e%2e/{n}", "//{n}", "/wbk_{n}_secret", "/orders/v1/health",
    "/orders/v1/health/{n}",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PURGE", "X{n}", "get", "CONNECT")
KINDS = len(HOSTILE) * len(METHODS) * 2
"""Every path with every method, with a good key and a bad one."""


def hostile(n: int, rng: random.Random) -> bytes:
    """The n-th request: of its kind, and else like no other."""
    path = HOSTILE[n % len(HOSTILE)].replace("{n}", str(rng.getrandbits(40)))
    method = METHODS[n // len(HOSTILE) % len(METHODS)].replace("{n}", str(n))
    key = "wbk_app_secret" if n % KINDS < KINDS // 2 else f"wbk_{n}_x"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: h{n}.example\r\nUser-Agent: u{n}\r\nX-{n}: {n}\r\nX-API-Key: {key}\r\n"
        f"traceparent: 00-{n + 1:032x}-{n + 1:016x}-01\r\nConnection: close\r\n\r\n"
    ).encode()


@on_loop
async def test_what_callers_send_makes_no_series() -> None:
    """Of everything that a caller can make up, twice as much is not one series more."""
    async with Backend() as backend:
        upstreams = {"default": Upstream(url=backend.url)}
        plenty = Plan(name="plan", limits=(Limit(name="rate", requests=1_000_000, window=1),))
        table = made.table(contracts=(made.contract(upstreams=upstreams, site=None),), plans=(plenty,))
        async with gate(table) as g:
            rng = random.Random(7)

            async def storm(first: int) -> set[str]:
                for n in range(first, first + KINDS):
                    peer = await g.connect()
                    await peer.send(hostile(n, rng))
                    await peer.rest()
                    peer.close()
                return series(g)

            once = await storm(0)
            assert await storm(10 * KINDS) == once
            assert {name.partition("{")[0] for name in once} >= {
                "weighbridge_requests_total", "weighbridge_usage_total", "weighbridge_problems_total",
            }  # fmt: skip
            assert sum('application="app"' in name for name in once) >= 4
            assert len(once) < 300


USED = (*LABELS, "1.0.0")


def by(application: str, problem: Problem | None = None) -> Exchange:
    known = Application(id=application, name=application, consumer="c", audience="partner")
    return exchange(caller=Caller(known, "key", frozenset(), 2e9) if application else None, problem=problem)


def test_of_refusals_too_only_some_applications_are_named() -> None:
    usage = Usage()
    problem = Problem(status=429, slug="limit-exceeded", title="", extensions={"limits": ["rate"]})
    for number in range(5):
        usage.record(by(f"application-{number}", problem), USED, 429)
    found = [labels for metric, labels, _ in of_few_applications(usage.reading(), 2) if metric == "refusals"]
    assert sorted(labels[0] for labels in found) == [OTHER, "application-0", "application-1"]
    assert found[-1] == [OTHER, "429", "limit-exceeded", "rate"]


def test_ten_thousand_applications_are_a_thousand_and_the_others() -> None:
    usage = Usage()
    for number in range(10_000):
        for status in (200, 404):
            usage.record(by(f"application-{number}"), USED, status)
    usage.record(by(""), USED, 401)
    found = list(of_few_applications(usage.reading(), 1_000))
    names = {labels[0] for _, labels, _ in found}
    assert len(names) == 1_002
    assert {"application-0", "application-999", "", OTHER} <= names
    assert len(found) == 2 * 1_001 + 1
    assert sum(count for _, _, count in found) == 20_001
    assert ("usage", [OTHER, *LABELS, "2xx"], 9_000) in found
    usage.record(by("application-9999"), ("yard", "2", "listLoads", "2.0.0"), 200)
    assert {labels[0] for _, labels, _ in of_few_applications(usage.reading(), 1_000)} == names  # nobody is displaced


def test_who_is_named_keeps_its_name_in_every_operation() -> None:
    usage = Usage()
    for operation in ("a", "b"):
        for application in ("first", "second", "third"):
            usage.record(by(application), ("yard", "1", operation, "1.0.0"), 200)
    assert list(of_few_applications(usage.reading(), 2)) == [
        ("usage", ["first", "yard", "1", "a", "2xx"], 1),
        ("usage", ["second", "yard", "1", "a", "2xx"], 1),
        ("usage", ["first", "yard", "1", "b", "2xx"], 1),
        ("usage", ["second", "yard", "1", "b", "2xx"], 1),
        ("usage", [OTHER, "yard", "1", "a", "2xx"], 1),
        ("usage", [OTHER, "yard", "1", "b", "2xx"], 1),
    ]
    assert [labels[0] for _, labels, _ in of_few_applications(usage.reading(), 0)] == [OTHER, OTHER]


def test_an_upstream_that_answers_with_any_status_makes_as_many_series_as_there_are() -> None:
    telemetry = Telemetry(None)
    for status in [*range(100, 600), *range(100, 600)]:
        telemetry.record(exchange(), LABELS, status, 0.001, 0.0, 0, 0, False)
    assert sum(metric == "requests" for metric, _, _ in telemetry.reading()) == 500


def test_what_a_problem_or_a_fault_says_is_no_label() -> None:
    telemetry = Telemetry(None)
    for number in range(500):
        fault = Fault(f"/body/{number}", f"CODE_{number}", str(number))
        problem = Problem(status=400, slug="validation-failed", title=str(number), detail=str(number), errors=(fault,))
        telemetry.record(exchange(problem=problem, faults=(fault,)), LABELS, 400, 0.001, 0.0, 0, 0, False)
    assert sum(metric in ("problems", "faults") for metric, _, _ in telemetry.reading()) == 2


def test_an_upstream_is_named_by_its_address_alone() -> None:
    upstreams = Upstreams(Settings(), 0.0)
    upstreams.pool("a", "https://user:secret@hub.example:8443/secret?secret")
    (pool,) = upstreams.reading()
    assert pool["upstream"] == "hub.example:8443"

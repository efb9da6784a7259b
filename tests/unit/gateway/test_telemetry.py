"""Numbers and records: counted on the way, named only when somebody asks."""

import json
import os
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from gateway.exposition import METRICS, expose, merged
from gateway.records import encode_records
from gateway.sink import MAX_WAITING, Sink
from gateway.telemetry import BOUNDS, UNROUTED, Telemetry
from gateway.usage import Usage
from policies.model.access import Application
from policies.traffic import Caller, Exchange, Fault, Problem
from tests.backends import Backend
from tests.wire import OneUpstream, Route, gate, on_loop

LABELS = ("yard", "1", "listLoads")
APPLICATION = Application(id="oakhurst", name="Oakhurst", consumer="oakhurst", audience="partner")
CALLER = Caller(APPLICATION, "key-1", frozenset({"loads:read"}), 2e9)


def exchange(**members: object) -> Exchange:
    made = Exchange("GET", "/yard/v1/loads/secret-id", "token=secret", [(b"authorization", b"secret")], "10.0.0.9", 1e9)
    made.request_id = "a" * 32
    for name, value in members.items():
        setattr(made, name, value)
    return made


def samples(telemetry: Telemetry) -> dict[tuple[str, ...], object]:
    return {(metric, *labels): value for metric, labels, value in telemetry.reading()}


def test_an_exchange_is_counted_where_it_belongs() -> None:
    telemetry = Telemetry(None)
    telemetry.record(exchange(), LABELS, 200, 0.004, 0.003, 10, 1000, False)
    telemetry.record(exchange(), LABELS, 200, 100.0, 0.0, 0, 0, True)
    refused = exchange(problem=Problem(status=404, slug="not-found", title="t"))
    telemetry.record(refused, UNROUTED, 404, 0.0001, 0.0, 0, 5, False)
    seen = samples(telemetry)
    assert seen["requests", *LABELS, "200"] == 2
    assert seen["requests", "", "", "", "404"] == 1
    assert seen["problems", "not-found"] == 1
    assert seen["replies_aborted",] == 1
    assert seen["request_bytes", *LABELS] == 10
    assert seen["response_bytes", *LABELS] == 1000
    assert seen["upstream_seconds", *LABELS] == 0.003
    buckets = seen["request_seconds", *LABELS]
    assert isinstance(buckets, list)
    *counts, total = buckets
    assert [index for index, count in enumerate(counts) if count] == [BOUNDS.index(0.005), len(BOUNDS)]
    assert total == pytest.approx(100.004)


def test_a_bound_belongs_to_its_bucket() -> None:
    telemetry = Telemetry(None)
    telemetry.record(exchange(), LABELS, 200, 0.005, 0.0, 0, 0, False)
    assert telemetry.series(LABELS).buckets[BOUNDS.index(0.005)] == 1


def test_reported_breaches_are_counted_by_site_and_direction() -> None:
    telemetry = Telemetry(None)
    fault = Fault("/body/lines/0", "REQUIRED", "missing")
    telemetry.record(exchange(faults=(fault, fault), site="DAL-2"), LABELS, 200, 0.0, 0.0, 0, 0, False)
    telemetry.record(exchange(request_faults=(fault,)), LABELS, 200, 0.0, 0.0, 0, 0, False)
    seen = samples(telemetry)
    assert seen["faults", *LABELS, "DAL-2", "response"] == 2
    assert seen["faults", *LABELS, "", "request"] == 1


def test_workers_are_added_up_but_a_gateway_is_no_better_than_its_worst() -> None:
    first = [
        ("requests", [*LABELS, "200"], 2),
        ("request_seconds", [*LABELS], [1, 0, 0.5]),
        ("snapshot_revision", [], 7),
        ("ready", [], 1),
        ("counters_lost", [], 0),
    ]
    second = [
        ("requests", [*LABELS, "200"], 3),
        ("request_seconds", [*LABELS], [0, 2, 1.0]),
        ("snapshot_revision", [], 8),
        ("ready", [], 0),
        ("counters_lost", [], 1),
    ]
    assert merged([first, second]) == {
        "requests": {(*LABELS, "200"): [5]},
        "request_seconds": {LABELS: [1, 2, 1.5]},
        "snapshot_revision": {(): [7]},
        "ready": {(): [0]},
        "counters_lost": {(): [1]},
    }


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_the_exposition_can_be_parsed_and_is_complete(accept: str) -> None:
    telemetry, usage = Telemetry(None), Usage()
    telemetry.record(exchange(), ("yard", "1", 'odd"name\\\n'), 200, 0.004, 0.003, 10, 1000, False)
    usage.record(exchange(caller=CALLER), (*LABELS, "1.0.0"), 200)
    media_type, text = expose([[*telemetry.reading(), *usage.reading()]], accept)
    assert ("openmetrics" in media_type) is bool(accept)
    parse = openmetrics if accept else prometheus
    families = {family.name: family for family in parse(text.decode())}
    histogram = {s.labels.get("le"): s.value for s in families["weighbridge_request_seconds"].samples}
    assert histogram["0.0025"] == 0
    assert histogram["0.005"] == histogram["+Inf"] == 1
    used = families["weighbridge_usage"].samples[0]
    assert (used.name, used.value) == ("weighbridge_usage_total", 1)
    assert used.labels == {
        "application": "oakhurst", "contract": "yard", "major": "1", "operation": "listLoads", "class": "2xx",
    }  # fmt: skip
    (requests,) = families["weighbridge_requests"].samples
    assert requests.labels["operation"] == 'odd"name\\\n'


@on_loop
async def test_every_sample_of_a_gateway_is_a_known_metric(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "access.log"))
    async with Backend() as backend, gate(OneUpstream(backend.url), sink=sink) as g:
        await g.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        for metric, labels, _ in [*g.worker.telemetry.reading(), *g.worker.usage.reading()]:
            assert len(METRICS[metric][2]) == len(labels)
        for pool in g.worker.upstreams.reading():
            assert {f"upstream_{name}" for name in pool if name != "upstream"} <= METRICS.keys()
    sink.close()


@on_loop
async def test_an_access_record_names_the_template_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "log" / "access.jsonl"
    sink = Sink(str(path))
    table = OneUpstream("", Route(template="/loads/{id}", metric_labels=LABELS), caller=CALLER, site="DAL-2")
    async with Backend() as backend, gate(table, sink=sink) as g:
        table.url = backend.url
        reply = await g.ask(
            b"POST /yard/v1/loads/secret-id?token=secret HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer secret\r\n"
            b"X-API-Key: wbk_1_secret\r\nCookie: secret\r\nContent-Length: 6\r\n\r\nsecret"
        )
        assert (await g.ask(b"GET /.. HTTP/1.1\r\nHost: h\r\n\r\n")).status == 400
    sink.close()
    assert "secret" not in path.read_text()
    routed, refused = map(json.loads, path.read_text().splitlines())
    assert routed.pop("at").endswith("+00:00")
    assert routed.pop("ms") >= routed.pop("upstream_ms") > 0
    assert routed == {
        "event": "access", "request_id": str(reply.get("X-Request-Id"), "ascii"), "method": "POST",
        "path": "/loads/{id}", "status": 200, "received": 6, "sent": len(reply.body),
        "contract": "yard", "major": "1", "operation": "listLoads", "site": "DAL-2",
        "application": "oakhurst", "credential": "key-1", "peer": "127.0.0.1",
    }  # fmt: skip
    assert (refused["status"], refused["problem"], refused["path"]) == (400, "bad-request", "")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/yards/v1/loads", "/yards/v1/loads"),
        ("/yard/wbk_1_secret/loads", "/yard/(secret)/loads"),
        ("/wbo_secret", "/(secret)"),
        ("/token=eyJhbGciOiJub25lIn0.e30.", "/token=(secret)"),
        ("/a" * 500, "/a" * 128),
        ("/" + "a" * 250 + "/wbk_1_secret", "/" + "a" * 250 + "/(secret)"),
    ],
)
def test_a_path_without_a_route_is_short_and_holds_no_credential(path: str, shown: str) -> None:
    telemetry = Telemetry(Sink("/dev/null"))
    strayed = exchange()
    strayed.path = path
    telemetry.record(strayed, UNROUTED, 404, 0.001, 0.0, 0, 0, False)
    assert json.loads(encode_records(telemetry._records))["path"] == shown


def test_a_record_names_the_places_that_broke_the_contract() -> None:
    telemetry = Telemetry(None)
    telemetry.sink = Sink("/dev/null")
    faults = (Fault("/body/lines/0/quantity", "MINIMUM", "The value is less than the minimum of 0"),)
    many = tuple(Fault(f"/query/{'x' * 500}{number}", "UNDECLARED", "d") for number in range(20))
    refused = Problem(status=400, slug="validation-failed", title="t", errors=many)
    telemetry.record(exchange(faults=faults), LABELS, 200, 0.001, 0.0, 0, 0, False)
    telemetry.record(exchange(problem=refused), LABELS, 400, 0.001, 0.0, 0, 0, False)
    strayed, wrong = map(json.loads, encode_records(telemetry._records).splitlines())
    assert strayed["response_faults"] == ["/body/lines/0/quantity MINIMUM"]
    assert "request_faults" not in strayed
    assert len(wrong["request_faults"]) == 5
    assert max(map(len, wrong["request_faults"])) < 150
    telemetry.sink.close()


TOO_BAD = Fault("/body", "REQUIRED", "missing")


@pytest.mark.parametrize(
    ("members", "status", "seconds", "aborted", "always"),
    [
        ({}, 200, 0.1, False, False),
        ({}, 304, 0.499, False, False),
        ({}, 200, 0.5, False, True),
        ({}, 400, 0.1, False, True),
        ({}, 503, 0.1, False, True),
        ({}, 200, 0.1, True, True),
        ({"problem": Problem(status=200, slug="cut", title="t")}, 200, 0.1, False, True),
        ({"faults": (TOO_BAD,)}, 200, 0.1, False, True),
        ({"request_faults": (TOO_BAD,)}, 200, 0.1, False, True),
    ],
)
def test_of_what_went_well_a_share_is_recorded_and_all_is_counted(
    members: dict[str, object], status: int, seconds: float, aborted: bool, always: bool
) -> None:
    sink = Sink("/dev/null")
    drawn = iter([0.0, 0.24, 0.25, 0.99])
    telemetry = Telemetry(sink, 0.25, 0.5, draw=lambda: next(drawn))
    for _ in range(4):
        telemetry.record(exchange(**members), LABELS, status, seconds, 0.0, 0, 0, aborted)
    assert len(telemetry._records) == (4 if always else 2)
    seen = samples(telemetry)
    assert seen["requests", *LABELS, str(status)] == 4
    assert seen["log_lines_left_out",] == (0 if always else 2)
    sink.close()


def test_without_sampling_nothing_is_drawn() -> None:
    sink = Sink("/dev/null")
    telemetry = Telemetry(sink, draw=lambda: pytest.fail("drawn"))
    telemetry.record(exchange(), LABELS, 200, 0.001, 0.0, 0, 0, False)
    assert len(telemetry._records) == 1
    sink.close()


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@on_loop
async def test_one_id_joins_client_record_and_upstream_and_another_the_trace(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "access.log"))
    traced = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n".encode()
    async with Backend() as backend, gate(OneUpstream(backend.url), sink=sink) as g:
        replies = [
            await g.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
            await g.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n" + traced + b"\r\n"),
            await g.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n" + traced.replace(b"01", b"0x") + b"\r\n"),
        ]
        g.worker.table.on_open = lambda _: Problem(status=403, slug="forbidden", title="t")
        replies.append(await g.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n" + traced + b"\r\n"))
    sink.close()
    records = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    told = [str(reply.get("X-Request-Id"), "ascii") for reply in replies]
    assert [record["request_id"] for record in records] == told
    assert [record.get("trace_id") for record in records] == [None, TRACE, None, TRACE]
    assert [seen.get("X-Request-Id") for seen in backend.seen] == told[:3]
    sent = [(seen.get("traceparent") or "").split("-")[1] for seen in backend.seen]
    assert sent == [told[0], TRACE, told[2]]  # where a trace begins here, its id is the request's


def test_a_record_leaves_out_what_does_not_apply() -> None:
    telemetry = Telemetry(None)
    telemetry.sink = Sink("/dev/null")
    telemetry.record(exchange(), UNROUTED, 404, 0.001, 0.0, 0, 0, False)
    line = json.loads(encode_records(telemetry._records))
    assert set(line) == {"event", "at", "request_id", "method", "path", "status", "ms", "received", "sent", "peer"}
    telemetry.sink.close()


def test_a_sink_that_nobody_reads_holds_so_many_lines_and_counts_the_rest(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sink = Sink(str(pipe))
    sink.put([b"x" * 1024] * (MAX_WAITING - 10), b"".join)  # more than a pipe holds: none of it is done
    sink.put([b"y"] * 30, b"".join)
    assert sink.dropped == 20  # the lines that are too many, however they are batched
    for _ in range(50):
        sink.put([b"z"], b"".join)
    assert sink.dropped == 70
    os.close(reader)  # the writer gets EPIPE, and every later line is dropped too
    sink.close(5)
    assert sink.dropped == MAX_WAITING + 70


def test_what_was_written_makes_room(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "log"))
    for _ in range(3):
        sink.put([b"x\n"] * MAX_WAITING, b"".join)
        while sink._waiting:
            time.sleep(0.001)
    sink.close(5)
    assert sink.dropped == 0
    assert (tmp_path / "log").stat().st_size == 6 * MAX_WAITING


def test_a_full_disk_is_counted() -> None:
    sink = Sink("/dev/full")
    sink.put([b"a", b"b"], b"".join)
    sink.close(5)
    assert sink.dropped == 2

"""Spans on their way to a collector that takes them, refuses, hangs or is not there."""

import asyncio
import json
import time

import pytest

from gateway import otlp
from gateway.otlp import BATCH, MAX_WAITING, TRIES, InvalidCollector, Tracer, collector
from gateway.settings import Settings
from gateway.tracecontext import Context
from tests.backends import Seen, Wire
from tests.collector import Collector
from tests.unit.gateway.test_spans import finished
from tests.wire import eventually, on_loop

FAST = (0.001, 0.002)


def exporting(to: Collector, **members: object) -> Tracer:
    return Tracer(f"{to.url}/v1/traces", {"authorization": "Bearer secret"}, 1.0, pauses=FAST)


def note(tracer: Tracer, count: int) -> None:
    for number in range(count):
        tracer.note(finished(span_id=number + 1))
    tracer.flush(time.monotonic())


@on_loop
async def test_spans_are_sent_in_batches_with_the_headers_that_were_set() -> None:
    async with Collector() as to:
        tracer = exporting(to)
        note(tracer, 2 * BATCH + 1)
        await eventually(lambda: tracer.exported == 2 * (2 * BATCH + 1))
        await asyncio.to_thread(tracer.close)
    assert len(to.spans) == tracer.exported
    assert {span["spanId"] for span in to.spans if span["kind"] == 2} == {f"{n + 1:016x}" for n in range(2 * BATCH + 1)}
    for seen in to.seen:
        assert (seen.method, seen.target) == ("POST", "/v1/traces")
        assert seen.get("Content-Type") == "application/json"
        assert seen.get("Authorization") == "Bearer secret"
    assert to.connections == 1
    assert tracer.reading() == [
        ("spans_exported", [], tracer.exported),
        ("spans_dropped", [], 0),
        ("traces_over_limit", [], 0),
    ]


@on_loop
async def test_what_may_help_is_tried_again() -> None:
    answers = iter([429, 502, 503, 504, 200])

    async def moody(seen: Seen, wire: Wire) -> None:
        await wire.reply(next(answers), b"{}", ("Retry-After", "0"))

    async with Collector() as to:
        to.handler = moody
        tracer = exporting(to)
        note(tracer, 1)
        await eventually(lambda: tracer.exported == 2)
        await asyncio.to_thread(tracer.close)
    assert len(to.seen) == TRIES
    assert len({seen.body for seen in to.seen}) == 1
    assert tracer.dropped == 0


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_yes_is_one(status: int) -> None:
    @on_loop
    async def scenario() -> None:
        async def says_yes(seen: Seen, wire: Wire) -> None:
            await wire.reply(status)

        async with Collector() as to:
            to.handler = says_yes
            tracer = exporting(to)
            note(tracer, 1)
            await eventually(lambda: tracer.exported == 2)
            await asyncio.to_thread(tracer.close)
        assert (len(to.seen), tracer.dropped) == (1, 0)

    scenario()


@on_loop
async def test_a_batch_that_cannot_be_made_costs_only_itself() -> None:
    async with Collector() as to:
        tracer = exporting(to)
        tracer.note(finished(upstream=None))  # an attempt at nothing
        tracer.flush(time.monotonic())
        await eventually(lambda: tracer.dropped == 2)
        note(tracer, 1)
        await eventually(lambda: tracer.exported == 2)
        await asyncio.to_thread(tracer.close)
    assert len(to.seen) == 1


@pytest.mark.parametrize(("status", "tries"), [(503, TRIES), (400, 1), (401, 1), (413, 1), (500, 1), (301, 1)])
def test_what_is_not_taken_is_dropped_and_counted(status: int, tries: int) -> None:
    @on_loop
    async def scenario() -> None:
        async def refuses(seen: Seen, wire: Wire) -> None:
            await wire.reply(status, b"no", ("Location", "http://127.0.0.1:1/"))

        async with Collector() as to:
            to.handler = refuses
            tracer = exporting(to)
            note(tracer, 3)
            await eventually(lambda: tracer.dropped == 6)
            await asyncio.to_thread(tracer.close)
        assert (len(to.seen), tracer.exported) == (tries, 0)

    scenario()


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}', 4),
        (b'{"partialSuccess":{"rejectedSpans":1}}', 5),
        (b'{"partialSuccess":{"rejectedSpans":"99"}}', 0),
        (b'{"partialSuccess":{"rejectedSpans":-5}}', 6),
        (b'{"partialSuccess":null}', 6),
        (b"{}", 6),
        (b"", 6),
        (b"\xff not json", 6),
        (b'{"partialSuccess":{"rejectedSpans":"x"}}', 6),
        (b'{"partialSuccess":{"rejectedSpans":1e308}}', 0),
        (b'{"partialSuccess":{"rejectedSpans":"' + b"9" * 5000 + b'"}}', 6),
        (b"[" * 60_000, 6),
        (b"x" * 10 * otlp.MAX_ANSWER, 6),
    ],
)
def test_what_a_collector_says_it_rejected_was_not_exported(answer: bytes, taken: int) -> None:
    @on_loop
    async def scenario() -> None:
        async def partly(seen: Seen, wire: Wire) -> None:
            await wire.reply(200, answer)

        async with Collector() as to:
            to.handler = partly
            tracer = exporting(to)
            note(tracer, 3)
            await eventually(lambda: tracer.exported + tracer.dropped == 6)
            await asyncio.to_thread(tracer.close)
        assert tracer.exported == taken

    scenario()


@on_loop
async def test_a_collector_that_hangs_holds_so_many_spans_and_the_rest_is_counted() -> None:
    async def hangs(seen: Seen, wire: Wire) -> None:
        await asyncio.Event().wait()

    async with Collector() as to:
        to.handler = hangs
        tracer = exporting(to)
        note(tracer, BATCH)
        await eventually(lambda: bool(to.seen))
        note(tracer, MAX_WAITING - 1)
        assert tracer.dropped == 0
        note(tracer, 3)
        assert tracer.dropped == 4
        note(tracer, 50)
        assert tracer.dropped == 104
        began = time.monotonic()
        await asyncio.to_thread(tracer.close, 0.05)
        assert time.monotonic() - began < 1  # whatever hangs, the end is not waited for longer


@on_loop
async def test_nobody_there_is_dropped_and_the_end_does_not_wait_for_the_pauses() -> None:
    async with Collector() as to:
        pass
    tracer = Tracer(to.url, {}, 1.0, pauses=(600.0, 600.0))
    note(tracer, 1)
    await asyncio.to_thread(tracer.close, 5.0)
    assert not tracer._thread.is_alive()
    assert tracer.dropped == 2


@on_loop
async def test_the_end_sends_what_waits() -> None:
    async with Collector() as to:
        tracer = exporting(to)
        for _ in range(3):
            tracer.note(finished())
        await asyncio.to_thread(tracer.close)
    assert (tracer.exported, len(to.spans)) == (6, 6)


@on_loop
async def test_one_exchange_that_cannot_be_told_does_not_take_others_with_it() -> None:
    async with Collector() as to:
        tracer = exporting(to)
        for done in (finished(), finished(site="\ud800"), finished()):
            tracer.note(done)
        await asyncio.to_thread(tracer.close)
    assert (tracer.exported, tracer.dropped) == (4, 2)


@on_loop
async def test_a_failure_is_said_once_and_never_with_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(otlp._log, "warning", lambda event, **more: said.append((event, more)), raising=False)
    monkeypatch.setattr(otlp._log, "info", lambda event, **more: said.append((event, more)), raising=False)
    answers = iter([401, 503, 200, 403])

    async def moody(seen: Seen, wire: Wire) -> None:
        await wire.reply(next(answers), b"the token secret is wrong")

    async with Collector() as to:
        to.handler = moody
        tracer = exporting(to)
        for total in (2, 4, 6):
            note(tracer, 1)
            await eventually(lambda total=total: tracer.exported + tracer.dropped == total)  # type: ignore[misc]
        await asyncio.to_thread(tracer.close)
    assert said == [
        ("the collector does not take traces", {"reason": 401}),
        ("the collector takes traces again", {}),
        ("the collector does not take traces", {"reason": 403}),
    ]


ASKED, NOT_ASKED = (Context(b"1" * 32, b"2" * 16, flags, b"") for flags in (3, 2))


def test_of_new_traces_a_share_is_sampled_and_of_others_what_callers_say() -> None:
    drawn = iter([0.0, 0.24, 0.25, 0.99])
    tracer = Tracer("http://127.0.0.1:1", {}, 0.25, draw=lambda: next(drawn))
    assert [tracer.samples(None) for _ in range(4)] == [True, True, False, False]
    assert [tracer.samples(context) for context in (ASKED, NOT_ASKED)] == [True, False]
    tracer.close()


def test_callers_that_always_ask_are_traced_up_to_a_limit() -> None:
    tracer = Tracer("http://127.0.0.1:1", {}, 1.0, limit=10)
    tracer.flush(100.0)
    assert [tracer.samples(ASKED) for _ in range(12)] == [True] * 10 + [False] * 2
    assert not tracer.samples(None)
    assert not tracer.samples(NOT_ASKED)  # that was never wanted
    tracer.flush(100.25)
    assert [tracer.samples(ASKED) for _ in range(3)] == [True, True, False]
    tracer.flush(100.5)
    assert [tracer.samples(ASKED) for _ in range(4)] == [True, True, True, False]  # halves are kept
    tracer.flush(1e6)
    assert sum(tracer.samples(ASKED) for _ in range(20)) == 10  # a long calm does not add up
    assert tracer.over_limit == 2 + 1 + 1 + 1 + 10
    tracer.close()


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://otel.example/", "https://otel.example/v1/traces"),
        ("https://otel.example/api/otlp", "https://otel.example/api/otlp/v1/traces"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
    ],
)
def test_where_to(endpoint: str, url: str) -> None:
    assert collector(Settings(otlp_endpoint=endpoint)) == (url, {})


def test_headers_are_pairs() -> None:
    found = collector(
        Settings(otlp_endpoint="http://h", otlp_headers="Authorization=Basic%20YTpi==, X-Team = a%2Cb ,,")
    )
    assert found == ("http://h/v1/traces", {"Authorization": "Basic YTpi==", "X-Team": "a,b"})


def test_nothing_is_exported_unless_told_to() -> None:
    assert collector(Settings()) is None
    assert otlp.open_tracer(Settings()) is None


@pytest.mark.parametrize(
    "members",
    [
        {"otlp_endpoint": "collector:4318"}, {"otlp_endpoint": "ftp://h"}, {"otlp_endpoint": "http://"},
        {"otlp_endpoint": "http://h:99999"}, {"otlp_endpoint": "http://[::1"}, {"otlp_endpoint": "http://u:secret@h"},
        {"otlp_endpoint": "http://h?key=secret"}, {"otlp_endpoint": "http://h", "otlp_headers": "secret"},
        {"otlp_endpoint": "http://h", "otlp_headers": "a b=secret"},
        {"otlp_endpoint": "http://h", "otlp_headers": "a=secret%0D%0Ab: c"},
        {"otlp_endpoint": "http://h", "otlp_headers": "a=secret\u00e9"},
    ],
)  # fmt: skip
def test_what_cannot_be_a_collector_is_named_without_its_secret(members: dict[str, str]) -> None:
    with pytest.raises(InvalidCollector) as refused:
        collector(Settings(**members))  # type: ignore[arg-type]
    assert "WEIGHBRIDGE_GATEWAY_OTLP_" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "secret" not in json.dumps(refused.value.args)

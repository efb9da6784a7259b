"""Reports to the registry: numbered, held until they are taken, nobody's concern but the registry's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from gateway import reporting
from gateway.exposition import METRICS
from gateway.reporting import Reporter
from gateway.settings import Settings
from gateway.usage import OTHER, Usage
from policies.model.access import Application
from policies.traffic import Caller, Exchange
from tests.wire import eventually, on_loop

NOW = 1_800_000_000.5


class Registry:
    """Takes reports as often as it is told to, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.reports: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.url = ""
        self.lose = False
        """Take the report and break off instead of answering."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                assert head[0] == "POST /v1/usage HTTP/1.1"
                self.keys.append(fields["authorization"])
                self.reports.append(json.loads(await reader.readexactly(int(fields["content-length"]))))
                if self.lose:
                    break
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % self.status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running() -> AsyncIterator[Registry]:
    registry = Registry()
    server = await asyncio.start_server(registry.serve, "127.0.0.1", 0)
    registry.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield registry
    finally:
        server.close()


def _called(usage: Usage, application: str = "oakhurst", operation: str = "listLoads", times: int = 1) -> None:
    made = Exchange("GET", "/yard/v1/loads", "", [], "10.0.0.9", NOW)
    if application:
        held = Application(id=application, name=application, consumer="c", audience="partner")
        made.caller = Caller(held, f"key-of-{application}", frozenset(), 2e9)
    for _ in range(times):
        usage.record(made, ("yard", "1", operation, "1.2.0"), 200)


def _reporter(url: str, usage: Usage, seconds: float = 0.01) -> Reporter:
    key = SecretStr("wbo_gate")
    return Reporter(Settings(registry_url=url, registry_key=key, usage_report_seconds=seconds), usage)


@on_loop
async def test_a_report_says_who_called_what_and_with_which_credential() -> None:
    usage = Usage(reported=True)
    _called(usage, times=3)
    _called(usage, "", operation="x" * 300)
    async with running() as registry:
        reporter = _reporter(registry.url, usage)
        await reporter.flush()
        (report,) = registry.reports
        await reporter.flush()  # nothing new is nothing to tell
        assert len(registry.reports) == 1
    shared = {
        "contract": "yard",
        "major": 1,
        "number": "1.2.0",
        "status_class": "2xx",
        "last_at": "2027-01-15T08:00:00Z",
    }
    assert sorted(report["uses"], key=lambda use: str(use["calls"])) == [
        {**shared, "application": None, "operation": "x" * 200, "calls": 1},
        {**shared, "application": "oakhurst", "operation": "listLoads", "calls": 3},
    ]
    assert report["credentials"] == [{"id": "key-of-oakhurst", "last_used_at": "2027-01-15T08:00:00Z"}]
    assert (report["sequence"], len(report["source"])) == (1, 32)
    assert registry.keys == ["Bearer wbo_gate"]
    assert reporter.reading() == [
        ("usage_reports", ["sent"], 1),
        ("usage_reports", ["failed"], 0),
        ("usage_reports", ["refused"], 0),
        ("usage_dropped", [], 0),
        ("usage_pending", [], 0),
    ]


@on_loop
async def test_silence_is_said_once_an_hour() -> None:
    now = 100.0
    async with running() as registry:
        settings = Settings(registry_url=registry.url, registry_key=SecretStr("wbo_gate"))
        reporter = Reporter(settings, Usage(reported=True), clock=lambda: now)
        for later in (0.0, 10.0, 3580.0, 10.0, 10.0):
            now += later
            await reporter.flush()
    assert [(report["sequence"], report["uses"]) for report in registry.reports] == [(1, []), (2, [])]


@on_loop
async def test_a_credential_that_is_none_of_the_registrys_spoils_no_report() -> None:
    usage = Usage(reported=True)
    _called(usage, "a/b")
    async with running() as registry:
        await _reporter(registry.url, usage).flush()
    assert [(len(report["uses"]), report["credentials"]) for report in registry.reports] == [(1, [])]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_was_not_taken_is_sent_again_as_it_was(status: int) -> None:
    @on_loop
    async def scenario() -> None:
        usage = Usage(reported=True)
        _called(usage)
        async with running() as registry:
            registry.status = status
            reporter = _reporter(registry.url, usage)
            await reporter.flush()
            _called(usage, times=5)
            await reporter.flush()
            registry.status = 200
            await reporter.flush()
        first, again, taken, after = registry.reports
        assert first == again == taken
        assert (after["sequence"], after["uses"][0]["calls"]) == (2, 5)
        assert (reporter.sent, reporter.failed, reporter.last_error) == (2, 2, None)

    scenario()


@on_loop
async def test_a_lost_answer_does_not_change_the_number() -> None:
    usage = Usage(reported=True)
    _called(usage)
    async with running() as registry:
        registry.lose = True
        reporter = _reporter(registry.url, usage)
        await reporter.flush()
        registry.lose = False
        await reporter.flush()
        assert [report["sequence"] for report in registry.reports] == [1, 1]
        assert reporter.sent == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_report_that_can_never_be_taken_is_given_up(status: int) -> None:
    @on_loop
    async def scenario() -> None:
        usage = Usage(reported=True)
        _called(usage)
        async with running() as registry:
            registry.status = status
            reporter = _reporter(registry.url, usage)
            await reporter.flush()
            await reporter.flush()
        assert (len(registry.reports), reporter.refused) == (1, 1)

    scenario()


@on_loop
async def test_reports_are_small_and_all_of_them_are_sent() -> None:
    usage = Usage(reported=True)
    for number in range(reporting.MAX_ITEMS + 20):
        _called(usage, f"app-{number}")
    _called(usage, OTHER)
    async with running() as registry:
        await _reporter(registry.url, usage).flush()
    assert [len(report["uses"]) for report in registry.reports] == [500, 21]
    assert sum(len(report["credentials"]) for report in registry.reports) == 520
    uses = [use for report in registry.reports for use in report["uses"]]
    assert len({use["application"] for use in uses}) == 521
    assert sum(use["application"] is None for use in uses) == 1
    assert [report["sequence"] for report in registry.reports] == [1, 2]


@on_loop
async def test_it_reports_by_itself_and_outlives_a_registry_that_comes_and_goes() -> None:
    usage = Usage(reported=True)
    async with running() as registry:
        reporter = _reporter(registry.url, usage)
        task = asyncio.create_task(reporter.run())
        _called(usage)
        await eventually(lambda: reporter.sent == 1)
        registry.status = 503
        _called(usage)
        await eventually(lambda: reporter.failed >= 2)
        registry.status = 200
        await eventually(lambda: reporter.sent == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@on_loop
async def test_nobody_waits_for_a_registry_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "FLUSH_SECONDS", 0.05)
    usage = Usage(reported=True)
    _called(usage)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    reporter = _reporter(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", usage)
    await reporter.flush()
    assert (reporter.failed, reporter.last_error) == (1, "it did not answer in time")
    server.close()


@on_loop
async def test_no_registry_and_no_address_are_failures_of_the_report_alone() -> None:
    usage = Usage(reported=True)
    _called(usage)
    for url in ("http://127.0.0.1:9", "nonsense://x"):
        reporter = _reporter(url, usage)
        await reporter.flush()
        assert reporter.failed == 1
        _called(usage)


def test_what_reports_count_has_a_name_in_the_exposition() -> None:
    for metric, labels, _ in _reporter("http://127.0.0.1:9", Usage()).reading():
        assert len(METRICS[metric][2]) == len(labels)

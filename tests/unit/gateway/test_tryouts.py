"""Pins and tryouts: which version an application gets, and what a worker does when the one it tries fails."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway import rollbacks
from gateway.pipeline import Pipeline, Table
from gateway.settings import Settings
from gateway.tryouts import SLICES, Window
from policies.model.access import Rollback, Terms, Tryout
from policies.model.contract import Rollout, Stage
from policies.traffic import Exchange, Problem
from policies.tryouts import Counts, draws
from tests.unit.gateway.snapshots_made import application, exchange, pipeline, table, version
from tests.unit.policies.traffic.facts import NOW

RULE = Rollback(minimum=10, window=60, max_percent=20)
TRYOUT = Tryout(id="a1", version="1.1.0", share=50, rollback=RULE)


def made(of: Pipeline | None = None, versions: Any = None, rollouts: Any = (), **terms: Any) -> Table:
    agreed = Terms(contract="orders", major=1, plan="plan", **terms)
    apps = (application(majors=(2, 3), terms=(agreed,)), application("other", majors=(1,)))
    versions = versions or (version(), version("1.1.0"))
    return table(*versions, of=of, applications=apps, rollouts=rollouts)


def served(on: Table, request_id: str = "0", *headers: tuple[bytes, bytes], now: float = NOW) -> Exchange:
    call = exchange(on, "/orders/v1/orders/17", "siteId=DAL-2", *headers, now=now)
    call.request_id = request_id
    assert on.open(call) is None
    return call


def of_arm(tried: bool, nth: int = 0) -> str:
    """A request id that tries the version, or does not."""
    return [id_ for id_ in map(str, range(1000)) if draws(TRYOUT, id_) is tried][nth]


def end(call: Exchange, status: int) -> None:
    call.arm.ended(call, status)


# -- which version ----------------------------------------------------------------------------------------------------


def test_without_agreement_the_path_alone_decides() -> None:
    on = table(version(), version("1.1.0"))
    call = served(on)
    assert (call.version, call.arm) == ("1.1.0", None)


def test_a_pinned_application_gets_its_version_and_others_the_newest() -> None:
    on = made(pin="1.0.0")
    call = served(on)
    assert (call.version, call.arm) == ("1.0.0", None)
    on.announce(call)
    assert (b"API-Version", b"1.0.0") in call.reply_headers
    stranger = exchange(on, "/orders/v1/health", key=None)
    assert on.open(stranger) is None
    assert stranger.version == "1.1.0"
    assert served(on, "0", (b"api-version", b"1.1.0")).version == "1.1.0", "who asks for a number gets it"
    assert served(on, "0", (b"api-version", b"1.0.0")).version == "1.0.0"


@pytest.mark.parametrize("stage", [Stage.RETIRED, Stage.ARCHIVED])
def test_a_pin_on_what_is_not_live_any_more_is_none(stage: Stage) -> None:
    assert served(made(versions=(version(stage=stage), version("1.1.0")), pin="1.0.0")).version == "1.1.0"


def test_a_share_of_the_calls_tries_the_newer_version() -> None:
    on = made(pin="1.0.0", tryout=TRYOUT)
    versions = [served(on, str(number)).version for number in range(90)]
    assert versions == ["1.1.0" if draws(TRYOUT, str(number)) else "1.0.0" for number in range(90)]
    assert set(versions) == {"1.0.0", "1.1.0"}


def test_a_rollout_is_tried_at_its_upstream() -> None:
    rollout = Rollout(contract="orders", major=1, version="1.1.0", upstream="http://new:1/orders")
    on = made(rollouts=(rollout,), tryout=TRYOUT)
    assert served(on, of_arm(True)).upstream.url == "http://new:1/orders"
    call = served(on, of_arm(False))
    assert (call.version, call.upstream.url) == ("1.0.0", "http://hub:1/orders/v1")


# -- how it ends ------------------------------------------------------------------------------------------------------


def test_a_version_that_fails_is_taken_away_and_stays_away() -> None:
    pipe = pipeline()
    on = made(pipe, pin="1.0.0", tryout=TRYOUT)
    id_ = of_arm(True)
    for number in range(9):
        end(served(on, id_), 500)
        assert served(on, id_).version == "1.1.0", f"{number + 1} calls tell nothing"
    end(served(on, id_), 500)
    assert served(on, id_).version == "1.0.0"
    assert served(on, id_).arm is None
    told = pipe.tryouts.pending["a1"]
    assert (told.application, told.contract, told.major, told.version) == ("app", "orders", 1, "1.1.0")
    assert told.verdict.tried == Counts(10, 10)
    assert told.verdict.reason == "10 of 10 calls failed, more than 20%"
    again = made(pipe, pin="1.0.0", tryout=TRYOUT)
    assert served(again, id_, now=NOW + 3600).version == "1.0.0", "not by time, and not by a swap"
    assert ("tryout_rollbacks", ["app", "orders", "1", "1.1.0"], 1) in pipe.tryouts.reading()
    assert ("tryout_calls", ["app", "orders", "1", "1.1.0", "tried", "failed"], 10) in pipe.tryouts.reading()
    anew = Tryout(id="a2", version="1.1.0", share=50, rollback=RULE)
    assert served(made(pipe, pin="1.0.0", tryout=anew), next(i for i in map(str, range(99)) if draws(anew, i))).arm
    made(pipe, pin="1.0.0")
    assert ("tryout_calls", ["app", "orders", "1", "1.1.0", "tried", "failed"], 10) in pipe.tryouts.reading()


def test_a_call_in_flight_changes_nothing_afterwards() -> None:
    pipe = pipeline()
    on = made(pipe, tryout=TRYOUT, pin="1.0.0")
    calls = [served(on, of_arm(True)) for _ in range(30)]
    for call in calls:
        end(call, 503)
    assert len(pipe.tryouts.pending) == 1
    assert pipe.tryouts.pending["a1"].verdict.tried == Counts(10, 10)


def test_good_calls_failures_long_ago_and_refusals_of_ours_roll_nothing_back() -> None:
    pipe = pipeline()
    on = made(pipe, tryout=TRYOUT, pin="1.0.0")
    id_ = of_arm(True)
    for _ in range(9):
        end(served(on, id_, now=NOW), 500)
        end(served(on, of_arm(False), now=NOW), 500)
        refused = served(on, id_, now=NOW)
        refused.problem = Problem(status=429, slug="rate-limited", title="t")
        end(refused, 429)
    for number in range(50):
        end(served(on, id_, now=NOW + 100 + number), 200)
    end(served(on, id_, now=NOW + 160), 500)
    assert pipe.tryouts.pending == {}
    assert served(on, id_).version == "1.1.0"


def test_answers_that_break_the_contract_count() -> None:
    from policies.traffic import Fault

    pipe = pipeline()
    on = made(pipe, tryout=TRYOUT, pin="1.0.0")
    for _ in range(10):
        call = served(on, of_arm(True))
        call.faults = (Fault("/body/x", "TYPE", "is no text"),)
        end(call, 200)
    assert "a1" in pipe.tryouts.pending


def test_a_window_forgets_slice_by_slice_and_bears_a_clock_set_back() -> None:
    window = Window(60)
    for second in range(60):
        window.note(1000.0 * 60 + second, second % 2 == 0)
    assert window.counts(1000.0 * 60 + 59) == Counts(60, 30)
    assert window.counts(1000.0 * 60 + 60 + 29) == Counts(30, 15)
    assert window.counts(1000.0 * 60 + 120) == Counts(0, 0)
    window.note(2000.0, True)
    window.note(1000.0, True)
    assert window.counts(1000.0) == Counts(1, 1)
    assert SLICES == 12


# -- telling the registry ---------------------------------------------------------------------------------------------


async def _tell(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    pipe = pipeline()
    on = made(pipe, tryout=TRYOUT, pin="1.0.0")
    for _ in range(10):
        end(served(on, of_arm(True)), 500)
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return httpx.Response(given)

    real = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **more: real(**more, transport=httpx.MockTransport(answer)))
    monkeypatch.setattr(rollbacks, "RETRY_SECONDS", 0)
    task = asyncio.create_task(rollbacks.report(Settings(registry_key="wbo_k"), pipe.tryouts))  # type: ignore[arg-type]
    while pipe.tryouts.pending:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return asked


def test_the_registry_is_told_until_it_has_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.run(_tell([httpx.ConnectError("refused"), 503, 200], monkeypatch))
    assert len(asked) == 3
    assert asked[-1].url.path == "/v1/applications/app/subscriptions/orders/1/rollback"
    assert asked[-1].headers["authorization"] == "Bearer wbo_k"
    assert httpx.Response(200, content=asked[-1].content).json() == {
        "tryout": "a1",
        "at": "2027-01-15T08:00:00Z",
        "reason": "10 of 10 calls failed, more than 20%",
        "tried": {"calls": 10, "failures": 10},
        "base": {"calls": 0, "failures": 0},
    }


def test_a_registry_that_knows_of_no_such_tryout_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(asyncio.run(_tell([404], monkeypatch))) == 1

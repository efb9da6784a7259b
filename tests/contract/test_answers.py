"""Every store of answers: one grant per id, however many ask, and what was granted stays taken over restarts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.counters import UnknownCounters, open_counters
from gateway.idempotency import Answers, AnswersLost, Claim, Found, UnknownAnswers, open_answers

DAY = 86_400.0


@pytest.fixture(params=["sqlite", "redis"])
def answers_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "sqlite://" if request.param == "sqlite" else str(request.getfixturevalue("redis_url"))


def run(
    url: str, path: Path, body: Callable[[Callable[[], Answers]], Coroutine[Any, Any, None]], seconds: float = DAY
) -> None:
    """`body` gets a way to open the store as often as there are workers."""

    async def main() -> None:
        opened: list[Answers] = []

        def another() -> Answers:
            opened.append(open_answers(url, path, seconds))
            return opened[-1]

        try:
            await body(another)
        finally:
            for answers in opened:
                await answers.close()

    asyncio.run(main())


def claim(of: Claim | None = None, **more: Any) -> Claim:
    """A new claim, or another one of the same id and request."""
    fields: dict[str, Any] = {
        "id": os.urandom(32) if of is None else of.id,
        "fingerprint": b"f",
        "token": os.urandom(16),
    }
    return Claim(**(fields | {"lease": 60.0} | more))


def test_of_many_claims_one_is_granted(answers_url: str, tmp_path: Path) -> None:
    async def body(another: Callable[[], Answers]) -> None:
        workers = [another(), another()]
        for _ in range(5):
            first = claim()
            asked = [worker.claim(claim(first)) for worker in workers for _ in range(40)]
            found = await asyncio.gather(*asked)
            assert found.count(None) == 1
            assert set(found) == {None, Found("running", b"f")}

    run(answers_url, tmp_path, body)


def test_an_answer_is_found_by_every_worker_and_after_a_restart(answers_url: str, tmp_path: Path) -> None:
    async def body(another: Callable[[], Answers]) -> None:
        one, other = another(), another()
        mine = claim()
        assert await one.claim(mine) is None
        await one.settle(mine, "answered", b"\x00answer")
        assert await other.claim(claim(mine, fingerprint=b"g")) == Found("answered", b"f", b"\x00answer")
        await one.close()
        await other.close()
        assert await another().claim(claim(mine)) == Found("answered", b"f", b"\x00answer")

    run(answers_url, tmp_path, body)


def test_what_was_released_is_free(answers_url: str, tmp_path: Path) -> None:
    async def body(another: Callable[[], Answers]) -> None:
        answers = another()
        mine = claim()
        assert await answers.claim(mine) is None
        await answers.release(mine)
        assert await answers.claim(claim(mine, fingerprint=b"g")) is None

    run(answers_url, tmp_path, body)


def test_only_the_holder_of_a_claim_settles_it(answers_url: str, tmp_path: Path) -> None:
    async def body(another: Callable[[], Answers]) -> None:
        answers = another()
        mine, stranger = claim(), claim()
        stranger = claim(mine)
        assert await answers.claim(mine) is None
        await answers.release(stranger)
        await answers.settle(stranger, "answered", b"x")
        assert await answers.claim(claim(mine)) == Found("running", b"f")

    run(answers_url, tmp_path, body)


def test_a_lapsed_claim_stays_taken_but_for_who_may_resend(answers_url: str, tmp_path: Path) -> None:
    async def body(another: Callable[[], Answers]) -> None:
        answers = another()
        mine = claim(lease=0.0)
        assert await answers.claim(mine) is None
        await asyncio.sleep(0.01)
        assert await answers.claim(claim(mine)) == Found("lapsed", b"f")
        assert await answers.claim(claim(mine, fingerprint=b"g", resends=True)) == Found("lapsed", b"f")
        taken = claim(mine, resends=True)
        assert await answers.claim(taken) is None
        await answers.settle(mine, "answered", b"late")  # the first one comes back from the dead
        assert await answers.claim(claim(mine, resends=True)) == Found("running", b"f")
        await answers.settle(taken, "unknown")
        assert await answers.claim(claim(mine)) == Found("unknown", b"f")
        assert await answers.claim(claim(mine, resends=True)) is None

    run(answers_url, tmp_path, body)


def test_what_was_not_kept_is_never_sent_again(answers_url: str, tmp_path: Path) -> None:
    async def body(another: Callable[[], Answers]) -> None:
        answers = another()
        mine = claim()
        assert await answers.claim(mine) is None
        await answers.settle(mine, "unkept")
        assert await answers.claim(claim(mine, resends=True)) == Found("unkept", b"f")

    run(answers_url, tmp_path, body)


def test_an_answer_is_forgotten_when_its_time_is_up(answers_url: str, tmp_path: Path) -> None:
    async def body(another: Callable[[], Answers]) -> None:
        answers = another()
        mine = claim()
        assert await answers.claim(mine) is None
        await answers.settle(mine, "answered", b"x")
        until = time.monotonic() + 5
        while await answers.claim(claim(mine)) is not None:
            assert time.monotonic() < until
            await asyncio.sleep(0.02)

    run(answers_url, tmp_path, body, seconds=0.2)


def test_a_store_that_cannot_be_reached_is_lost_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    async def body(another: Callable[[], Answers]) -> None:
        answers = another()
        with pytest.raises(AnswersLost):
            await answers.claim(claim())
        assert answers.lost

    run("sqlite://", tmp_path / "file", body)
    run("redis://127.0.0.1:1/0", tmp_path, body)


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(UnknownAnswers, match="'postgres'"):
        open_answers("postgres://x", Path(), DAY)


def test_an_address_that_cannot_be_read_is_told_without_its_password() -> None:
    with pytest.raises(UnknownAnswers, match="cannot be read") as told:
        open_answers("redis://:hunter2@h:port/0", Path(), DAY)
    assert "hunter2" not in str(told.value)
    with pytest.raises(UnknownCounters, match="cannot be read") as said:
        open_counters("redis://:hunter2@h:port/0")
    assert "hunter2" not in str(said.value)

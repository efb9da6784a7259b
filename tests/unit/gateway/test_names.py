"""Names are asked once at a time, remembered, and kept while nobody answers."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from gateway import names as module
from gateway.names import Addresses, Names
from tests.wire import on_loop


class Resolver:
    """Answers what `answer` holds, raises it, or waits for `release` while it is ``None``."""

    def __init__(self, answer: Addresses | Exception | None) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.release = threading.Event()

    def __call__(self, host: str, port: int) -> Addresses:
        self.asked.append(host)
        if self.answer is None:
            self.release.wait(10)
            raise OSError("gave up")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.02)


@on_loop
async def test_an_answer_is_used_until_it_is_no_longer_fresh() -> None:
    resolver = Resolver(("192.0.2.1",))
    names = Names(resolver)
    together = await asyncio.gather(*(names.addresses("dock", 80) for _ in range(5)))
    assert together == [("192.0.2.1",)] * 5
    resolver.answer = ("192.0.2.2",)
    assert await names.addresses("dock", 80) == ("192.0.2.1",)
    assert resolver.asked == ["dock"]
    _expire(names)
    assert await names.addresses("dock", 80) == ("192.0.2.2",)


@pytest.mark.parametrize("failure", [socket.gaierror(-3, "Temporary failure"), UnicodeError("label too long")])
def test_a_name_that_was_never_known_fails(failure: Exception) -> None:
    @on_loop
    async def body() -> None:
        with pytest.raises(type(failure)):
            await Names(Resolver(failure)).addresses("dock", 80)

    body()


@pytest.mark.parametrize("answer", [socket.gaierror(-3, "Temporary failure"), None], ids=["fails", "hangs"])
def test_what_was_known_is_kept_while_nobody_answers(answer: Exception | None) -> None:
    @on_loop
    async def body() -> None:
        resolver = Resolver(("192.0.2.1",))
        names = Names(resolver)
        await names.addresses("dock", 80)
        resolver.answer = answer
        for _ in range(3):
            _expire(names)
            assert await names.addresses("dock", 80) == ("192.0.2.1",)
        assert len(resolver.asked) == (4 if answer else 2)  # one that hangs is not asked again behind itself
        resolver.answer = ("192.0.2.2",)
        assert await names.addresses("dock", 80) == ("192.0.2.1",)  # and nobody waits again so soon
        resolver.release.set()

    body()


@on_loop
async def test_a_name_that_hangs_holds_up_no_other() -> None:
    resolver = Resolver(None)
    names = Names(resolver)
    hanging = [asyncio.create_task(names.addresses(f"lost{number}", 80)) for number in range(20)]
    await asyncio.sleep(0.05)
    resolver.answer = ("192.0.2.1",)
    async with asyncio.timeout(1):
        assert await names.addresses("dock", 80) == ("192.0.2.1",)
    resolver.release.set()
    assert {type(outcome) for outcome in await asyncio.gather(*hanging, return_exceptions=True)} == {OSError}


@on_loop
async def test_an_address_is_not_a_name() -> None:
    resolver = Resolver(("192.0.2.9",))
    names = Names(resolver)
    for host in ("127.0.0.1", "::1", "fe80::1%eth0"):
        assert await names.addresses(host, 80) == (host,)
    assert resolver.asked == []


def test_the_system_is_asked_by_default() -> None:
    assert "127.0.0.1" in module.ask_system("localhost", 80)


def _expire(names: Names) -> None:
    names._known = {host: (addresses, 0.0) for host, (addresses, _) in names._known.items()}

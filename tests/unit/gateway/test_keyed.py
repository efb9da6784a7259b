"""Calls under an idempotency key, over real sockets: the upstream acts once, whatever happens to whom."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.idempotency import Claim
from gateway.keyed import identity
from policies.model.contract import Upstream
from policies.traffic import Exchange, Problem
from tests.backends import Backend, Seen, Wire
from tests.unit.gateway.test_upstream import unused_port
from tests.wire import Gate, OneUpstream, Reply, Route, eventually, gate, on_loop


def post(body: bytes = b"abc", key: str = "key-1", *lines: str, target: str = "/a", method: str = "POST") -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *lines]
    if key:
        head.append(f"Idempotency-Key: {key}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def keyed(exchange: Exchange) -> None:
    """What the policy does where an operation takes keys."""
    sent = exchange.header(b"idempotency-key")
    exchange.idempotency_key = "" if sent is None else sent.decode()


def table(url: str, **more: Any) -> OneUpstream:
    return OneUpstream(url, **({"on_open": keyed, "route": Route(method="POST", may_retry=False)} | more))


class Maker(Backend):
    """Makes one more thing with every call; `gate` holds its answers back."""

    def __init__(self, status: int = 201, body: bytes = b"") -> None:
        super().__init__(self._answer)
        self.made = 0
        self.status, self.body = status, body
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def _answer(self, seen: Seen, wire: Wire) -> None:
        self.made += 1
        number = self.made
        await self.may_answer.wait()
        body = self.body or json.dumps({"made": number}).encode()
        fields = [("Location", f"/a/{number}"), ("Set-Cookie", "c=secret"), ("Content-Type", "application/json")]
        await wire.reply(self.status, body, *fields, ("Connection", "X-Hop"), ("X-Hop", "1"))


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["code"]


def scenario(test: Any) -> Any:
    """A test on the loop that gets a folder."""

    def run(tmp_path: Path) -> None:
        on_loop(test)(tmp_path)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@scenario
async def test_a_repeat_gets_the_first_answer(tmp_path: Path) -> None:
    async with Maker() as maker, gate(table(maker.url), state_dir=tmp_path) as g:
        first = await g.ask(post())
        again = await g.ask(post())
        assert (first.status, first.body, first.get("Idempotency-Replayed")) == (201, b'{"made": 1}', None)
        assert (again.status, again.body, again.get("Idempotency-Replayed")) == (201, b'{"made": 1}', b"true")
        assert first.get("Set-Cookie") == b"c=secret"
        assert sorted({name for name, _ in again.headers}) == [
            b"API-Version", b"Content-Length", b"Content-Type", b"Date", b"Idempotency-Replayed", b"Location",
            b"X-Request-Id",
        ]  # fmt: skip
        assert again.get("X-Request-Id") != first.get("X-Request-Id")
        assert again.get("Location") == b"/a/1"
        assert (await g.ask(post(key="key-2"))).body == b'{"made": 2}'
        assert (await g.ask(post(key=""))).body == b'{"made": 3}'
        assert g.worker.key_counts == {"claimed": 2, "replayed": 1}


@scenario
async def test_another_request_under_the_key_is_refused(tmp_path: Path) -> None:
    async with Maker() as maker, gate(table(maker.url), state_dir=tmp_path) as g:
        assert (await g.ask(post())).status == 201
        others = [
            post(b"abd"),
            post(target="/b"),
            post(target="/a?x=1"),
            post(method="PUT"),
            post(b"abc", "key-1", "Content-Type: text/plain"),
        ]
        for other in others:
            assert code(await g.ask(other)) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert maker.made == 1


@scenario
async def test_of_many_twins_on_two_workers_one_is_acted_on(tmp_path: Path) -> None:
    async with (
        Maker() as maker,
        gate(table(maker.url), state_dir=tmp_path) as one,
        gate(table(maker.url), state_dir=tmp_path) as two,
    ):
        maker.may_answer.clear()
        asked = [asyncio.create_task(g.ask(post())) for g in (one, two) for _ in range(50)]
        await eventually(lambda: sum(task.done() for task in asked) == 99)
        assert maker.made == 1
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            assert code(task.result()) == (409, "IDEMPOTENCY_IN_FLIGHT")
            assert task.result().get("Retry-After") == b"1"
        maker.may_answer.set()
        assert (await waiting.pop()).status == 201
        for g in (one, two):
            assert (await g.ask(post())).get("Idempotency-Replayed") == b"true"
        assert maker.made == 1


@scenario
async def test_a_restarted_gateway_still_knows(tmp_path: Path) -> None:
    async with Maker() as maker:
        for expected in (None, b"true"):
            async with gate(table(maker.url), state_dir=tmp_path) as g:
                assert (await g.ask(post())).get("Idempotency-Replayed") == expected
                await g.worker.finish()
        assert maker.made == 1


@scenario
async def test_a_client_that_leaves_finds_its_answer_when_it_comes_back(tmp_path: Path) -> None:
    async with Maker() as maker, gate(table(maker.url), state_dir=tmp_path) as g:
        maker.may_answer.clear()
        peer = await g.connect()
        await peer.send(post())
        await eventually(lambda: maker.made == 1)
        peer.close()
        await eventually(lambda: not any(hasattr(c, "_buffer") for c in g.worker.connections))
        assert len(g.worker.connections) == 1  # somebody still waits, and a drain waits for that
        maker.may_answer.set()
        await eventually(lambda: not g.worker.connections)
        again = await g.ask(post())
        assert (again.status, again.get("Idempotency-Replayed"), maker.made) == (201, b"true", 1)


@scenario
async def test_a_client_that_leaves_before_anything_was_sent_leaves_nothing(tmp_path: Path) -> None:
    async with Maker() as maker, gate(table(maker.url), state_dir=tmp_path) as g:
        peer = await g.connect()
        await peer.send(post()[:-1])
        await eventually(lambda: len(g.worker.connections) == 1)
        peer.close()
        await eventually(lambda: not g.worker.connections)
        assert (await g.ask(post())).status == 201
        assert g.worker.key_counts == {"claimed": 1}


@scenario
async def test_a_refusal_of_ours_leaves_no_trace(tmp_path: Path) -> None:
    refusing = [True]

    def on_body(exchange: Exchange) -> Problem | None:
        return Problem(status=400, slug="validation-failed", title="t") if refusing[0] else None

    async with Maker() as maker, gate(table(maker.url, on_body=on_body), state_dir=tmp_path) as g:
        assert (await g.ask(post(b"abd"))).status == 400
        refusing[0] = False
        assert (await g.ask(post())).status == 201
        refusing[0] = True  # and a repeat is judged as any other call
        assert (await g.ask(post())).status == 400


@scenario
async def test_an_upstream_that_was_never_reached_leaves_the_key_free(tmp_path: Path) -> None:
    served = table(f"http://127.0.0.1:{unused_port()}")
    async with Maker() as maker, gate(served, state_dir=tmp_path) as g:
        assert code(await g.ask(post())) == (502, "UPSTREAM_UNREACHABLE")
        served.url = maker.url
        await eventually(lambda: not g.worker._tasks)
        assert (await g.ask(post())).status == 201


@scenario
async def test_a_lost_answer_holds_its_key(tmp_path: Path) -> None:
    async def breaks(seen: Seen, wire: Wire) -> None:
        wire.reset()

    async with Backend(breaks) as backend, gate(table(backend.url), state_dir=tmp_path) as g:
        assert code(await g.ask(post())) == (502, "UPSTREAM_UNREACHABLE")
        await eventually(lambda: not g.worker._tasks)
        assert code(await g.ask(post())) == (409, "IDEMPOTENCY_OUTCOME_UNKNOWN")
        assert code(await g.ask(post(b"abd"))) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert len(backend.seen) == 1


@scenario
async def test_a_late_answer_holds_its_key(tmp_path: Path) -> None:
    async with Maker() as maker:
        served = table(maker.url, spec=Upstream(url="", first_byte_timeout=0.1))
        async with gate(served, state_dir=tmp_path) as g:
            maker.may_answer.clear()
            assert code(await g.ask(post())) == (504, "UPSTREAM_TIMEOUT")
            await eventually(lambda: not g.worker._tasks)
            assert code(await g.ask(post())) == (409, "IDEMPOTENCY_OUTCOME_UNKNOWN")
            assert maker.made == 1


@scenario
async def test_a_backend_that_knows_keys_is_asked_again(tmp_path: Path) -> None:
    async with Maker() as maker:
        served = table(maker.url, route=Route(method="POST", may_retry=False, resends=True))
        async with gate(served, state_dir=tmp_path) as g:
            then, maker.handler = maker.handler, _reset
            assert (await g.ask(post())).status == 502
            await eventually(lambda: not g.worker._tasks)
            maker.handler = then
            assert (await g.ask(post())).status == 201
            assert (await g.ask(post())).get("Idempotency-Replayed") == b"true"
            assert maker.seen[-1].get("Idempotency-Key") == "key-1"


async def _reset(seen: Seen, wire: Wire) -> None:
    wire.reset()


@pytest.mark.parametrize(
    ("status", "repeat"),
    [
        *[(200, 200), (204, 204), (404, 404), (409, 409), (422, 422), (500, 500)],
        *[(425, None), (429, None), (503, None)],
        *[(408, 409), (502, 409), (504, 409)],
    ],
)
def test_what_an_upstream_answers(tmp_path: Path, status: int, repeat: int | None) -> None:
    """Kept, or free again (``None``: it is asked again), or of unknown outcome."""

    async def answer(seen: Seen, wire: Wire) -> None:
        await wire.reply(status, b"" if status == 204 else b"x")

    @on_loop
    async def main() -> None:
        async with Backend(answer) as backend, gate(table(backend.url), state_dir=tmp_path) as g:
            assert (await g.ask(post())).status == status
            await eventually(lambda: not g.worker._tasks)
            again = await g.ask(post())
            assert again.status == (repeat or status)
            assert again.get("Idempotency-Replayed") == (b"true" if repeat == status else None)
            assert len(backend.seen) == (2 if repeat is None else 1)

    main()


@scenario
async def test_an_answer_over_the_cap_streams_and_cannot_be_given_again(tmp_path: Path) -> None:
    async def drips(seen: Seen, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 900)
        await asyncio.sleep(0.02)
        await wire.send(b"y" * 900)
        wire.close()

    async with (
        Maker(body=b"x" * 2000) as maker,
        gate(table(maker.url), state_dir=tmp_path, idempotency_max_answer_bytes=1000) as g,
    ):
        assert (await g.ask(post())).body == b"x" * 2000
        await eventually(lambda: not g.worker._tasks)
        assert code(await g.ask(post())) == (409, "IDEMPOTENCY_ANSWER_NOT_KEPT")
        maker.handler = drips
        assert (await g.ask(post(key="other"))).body == b"x" * 900 + b"y" * 900
        assert maker.made == 1


@scenario
async def test_a_withheld_answer_is_not_leaked_by_a_repeat(tmp_path: Path) -> None:
    bad = Problem(status=502, slug="response-invalid", title="t")
    async with Maker() as maker:
        served = table(maker.url, judges=True, on_response=lambda *_: bad)
        async with gate(served, state_dir=tmp_path) as g:
            assert code(await g.ask(post())) == (502, "RESPONSE_INVALID")
            await eventually(lambda: not g.worker._tasks)
            assert code(await g.ask(post())) == (409, "IDEMPOTENCY_ANSWER_NOT_KEPT")
            assert maker.made == 1


@scenario
async def test_a_body_that_cannot_be_held_whole_is_refused(tmp_path: Path) -> None:
    async with Maker() as maker:
        served = table(maker.url, route=Route(max_body_bytes=10, blocks_body=False))
        async with gate(served, state_dir=tmp_path) as g:
            assert (await g.ask(post(b"x" * 11))).status == 413
            chunked = post(b"", "key-1").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            assert (await g.ask(chunked + b"b\r\n12345678901\r\n0\r\n\r\n")).status == 413
            assert (await g.ask(post(b"x" * 11, key=""))).status == 201


@scenario
async def test_while_answers_cannot_be_kept_nothing_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    async with Maker() as maker:
        async with gate(table(maker.url), state_dir=tmp_path / "file") as g:
            refused = await g.ask(post())
            assert code(refused) == (503, "IDEMPOTENCY_UNAVAILABLE")
            assert (refused.get("Retry-After"), maker.made) == (b"1", 0)
            assert (await g.ask(post(key=""))).status == 201
        async with gate(table(maker.url), state_dir=tmp_path / "file", idempotency_on_loss="forward") as g:
            forwarded = await g.ask(post())
            assert (forwarded.status, forwarded.get("Idempotency-Kept")) == (201, b"false")


@scenario
async def test_an_answer_that_could_not_be_kept_is_given_and_said_to_be_lost(tmp_path: Path) -> None:
    async with Maker() as maker, gate(table(maker.url), state_dir=tmp_path) as g:
        maker.may_answer.clear()
        peer = await g.connect()
        await peer.send(post())
        await eventually(lambda: maker.made == 1)
        await _lose(g, tmp_path)
        maker.may_answer.set()
        reply = await peer.reply()
        assert (reply.status, reply.get("Idempotency-Kept")) == (201, b"false")


async def _lose(g: Gate, folder: Path) -> None:
    await g.worker.answers.close()
    for path in folder.glob("idempotency.db*"):
        path.unlink()
    (folder / "idempotency.db").mkdir()


@scenario
async def test_a_worker_that_ends_says_that_nobody_knows(tmp_path: Path) -> None:
    async with Maker() as maker:
        async with gate(table(maker.url), state_dir=tmp_path, drain_seconds=0.1) as g:
            maker.may_answer.clear()
            peer = await g.connect()
            await peer.send(post())
            await eventually(lambda: maker.made == 1)
            await g.listener.drain()
            await g.listener.stop()
            await g.worker.finish()
        async with gate(table(maker.url), state_dir=tmp_path) as g:
            assert code(await g.ask(post())) == (409, "IDEMPOTENCY_OUTCOME_UNKNOWN")


@scenario
async def test_a_call_whose_worker_was_killed_is_under_way_until_its_lease_ends(tmp_path: Path) -> None:
    async with Maker() as maker, gate(table(maker.url), state_dir=tmp_path) as g:
        exchange = Exchange("POST", "/a", "", [], "127.0.0.1", 0.0)
        exchange.route, exchange.idempotency_key = Route(), "key-1"
        held = Claim(identity(exchange), b"another", os.urandom(16), 60.0)
        assert await g.worker.answers.claim(held) is None
        assert code(await g.ask(post())) == (422, "IDEMPOTENCY_KEY_REUSED")
        await g.worker.answers.release(held)
        assert (await g.ask(post())).status == 201


@scenario
async def test_chunked_bodies_and_expectations_are_the_same_request(tmp_path: Path) -> None:
    async with Maker() as maker, gate(table(maker.url), state_dir=tmp_path) as g:
        chunked = post(b"", "key-1").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        assert (await g.ask(chunked + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")).status == 201
        peer = await g.connect()
        expecting = post(b"abc", "key-1", "Expect: 100-continue")
        assert (await peer.ask(expecting[:-3])).status == 100
        await peer.send(b"abc")
        assert (await peer.reply()).get("Idempotency-Replayed") == b"true"
        assert (await peer.ask(post(key=""))).status == 201


@scenario
async def test_a_body_is_asked_for_only_once_the_call_is_allowed(tmp_path: Path) -> None:
    refused = Problem(status=403, slug="scope-missing", title="t")
    async with Maker() as maker, gate(table(maker.url, on_open=lambda exchange: refused), state_dir=tmp_path) as g:
        assert (await g.ask(post(b"abc", "key-1", "Expect: 100-continue")[:-3])).status == 403
        assert not (tmp_path / "idempotency.db").exists()

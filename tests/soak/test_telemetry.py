"""Whoever takes our traces hangs, refuses, drips or goes away: traffic does not notice."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.backends import Seen, Wire
from tests.collector import Collector, takes
from tests.soak.load import Load
from tests.soak.rig import Gateway, around, running, soak, until


async def hangs(seen: Seen, wire: Wire) -> None:
    await asyncio.Event().wait()


async def refuses(seen: Seen, wire: Wire) -> None:
    await wire.reply(503, b"full")


async def drips(seen: Seen, wire: Wire) -> None:
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await wire.send(b" ")
        await asyncio.sleep(0.5)


@soak
async def test_a_collector_that_hangs_refuses_and_recovers(tmp_path: Path) -> None:
    async with around() as (_, feed), Collector() as collector:
        collector.handler = takes
        more = {
            "OTLP_ENDPOINT": collector.url,
            "OTLP_HEADERS": "x-key=a-secret",
            "TRACE_RATIO": "1",
            "TRACE_LIMIT": "100000",
        }
        gateway = Gateway(tmp_path / "state", feed.url, more=more)
        async with running(gateway), Load(gateway) as load:
            await load.calm()
            await until(lambda: bool(collector.seen))
            assert {span["kind"] for span in collector.spans} == {2, 3}

            async def dropped() -> bool:
                return await gateway.metric("weighbridge_spans_dropped_total") > lost

            for trouble in (hangs, refuses, drips):
                lost = await gateway.metric("weighbridge_spans_dropped_total")
                collector.handler = trouble
                load.pause = 0.005  # until more wait than may
                await until(dropped, 60)
                load.pause = 0.04
            collector.handler = takes
            collector.drop_connections()
            taken = await gateway.metric("weighbridge_spans_exported_total")

            async def recovered() -> bool:
                return await gateway.metric("weighbridge_spans_exported_total") > taken + 100

            seconds = await until(recovered, 60)
            collector.handler = hangs
            await asyncio.sleep(1)
            lost = await gateway.metric("weighbridge_spans_dropped_total")
            await load.stop()
            load.clean("23 collector hangs", spans_dropped=int(lost), recovered_s=round(seconds, 1))
            gateway.signal(signal.SIGTERM)
            assert await gateway.ended(8) == 0
            assert "a-secret" not in gateway.log
            assert gateway.log.count("the collector does not take traces") < 5

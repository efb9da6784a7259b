"""Connections on somebody's word: to the judged address and no other, for the name that was asked."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from gateway.names import Addresses, Names
from gateway.outgoing import JudgedTransport
from gateway.settings import Settings
from policies.outgoing import Networks
from tests.backends import Backend
from tests.unit.gateway.test_upstream import GET, slug
from tests.wire import OneUpstream, gate, on_loop

KEYS = Networks.parse("public,loopback")


class Resolver:
    """Answers from a list, one asking after the other; the last answer stays."""

    def __init__(self, *answers: Addresses) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Addresses:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Server:
    """Says 200 to everything, and remembers the Host it was asked for."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.hosts += [line[6:] for line in head.split("\r\n") if line.lower().startswith("host: ")]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            await writer.drain()
            writer.close()


async def get(url: str, resolver: Resolver, networks: Networks = KEYS) -> httpx.Response:
    async with httpx.AsyncClient(transport=JudgedTransport(networks, Names(resolver)), trust_env=False) as client:
        return await client.get(url)


@on_loop
async def test_the_host_stays_what_was_asked_for() -> None:
    server = Server()
    async with server.serving():
        resolver = Resolver(("127.0.0.1",))
        assert (await get(f"http://idp.example:{server.port}/jwks", resolver)).text == "ok"
        assert (await get(f"http://127.0.0.1:{server.port}/jwks", resolver)).text == "ok"
        assert server.hosts == [f"idp.example:{server.port}", f"127.0.0.1:{server.port}"]
        assert resolver.asked == ["idp.example"]


@on_loop
async def test_an_address_that_is_refused_is_never_connected_to() -> None:
    server = Server()
    async with server.serving():
        for address in ("169.254.169.254", "10.0.0.1", "::ffff:169.254.169.254", "0.0.0.0", "fe80::1%lo"):
            with pytest.raises(httpx.ConnectError, match=r"not allowed|never"):
                await get(f"https://idp.example:{server.port}/", Resolver((address,)))
        with pytest.raises(httpx.ConnectError, match="loopback"):
            await get(f"http://127.0.0.1:{server.port}/", Resolver(()), Networks.parse("public"))
        assert server.hosts == []


@on_loop
async def test_a_name_that_is_bound_again_is_judged_again() -> None:
    """DNS rebinding: a good answer for whoever checks, another one for whoever connects. There is one asking only, and
    what it said is connected to."""
    server = Server()
    async with server.serving():
        resolver = Resolver(("127.0.0.1",), ("169.254.169.254",))
        names = Names(resolver)
        async with httpx.AsyncClient(transport=JudgedTransport(KEYS, names), trust_env=False) as client:
            url = f"http://idp.example:{server.port}/"
            assert (await client.get(url)).text == "ok"
            assert len(resolver.asked) == 1
            names._known.clear()  # as if the answer were no longer fresh
            with pytest.raises(httpx.ConnectError, match="never"):
                await client.get(url)
        assert len(server.hosts) == 1


@on_loop
async def test_the_first_allowed_address_that_answers_serves() -> None:
    server = Server()
    async with server.serving():
        resolver = Resolver(("169.254.169.254", "127.0.0.2", "127.0.0.1"))
        assert (await get(f"http://idp.example:{server.port}/", resolver)).text == "ok"


@on_loop
async def test_plain_http_reaches_this_machine_only() -> None:
    with pytest.raises(httpx.ConnectError, match="http is not enough"):
        await get("http://idp.example/", Resolver(("93.184.216.34",)))
    with pytest.raises(httpx.ConnectError, match="http is not enough"):
        await get("http://idp.example/", Resolver(("10.1.2.3",)), Networks.parse("10.0.0.0/8"))


@on_loop
async def test_a_name_that_nobody_knows_is_said() -> None:
    def unknown(host: str, port: int) -> Addresses:
        raise OSError("Name or service not known")

    async with httpx.AsyncClient(transport=JudgedTransport(KEYS, Names(unknown)), trust_env=False) as client:
        with pytest.raises(httpx.ConnectError, match="cannot be resolved"):
            await client.get("https://idp.example/")
        with pytest.raises(httpx.ConnectError, match="is a number"):
            await client.get("https://0x7f.1/")


@pytest.mark.parametrize(("held", "good"), [("idp.example", True), ("other.example", False), ("127.0.0.1", False)])
def test_the_certificate_must_be_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str, good: bool
) -> None:
    certificate, context = certified(tmp_path, held)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # what the machine trusts

    async def scenario() -> None:
        server = Server()
        async with server.serving(context):
            asking = get(f"https://idp.example:{server.port}/", Resolver(("127.0.0.1",)))
            if good:
                assert (await asking).text == "ok"
            else:
                with pytest.raises(httpx.ConnectError, match="mismatch"):
                    await asking
        assert bool(server.hosts) is good

    asyncio.run(scenario())


def certified(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return path, context


# -- upstreams --------------------------------------------------------------------------------------------------------


@on_loop
async def test_an_upstream_is_connected_to_only_where_it_may_be() -> None:
    async with Backend() as backend:
        async with gate(OneUpstream(backend.url)) as g:
            assert (await g.ask(GET)).status == 200
        async with gate(OneUpstream(backend.url), upstream_networks="public,private") as g:
            assert slug(await g.ask(GET)) == "upstream-unreachable"
        async with gate(OneUpstream("http://stock.example:80")) as g:
            g.worker.upstreams.names = Names(Resolver(("169.254.169.254", "::ffff:a9fe:a9fe", "0.0.0.0")))
            assert slug(await g.ask(GET)) == "upstream-unreachable"


@pytest.mark.parametrize("name", ["upstream_networks", "keys_networks"])
def test_networks_that_say_nothing_are_refused_at_the_start(name: str) -> None:
    with pytest.raises(ValidationError, match="such as"):
        Settings(**{name: "everything"})  # type: ignore[arg-type]

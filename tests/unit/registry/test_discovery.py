"""Issuers' metadata: only of the very issuer, only from where we may connect to, never more than is needed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from policies.outgoing import Networks
from registry import discovery, outgoing
from registry.discovery import Discovered
from registry.errors import Forbidden, Invalid, Undiscovered
from tests.unit.policies.traffic.tokens import jwk
from tests.unit.registry.world import ADMIN, MEMBER

HERE = Networks.parse("loopback")
OIDC = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"


class Site:
    """A web site of a few pages; `base` is its address. A page is JSON, or whole bytes of an answer."""

    def __init__(self, pages: Callable[[str], dict[str, Any]], base_path: str = "") -> None:
        self._pages = pages
        self._path = base_path
        self.base = ""
        self.asked: list[tuple[str, str]] = []
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{self._path}"
        try:
            yield self.base
        finally:
            server.close()
            for writer in self._writers:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
            self.asked.append((path, host))
            page = self._pages(self.base).get(path)
            if page is None:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            elif isinstance(page, bytes):
                writer.write(page)
            else:
                body = json.dumps(page).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            if not (isinstance(page, bytes) and page.endswith(b"...")):
                writer.close()


def pages(base: str, **changes: Any) -> dict[str, Any]:
    metadata = {"issuer": base, "jwks_uri": f"{base}/keys", "id_token_signing_alg_values_supported": ["RS256", "none"]}
    metadata |= changes
    return {
        OIDC: {name: value for name, value in metadata.items() if value is not ...},
        "/keys": {"keys": [jwk("RSA", "r1"), jwk("RSA", "e1", "enc", use="enc")]},
    }


def discovered(of: Callable[[str], dict[str, Any]] = pages, *, path: str = "", suffix: str = "") -> Discovered:
    async def scenario() -> Discovered:
        site = Site(of, path)
        async with site.serving() as base:
            return await discovery.discover(ADMIN, base + suffix, HERE)

    return asyncio.run(scenario())


def undiscovered(of: Callable[[str], dict[str, Any]], suffix: str = "") -> str:
    with pytest.raises(Undiscovered) as caught:
        discovered(of, suffix=suffix)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["", OIDC])
def test_an_issuer_tells_its_keys_and_algorithms(suffix: str) -> None:
    found = discovered(suffix=suffix)
    assert found.issuer.startswith("http://127.0.0.1:")
    assert found.jwks_uri == found.issuer + "/keys"
    assert (found.algorithms, found.kids) == (("RS256",), ("r1",))


def test_an_issuer_with_a_slash_is_another_one() -> None:
    found = discovered(lambda base: pages(base.rstrip("/"), issuer=base.rstrip("/") + "/"), suffix="/")
    assert found.issuer.endswith("/")
    assert "names 'http://127.0.0.1" in undiscovered(lambda base: pages(base, issuer=base + "/"))


def test_metadata_of_an_authorization_server_stand_before_the_path() -> None:
    def of(base: str) -> dict[str, Any]:
        made = pages(base.removesuffix("/realms/wms"), issuer=base)
        return {f"{OAUTH}/realms/wms": made[OIDC], "/keys": made["/keys"]}

    assert discovered(of, path="/realms/wms").issuer.endswith("/realms/wms")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}, "not what was asked for"),
        ({"issuer": "https://evil.example"}, "not what was asked for"),
        ({"issuer": ...}, "names no issuer"),
        ({"issuer": ["x"]}, "names no issuer"),
        ({"jwks_uri": ...}, "no jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "is not http or https"),
        ({"jwks_uri": "http://169.254.169.254/latest"}, "https"),
        ({"jwks_uri": "https://169.254.169.254/latest"}, "never connected to"),
        ({"jwks_uri": "https://user@127.0.0.1/"}, "user or password"),
    ],
)
def test_metadata_that_are_not_believed(changes: dict[str, Any], told: str) -> None:
    assert told in undiscovered(lambda base: pages(base, **changes))


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nsecret", "answered 500"),
        (OK + b"\r\n<html>secret</html>", "JSON object"),
        (OK + b'\r\n{"issuer":"a","issuer":"b"}', "every member once"),
        (OK + b"\r\n[1]", "JSON object"),
        (OK + b"\r\n" + b" " * 1_100_000, "more than 1048576 bytes"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}"), "content coding"),
        (b"garbage\r\n\r\n", "broke off"),
        (OK + b"Content-Length: 100\r\n\r\n{", "broke off"),
    ],
)
def test_answers_that_are_no_metadata(answer: bytes, told: str) -> None:
    said = undiscovered(lambda base: {OIDC: answer})
    assert told in said
    assert "secret" not in said
    keys = undiscovered(lambda base: pages(base) | {"/keys": answer})
    assert told in keys
    assert "secret" not in keys


def test_an_answer_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SECONDS", 0.2)
    assert "within 0 seconds" in undiscovered(lambda base: {OIDC: OK + b"..."})


@pytest.mark.parametrize(
    "keys",
    [{"keys": []}, {"keys": [jwk("RSA1024")]}, {"keys": [jwk(), jwk()]}, {"keys": [{"kty": "oct", "k": "AA"}]}, {}],
)
def test_keys_that_nobody_could_use(keys: dict[str, Any]) -> None:
    assert "can" in undiscovered(lambda base: pages(base) | {"/keys": keys})


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example",
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://0x7f.1/",
        "file:///etc/passwd",
        "https://u:p@idp.example",
        "https://idp.example/?x=1",
        "https://idp.example/#x",
        "idp.example",
        "",
    ],
)
def test_where_nobody_is_asked(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        asyncio.run(discovery.discover(ADMIN, url, HERE))
    assert caught.value.pointer == "/url"


def test_only_admins_send_the_registry_out() -> None:
    with pytest.raises(Forbidden):
        asyncio.run(discovery.discover(MEMBER, "https://idp.example", HERE))


def test_a_name_is_judged_by_what_it_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver answers once, and what it says is connected to; never what it may say next."""
    answers = ["127.0.0.1", "169.254.169.254"]

    async def scenario() -> None:
        site = Site(pages)
        async with site.serving() as base:
            port = base.rpartition(":")[2]

            async def resolve(host: str, port: int, **more: Any) -> list[Any]:
                return [(2, 1, 6, "", (answers.pop(0), port))]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            with pytest.raises(outgoing.Unreachable, match="answered 404"):
                await outgoing.fetch_json(f"http://idp.example:{port}/", HERE)
            assert site.asked == [("/", f"idp.example:{port}")]
            with pytest.raises(outgoing.Unreachable, match="never connected to"):
                await outgoing.fetch_json(f"http://idp.example:{port}/", HERE)
            assert len(site.asked) == 1

    asyncio.run(scenario())

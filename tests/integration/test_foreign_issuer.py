"""A foreign issuer whose tokens another library signs: discovered, registered and believed, all the way through.

The issuer listens on loopback; the commands are those of the guide; the snapshot is the registry's; keys are fetched
by the gateway's own ring.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import isawaitable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from gateway.counters.memory import MemoryCounters
from gateway.keys import KeyRing
from gateway.pipeline import Pipeline, Table
from policies.model import snapshot
from policies.traffic import Exchange, Problem
from registry import issuers as stored_issuers
from registry.api import app
from registry.api.desk import Desk
from registry.settings import Settings
from registry.store import open_store
from weighbridge.cli import main
from weighbridge.client import Client

KEY = "a-management-key-for-foreign-issuers"
AUDIENCE = "https://api.larkfield.example"
DOCUMENT = """\
openapi: 3.1.0
info: {title: Dock notes, version: 1.0.0, contact: {name: Dock desk, email: dock@larkfield.example}}
paths:
  /sites/{siteId}/notes:
    get:
      operationId: listNotes
      security: [{oauth: ['notes:read']}]
      parameters: [{name: siteId, in: path, required: true, schema: {type: string, pattern: '^[A-Z0-9-]{1,9}$'}}]
      responses:
        '200':
          description: The notes.
          content: {application/json: {schema: {type: object, properties: {text: {type: string, maxLength: 9}}}}}
        4XX:
          description: What went wrong.
          content: {application/problem+json: {schema: {type: object}}}
components:
  securitySchemes:
    oauth: {type: oauth2, flows: {clientCredentials: {tokenUrl: /t, scopes: {'notes:read': Read notes}}}}
"""
CONTRACT = """\
name: dock-notes
title: Dock notes
owner: dock-desk
audience: internal
site: {place: path, name: siteId}
upstreams:
  DAL-2: {url: 'http://127.0.0.1:9'}
  PHX-1: {url: 'http://127.0.0.1:9'}
"""


class Idp:
    """An identity provider: metadata, keys and tokens."""

    def __init__(self) -> None:
        self.keys = KeySet(
            [
                RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"}),
                ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
                OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
                RSAKey.generate_key(2048, {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"}),
            ]
        )
        self.fetched: list[str] = []
        outer = self

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetched.append(self.path)
                page = outer.pages().get(self.path)
                body = json.dumps(page).encode()
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realms/warehouse"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pages(self) -> dict[str, Any]:
        return {
            "/realms/warehouse/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/protocol/openid-connect/certs",
                "id_token_signing_alg_values_supported": ["RS256", "ES256", "Ed25519", "HS256"],
            },
            "/realms/warehouse/protocol/openid-connect/certs": self.keys.as_dict(private=False),
        }

    def token(self, kid: str = "ec", alg: str = "ES256", typ: str = "JWT", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": [AUDIENCE, "account"],
            "azp": "wms-client",
            "sub": "7c1f0c0e",
            "typ": "Bearer",
            "scope": "email profile",
            "realm_access": {"roles": ["offline_access", "Notes.Read"]},
            "https://larkfield.example/sites": ["0142"],
            "iat": now,
            "exp": now + 300,
        } | changes
        key = next(key for key in self.keys.keys if key.kid == kid)
        return jwt.encode({"alg": alg, "kid": kid, "typ": typ}, claims, key, algorithms=[alg])


@pytest.fixture(scope="module")
def idp() -> Iterator[Idp]:
    made = Idp()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    store = open_store(f"sqlite:///{tmp_path}/registry.db")
    with store.write() as unit:
        stored_issuers.bootstrap(unit, issuer="http://registry.test", audience="weighbridge", now=1)
    listening = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            listening.set()

    desk = Desk(store, Settings(admin_key=KEY))
    server = Server(uvicorn.Config(app.create(desk), port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert listening.wait(30)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    monkeypatch.setenv("WEIGHBRIDGE_URL", url)
    monkeypatch.setenv("WEIGHBRIDGE_KEY", KEY)
    opened: list[Client] = []
    connect = Client.from_settings

    def remembered() -> Client:
        opened.append(connect())
        return opened[-1]

    monkeypatch.setattr(Client, "from_settings", remembered)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # what commands print is read below
    yield url
    structlog.reset_defaults()
    for client in opened:
        client.close()
    server.should_exit = True
    thread.join(30)
    store.close()


def run(capsys: pytest.CaptureFixture[str], line: str, *more: str) -> str:
    code = main([*line.split(), *more])
    output = capsys.readouterr()
    assert code == 0, output.err
    return output.out


def served(url: str) -> tuple[Any, str]:
    answer = httpx.get(f"{url}/v1/snapshot", headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
    return snapshot.loads(answer.content)


async def asked(table: Table, token: str, site: str = "DAL-2") -> tuple[Problem | None, Exchange]:
    made = Exchange(
        "GET",
        f"/dock-notes/v1/sites/{site}/notes",
        "",
        [(b"host", b"g"), (b"authorization", b"Bearer " + token.encode())],
        "127.0.0.1",
        time.time(),
    )
    made.table = table
    outcome: Any = table.open(made)
    return (await outcome if isawaitable(outcome) else outcome), made


def test_a_foreign_issuer_from_zero_to_first_governed_call(
    idp: Idp, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "dock-notes"
    folder.mkdir()
    (folder / "contract.yaml").write_text(CONTRACT)
    (folder / "1.0.0.yaml").write_text(DOCUMENT)
    run(capsys, "apply", str(folder))
    run(capsys, "apps create dock-reader --consumer dock-team --audience internal --scope notes:read")
    client = httpx.Client(base_url=registry, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
    client.put("/v1/plans/internal", json={"title": "", "limits": []}).raise_for_status()
    client.close()
    run(capsys, "apps subscribe dock-reader dock-notes@1 --plan internal")

    told = run(capsys, f"issuers discover {idp.issuer}")
    assert "algorithms  ES256, Ed25519, RS256" in told
    assert "kids        ec, ed, rsa" in told
    base = idp.issuer.removesuffix("/realms/warehouse")
    words = (
        f"issuers add keycloak --preset keycloak --url {base} --realm warehouse --discover {idp.issuer} "
        f"--audience {AUDIENCE} --scope Notes.Read=notes:read "
        "--site-claim https://larkfield.example/sites --site 0142=DAL-2"
    )
    assert "nothing was changed" in run(capsys, words + " --dry-run")
    assert "caller      azp" in run(capsys, words)
    assert "speak for dock-reader" in run(capsys, "apps subject dock-reader --issuer keycloak --subject wms-client")
    assert "keycloak" in run(capsys, "issuers list")
    assert json.loads(run(capsys, "issuers show keycloak --format json"))["required_claims"] == {"typ": ["Bearer"]}

    async def gateway() -> None:
        idp.fetched.clear()
        ring = KeyRing()
        table = Pipeline(MemoryCounters(), ring).build(*served(registry))
        fetching = asyncio.create_task(ring.run())
        try:
            await asyncio.sleep(0)
            for kid, alg in (("ec", "ES256"), ("rsa", "RS256"), ("ed", "Ed25519"), ("ec", "ES256")):
                problem, exchange = await asked(table, idp.token(kid, alg))
                assert problem is None, problem
                assert exchange.caller is not None
                assert (exchange.caller.application.id, set(exchange.caller.scopes)) == ("dock-reader", {"notes:read"})
                assert exchange.site == "DAL-2"

            async def refused(token: str, site: str = "DAL-2") -> tuple[int, str]:
                problem, _ = await asked(table, token, site)
                assert problem is not None
                return problem.status, problem.slug

            assert await refused(idp.token(), "PHX-1") == (403, "site-not-allowed")
            assert await refused(idp.token(**{"https://larkfield.example/sites": []})) == (403, "site-not-allowed")
            assert await refused(idp.token(realm_access={"roles": ["notes:read"]})) == (403, "scope-missing")
            assert await refused(idp.token(typ="JWT", typ_=1) + "x") == (401, "credentials-invalid")
            assert await refused(idp.token(azp="another")) == (401, "credentials-invalid")
            assert await refused(idp.token(aud="account")) == (401, "credentials-invalid")
            assert await refused(idp.token(iss=idp.issuer + "/")) == (401, "credentials-invalid")
            assert await refused(idp.token(exp=int(time.time()) + 90_000)) == (401, "credentials-invalid")
            assert await refused(idp.token("ec", "ES256", "logout+jwt")) == (401, "credentials-invalid")
            assert idp.fetched == ["/realms/warehouse/protocol/openid-connect/certs"]
        finally:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)

    asyncio.run(gateway())

    held = json.loads(run(capsys, "apps show dock-reader --format json"))
    (credential,) = [c["id"] for c in held["credentials"] if c["kind"] == "subject"]
    assert main(["issuers", "remove", "keycloak"]) == 1
    run(capsys, f"apps revoke dock-reader {credential}")
    assert "would remove" in run(capsys, "issuers remove keycloak --dry-run")
    assert "removed keycloak" in run(capsys, "issuers remove keycloak")


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("issuers discover http://idp.example", 2, "https"),
        ("issuers discover http://169.254.169.254/", 2, "https"),
        ("issuers discover https://169.254.169.254/", 2, "never connected to"),
        ("issuers discover http://127.0.0.1:9/", 1, "cannot be connected to"),
        ("issuers add x --audience a --url https://idp.example", 2, "--jwks-uri"),
        ("issuers add x --audience a --preset ping", 2, "there is no preset 'ping'"),
        ("issuers add x --audience a --preset entra", 2, "needs --tenant"),
        ("issuers add x --audience a --preset entra --tenant common", 2, "is no tenant"),
        ("issuers add x --audience a --preset auth0 --domain https://x.eu.auth0.com", 2, "a domain such as"),
        ("issuers add x --audience a --preset auth0 --domain x.eu.auth0.com --realm r", 2, "no use for --realm"),
        ("issuers add x --audience a --url https://i.example --jwks-uri https://10.0.0.1/ ", 2, "OUTGOING_NETWORKS"),
        ("issuers add x --audience a --url https://i.example --jwks-uri https://i.example --scope read", 2, "="),
        ("issuers show nobody", 2, "nobody"),
    ],
)
def test_what_cannot_be_done_is_said(
    registry: str, capsys: pytest.CaptureFixture[str], line: str, code: int, told: str
) -> None:
    assert main(line.split()) == code
    assert told in capsys.readouterr().err


def test_another_issuer_than_the_presets_is_refused(
    idp: Idp, registry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"issuers add x --audience a --preset keycloak --url https://sso.example --realm r --discover {idp.issuer}"
    assert main(line.split()) == 1
    assert "what was asked for is https://sso.example/realms/r" in capsys.readouterr().err

"""Client certificates at the token endpoint (RFC 8705), as a trusted proxy tells them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from starlette.testclient import TestClient

from policies.model.certificate import thumbprint
from policies.traffic.authenticate_certificate import Presented
from registry.api import app
from registry.api.desk import Desk
from registry.settings import Settings
from tests.certificates import SERVER, Made, authority, made
from tests.unit.registry.api.conftest import KEY, NOW, Registry

APP = "oakhurst"
DATES: dict[str, Any] = {
    "since": datetime.fromtimestamp(NOW - 86_400, UTC),
    "until": datetime.fromtimestamp(NOW + 86_400, UTC),
}
CA, OTHER_CA = (authority("CN=Oakhurst CA", **DATES) for _ in range(2))
OWN, LEAF = made("CN=own", **DATES), made("CN=edi", CA, dns=("edi.example",), **DATES)
IMPOSTOR = made("CN=edi", OTHER_CA, dns=("edi.example",), **DATES)


class Proxied:
    """The registry as its trusted proxy reaches it, and as others do."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        settings = Settings(admin_key=KEY, issuer="https://registry.example", trusted_proxies="10.0.7.0/24")
        desk = Desk(registry.store, settings, lambda: registry.now)
        self.clients = {peer: TestClient(app.create(desk), client=(peer, 1)) for peer in ("10.0.7.1", "10.0.8.1")}

    def ask(self, *shows: Made, peer: str = "10.0.7.1", **form: str) -> httpx.Response:
        fields = [("Client-Cert", f":{b64encode(of.der).decode()}:") for of in shows]
        asked = {"grant_type": "client_credentials", "client_id": APP} | form
        answer: httpx.Response = self.clients[peer].post("/oauth/token", data=asked, headers=fields)
        return answer

    def refused(self, *shows: Made, status: int = 401, code: str = "invalid_client", **given: str) -> str:
        answer = self.ask(*shows, **given)
        assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
        told: str = answer.json()["error_description"]
        return told

    def claims(self, *shows: Made, **given: str) -> dict[str, Any]:
        answer = self.ask(*shows, **given)
        assert answer.status_code == 200, answer.text
        claims: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
        return claims


@pytest.fixture
def proxied(registry: Registry) -> Iterator[Proxied]:
    registry.seed()
    registry.publish("1.0.0")
    registry.ok("PUT", f"/v1/applications/{APP}/subscriptions/stock/1", json={"plan": "gold"})
    registry.ok("PUT", "/v1/trust-anchors/oakhurst", json={"certificates": CA.pem})
    made = Proxied(registry)
    yield made
    for client in made.clients.values():
        client.close()


def give(proxied: Proxied, application: str = APP, **given: Any) -> Any:
    return proxied.registry.ok("POST", f"/v1/applications/{application}/credentials", json=given)


def test_a_certificate_buys_a_token_that_is_bound_to_it(proxied: Proxied) -> None:
    pinned = give(proxied, kind="certificate", certificate=OWN.pem)["credential"]["id"]
    named = give(proxied, kind="certificate", anchor="oakhurst", san_dns="edi.example")["credential"]["id"]
    for shows, credential in ((OWN, pinned), (LEAF, named)):
        claims = proxied.claims(shows)
        assert (claims["client_id"], claims["cid"]) == (APP, credential)
        assert claims["cnf"] == {"x5t#S256": Presented(shows.der).thumbprint}
        assert claims["cnf"] == {"x5t#S256": thumbprint(shows.der)}
    crossed = proxied.registry.ok("GET", "/v1/snapshot")["snapshot"]["subjects"]
    assert {subject["id"] for subject in crossed} == {pinned, named}, "or gateways would know no such credential"
    proxied.registry.ok("DELETE", f"/v1/applications/{APP}/credentials/{pinned}")
    proxied.refused(OWN)
    assert proxied.registry.ok("GET", "/v1/snapshot")["snapshot"]["subjects"] != crossed


def test_who_shows_no_certificate_of_the_client_is_told_one_thing(proxied: Proxied) -> None:
    give(proxied, kind="certificate", certificate=OWN.pem)
    give(proxied, kind="certificate", anchor="oakhurst", san_dns="edi.example")
    server = made("CN=edi", CA, dns=("edi.example",), usage=(SERVER,), **DATES)
    strangers = (IMPOSTOR, made("CN=own", **DATES), made("CN=edi", dns=("edi.example",), **DATES), CA, server)
    said = {proxied.refused(shows) for shows in strangers}
    said |= {proxied.refused(OWN, client_id=other) for other in ("nobody", "")}
    proxied.registry.now = NOW + 2 * 86_400
    said |= {proxied.refused(OWN), proxied.refused(LEAF)}
    assert said == {"the client is not known, or its certificate is not valid"}


def test_nobody_else_may_tell_a_certificate(proxied: Proxied) -> None:
    give(proxied, kind="certificate", certificate=OWN.pem)
    assert proxied.ask(OWN).status_code == 200
    assert "credentials are missing" in proxied.refused(OWN, peer="10.0.8.1")
    assert "credentials are missing" in proxied.refused()
    assert (
        proxied.registry.call(
            "POST",
            "/oauth/token",
            key=None,
            data={"grant_type": "client_credentials", "client_id": APP},
            headers={"Client-Cert": f":{b64encode(OWN.der).decode()}:", "X-Forwarded-For": "10.0.7.1"},
        ).status_code
        == 401
    )
    proxied.refused(OWN, OWN, status=400, code="invalid_request")


def test_a_secret_that_comes_with_a_certificate_is_the_proof(proxied: Proxied) -> None:
    give(proxied, kind="certificate", certificate=OWN.pem)
    secret = give(proxied, kind="client-secret")
    for shows in (OWN, IMPOSTOR):
        claims = proxied.claims(shows, client_secret=secret["secret"])
        assert (claims["cid"], "cnf" in claims) == (secret["credential"]["id"], False)
    held = proxied.registry.ok("GET", f"/v1/applications/{APP}")
    proxied.registry.ok("PUT", f"/v1/applications/{APP}", json={**held, "bound_tokens_only": True})
    assert proxied.claims(IMPOSTOR, client_secret=secret["secret"])["cnf"] == {"x5t#S256": thumbprint(IMPOSTOR.der)}
    told = proxied.refused(client_secret=secret["secret"], status=400, code="invalid_request")
    assert told == "the application's tokens are bound to a client certificate; present one"


def test_the_metadata_names_both_methods(proxied: Proxied) -> None:
    told = proxied.clients["10.0.8.1"].get("/.well-known/oauth-authorization-server").json()
    assert told["tls_client_certificate_bound_access_tokens"] is True
    both = {"tls_client_auth", "self_signed_tls_client_auth"}
    assert both <= set(told["token_endpoint_auth_methods_supported"])
    without = proxied.registry.call("GET", "/.well-known/oauth-authorization-server", key=None).json()
    assert without["tls_client_certificate_bound_access_tokens"] is False
    assert not both & set(without["token_endpoint_auth_methods_supported"])

"""Which fields of a request never reach an upstream, whatever a client writes into them."""

from __future__ import annotations

import pytest

from gateway.fields import TO_UPSTREAM


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("weighbridge-application", id="our own identity"),
        pytest.param("x-http-method-override", id="another method"),
        pytest.param("x-http-method", id="another method, as some call it"),
        pytest.param("x-method-override", id="another method, as others call it"),
        pytest.param("x-original-url", id="another path"),
        pytest.param("x-rewrite-url", id="another path, as others call it"),
        pytest.param("x-forwarded-prefix", id="another base"),
        pytest.param("x-forwarded-uri", id="what a proxy says was asked for"),
        pytest.param("x-forwarded-user", id="who a proxy says it is"),
        pytest.param("x-forwarded-client-cert", id="a certificate"),
        pytest.param("x-ssl-client-verify", id="what became of a certificate"),
        pytest.param("ssl-client-s-dn", id="the name in a certificate"),
        pytest.param("x-arr-clientcert", id="a certificate, as others call it"),
        pytest.param("x-client-ip", id="an address"),
        pytest.param("cf-connecting-ip", id="an address, as others call it"),
        pytest.param("remote-user", id="a user"),
        pytest.param("x-auth-request-email", id="a user of another gateway"),
        pytest.param("x-consumer-username", id="a consumer of another gateway"),
        pytest.param("x-ms-client-principal-id", id="a user of a cloud"),
        pytest.param("proxy", id="HTTP_PROXY of a script"),
    ],
)
def test_what_upstreams_act_upon_is_not_the_clients_to_say(name: str) -> None:
    assert TO_UPSTREAM[name.encode()] == b""


@pytest.mark.parametrize("name", ["accept", "cookie", "x-consumer", "x-forward", "x-http", "x-user-agent", "prefer"])
def test_everything_else_goes_on(name: str) -> None:
    assert TO_UPSTREAM[name.encode()].lower() == name.encode() + b": "

"""Whose word about a client certificate counts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from policies.model.networks import is_within

NETWORKS = Settings(trusted_proxies="10.0.7.0/24, 192.0.2.1,2001:db8::/32").trusted_proxies


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.0.7.9", True),
        ("10.0.8.9", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("::ffff:10.0.7.9", True),
        ("::ffff:10.0.8.9", False),
        ("2001:db8::1", True),
        ("2001:db8::1%eth0", True),
        ("2001:db9::1", False),
        ("", False),
        ("proxy", False),
    ],
)
def test_a_peer_is_trusted_by_its_network(peer: str, trusted: bool) -> None:
    assert is_within(peer, NETWORKS) is trusted


def test_networks_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().trusted_proxies == ()
    monkeypatch.setenv("WEIGHBRIDGE_GATEWAY_TRUSTED_PROXIES", "10.0.7.0/24,192.0.2.1,2001:db8::/32")
    assert Settings().trusted_proxies == NETWORKS
    for wrong in ("10.0.7.1/24", "proxy.example", "10.0.7.0/33"):
        with pytest.raises(ValidationError):
            Settings(trusted_proxies=wrong)

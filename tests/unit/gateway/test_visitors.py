"""Whose word is taken for where a request comes from, and how many connections one place may hold."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gateway.settings import Settings
from gateway.visitors import Visitors

INSIDE = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))


def said(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"h"), *((b"x-forwarded-for", value) for value in values)]


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ([], "10.0.0.1"),
        ([b"192.0.2.7"], "192.0.2.7"),
        ([b"1.2.3.4, 192.0.2.7"], "192.0.2.7"),  # what the client wrote itself is not believed
        ([b"1.2.3.4", b"192.0.2.7"], "192.0.2.7"),
        ([b"192.0.2.7, 10.9.9.9"], "192.0.2.7"),
        ([b"1.2.3.4, 192.0.2.7,10.9.9.9 , 10.1.1.1"], "192.0.2.7"),
        ([b"10.5.5.5, 10.9.9.9"], "10.5.5.5"),
        ([b"192.0.2.7, unknown"], "10.0.0.1"),
        ([b"192.0.2.7, unknown, 10.9.9.9"], "10.9.9.9"),
        ([b""], "10.0.0.1"),
        ([b"192.0.2.7,"], "10.0.0.1"),
        ([b"192.0.2.7:4711"], "192.0.2.7"),
        ([b"[2001:db8::7]:4711"], "2001:db8::7"),
        ([b"2001:DB8:0::7"], "2001:db8::7"),
        ([b"192.0.2.7, 2001:db8:1::9"], "192.0.2.7"),
        ([b"192.0.2.7, ::ffff:10.9.9.9"], "192.0.2.7"),
        ([b"fe80::1%eth0\xff"], "10.0.0.1"),
        ([b"x" * 8000], "10.0.0.1"),
        ([b"192.0.2.7" + b", 10.1.1.1" * 500], "10.1.1.1"),  # nobody has so many proxies
    ],
)
def test_what_a_trusted_proxy_says(values: list[bytes], client: str) -> None:
    assert Visitors(0, INSIDE).behind("10.0.0.1", said(*values)) == client


def test_without_proxies_nobody_is_one() -> None:
    assert not Visitors(10, ()).is_proxy("10.0.0.1")
    trusting = Visitors(10, INSIDE)
    assert [trusting.is_proxy(a) for a in ("10.0.0.1", "::ffff:10.0.0.1", "192.0.2.7", "", "nonsense")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_connections_of_one_place_are_bounded() -> None:
    visitors = Visitors(2, INSIDE)
    places = [visitors.enter("192.0.2.7") for _ in range(3)]
    assert places == ["192.0.2.7", "192.0.2.7", None]
    assert visitors.enter("192.0.2.8") is not None
    visitors.leave("192.0.2.7")
    assert visitors.enter("192.0.2.7") is not None
    assert visitors.enter("::ffff:192.0.2.7") is None  # the same client over the other family
    assert [visitors.enter(f"2001:db8:2:3::{n}") is None for n in range(3)] == [False, False, True]
    assert visitors.enter("2001:db8:2:4::1") is not None
    assert [visitors.enter("10.0.0.1") for _ in range(5)] == [""] * 5
    assert [Visitors(0, ()).enter("192.0.2.7") for _ in range(5)] == [""] * 5


def test_nothing_is_left_of_those_who_left() -> None:
    visitors = Visitors(5, ())
    places = [visitors.enter(f"192.0.2.{n}") for n in range(100) for _ in range(3)]
    for place in places:
        assert place is not None
        visitors.leave(place)
    assert visitors._open == {}


def test_networks_are_read_from_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1,2001:db8:1::/48")
    assert [str(network) for network in Settings().trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8:1::/48"]
    monkeypatch.setenv("WEIGHBRIDGE_GATEWAY_TRUSTED_PROXIES", "10.0.0.1/8")
    with pytest.raises(ValueError, match="host bits"):
        Settings()

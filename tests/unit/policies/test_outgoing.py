"""What may be connected to on somebody's word."""

from __future__ import annotations

import pytest

from policies.outgoing import Networks, UnsafeAddress, target

KEYS = Networks.parse("public,loopback")
UPSTREAMS = Networks.parse("public, private, loopback")
EVERYTHING = Networks.parse("public,private,loopback,0.0.0.0/0,::/0")

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::169.254.169.254",
    "64:ff9b::0.0.0.0",
    "64:ff9b:1::a9fe:a9fe",
    "fe80::1",
    "fe80::1%eth0",
    "2001:db8::1%2",
    "fec0::1",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "::ffff:224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.88.99.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "2002:a9fe:a9fe::1",
    "2002:7f00:1::",
    "2001::1",
    "::169.254.169.254",
    "::127.0.0.1",
    "100::1",
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
]
SPECIAL = ["192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "192.0.0.1"]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_stay_closed_whatever_is_set(address: str) -> None:
    assert "never" in str(EVERYTHING.refuses(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert KEYS.refuses(address) is UPSTREAMS.refuses(address) is None
    assert Networks.parse("private,loopback").refuses(address) is not None


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback(address: str) -> None:
    assert KEYS.refuses(address) is None
    assert "loopback" in str(Networks.parse("public,private").refuses(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks(address: str) -> None:
    assert "private" in str(KEYS.refuses(address))
    assert UPSTREAMS.refuses(address) is None


@pytest.mark.parametrize("address", SPECIAL)
def test_networks_of_examples_and_measurements_are_not_public(address: str) -> None:
    assert "not allowed" in str(UPSTREAMS.refuses(address))
    assert EVERYTHING.refuses(address) is None


def test_a_network_of_ones_own() -> None:
    mine = Networks.parse("10.20.0.0/16, fd12::/32")
    assert [mine.refuses(a) is None for a in ("10.20.3.4", "10.21.0.1", "1.1.1.1", "fd12::5", "127.0.0.1")] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert Networks.parse("").refuses("1.1.1.1") is not None


@pytest.mark.parametrize("text", ["any", "10.20.0.1/16", "10.0.0.0/33", "public;private", "*", "Public"])
def test_settings_that_say_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        Networks.parse(text)


@pytest.mark.parametrize("address", ["", "localhost", "1.2.3", "0x7f000001", "2130706433x", "1.1.1.1 ", "a" * 500])
def test_what_is_no_address_is_not_connected_to(address: str) -> None:
    assert "no address" in str(EVERYTHING.refuses(address))


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://id.example/jwks?x=1", "id.example", 443),
        ("http://stock:8080/v{major}", "stock", 8080),
        ("https://ID.Example./", "id.example.", 443),
        ("http://my_host.internal", "my_host.internal", 80),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example", 443),
        ("http://192.0.2.7/", "192.0.2.7", 80),
        ("http://[2001:db8::7]:99/", "2001:db8::7", 99),
        ("http://1stop.example", "1stop.example", 80),
    ],
)
def test_plain_addresses(url: str, host: str, port: int) -> None:
    found = target(url)
    assert (found.host, found.port) == (host, port)
    assert (found.address is not None) == (host[0] in "2" or host == "192.0.2.7")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "id.example",
        "//id.example/",
        "file:///etc/passwd",
        "ftp://id.example/",
        "gopher://127.0.0.1:6379/_INFO",
        "javascript:alert(1)",
        "data:application/json,{}",
        "http:///jwks",
        "http://:80/",
        "https://user@id.example/",
        "https://user:secret@id.example/",
        "https://@id.example/",
        "https://id.example@127.0.0.1/",
        "https://id.example#@127.0.0.1/",
        "https://id.example:0/",
        "https://id.example:99999/",
        "https://id.example:port/",
        "https://id.example\\@127.0.0.1/",
        "https://id.example\t/",
        "https://id.exa\nmple/",
        " https://id.example/",
        "https://id.example/ x",
        "https://[bad/",
        "https://[1.2.3.4]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://127.0.0.01/",
        "http://1.2.3.256/",
        "http://1.2.3.4.5/",
        "http://169.254.169.254.0x0/",
        "http://\u2488\u2488.example/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127%2e0.0.1/",
        "http://a..b/",
        "http://-a.example/",
        "http://" + "a" * 300 + "/",
    ],
)
def test_addresses_that_two_readers_could_read_differently(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        target(url)


def test_a_scheme_may_be_asked_for() -> None:
    with pytest.raises(UnsafeAddress, match="is not https"):
        target("http://id.example/", schemes=("https",))
    assert target("https://id.example/", schemes=("https",)).scheme == "https"

"""Where this system may connect to on somebody's word: upstreams, issuers' keys and metadata (and webhooks).

An address that others hand in must not turn us into their hand inside the network (server-side request forgery, OWASP
API7:2023). Two judgements, both pure: `target` takes a URL apart and refuses what two readers could understand
differently; `Networks.refuses` judges an address of the wire. Whoever connects resolves the name once, has every
address judged, and connects to the very address that was judged: asking for the name again might get another answer.

What is listed as *never* stays closed whatever is set: metadata services of clouds hand out credentials to whoever can
reach them, and link-local, multicast, unspecified and tunnel addresses are nobody's service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from msgspec import Struct

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
_NAT64 = IPv6Network("64:ff9b::/96")
_NEVER: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), why)
    for why, networks in {
        "unspecified": ("0.0.0.0/8", "::/128"),
        "link-local": ("169.254.0.0/16", "fe80::/10", "fec0::/10"),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "reserved or broadcast": ("240.0.0.0/4", "192.88.99.0/24", "100::/64", "5f00::/16"),
        "a cloud's metadata service": (
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "fd00:ec2::/32",
            "fd20:ce::254/128",
        ),
        # what stands in them depends on who routes them; ::1 is looked at before
        "an address within an address": ("::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
    }.items()
    for network in networks
)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.IGNORECASE)
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
_VISIBLE = re.compile(r"[!-\[\]-~]+")  # no blanks, no controls, no backslash, nothing beyond ASCII


class UnsafeAddress(ValueError):
    """The message says why, in words that complete "the address ..."."""


class Target(Struct, frozen=True):
    """A URL taken apart. `address` is set where the host is one; a name is to be resolved, and its addresses judged."""

    scheme: str
    host: str
    port: int
    address: Address | None


def target(url: str, *, schemes: Iterable[str] = ("http", "https")) -> Target:
    """Raises `UnsafeAddress` for a URL that is not plainly one of `schemes` at one host.

    Numbers that are hosts are refused unless they are an IPv4 address as everybody writes it: ``2130706433``,
    ``0x7f.1`` and ``0177.0.0.1`` are 127.0.0.1 to some resolvers and a name to others.
    """
    if not _VISIBLE.fullmatch(url):
        raise UnsafeAddress("holds something other than visible ASCII characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UnsafeAddress("is not an address") from None
    wanted = tuple(schemes)
    if parts.scheme not in wanted:
        raise UnsafeAddress(f"is not {' or '.join(wanted)}")
    if "@" in parts.netloc:
        raise UnsafeAddress("carries a user or password")
    if not host or port == 0:
        raise UnsafeAddress("names no host, or no port")
    if "#" in url:
        raise UnsafeAddress("carries a fragment")
    default = 443 if parts.scheme == "https" else 80
    return Target(parts.scheme, host, port or default, _literal(host, "[" in parts.netloc))


def _literal(host: str, bracketed: bool) -> Address | None:
    if bracketed:
        try:
            found = IPv6Address(host)
        except ValueError:
            raise UnsafeAddress("has no IPv6 address between its brackets") from None
        if found.scope_id is not None:
            raise UnsafeAddress("names a network interface")
        return found
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise UnsafeAddress("has a host that is no name")
    last = host.removesuffix(".").rpartition(".")[2]
    if not _NUMBER.fullmatch(last):
        return None
    try:
        return IPv4Address(host)
    except ValueError:
        raise UnsafeAddress("has a host that is a number, but no IPv4 address such as 192.0.2.7") from None


class Networks(Struct, frozen=True):
    """What may be connected to: a list of ``public``, ``private``, ``loopback`` and networks such as 10.20.0.0/16."""

    public: bool
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, text: str) -> Networks:
        """Of words separated by commas; an empty text allows nothing. Raises `ValueError`."""
        public, networks = False, list[Network]()
        for word in filter(None, (part.strip() for part in text.split(","))):
            if word == "public":
                public = True
            elif word in _WORDS:
                networks.extend(_WORDS[word])
            else:
                try:
                    networks.append(ip_network(word))
                except ValueError:
                    raise ValueError(
                        f"{word!r} is neither public, private, loopback nor a network such as 10.20.0.0/16"
                    ) from None
        return cls(public, tuple(networks))

    def refuses(self, address: str | Address) -> str | None:
        """Why an address must not be connected to; ``None`` when it may."""
        try:
            place = ip_address(address)
        except ValueError:
            return f"{str(address)[:60]} is no address"
        if isinstance(place, IPv6Address) and place.scope_id is not None:
            return f"{place} belongs to one network interface, which is never connected to"
        inner = _inner(place)
        for network, why in () if inner in _LOOPBACK[1] else _NEVER:
            if inner in network:
                return f"{place} is {why}, which is never connected to"
        if any(inner in network for network in self.networks):
            return None
        kind = next((word for word, networks in _WORDS.items() if any(inner in each for each in networks)), "")
        if not kind and self.public and inner.is_global:
            return None
        return f"{place} is {kind or 'in no network that is reached from everywhere'}, which is not allowed here"


_WORDS: dict[str, tuple[Network, ...]] = {"private": _PRIVATE, "loopback": _LOOPBACK}


def _inner(place: Address) -> Address:
    """The IPv4 address that is reached by a mapped one (RFC 4291 section 2.5.5.2) or through NAT64 (RFC 6052)."""
    if isinstance(place, IPv6Address):
        if place.ipv4_mapped is not None:
            return place.ipv4_mapped
        if place in _NAT64:
            return IPv4Address(int(place) & 0xFFFFFFFF)
    return place

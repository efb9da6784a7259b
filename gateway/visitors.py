"""Who is at the other end of a client connection, and how many connections each may hold.

An address is believed in two cases: it is the socket's, or a proxy that the operator named says so in
``X-Forwarded-For``. Anybody can write that field, so it is read from its end, and only as far as trusted proxies go.

Must not know: requests. The one subtle thing: IPv6 clients are counted by their /64, since one of those is what a
single subscriber gets.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.fields import Fields

REMEMBERED = 4096
MOST_HOPS = 32


class Visitors:
    """`most` connections for one address, 0 for no bound; `proxies` are networks and may have as many as there are."""

    def __init__(self, most: int, proxies: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._most = most
        self._proxies = proxies
        self._known: dict[str, bool] = {}
        self._open: dict[str, int] = {}

    def is_proxy(self, address: str) -> bool:
        """Is what it says about its own clients believed?"""
        if not self._proxies:
            return False
        known = self._known.get(address)
        if known is None:
            known = self._is_proxy(address)
            if len(self._known) < REMEMBERED:
                self._known[address] = known
        return known

    def enter(self, address: str) -> str | None:
        """Count one more connection; what to `leave` with, or ``None`` where that is too many."""
        if not self._most or not address or self.is_proxy(address):
            return ""
        place = _place(address)
        count = self._open.get(place, 0)
        if count >= self._most:
            return None
        self._open[place] = count + 1
        return place

    def leave(self, place: str) -> None:
        if place:
            count = self._open[place] - 1
            if count:
                self._open[place] = count
            else:
                del self._open[place]

    def behind(self, proxy: str, fields: Fields) -> str:
        """The client for which a trusted proxy asks: the last address in ``X-Forwarded-For`` that is no such proxy."""
        said = b",".join(value for name, value in fields if name == b"x-forwarded-for")
        believed = proxy
        for hop in reversed(said.rsplit(b",", MOST_HOPS)[-MOST_HOPS:]):
            address = _address(hop.strip(b" \t"))
            if address is None:  # whoever wrote that is the last one known
                break
            believed = address
            if not self.is_proxy(address):
                break
        return believed

    def _is_proxy(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._proxies)


def _place(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else str(ip_network((int(ip) >> 64 << 64, 64)))
    return address


def _address(text: bytes) -> str | None:
    """``192.0.2.7``, ``2001:db8::7``, and both with a port as some proxies write them."""
    written = text.decode("latin-1")
    if written.startswith("["):
        written = written[1:].partition("]")[0]
    elif written.count(":") == 1:
        written = written.partition(":")[0]
    try:
        return str(ip_address(written)) if "%" not in written else None
    except ValueError:
        return None

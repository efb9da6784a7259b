"""Which network an address belongs to."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Networks = tuple[IPv4Network | IPv6Network, ...]


@lru_cache(maxsize=4096)
def is_within(peer: str, networks: Networks) -> bool:
    """`peer` as a socket names it: an IPv6 address may carry a zone, or an IPv4 address."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)

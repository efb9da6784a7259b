"""Which network an address belongs to."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Networks = tuple[IPv4Network | IPv6Network, ...]


def listed(value: object) -> object:
    """What a setting says, ``10.0.7.0/24, 192.0.2.1``, as networks; what is no text stays as it is. Raises
    `ValueError`, in words that say what is wrong with a network."""
    if not isinstance(value, str):
        return value
    return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())


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

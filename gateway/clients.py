"""Which certificate a client shows: read once per connection, or told by a proxy in front of us.

Must not know: whose certificate it is. The one subtle thing: on a connection from a trusted proxy only what the proxy
tells counts. The proxy's own certificate is the proxy's, and must not lend its name to whoever comes through it.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from policies.traffic.authenticate_certificate import FORWARDED, Presented

_DER = 2  # ENCODING_DER of the module behind `ssl`
Networks = tuple[IPv4Network | IPv6Network, ...]


def shown(transport: asyncio.BaseTransport, peer: str, proxies: Networks) -> Any:
    """A `Presented`, `FORWARDED`, or ``None`` where no certificate was shown."""
    if proxies and is_within(peer, proxies):
        return FORWARDED
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    der = None if session is None else session.getpeercert(True)
    return None if session is None or der is None else Presented(der, _sent(session)[1:])


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


def _sent(session: Any) -> list[bytes]:
    """The chain as the client sent it, in DER form, its own certificate first."""
    if hasattr(session, "get_unverified_chain"):  # Python 3.13
        return list(session.get_unverified_chain())
    return [certificate.public_bytes(_DER) for certificate in session._sslobj.get_unverified_chain() or ()]

"""Which certificate a client shows: read once per connection, or told by a proxy in front of us.

Must not know: whose certificate it is. The one subtle thing: on a connection from a trusted proxy only what the proxy
tells counts. The proxy's own certificate is the proxy's, and must not lend its name to whoever comes through it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from policies.model.networks import Networks, is_within
from policies.traffic.authenticate_certificate import FORWARDED, Presented

_DER = 2  # ENCODING_DER of the module behind `ssl`


def shown(transport: asyncio.BaseTransport, peer: str, proxies: Networks) -> Any:
    """A `Presented`, `FORWARDED`, or ``None`` where no certificate was shown."""
    if proxies and is_within(peer, proxies):
        return FORWARDED
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    der = None if session is None else session.getpeercert(True)
    return None if session is None or der is None else Presented(der, _sent(session)[1:])


def _sent(session: Any) -> list[bytes]:
    """The chain as the client sent it, in DER form, its own certificate first."""
    if hasattr(session, "get_unverified_chain"):  # Python 3.13
        return list(session.get_unverified_chain())
    return [certificate.public_bytes(_DER) for certificate in session._sslobj.get_unverified_chain() or ()]

"""Who speaks what: TLS with ALPN (RFC 7301) tells HTTP/2 from HTTP/1.1 before the first byte of either.

The TLS settings are `gateway.tls`. On a clear listener HTTP/2 is recognised by its preface
(`gateway.connection`).
"""

from __future__ import annotations

import asyncio

from gateway.connection import Connection
from gateway.http2 import Http2
from gateway.worker import Worker


class Door(asyncio.Protocol):
    """Stands until the handshake is over, then hands the transport to whom it concerns."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        session = transport.get_extra_info("ssl_object")
        protocol: Http2 | Connection
        if session is not None and session.selected_alpn_protocol() == "h2":
            protocol = Http2(self._worker)
        else:
            protocol = Connection(self._worker)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

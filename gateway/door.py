"""Who speaks what: TLS with ALPN (RFC 7301) tells HTTP/2 from HTTP/1.1 before the first byte of either.

Owns the TLS settings of the public listener. On a clear listener HTTP/2 is recognised by its preface
(`gateway.connection`).
"""

from __future__ import annotations

import asyncio
import ssl

from gateway.connection import Connection
from gateway.http2 import Http2
from gateway.settings import Settings
from gateway.worker import Worker


class InvalidCertificate(ValueError):
    """The certificate or its key cannot be used; the message names the file."""


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """``None`` where the listener is in clear. Raises `InvalidCertificate`."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None:
        if key is not None:
            raise InvalidCertificate("a TLS key is set and no certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # TLS 1.2: RFC 9113 section 9.2.2 asks for no less
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        named = f"{certificate} and {key}" if key else str(certificate)
        raise InvalidCertificate(f"cannot use the TLS certificate {named}: {error}") from error
    return context


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

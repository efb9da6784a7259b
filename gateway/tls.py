"""TLS of the public listener: what it speaks, and which client certificates it lets through the handshake.

A handshake takes the context of the table that is current when it begins, so a new snapshot changes what new handshakes
accept and touches nobody who stands already. OpenSSL is only the outer door: it asks for a certificate, has its key
proved, and knows all trust anchors as one heap. Whose certificate it is, and whether it still counts, is decided for
every request by `policies.traffic.authenticate_certificate`.

The one subtle thing is resumption: where certificates are asked for, no tickets are given out, because a resumed
session would bring a certificate back without the chain that led to its authority.
"""

from __future__ import annotations

import ssl
from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Any

from gateway.settings import Settings
from policies.model.snapshot import Snapshot


class InvalidCertificate(ValueError):
    """The certificate, its key or a trust anchor cannot be used; the message names the file."""


def tls_context(settings: Settings, authorities: tuple[bytes, ...] = ()) -> ssl.SSLContext | None:
    """``None`` where the listener is in clear. `authorities` are certificates in DER form: where there are any, clients
    are asked for theirs. Raises `InvalidCertificate`."""
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
    if authorities or settings.tls_client_certificates == "required":
        _ask_for_certificates(context, authorities, required=settings.tls_client_certificates == "required")
    return context


def _ask_for_certificates(context: ssl.SSLContext, authorities: tuple[bytes, ...], *, required: bool) -> None:
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    # what is registered is trusted itself, whoever issued it: an intermediate authority, a client's own certificate
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.sslobject_class = Handshake
    try:
        for authority in authorities:  # one call each: a long one into the library would hold up every other thread
            context.load_verify_locations(cadata=authority)
    except (ValueError, ssl.SSLError) as error:
        raise InvalidCertificate(f"cannot use the trust anchors of the snapshot: {error}") from error


def valid_until(settings: Settings) -> datetime | None:
    """When our own certificate expires; ``None`` where there is none, or it cannot be read now."""
    from cryptography.x509 import load_pem_x509_certificates  # here: who speaks no TLS need not load it

    if settings.tls_certificate is None:
        return None
    try:
        return load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError):
        return None


def authorities_of(snapshot: Snapshot) -> tuple[bytes, ...]:
    """Everything a client certificate may lead to: trust anchors, and registered certificates themselves."""
    texts = [text for anchor in snapshot.anchors for text in anchor.certificates]
    texts += [held.der for held in snapshot.certificates if held.der is not None]
    return tuple(b64decode(text) for text in dict.fromkeys(texts))


class Handshake(ssl.SSLObject):
    """One that tells the client why it failed (``unknown ca``, ``certificate expired``). The loop would drop the alert
    with the connection, so it is asked to wait for more first: that sends what there is to send."""

    _failed: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failed is not None:
            raise self._failed
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failed = error
            raise ssl.SSLWantReadError from error


class Handshakes(ssl.SSLContext):
    """What a server is given once; every handshake asks it for the context of that moment."""

    _current: Callable[[], ssl.SSLContext]

    @classmethod
    def of(cls, current: Callable[[], ssl.SSLContext]) -> Handshakes:
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made._current = current
        return made

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return self._current().wrap_bio(*arguments, **named)

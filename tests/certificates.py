"""Certificates for tests, made on the spot: authorities, what they issue, and whatever is wrong with it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: Any
    issuer: Made | None = None

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def text(self) -> str:
        """As a snapshot carries it."""
        return b64encode(self.der).decode()

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def private(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def file(self, folder: Path, *more: Made) -> Path:
        """Certificate, the chain `more` and key in one file, as a client or server loads them."""
        path = folder / f"{self.certificate.serial_number}.pem"
        path.write_text(self.pem + "".join(made.pem for made in more) + self.private)
        return path


def made(
    subject: str = "CN=edi-bridge",
    issuer: Made | None = None,
    *,
    ca: bool | None = None,
    key: Any = None,
    since: datetime | None = None,
    until: datetime | None = None,
    dns: tuple[str, ...] = (),
    uris: tuple[str, ...] = (),
    usage: tuple[x509.ObjectIdentifier, ...] = (),
    identifiers: bool = True,
    more: tuple[x509.ExtensionType, ...] = (),
    digest: Any = None,
) -> Made:
    """Self-signed without `issuer`. `ca` ``None`` leaves basicConstraints out."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string(subject)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since or now - timedelta(days=1))
        .not_valid_after(until or now + timedelta(days=30))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if issuer is not None:
            authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
            builder = builder.add_extension(authority, critical=False)
    alternatives: list[x509.GeneralName] = [x509.DNSName(text) for text in dns]
    alternatives += [x509.UniformResourceIdentifier(text) for text in uris]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=True)
    return Made(builder.sign(issuer.key if issuer else key, digest or hashes.SHA256()), key, issuer)


def authority(subject: str = "CN=Oakhurst CA,O=Oakhurst", issuer: Made | None = None, **more: Any) -> Made:
    return made(subject, issuer, ca=True, **more)

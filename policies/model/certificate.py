"""X.509 certificates as both planes read them: RFC 5280, minus what nobody should present or trust.

Pure: instants are compared by whoever has one. Every certificate comes from outside, so whatever the library raises for
a broken one is `InvalidCertificate` here. The subtle thing: names are compared as text in one spelling (`RFC 4514`
order and escapes for a subject, lower case for DNS), whole, and never by pattern.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

LONGEST_PEM = 65_536
_RSA_BITS = range(2048, 8193)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_DNS = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?)*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,500}")


class InvalidCertificate(ValueError):
    """The message says what is wrong; it holds nothing of a private key."""


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except InvalidCertificate:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise InvalidCertificate("it is no certificate that can be read (RFC 5280)") from None


def read_pem(text: str, *, most: int) -> list[x509.Certificate]:
    """Between one and `most` certificates, and nothing else but remarks around them (RFC 7468)."""
    if len(text) > LONGEST_PEM:
        raise InvalidCertificate(f"it is longer than {LONGEST_PEM} characters")
    if "PRIVATE KEY" in text:
        raise InvalidCertificate("it holds a private key; send certificates only, and replace that key")
    blocks = _PEM.findall(text)
    if not blocks:
        raise InvalidCertificate("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
    if len(blocks) > most:
        raise InvalidCertificate(f"it holds {len(blocks)} certificates; {most} at most")
    with _readable():
        return [x509.load_pem_x509_certificate(block.encode()) for block in blocks]


def read_der(data: bytes) -> x509.Certificate:
    with _readable():
        return x509.load_der_x509_certificate(data)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def pem(data: bytes) -> str:
    return read_der(data).public_bytes(Encoding.PEM).decode()


def fingerprint(data: bytes) -> str:
    """SHA-256 over the DER form in lower-case hex, as people compare it (``openssl x509 -fingerprint -sha256``)."""
    return sha256(data).hexdigest()


def thumbprint(data: bytes) -> str:
    """The same as ``x5t#S256`` has it: base64url without padding, RFC 8705 section 3.1."""
    return urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()


def validity(certificate: x509.Certificate) -> tuple[int, int]:
    """First and last second, in unix seconds: RFC 5280 section 4.1.2.5, both included."""
    with _readable():
        return int(certificate.not_valid_before_utc.timestamp()), int(certificate.not_valid_after_utc.timestamp())


def subject(certificate: x509.Certificate) -> str:
    with _readable():
        return certificate.subject.rfc4514_string()


def is_self_issued(certificate: x509.Certificate) -> bool:
    with _readable():
        return certificate.issuer == certificate.subject


def require_client(certificate: x509.Certificate) -> None:
    """Raises `InvalidCertificate` for one that must not identify a client."""
    with _readable():
        extensions = certificate.extensions
        _require_strong(certificate)
        usage = _found(extensions, x509.ExtendedKeyUsage)
        if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
            raise InvalidCertificate("its extended key usage does not allow client authentication (RFC 5280 4.2.1.12)")
        key_usage = _found(extensions, x509.KeyUsage)
        if key_usage is not None and not key_usage.digital_signature:
            raise InvalidCertificate("its key usage does not allow digital signatures (RFC 5280 4.2.1.3)")


def require_authority(certificate: x509.Certificate) -> None:
    """Raises `InvalidCertificate` for one that must not issue others."""
    with _readable():
        extensions = certificate.extensions
        _require_strong(certificate)
        constraints = _found(extensions, x509.BasicConstraints)
        if constraints is None or not constraints.ca:
            raise InvalidCertificate("it is not the certificate of an authority (basicConstraints, RFC 5280 4.2.1.9)")
        key_usage = _found(extensions, x509.KeyUsage)
        if key_usage is not None and not key_usage.key_cert_sign:
            raise InvalidCertificate("its key usage does not allow to sign certificates (RFC 5280 4.2.1.3)")


def names(certificate: x509.Certificate) -> set[tuple[str, str]]:
    """(kind, name) of everything by which RFC 8705 section 2.1.2 lets us know a client; kinds as in `canonical`."""
    with _readable():
        found = {("subject_dn", certificate.subject.rfc4514_string())}
        alternatives = _found(certificate.extensions, x509.SubjectAlternativeName)
        if alternatives is not None:
            found |= {("san_dns", name.lower()) for name in alternatives.get_values_for_type(x509.DNSName)}
            found |= {("san_uri", name) for name in alternatives.get_values_for_type(x509.UniformResourceIdentifier)}
        return found


def canonical(kind: str, name: str) -> str:
    """The one spelling of a registered name. Raises `InvalidCertificate`."""
    if kind == "subject_dn":
        try:
            parsed = x509.Name.from_rfc4514_string(name)
        except ValueError:
            parsed = None
        if not parsed:
            raise InvalidCertificate(
                "a subject is written as RFC 4514 has it, such as CN=edi-bridge,O=Brightwater,C=US"
            )
        return parsed.rfc4514_string()
    if kind == "san_dns":
        if not _DNS.fullmatch(name.lower()):
            raise InvalidCertificate(
                "a DNS name is written whole and without wildcards, such as edi.brightwater.example"
            )
        return name.lower()
    if not _URI.fullmatch(name):
        raise InvalidCertificate("a URI is written whole, such as spiffe://brightwater.example/edi-bridge")
    return name


def _require_strong(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _RSA_BITS:
            raise InvalidCertificate(f"its RSA key has {key.key_size} bits; 2048 to 8192 are accepted")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise InvalidCertificate("its curve is not P-256, P-384 or P-521")
    elif not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raise InvalidCertificate("its key is not RSA, EC or EdDSA")


E = TypeVar("E", bound=x509.ExtensionType)


def _found(extensions: x509.Extensions, kind: type[E]) -> E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None

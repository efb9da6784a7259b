"""Authenticate by client certificate: RFC 8705 section 2, on the gateway's own TLS or told by a proxy in front of it.

That the client holds the key was proved in the handshake, or to a proxy that is trusted to say so (RFC 9440). Here it
is decided whose certificate it is: one that is registered itself, or one that a registered authority issued for a
registered name. A chain is built and judged by `cryptography` on every path, also where TLS has built one already:
OpenSSL knows all trust anchors as one heap, and which of them names an application is the point.

What was found is remembered on what was presented, once per snapshot: a connection pays once, and a revoked
certificate is refused on connections that stand already.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf
from typing import Any

from cryptography import x509
from cryptography.x509 import verification

from policies.model import certificate as x5
from policies.model.access import Certificate, TrustAnchor
from policies.model.certificate import InvalidCertificate
from policies.traffic import Caller, Exchange, Policy, Problem, RouteFacts, policy
from policies.traffic.authenticate_callers import Callers, refused

FORWARDED: Any = object()
"""Stands for a certificate that a trusted proxy tells of: ``Client-Cert`` is read where it is asked for."""
MOST_INTERMEDIATES = 8
_DEEPEST = 5
_REMEMBERED = 10_000
_BYTES = re.compile(rb":([A-Za-z0-9+/]+={0,2}):")  # RFC 9651 section 3.3.5


class Presented:
    """A certificate whose key the client holds, and what it sent to lead to its authority. Both in DER form."""

    __slots__ = ("der", "found", "intermediates", "thumbprint")

    def __init__(self, der: bytes, intermediates: Iterable[bytes] = ()) -> None:
        self.der = der
        self.intermediates = tuple(intermediates)[:MOST_INTERMEDIATES]
        self.thumbprint = x5.thumbprint(der)
        self.found: Found | None = None


class Found:
    """Whose certificate it is, by the snapshot that `by` stands for: from `since` until the caller's `expires_at`."""

    __slots__ = ("by", "caller", "problem", "since")

    def __init__(self, by: object, caller: Caller | None, problem: Problem | None = None, since: int = 0) -> None:
        self.by = by
        self.caller = caller
        self.problem = problem
        self.since = since


class Certificates:
    """The certificates and trust anchors of one snapshot."""

    __slots__ = ("_anchors", "_by_name", "_by_thumbprint", "_callers", "_sign", "_told")

    def __init__(self, certificates: Iterable[Certificate], anchors: Iterable[TrustAnchor], callers: Callers) -> None:
        self._callers = callers
        self._by_thumbprint: dict[str, list[Certificate]] = {}
        self._by_name: dict[str, dict[tuple[str, str], list[Certificate]]] = {}
        for held in certificates:
            if held.der is not None:
                self._by_thumbprint.setdefault(x5.thumbprint(b64decode(held.der)), []).append(held)
            elif held.anchor is not None and held.kind is not None and held.name is not None:
                self._by_name.setdefault(held.anchor, {}).setdefault((held.kind, held.name), []).append(held)
        self._anchors = {
            anchor.name: verification.Store([x5.read_der(b64decode(text)) for text in anchor.certificates])
            for anchor in anchors
            if anchor.name in self._by_name
        }
        self._told: dict[tuple[bytes, bytes], Presented] = {}
        self._sign = object()  # what an idle connection remembers must not keep an old snapshot alive

    def judge(self, exchange: Exchange, presented: Presented) -> Problem | None:
        """Set `exchange.caller` where the certificate is an application's, or say why it is not good now. One that
        belongs to nobody here is no credential: an operation that needs a caller says so."""
        found = self._find(presented, exchange.now)
        if found.problem is not None:
            return found.problem
        caller = found.caller
        if caller is not None:
            if exchange.now < found.since:
                return _NOT_YET
            if exchange.now >= caller.expires_at:
                return _EXPIRED
            exchange.caller = caller
            exchange.certified = caller.application.id
        return None

    def caller(self, presented: Presented, now: float) -> Caller | None:
        """Whose certificate it is, where that is certain and the certificate is good."""
        found = self._find(presented, now)
        caller = found.caller
        return caller if caller is not None and found.since <= now < caller.expires_at else None

    def application(self, presented: Presented, now: float) -> str | None:
        caller = self.caller(presented, now)
        return None if caller is None else caller.application.id

    def told(self, exchange: Exchange) -> Presented | Problem | None:
        """The certificate that a trusted proxy says its client showed: RFC 9440 section 2."""
        certificates = [value for name, value in exchange.headers if name == b"client-cert"]
        chains = [value for name, value in exchange.headers if name == b"client-cert-chain"]
        told = (b"\n".join(certificates), b",".join(chains))
        presented = self._told.get(told)
        if presented is None:
            try:
                presented = forwarded(certificates, chains)
            except InvalidCertificate as invalid:
                return Problem(status=400, slug="bad-request", title="The request is malformed", detail=str(invalid))
            if presented is None:
                return None
            if len(self._told) >= _REMEMBERED:
                del self._told[next(iter(self._told))]
            self._told[told] = presented
        return presented

    def _find(self, presented: Presented, now: float) -> Found:
        found = presented.found
        if found is None or found.by is not self._sign:
            found, stays = self._sought(presented, now)
            if stays:
                presented.found = found
        return found

    def _sought(self, presented: Presented, now: float) -> tuple[Found, bool]:
        """What was found, and whether that stays so whatever the time: a chain that leads nowhere may do so later."""
        held = self._by_thumbprint.get(presented.thumbprint, [])
        if not held and not self._anchors:
            return Found(self._sign, None), True
        try:
            certificate = x5.read_der(presented.der)
            if held:
                x5.require_client(certificate)
                return self._decided(held, [certificate]), True
            names = x5.names(certificate)
            intermediates = [x5.read_der(der) for der in presented.intermediates]
        except InvalidCertificate:
            return Found(self._sign, None, _UNREADABLE), True
        leading: list[x509.Certificate] = []
        fits = False
        for anchor, store in self._anchors.items():
            registered = self._by_name[anchor]
            fitting = [entry for name in names for entry in registered.get(name, ())]
            fits = fits or bool(fitting)
            if fitting and (chain := _chain(store, certificate, intermediates, now)):
                held += fitting
                leading += chain
        if held:
            return self._decided(held, leading), True
        return Found(self._sign, None), not fits

    def _decided(self, held: list[Certificate], chain: list[x509.Certificate]) -> Found:
        """One application, by the registration that lasts longest; a certificate that would fit several speaks for
        none, or its holder could choose."""
        if len({entry.application for entry in held}) > 1:
            return Found(self._sign, None, _SEVERAL)
        chosen = max(held, key=lambda entry: inf if entry.expires_at is None else entry.expires_at)
        since = max(x5.validity(certificate)[0] for certificate in chain)
        until = min(x5.validity(certificate)[1] + 1 for certificate in chain)
        expires_at = min(until, inf if chosen.expires_at is None else chosen.expires_at)
        caller = self._callers.caller(chosen.application, chosen.id, None, expires_at)
        return Found(self._sign, caller, None, since)


def _chain(
    store: verification.Store, certificate: x509.Certificate, intermediates: list[x509.Certificate], now: float
) -> list[x509.Certificate]:
    """From the certificate to an authority of this anchor; empty where none leads there at this time."""
    verifier = (
        verification.PolicyBuilder()
        .store(store)
        .time(datetime.fromtimestamp(now, UTC).replace(tzinfo=None))
        .max_chain_depth(_DEEPEST)
        .extension_policies(ca_policy=_AUTHORITY, ee_policy=_CLIENT)
        .build_client_verifier()
    )
    try:
        return list(verifier.verify(certificate, intermediates).chain)
    except (verification.VerificationError, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return []


def _signs_certificates(_: verification.Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("must not sign certificates")


def _signs(_: verification.Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.digital_signature:
        raise ValueError("must not sign")


def _is_authority(_: verification.Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("is not an authority")


def _is_no_authority(_: verification.Policy, __: x509.Certificate, constraints: x509.BasicConstraints | None) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("is an authority")


_ANY = verification.Criticality.AGNOSTIC
# what the web asks of its authorities and private ones often leave out is optional here: key usage, key identifiers,
# the name of a client in subjectAltName
_AUTHORITY = (
    verification.ExtensionPolicy.webpki_defaults_ca()
    .require_present(x509.BasicConstraints, _ANY, _is_authority)
    .may_be_present(x509.KeyUsage, _ANY, _signs_certificates)
    .may_be_present(x509.AuthorityKeyIdentifier, _ANY, None)
    .may_be_present(x509.SubjectKeyIdentifier, _ANY, None)
)
_CLIENT = (
    verification.ExtensionPolicy.webpki_defaults_ee()
    .may_be_present(x509.BasicConstraints, _ANY, _is_no_authority)
    .may_be_present(x509.KeyUsage, _ANY, _signs)
    .may_be_present(x509.AuthorityKeyIdentifier, _ANY, None)
    .may_be_present(x509.SubjectAlternativeName, _ANY, None)
)

_NOT_YET = refused("The client certificate is not valid yet.", error=None)
_EXPIRED = refused("The client certificate, or its registration, has expired.", error=None)
_SEVERAL = refused("The client certificate bears the names of several applications.", error=None)
_UNREADABLE = refused("The client certificate cannot be read, or is not one for clients.", error=None)


def forwarded(certificates: list[bytes], chains: list[bytes]) -> Presented | None:
    """What the fields ``Client-Cert`` and ``Client-Cert-Chain`` tell, each as often as it was sent: RFC 9440 section 2.
    Raises `InvalidCertificate`."""
    if not certificates:
        if chains:
            raise InvalidCertificate("Client-Cert-Chain was sent without Client-Cert.")
        return None
    if len(certificates) > 1:
        raise InvalidCertificate("Client-Cert was sent more than once.")
    links = b",".join(chains).split(b",") if chains else []
    if len(links) > MOST_INTERMEDIATES:
        raise InvalidCertificate("Client-Cert-Chain is too long.")
    presented = Presented(_bytes(certificates[0]), [_bytes(link) for link in links])
    try:
        x5.read_der(presented.der)
    except InvalidCertificate:
        raise _no_certificate() from None
    return presented


def _bytes(item: bytes) -> bytes:
    """One byte sequence, in the one spelling that it has. Raises `InvalidCertificate`."""
    match = _BYTES.fullmatch(item.strip(b" \t"))
    try:
        data = b"" if match is None else b64decode(match[1], validate=True)
    except Base64Error:
        raise _no_certificate() from None
    if match is None or b64encode(data) != match[1]:
        raise _no_certificate()
    return data


def _no_certificate() -> InvalidCertificate:
    return InvalidCertificate("Client-Cert is not a certificate as RFC 9440 has it.")


@policy
def authenticate_certificate(facts: RouteFacts) -> Policy | None:
    """Recognises an application by the client certificate of its connection (mutual TLS, RFC 8705).

    Register the certificate itself, or the authority that issues it together with the exact subject, DNS name or URI
    in it. A certificate speaks with all scopes of its application; a token that is bound to it may carry fewer.
    """
    return None  # nothing is bound per route: `Certificates` is asked before the route is known

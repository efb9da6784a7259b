"""How a client proves itself at the token, revocation and introspection endpoints (RFC 6749 section 2.3).

`METHODS` is the table: a method is its name in the metadata (RFC 8414), whether a request uses it, how it is judged.
A request uses exactly one. To add one: a function that recognises, a function that judges, a line in the table.

    authenticate(store, question, *, now) -> Client       raises `OAuthError`

Every failure of a judgement is ``invalid_client`` with 401; what is told never depends on whether the client exists.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from policies.model import certificate as x5
from policies.traffic.authenticate_certificate import Presented
from registry import assertions, certificates, credentials
from registry.errors import Conflict, Unauthenticated
from registry.public_keys import SIGNING
from registry.store import Store, Unit
from registry.store.records import Credential, UsedAssertion


class OAuthError(Exception):
    """An error as RFC 6749 section 5.2 tells it: `code` is its ``error``, the message its ``error_description``."""

    def __init__(self, code: str, description: str, status: int = 400, *, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Question:
    """What a request brought to prove who sends it. `issuer` and `endpoint` are ours: what assertions are for."""

    form: Mapping[str, str] = field(repr=False)
    authorization: str | None = field(default=None, repr=False)
    issuer: str = ""
    endpoint: str = ""
    issuer_only: bool = False
    longest_life: int = assertions.LONGEST_LIFE
    certificate: Presented | None = field(default=None, repr=False)

    @property
    def client(self) -> str | None:
        """Who it claims to be, before anything is proved; for counting failures."""
        named = self.form.get("client_id")
        if self.authorization:
            try:
                return _basic(self.authorization)[0]
            except Unauthenticated:
                return named
        return assertions.claimed(self.form["client_assertion"]) if "client_assertion" in self.form else named


@dataclass(frozen=True, slots=True)
class Client:
    """An application that has proved itself, and with what."""

    application: str
    credential: Credential
    method: str
    thumbprint: str | None = None
    """Of the client certificate that came with the request."""

    @property
    def used_certificate(self) -> bool:
        return self.method in (TLS, SELF_SIGNED)


@dataclass(frozen=True, slots=True)
class Proof:
    """The credential that was proved, and what must be remembered so that it proves it once only."""

    credential: Credential
    spent: UsedAssertion | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """`judge` raises `Unauthenticated`. `algorithms`: what it signs with, if it does."""

    name: str
    used_by: Callable[[Question], bool]
    judge: Callable[[Unit, Question, int], Proof]
    algorithms: tuple[str, ...] = ()


def _client_secret_basic(unit: Unit, question: Question, now: int) -> Proof:
    client, secret = _basic(question.authorization or "")
    if question.form.get("client_id", client) != client:
        raise Unauthenticated("client_id contradicts the Authorization header")
    return Proof(credentials.verify_client_secret(unit, client, secret, now=now))


def _client_secret_post(unit: Unit, question: Question, now: int) -> Proof:
    client, secret = question.form.get("client_id", ""), question.form["client_secret"]
    return Proof(credentials.verify_client_secret(unit, client, secret, now=now))


def _private_key_jwt(unit: Unit, question: Question, now: int) -> Proof:
    if question.form.get("client_assertion_type") != assertions.TYPE:
        raise Unauthenticated(f"client_assertion_type must be {assertions.TYPE}")
    credential, used = assertions.judge(
        unit,
        question.form.get("client_assertion", ""),
        question.form.get("client_id"),
        issuer=question.issuer,
        endpoint=question.endpoint,
        issuer_only=question.issuer_only,
        longest_life=question.longest_life,
        now=now,
    )
    return Proof(credential, used)


def _certificate(unit: Unit, question: Question, now: int) -> Proof:
    assert question.certificate is not None
    client = question.form.get("client_id", "")  # RFC 8705 section 2: it says whose certificate it claims to be
    return Proof(certificates.verify_certificate(unit, client, question.certificate, now=now))


def _only_certificate(question: Question) -> bool:
    """A certificate that comes with another proof is no second proof: tokens may be bound to it."""
    proofs = ("client_secret", "client_assertion", "client_assertion_type")
    return question.certificate is not None and question.authorization is None and not question.form.keys() & {*proofs}


def _self_signed(question: Question) -> bool:
    return question.certificate is not None and x5.is_self_issued(x5.read_der(question.certificate.der))


TLS, SELF_SIGNED = "tls_client_auth", "self_signed_tls_client_auth"
METHODS = (
    Method("client_secret_basic", lambda question: question.authorization is not None, _client_secret_basic),
    Method("client_secret_post", lambda question: "client_secret" in question.form, _client_secret_post),
    Method(
        "private_key_jwt",
        lambda question: "client_assertion" in question.form or "client_assertion_type" in question.form,
        _private_key_jwt,
        SIGNING,
    ),
    Method(TLS, lambda question: _only_certificate(question) and not _self_signed(question), _certificate),
    Method(SELF_SIGNED, lambda question: _only_certificate(question) and _self_signed(question), _certificate),
)


def authenticate(store: Store, question: Question, *, now: int) -> Client:
    """Raises `OAuthError`: ``invalid_request`` when more than one method is used, ``invalid_client`` otherwise."""
    used = [method for method in METHODS if method.used_by(question)]
    if len(used) > 1:
        raise OAuthError("invalid_request", f"the client proves itself twice: {', '.join(m.name for m in used)}")
    if not used:
        raise OAuthError("invalid_client", "the client must prove itself; credentials are missing", 401)
    method = used[0]
    try:
        with store.read() as unit:
            proof = method.judge(unit, question, now)
        if proof.spent is not None:
            with store.write() as unit:
                assertions.spend(unit, proof.spent, now=now)
    except Unauthenticated as refused:
        raise OAuthError("invalid_client", refused.detail, 401) from None
    except Conflict:
        raise OAuthError("invalid_client", "the assertion was used before; sign a new one each time", 401) from None
    thumbprint = None if question.certificate is None else question.certificate.thumbprint
    return Client(proof.credential.application, proof.credential, method.name, thumbprint)


def _basic(authorization: str) -> tuple[str, str]:
    """(client, secret). Both are form-urlencoded before they are joined, RFC 6749 section 2.3.1."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        client, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError(client)
        return unquote_plus(client, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error):
        raise Unauthenticated("the Authorization header holds no Basic credentials") from None

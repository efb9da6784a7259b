"""Find the one credential of a request, have it judged, and refuse a call that needs one and has none.

Identification happens before the route is known (a pin or a rollout chooses the version by caller); whether a caller
is needed is the operation's business and is bound per route.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import msgspec

from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy
from policies.traffic.authenticate_callers import REALM, Callers, ambiguous
from policies.traffic.authenticate_certificate import FORWARDED, Certificates
from policies.traffic.authorize_scopes import allows_anonymous
from policies.traffic.authorize_site import in_query

_MISSING = Problem(
    status=401,
    slug="credentials-missing",
    title="Credentials are needed",
    detail="Send a bearer token in Authorization, or an API key in X-API-Key.",
    headers=(("WWW-Authenticate", REALM),),
)
_UNKNOWN_CERTIFICATE = msgspec.structs.replace(
    _MISSING, detail="The client certificate belongs to no application here, and nothing else was sent."
)


class Judge(Protocol):
    """Sets `exchange.caller` for a good credential, or says why it is not."""

    def judge(self, exchange: Exchange, credential: bytes, /) -> Decision: ...


class Credentials:
    """Bound once per snapshot: one pass over the headers finds what was sent.

    Nothing but these two headers is ever a credential. A token in the query beside one of them is ambiguous (RFC 6750
    section 2); one in a form body (its section 2.2) is a member of the body like any other, for the contract to judge.
    """

    __slots__ = ("_certificates", "_keys", "_tokens")

    def __init__(self, keys: Judge, tokens: Judge, certificates: Certificates | None = None) -> None:
        self._keys = keys
        self._tokens = tokens
        self._certificates = certificates or Certificates((), (), Callers((), ()))

    def identify(self, exchange: Exchange) -> Problem | Awaitable[Problem | None] | None:
        """``None`` with `exchange.caller` unset means that nothing was sent."""
        if exchange.certificate is not None and (problem := self._know(exchange)) is not None:
            return problem
        authorization: bytes | None = None
        key: bytes | None = None
        for name, value in exchange.headers:
            if name == b"authorization":
                if authorization is not None:
                    return ambiguous("Authorization was sent more than once.")
                authorization = value
            elif name == b"x-api-key":
                if key is not None:
                    return ambiguous("X-API-Key was sent more than once.")
                key = value
        if authorization is None and key is None:
            return None if exchange.certificate is None else self._certificates.judge(exchange, exchange.certificate)
        if authorization is not None and key is not None:
            return ambiguous("Send either Authorization or X-API-Key, not both.")
        if exchange.query and in_query(exchange.query, "access_token"):
            return ambiguous("Send the credential in a header only, not in the query as well.")
        if authorization is not None:
            return self._tokens.judge(exchange, authorization)
        return self._keys.judge(exchange, key or b"")

    def _know(self, exchange: Exchange) -> Problem | None:
        """Whose certificate came with it. A key or token that comes as well decides who calls."""
        certificate = exchange.certificate
        if certificate is FORWARDED:
            told = self._certificates.told(exchange)
            if isinstance(told, Problem):
                exchange.certificate = None
                return told
            certificate = exchange.certificate = told
        if certificate is not None:
            exchange.certified = self._certificates.application(certificate, exchange.now)
        return None


class CredentialsNeeded:
    __slots__ = ()
    phase = Phase.AUTHENTICATE

    def decide(self, exchange: Exchange) -> Decision:
        if exchange.caller is not None:
            return None
        return _MISSING if exchange.certificate is None else _UNKNOWN_CERTIFICATE


@policy
def authenticate_credentials(facts: RouteFacts) -> Policy | None:
    """Refuses a call without credentials unless the contract's `security` allows it.

    An operation is open to everybody only if its security says so with an empty alternative (``{}``) or an empty list;
    one that declares nothing needs a caller, because forgetting is not consenting.
    """
    return None if allows_anonymous(facts.operation) else CredentialsNeeded()

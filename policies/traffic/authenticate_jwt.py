"""Authenticate by ``Authorization: Bearer``: a signed JWT of a known issuer, judged as RFC 8725 asks.

PyJWT verifies signatures on keys prepared beforehand; reading the token and checking the claims is done here, where
nothing is lenient: unpadded canonical base64url, no duplicate members, an algorithm that issuer, key and token agree
on, no ``crit``, no keys carried by the token, whole comparison of issuer and audience, numbers for instants.

A verified token is remembered by its SHA-256 until it expires. The memory has two layers: what a signature proved stays
true across snapshots while the key does (`Verified`), who the caller is belongs to one snapshot, so that a revoked
credential bites with the next one. A token that is bound to a certificate is remembered with it: the same token on
another connection is a stranger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from math import inf
from typing import Any, Protocol

from msgspec import Struct

from policies.model.access import Issuer, RevokedToken, Subject
from policies.traffic import Caller, Decision, Exchange, Policy, Problem, RouteFacts, policy
from policies.traffic.authenticate_callers import Callers, refused
from policies.traffic.authenticate_jwt_binding import confirmation
from policies.traffic.authenticate_jwt_claims import Rules, media_type
from policies.traffic.authenticate_jwt_keys import SUPPORTED, Key, Keys
from policies.traffic.authenticate_jwt_reading import InvalidToken, Token, read

LONGEST = 8192
_REMEMBERED = 50_000
_FORBIDDEN = ("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc")
"""Keys that the token would bring along (RFC 8725 section 3.10), rules we would have to know, and what makes it a JWE
(RFC 7516 section 9). ``x5t`` is but another name of a key, which some issuers send beside ``kid``: it is not read."""


class KeySource(Protocol):
    """An issuer's keys as they stand now. `refresh` asks for a newer set and says when it has been fetched; ``None``
    when it was asked too recently, or when the set is embedded in the snapshot."""

    @property
    def keys(self) -> Keys: ...

    def refresh(self) -> Awaitable[None] | None: ...


class Verified(Struct, frozen=True):
    """What a good signature proved, and by which key."""

    issuer: str
    kid: str | None
    thumbprint: str
    typ: str
    algorithm: str
    claims: dict[str, Any]


class Memory:
    """Verified tokens by digest, shared by all snapshots of one process. Forgets the oldest."""

    __slots__ = ("_verified",)

    def __init__(self) -> None:
        self._verified: dict[bytes, Verified] = {}

    def get(self, digest: bytes) -> Verified | None:
        return self._verified.get(digest)

    def put(self, digest: bytes, verified: Verified) -> None:
        if len(self._verified) >= _REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = verified


class Tokens:
    """The issuers and subjects of one snapshot. `epoch` counts changes of anybody's keys."""

    __slots__ = ("_callers", "_epoch", "_issuers", "_known", "_made", "_memory", "_now_epoch", "_revoked", "_subjects")

    def __init__(
        self,
        issuers: Iterable[tuple[Issuer, KeySource]],
        subjects: Iterable[Subject],
        callers: Callers,
        memory: Memory,
        epoch: Callable[[], int] = lambda: 0,
        revoked: Iterable[RevokedToken] = (),
    ) -> None:
        self._issuers = {issuer.issuer: (issuer, source, Rules(issuer)) for issuer, source in issuers}
        # by issuer and name; nearly every name has one credential, and then stands for it without a list around
        self._subjects: dict[str, dict[str, Subject | list[Subject]]] = {}
        for subject in subjects:
            named = self._subjects.setdefault(subject.issuer, {})
            known = named.get(subject.subject)
            if known is None:
                named[subject.subject] = subject
            elif isinstance(known, list):
                known.append(subject)
            else:
                named[subject.subject] = [known, subject]
        self._revoked = frozenset((token.issuer, token.jti) for token in revoked)
        self._callers = callers
        self._memory = memory
        self._made: dict[bytes, Caller] = {}
        self._now_epoch = epoch
        self._epoch = epoch()

    def judge(self, exchange: Exchange, authorization: bytes) -> Decision:
        """Set `exchange.caller`, or say why the token is not good. Awaits only where a key is fetched."""
        digest: bytes | None = exchange.learned.get("token")
        if digest is None:
            scheme, _, token = authorization.partition(b" ")
            if scheme.lower() != b"bearer":
                return refused("Only the Bearer scheme is accepted.", error=None)
            digest = exchange.learned["token"] = sha256(token).digest()
        if self._epoch != self._now_epoch():
            self._epoch = self._now_epoch()
            self._made.clear()
        caller = self._made.get(digest)
        if caller is not None and exchange.now < caller.expires_at:
            exchange.caller = caller
            return None
        if exchange.certificate is not None:  # a bound token is remembered together with its certificate only
            caller = self._made.get(digest + exchange.certificate.thumbprint.encode())
            if caller is not None and exchange.now < caller.expires_at:
                exchange.caller = caller
                exchange.certified = caller.application.id
                return None
        return self._judge_new(exchange, authorization.partition(b" ")[2].strip(b" "), digest)

    def _judge_new(self, exchange: Exchange, token: bytes, digest: bytes) -> Decision:
        if len(token) > LONGEST:
            return refused("The token is too long.")
        try:
            verified = self._remembered(digest)
            if verified is None:
                token_read = read(token)
                issuer, source, _ = self._issuer(token_read.claims.get("iss"))
                key = self._key(token_read, issuer, source)
                if key is None:
                    pending = source.refresh()
                    if pending is not None:
                        return self._judge_later(exchange, digest, token_read, pending)
                    raise InvalidToken("The token was signed with a key its issuer does not publish.")
                verified = self._verify(digest, token_read, issuer, key)
            self._admit(exchange, digest, verified)
        except InvalidToken as invalid:
            return refused(str(invalid))
        return None

    async def _judge_later(
        self, exchange: Exchange, digest: bytes, token: Token, pending: Awaitable[None]
    ) -> Problem | None:
        await pending
        try:
            issuer, source, _ = self._issuer(token.claims.get("iss"))
            key = self._key(token, issuer, source)
            if key is None:
                raise InvalidToken("The token was signed with a key its issuer does not publish.")
            self._admit(exchange, digest, self._verify(digest, token, issuer, key))
        except InvalidToken as invalid:
            return refused(str(invalid))
        return None

    def _issuer(self, name: object) -> tuple[Issuer, KeySource, Rules]:
        known = self._issuers.get(name) if isinstance(name, str) else None
        if known is None:
            raise InvalidToken("The token's issuer is not known here.")
        return known

    def _remembered(self, digest: bytes) -> Verified | None:
        """A signature stays good while its issuer publishes the same key and is trusted with the same algorithm."""
        verified = self._memory.get(digest)
        known = None if verified is None else self._issuers.get(verified.issuer)
        if verified is None or known is None:
            return None
        issuer, source, _ = known
        key = source.keys.get(verified.kid)
        same_key = key is not None and key.thumbprint == verified.thumbprint
        return verified if same_key and verified.algorithm in issuer.algorithms else None

    def _key(self, token: Token, issuer: Issuer, source: KeySource) -> Key | None:
        """The one key that may have signed; ``None`` when the issuer may have published it since."""
        header = token.header
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in issuer.algorithms or algorithm not in SUPPORTED:
            raise InvalidToken("The token's algorithm is not one of its issuer's.")
        for name in _FORBIDDEN:
            if name in header:
                raise InvalidToken(f"The token's header must not hold {name}.")
        nested = header.get("cty", "")
        if not isinstance(nested, str) or media_type(nested) == "jwt":
            raise InvalidToken("The token holds another token.")
        kid = header.get("kid")
        if "kid" not in header:
            fitting = [key for key in source.keys.values() if algorithm in key.algorithms]
            if len(fitting) != 1:
                raise InvalidToken("The token names no key, and its issuer has not exactly one.")
            return fitting[0]
        if not isinstance(kid, str):
            raise InvalidToken("The token's kid is not a string.")
        key = source.keys.get(kid)
        if key is not None and algorithm not in key.algorithms:
            raise InvalidToken("The token's algorithm does not fit its key.")
        return key

    def _verify(self, digest: bytes, token: Token, issuer: Issuer, key: Key) -> Verified:
        algorithm: str = token.header["alg"]
        if not key.verifies(algorithm, token.signed, token.signature):
            raise InvalidToken("The token's signature is not valid.")
        typ = token.header.get("typ", "")
        if not isinstance(typ, str) or (not typ and "typ" in token.header):
            raise InvalidToken("The token's typ is not a string.")
        verified = Verified(issuer.issuer, key.kid, key.thumbprint, typ, algorithm, token.claims)
        self._memory.put(digest, verified)
        return verified

    def _admit(self, exchange: Exchange, digest: bytes, verified: Verified) -> None:
        issuer, _, rules = self._issuer(verified.issuer)
        claims = verified.claims
        thumbprint = confirmation(claims)
        if thumbprint is not None:
            if exchange.certificate is None or exchange.certificate.thumbprint != thumbprint:
                raise InvalidToken("The token is bound to a client certificate that was not presented.")
            digest += thumbprint.encode()
        expires_at = rules.check(verified.typ, claims, exchange.now)
        if self._revoked:
            jti = claims.get("jti")
            if isinstance(jti, str) and (verified.issuer, jti) in self._revoked:
                raise InvalidToken("The token was revoked.")
        subject = self._subject(rules.subject(claims), claims, issuer, exchange.now)
        caller = self._callers.caller(
            subject.application,
            subject.id,
            rules.scopes(claims),
            min(expires_at, inf if subject.expires_at is None else subject.expires_at),
            rules.sites(claims),
        )
        if caller is None:
            raise InvalidToken("The token's subject is no application here.")
        if thumbprint is not None:
            exchange.certified = caller.application.id
        elif caller.application.bound_tokens_only:
            raise InvalidToken("This application's tokens must be bound to a client certificate (cnf).")
        if len(self._made) >= _REMEMBERED:
            del self._made[next(iter(self._made))]
        self._made[digest] = caller
        exchange.caller = caller

    def _subject(self, name: str | None, claims: dict[str, Any], issuer: Issuer, now: float) -> Subject:
        known = None if name is None else self._subjects.get(issuer.issuer, {}).get(name)
        if known is None:
            raise InvalidToken("The token's subject is no application here.")
        credentials = known if isinstance(known, list) else [known]
        if issuer.embedded and "cid" in claims:
            # tokens of the embedded issuer name the secret they were bought with: they die with it; elsewhere the claim
            # means something else, such as the client
            cid = claims["cid"]
            live = next((s for s in credentials if s.id == cid), None)
        else:
            live = next((s for s in credentials if s.expires_at is None or now < s.expires_at), None)
        if live is None or (live.expires_at is not None and now >= live.expires_at):
            raise InvalidToken("The credential behind this token was revoked or has expired.")
        return live


@policy
def authenticate_jwt(facts: RouteFacts) -> Policy | None:
    """Recognises an application by a signed bearer token of a known issuer.

    Tokens are short-lived and carry only the scopes that were asked for. Fetch one with the client credentials of the
    application, keep it until shortly before it expires, and send it as ``Authorization: Bearer``.
    """
    return None  # nothing is bound per route: `Tokens` is asked before the route is known

"""Client assertions: ``private_key_jwt``, RFC 7523 section 3 and RFC 7521 section 5.2.

    judge(unit, assertion, client, *, issuer, endpoint, issuer_only, longest_life, now) -> (Credential, UsedAssertion)
    claimed(assertion) -> str | None          whom it speaks of; nothing is verified
    spend(unit, used, *, now)                 in a write unit of its own; raises `Conflict` for a replay

Judging writes nothing, so that nobody who holds no key makes the registry write. What a client says about itself
(times, audience) is answered precisely; whether the client and its key exist is not, and an unknown client costs a
signature check like a known one. The subtle thing is the audience: an authorization server that a client was lured to
may have it sign *our* token endpoint as the audience and use the assertion here. The issuer is the audience that cannot
be injected that way; `issuer_only` insists on it, and an assertion of the type made for this always has to.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from math import isfinite
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from policies.traffic.authenticate_jwt_keys import Key
from policies.traffic.authenticate_jwt_reading import InvalidToken, Token, read
from registry.errors import Unauthenticated
from registry.public_keys import SIGNING, usable
from registry.store import Unit
from registry.store.records import Credential, UsedAssertion

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST = 8192
LONGEST_LIFE = 3600
"""Seconds, unless a setting says otherwise: what was used must be remembered until it expires, and what was stolen
before it was used works until then."""
LEEWAY = 10
_CARRIED_KEYS = ("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip")
_TYPED = "client-authentication+jwt"
_UNKNOWN = "the client is not known, or its assertion is not signed with a live key of it"


class _Unfit(Exception):
    """Something the assertion says of itself is wrong, whoever signed it."""


def judge(
    unit: Unit,
    assertion: str,
    client: str | None,
    *,
    issuer: str,
    endpoint: str,
    issuer_only: bool,
    longest_life: int = LONGEST_LIFE,
    now: int,
) -> tuple[Credential, UsedAssertion]:
    """The live public key that signed, and what must be spent. `client` is the ``client_id`` beside the assertion.

    Raises `Unauthenticated`.
    """
    try:
        token = _read(assertion)
        algorithm = _algorithm(token)
        _require_audience(token, issuer, endpoint, issuer_only)
        expires_at = _expiry(token.claims, now, longest_life)
        subject, identifier = _names(token.claims, client)
    except (_Unfit, InvalidToken) as unfit:
        raise Unauthenticated(str(unfit)) from None
    credential, key = _key(unit, subject, token.header.get("kid"), algorithm, now)
    signed = key.verifies(algorithm, token.signed, token.signature)
    if credential is None or not signed:
        raise Unauthenticated(_UNKNOWN)
    # of client and jti: two clients may well choose the same; hashed, for a jti may be anything
    spent = sha256(f"{subject}\n{identifier}".encode()).hexdigest()
    return credential, UsedAssertion(id=spent, expires_at=expires_at + LEEWAY)


def claimed(assertion: str) -> str | None:
    """Whom it speaks of, if it can be read at all. Nothing is verified."""
    try:
        subject = _read(assertion).claims.get("sub")
    except (_Unfit, InvalidToken):
        return None
    return subject if isinstance(subject, str) else None


def spend(unit: Unit, used: UsedAssertion, *, now: int) -> None:
    """Remember it until it expires. Raises `Conflict` when it was spent before: the primary key decides, so of two that
    come at once, to whichever process, one is refused."""
    unit.used_assertions.delete_until("expires_at", now)
    unit.used_assertions.add(used)


def _read(assertion: str) -> Token:
    if len(assertion) > LONGEST or not assertion.isascii():
        raise _Unfit("the assertion is no JWT, or too long")
    token = read(assertion.encode())
    for name in _CARRIED_KEYS:
        if name in token.header:
            raise _Unfit(f"the header of the assertion must not hold {name}")
    if "typ" in token.header and _typ(token) not in ("jwt", _TYPED):
        raise _Unfit(f"the typ of an assertion is JWT or {_TYPED}")
    return token


def _typ(token: Token) -> str:
    typ = token.header.get("typ", "")
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else "?"


def _algorithm(token: Token) -> str:
    algorithm = token.header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in SIGNING:
        raise _Unfit(f"the alg of an assertion is one of {', '.join(SIGNING)}")
    return algorithm


def _require_audience(token: Token, issuer: str, endpoint: str, issuer_only: bool) -> None:
    """One audience, as text or as a list of it: one that is meant for several could be used by each at the others."""
    audience = token.claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    strict = issuer_only or _typ(token) == _TYPED
    if audience != issuer and (strict or audience != endpoint):
        raise _Unfit(f"the aud of the assertion must be {issuer} and nothing else")


def _expiry(claims: dict[str, Any], now: int, longest_life: int) -> int:
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise _Unfit("the assertion does not say when it expires (exp)")
    if now >= expires_at + LEEWAY:
        raise _Unfit("the assertion has expired")
    if expires_at > now + longest_life + LEEWAY:
        raise _Unfit(f"the assertion lives too long: exp is at most {longest_life} seconds from now")
    for name in ("iat", "nbf"):
        instant = _instant(claims, name)
        if instant is not None and (instant > now + LEEWAY or instant > expires_at):
            raise _Unfit(f"the assertion is not valid yet ({name})")
    return int(expires_at)


def _instant(claims: dict[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 2**53 or not isfinite(value):
        raise _Unfit(f"the {name} of the assertion is not a number of seconds")
    return value


def _names(claims: dict[str, Any], client: str | None) -> tuple[str, str]:
    subject, identifier = claims.get("sub"), claims.get("jti")
    if not isinstance(subject, str) or claims.get("iss") != subject:
        raise _Unfit("iss and sub of the assertion must both be the client_id")
    if client is not None and client != subject:
        raise _Unfit("client_id contradicts the assertion")
    if not isinstance(identifier, str) or not 1 <= len(identifier) <= 255:
        raise _Unfit("the assertion needs a jti of its own, of 1 to 255 characters")
    try:
        f"{subject}{identifier}".encode()
    except UnicodeEncodeError:
        raise _Unfit("sub or jti hold a lone surrogate") from None
    return subject, identifier


def _key(unit: Unit, client: str, kid: object, algorithm: str, now: int) -> tuple[Credential | None, Key]:
    """The one live key of the client that the header means; a key of nobody when there is none."""
    found = []
    for credential in unit.credentials.all(application=client, kind="public-key", revoked_at=None):
        jwk = credential.public_jwk
        if jwk is not None and credential.is_live(now) and jwk["alg"] == algorithm and kid in (None, jwk["kid"]):
            found.append((credential, jwk))
    if len(found) != 1:
        return None, _nobodys(algorithm)
    credential, jwk = found[0]
    key = usable(jwk)
    return (None, _nobodys(algorithm)) if key is None else (credential, key)


@cache
def _nobodys(algorithm: str) -> Key:
    """A key whose private half was never kept."""
    if algorithm == "EdDSA":
        jwk = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)
    elif algorithm.startswith("ES"):
        curve = ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1()
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(curve).public_key(), as_dict=True)
    else:
        jwk = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
    key = usable({**{name: value for name, value in jwk.items() if name != "key_ops"}, "kid": "", "alg": algorithm})
    assert key is not None
    return key

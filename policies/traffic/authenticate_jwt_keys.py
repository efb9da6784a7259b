"""An issuer's JWK set, made ready to verify with: RFC 7517 and 7518, minus what nobody should accept.

Pure: where a set comes from (the snapshot, or the background fetch of `gateway.keys`) is not known here. PyJWT prepares
and uses the keys; what it lets through is closed here: a key verifies only the algorithms of its type and curve, keys
for encryption and weak keys are left out, and a set that holds symmetric keys or two keys of one id is refused whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from jwt.algorithms import Algorithm, get_default_algorithms
from msgspec import Struct

from policies.model.document import digest

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_TYPE: dict[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}
SUPPORTED = frozenset(name for names in _BY_TYPE.values() for name in names)
ALGORITHMS: dict[str, Algorithm] = {name: a for name, a in get_default_algorithms().items() if name in SUPPORTED}
_PUBLIC = ("kty", "crv", "n", "e", "x", "y")
_RSA_BITS = range(2048, 8193)  # below is weak (RFC 7518 section 3.3), above costs milliseconds a token
_MOST_KEYS = 100


class InvalidKeys(ValueError):
    """The set must not be used; the message says why."""


class Key(Struct, frozen=True):
    """One usable public key. `thumbprint` tells whether a key of the same id was replaced."""

    kid: str | None
    algorithms: frozenset[str]
    public: Any
    thumbprint: str

    def verifies(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        return algorithm in self.algorithms and ALGORITHMS[algorithm].verify(message, self.public, signature)


Keys = Mapping[str | None, Key]


def prepare(jwks: object) -> Keys:
    """The usable keys of a set, by ``kid``. Raises `InvalidKeys`."""
    entries = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InvalidKeys("a JWK set is an object with a list of keys")
    if len(entries) > _MOST_KEYS:
        raise InvalidKeys(f"more than {_MOST_KEYS} keys")
    if any(entry.get("kty") == "oct" or "k" in entry for entry in entries):
        raise InvalidKeys("the set holds a symmetric key")
    keys: dict[str | None, Key] = {}
    seen: set[str | None] = set()
    for entry in entries:
        kid = entry.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise InvalidKeys("a kid is a string")
        if kid in seen:
            raise InvalidKeys("two keys have the same kid" if kid is not None else "several keys have no kid")
        seen.add(kid)
        key = _key(kid, entry)
        if key is not None:
            keys[kid] = key
    return keys


def _key(kid: str | None, entry: Mapping[str, Any]) -> Key | None:
    """``None`` for a key that is not ours to use: for encryption, of unknown kind, weak, private, or broken."""
    operations = entry.get("key_ops")
    if entry.get("use", "sig") != "sig" or (operations is not None and operations != ["verify"]) or "d" in entry:
        return None
    kind, curve = entry.get("kty"), entry.get("crv", "")
    if not isinstance(kind, str) or not isinstance(curve, str):
        return None
    algorithms = _BY_TYPE.get((kind, curve))
    declared = entry.get("alg")
    if algorithms is None or (declared is not None and declared not in algorithms):
        return None
    members = {name: entry[name] for name in _PUBLIC if name in entry}
    try:
        public = ALGORITHMS[algorithms[0]].from_jwk(members)
    except (jwt.InvalidKeyError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if kind == "RSA" and public.key_size not in _RSA_BITS:
        return None
    usable = algorithms if declared is None else (declared,)
    return Key(kid, frozenset(usable), public, digest({**members, "alg": list(usable)}))

"""An issuer's JWK set, made ready to verify with: RFC 7517 and 7518, minus what nobody should accept.

Pure: where a set comes from (the snapshot, or the background fetch of `gateway.keys`) is not known here. PyJWT prepares
and uses the keys; what it lets through is closed here: a key verifies only the algorithms of its type and curve, keys
for encryption and weak keys are left out, and a set that holds symmetric keys or two keys of one id is refused whole.

`unusable` says why a key is left out: the registry asks it, so that what is registered can be used by every gateway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import jwt
from jwt.algorithms import Algorithm, get_default_algorithms
from msgspec import Struct

from policies.model.access import Issuer
from policies.model.document import digest
from policies.traffic.authenticate_jwt_reading import InvalidToken, decode, members
from policies.traffic.authenticate_jwt_weak import weak_edwards, weak_rsa

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_TYPE: dict[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
    ("OKP", "Ed448"): ("EdDSA",),
}
"""RFC 7518 section 3.1, RFC 8037 section 3.1; the name that says the curve too is of RFC 9864 section 2.2."""
SUPPORTED = frozenset(name for names in _BY_TYPE.values() for name in names)
_OF_PYJWT = get_default_algorithms()
ALGORITHMS: dict[str, Algorithm] = {
    name: _OF_PYJWT["EdDSA" if name == "Ed25519" else name] for name in sorted(SUPPORTED)
}
_NUMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth")  # RFC 7518 section 6.3.2
_MOST_KEYS = 100
_LONGEST_KID = 1000


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


def parse(text: bytes) -> Keys:
    """`prepare` of a set as it was fetched. Raises `InvalidKeys` for what is not one strict JSON object."""
    try:
        return prepare(members(text))
    except InvalidToken:
        raise InvalidKeys("not a JSON object with every member named once") from None


def prepare(jwks: object) -> Keys:
    """The usable keys of a set, by ``kid``. Raises `InvalidKeys`."""
    keys: dict[str | None, Key] = {}
    for entry in entries(jwks):
        key = _key(entry)
        if isinstance(key, Key):
            keys[key.kid] = key
    return keys


def entries(jwks: object) -> list[Mapping[str, Any]]:
    """The keys of a set, usable or not. Raises `InvalidKeys` for a set that is refused whole."""
    found = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(entry, Mapping) for entry in found):
        raise InvalidKeys("a JWK set is an object with a list of keys")
    if len(found) > _MOST_KEYS:
        raise InvalidKeys(f"more than {_MOST_KEYS} keys")
    if any(entry.get("kty") == "oct" or "k" in entry for entry in found):
        raise InvalidKeys("the set holds a symmetric key")
    seen: set[str | None] = set()
    for entry in found:
        kid = entry.get("kid")
        if "kid" in entry and (not isinstance(kid, str) or len(kid) > _LONGEST_KID):
            raise InvalidKeys(f"a kid is a string of at most {_LONGEST_KID} characters")
        if kid in seen:
            raise InvalidKeys("two keys have the same kid" if kid is not None else "several keys have no kid")
        seen.add(kid)
    return found


def unusable(entry: Mapping[str, Any]) -> str | None:
    """Why a key of a set is left out; ``None`` for one that verifies signatures."""
    key = _key(entry)
    return None if isinstance(key, Key) else key


def _key(entry: Mapping[str, Any]) -> Key | str:
    """The key, or why it is not ours to use: for encryption, of unknown kind, weak, private, or broken."""
    if entry.get("use", "sig") != "sig":
        return "its use is not sig"
    if "key_ops" in entry and entry["key_ops"] != ["verify"]:
        return "its key_ops are not exactly verify"
    if any(name in entry for name in _PRIVATE):
        return "it holds private key material"
    kind, curve = entry.get("kty"), entry.get("crv", "")
    algorithms = _BY_TYPE.get((kind, curve)) if isinstance(kind, str) and isinstance(curve, str) else None
    if algorithms is None:
        return "its kty and crv are none that are known here"
    declared = entry.get("alg")
    if "alg" in entry and declared not in algorithms:
        return f"its alg is not one of its type's: {', '.join(algorithms)}"
    public = {name: entry[name] for name in ("kty", "crv") if name in entry}
    try:
        numbers = {name: _octets(entry, name) for name in _NUMBERS[str(kind)]}
        weakness = _weakness(str(kind), str(curve), numbers)
        if weakness is not None:
            return weakness
        public |= {name: entry[name] for name in numbers}
        made = ALGORITHMS[algorithms[0]].from_jwk(public)
    except _Malformed as malformed:
        return str(malformed)
    except (jwt.InvalidKeyError, ValueError, TypeError, KeyError, AttributeError):
        return "it is no key of its type: a member is out of range, or the point is not on the curve"
    usable = algorithms if declared is None else (declared,)
    return Key(entry.get("kid"), frozenset(usable), made, digest({**public, "alg": list(usable)}))


class _Malformed(Exception):
    pass


def _octets(entry: Mapping[str, Any], name: str) -> bytes:
    """A member in its one spelling, base64url without padding (RFC 7518 section 2). Raises `_Malformed`."""
    value = entry.get(name)
    if not isinstance(value, str) or not value or len(value) > 8192:
        raise _Malformed(f"its {name} is missing")
    try:
        return decode(value.encode())
    except (InvalidToken, UnicodeEncodeError):
        raise _Malformed(f"its {name} is not base64url without padding") from None


def _weakness(kind: str, curve: str, numbers: Mapping[str, bytes]) -> str | None:
    if kind == "RSA":
        return weak_rsa(int.from_bytes(numbers["n"]), int.from_bytes(numbers["e"]))
    return weak_edwards(curve, numbers["x"]) if kind == "OKP" else None


class EmbeddedKeys:
    """A set that came with the snapshot. Raises `InvalidKeys`."""

    __slots__ = ("keys",)

    def __init__(self, issuer: Issuer) -> None:
        self.keys: Keys = prepare(issuer.jwks if issuer.jwks is not None else {"keys": []})

    def refresh(self) -> Awaitable[None] | None:
        return None

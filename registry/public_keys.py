"""Public keys that an application may sign with (RFC 7517): which are accepted, and in which form they are kept.

Pure. A key is kept as a JWK with exactly the members that matter and with `alg`, so that what it may sign with is
pinned when it is registered and never read from what it signed.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from jwt.utils import base64url_encode

from policies.traffic.authenticate_jwt_keys import InvalidKeys, Key, prepare
from registry.errors import Invalid
from registry.names import require_token

ALGORITHMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
}
"""By type and curve; the first is meant when a key names none."""
SIGNING = tuple(dict.fromkeys(name for names in ALGORITHMS.values() for name in names))
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_SECRET_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")  # RFC 7518 section 6
_LONGEST_MEMBER = 1400  # of 8192 bits in base64url


def accepted(jwk: Any, pointer: str = "/public_jwk") -> dict[str, Any]:
    """The key as it is kept: its public members, `alg` and `kid` (its thumbprint when it names none), `use`.

    Raises `Invalid`: private or symmetric material, another type or curve, a key for something else than signing, RSA
    of less than 2048 bits, a point that is on no curve.
    """
    if not isinstance(jwk, dict):
        raise Invalid(pointer, "a key is one JWK, an object (RFC 7517 section 4)")
    for name in _SECRET_MEMBERS:
        if name in jwk:
            raise Invalid(f"{pointer}/{name}", "is private key material; register the public half only")
    kind, curve = jwk.get("kty"), jwk.get("crv", "")
    if not isinstance(kind, str) or not isinstance(curve, str) or (fitting := ALGORITHMS.get((kind, curve))) is None:
        raise Invalid(f"{pointer}/kty", "a key is EC on P-256 or P-384, OKP on Ed25519, or RSA")
    algorithm = jwk.get("alg", fitting[0])
    if algorithm not in fitting:
        raise Invalid(f"{pointer}/alg", f"such a key signs with {', '.join(fitting)}")
    if jwk.get("use", "sig") != "sig" or ("key_ops" in jwk and jwk["key_ops"] != ["verify"]):
        raise Invalid(f"{pointer}/use", "the key is meant for something else than signing")
    members = {name: jwk.get(name) for name in _MEMBERS[kind]}
    for name, value in members.items():
        if not isinstance(value, str) or len(value) > _LONGEST_MEMBER:
            raise Invalid(f"{pointer}/{name}", "is missing, or is no base64url text of a sound length")
    if "kid" in jwk:
        if not isinstance(jwk["kid"], str):
            raise Invalid(f"{pointer}/kid", "is not text")
        require_token(jwk["kid"], f"{pointer}/kid", "the kid")
    kept = {**members, "kid": jwk.get("kid", thumbprint(members)), "alg": algorithm, "use": "sig"}
    if usable(kept) is None:
        raise Invalid(pointer, "is no sound public key; of RSA, 2048 to 8192 bits are accepted")
    return kept


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638 section 3: over the required members only, in lexical order, without blanks."""
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    return base64url_encode(sha256(msgspec.json.encode(members, order="sorted")).digest()).decode()


def usable(jwk: dict[str, Any]) -> Key | None:
    """A kept key made ready to verify with."""
    try:
        return prepare({"keys": [jwk]}).get(jwk["kid"])
    except InvalidKeys:
        return None

"""Tokens and key sets for tests: good ones by default, and any part of them bent."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from policies.model.access import Issuer
from tests.unit.policies.traffic.facts import NOW

ISSUER = "https://id.example"
AUDIENCE = "weighbridge"


@cache
def private(kind: str, name: str = "") -> Any:
    """One key per kind and name, made once: RSA keys take long."""
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind[3:] or 2048))
    if kind == "OKP":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"EC": ec.SECP256R1(), "EC384": ec.SECP384R1()}[kind])


_ALGORITHM = {"RSA": "RS256", "OKP": "EdDSA", "EC": "ES256", "EC384": "ES384", "RSA1024": "RS256"}


def jwk(kind: str = "EC", kid: str | None = "k1", name: str = "", **more: Any) -> dict[str, Any]:
    algorithm = get_default_algorithms()[_ALGORITHM[kind]]
    entry: dict[str, Any] = json.loads(algorithm.to_jwk(private(kind, name).public_key()))
    entry.pop("key_ops", None)
    return entry | ({} if kid is None else {"kid": kid}) | more


def issuer(*keys: dict[str, Any], **more: Any) -> Issuer:
    fields: dict[str, Any] = {"name": "id", "issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": list(keys)}}
    return Issuer(**(fields | more))


def claims(**more: Any) -> dict[str, Any]:
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "app",
        "client_id": "app",
        "scope": "a b",
        "iat": int(NOW) - 5,
        "exp": int(NOW) + 300,
    }
    return {name: value for name, value in (good | more).items() if value is not ...}


def encoded(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")


def token(
    payload: dict[str, Any] | bytes | None = None,
    *,
    kind: str = "EC",
    name: str = "",
    alg: str | None = None,
    header: dict[str, Any] | bytes | None = None,
) -> bytes:
    """A signed token. `header` members of ``...`` are left out; bytes are taken as they are."""
    algorithm = alg or _ALGORITHM[kind]
    if not isinstance(header, bytes):
        good: dict[str, Any] = {"alg": algorithm, "kid": "k1", "typ": "at+jwt"} | (header or {})
        header = json.dumps({n: value for n, value in good.items() if value is not ...}).encode()
    if not isinstance(payload, bytes):
        payload = json.dumps(claims() if payload is None else payload).encode()
    signed = encoded(header) + b"." + encoded(payload)
    key = private(kind, name)
    return signed + b"." + encoded(get_default_algorithms()[_ALGORITHM[kind] if alg is None else alg].sign(signed, key))

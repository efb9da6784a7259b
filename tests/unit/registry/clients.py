"""Clients with keys of their own, and the assertions they sign."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from registry import assertions

ISSUER = "https://registry.example"
ENDPOINT = "https://registry.example/oauth/token"
PRIVATE = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "PS256": rsa.generate_private_key(65537, 2048),
}


def jwk_of(private: Any, **members: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    kind = ECAlgorithm if isinstance(private, ec.EllipticCurvePrivateKey) else OKPAlgorithm
    if isinstance(private, rsa.RSAPrivateKey):
        kind = RSAAlgorithm  # type: ignore[assignment]
    told: dict[str, Any] = json.loads(kind.to_jwk(private.public_key()))
    told.pop("key_ops", None)
    return {**told, **members}


def claims(client: str, now: int, **changes: Any) -> dict[str, Any]:
    """Those of a good assertion; ``None`` leaves one out."""
    good = {"iss": client, "sub": client, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": "one"}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def assertion(told: dict[str, Any], algorithm: str = "ES256", key: Any = None, **header: Any) -> str:
    return jwt.encode(told, key or PRIVATE[algorithm], algorithm=algorithm, headers=header or None)


def form(signed: str, **more: str) -> dict[str, str]:
    return {"client_assertion_type": assertions.TYPE, "client_assertion": signed, **more}

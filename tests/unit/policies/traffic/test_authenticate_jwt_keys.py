"""JWK sets: what is usable, what is left out, what voids the whole set."""

from __future__ import annotations

from typing import Any

import pytest

from policies.traffic.authenticate_jwt_keys import InvalidKeys, prepare
from tests.unit.policies.traffic.tokens import jwk


def kids(*keys: dict[str, Any]) -> set[str | None]:
    return set(prepare({"keys": list(keys)}))


@pytest.mark.parametrize(
    ("kind", "algorithms"),
    [
        ("EC", {"ES256"}),
        ("EC384", {"ES384"}),
        ("OKP", {"EdDSA", "Ed25519"}),
        ("RSA", {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ],
)
def test_a_key_verifies_the_algorithms_of_its_type(kind: str, algorithms: set[str]) -> None:
    assert prepare({"keys": [jwk(kind)]})["k1"].algorithms == algorithms


def test_a_declared_algorithm_narrows() -> None:
    assert prepare({"keys": [jwk("RSA", alg="PS256")]})["k1"].algorithms == {"PS256"}


@pytest.mark.parametrize(
    "entry",
    [
        jwk(use="enc"),
        jwk(key_ops=["encrypt"]),
        jwk(key_ops=["sign", "verify"]),
        jwk(key_ops="verify"),
        jwk(alg="RS256"),
        jwk("RSA", alg="RSA-OAEP"),
        jwk("RSA", alg="HS256"),
        jwk("RSA1024"),
        jwk(crv="P-384"),
        jwk(crv="secp256k1"),
        jwk(crv=5),
        jwk(kty="unknown"),
        jwk(x="AAAA"),
        jwk(x=7),
        jwk(d="AAAA"),
        {"kty": "EC", "kid": "k1"},
        {"kid": "k1"},
    ],
)
def test_keys_that_are_left_out(entry: dict[str, Any]) -> None:
    assert kids(entry, jwk(kid="good", name="good")) == {"good"}


def test_explicit_use_for_signatures_is_fine() -> None:
    assert kids(jwk(use="sig"), jwk(kid="k2", key_ops=["verify"])) == {"k1", "k2"}


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        {},
        {"keys": {}},
        {"keys": ["k"]},
        {"keys": [jwk(), jwk(name="other")]},
        {"keys": [jwk(), jwk("OKP", use="enc")]},
        {"keys": [jwk(kid=None), jwk(kid=None, name="other")]},
        {"keys": [jwk(), {"kty": "oct", "kid": "k2", "k": "c2VjcmV0"}]},
        {"keys": [jwk(kid="k2"), jwk(k="c2VjcmV0")]},
        {"keys": [jwk(kid=None) | {"kid": 5}]},
        {"keys": [{"kid": str(number)} for number in range(101)]},
    ],
)
def test_sets_that_are_refused_whole(jwks: Any) -> None:
    with pytest.raises(InvalidKeys):
        prepare(jwks)


def test_a_thumbprint_tells_keys_of_one_id_apart() -> None:
    one, same, other = (prepare({"keys": [entry]})["k1"] for entry in (jwk(), jwk(), jwk(name="other")))
    assert one.thumbprint == same.thumbprint != other.thumbprint

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from jwt.algorithms import OKPAlgorithm

from registry.errors import Invalid
from registry.public_keys import accepted, thumbprint, usable
from tests.unit.registry.clients import PRIVATE, jwk_of

GOOD = jwk_of(PRIVATE["ES256"])
RSA = jwk_of(PRIVATE["PS256"])
ED448 = OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True)


@pytest.mark.parametrize("algorithm", list(PRIVATE))
def test_a_key_is_kept_with_its_algorithm_pinned(algorithm: str) -> None:
    given = jwk_of(PRIVATE[algorithm], alg=algorithm, kid="mine", x5u="https://evil.example", note="x")
    kept = accepted(given)
    assert (kept["alg"], kept["kid"], kept["use"]) == (algorithm, "mine", "sig")
    assert not kept.keys() & {"x5u", "note", "key_ops"}
    key = usable(kept)
    assert key is not None
    assert key.algorithms == {algorithm}


def test_what_a_key_does_not_say_is_decided_once() -> None:
    assert accepted(RSA)["alg"] == "RS256"
    assert accepted(GOOD)["kid"] == thumbprint(GOOD)


def test_the_thumbprint_is_that_of_the_standard() -> None:
    # RFC 8037 appendix A.3
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    ("pointer", "jwk"),
    [
        ("/public_jwk", "a key"),
        ("/public_jwk", [GOOD]),
        ("/public_jwk/d", {**GOOD, "d": "c2VjcmV0"}),
        ("/public_jwk/p", {**RSA, "p": "c2VjcmV0"}),
        ("/public_jwk/k", {"kty": "oct", "k": "c2VjcmV0"}),
        ("/public_jwk/kty", {"kty": "oct"}),
        ("/public_jwk/kty", {**GOOD, "kty": ["EC"]}),
        ("/public_jwk/kty", {**GOOD, "crv": "P-521"}),
        ("/public_jwk/kty", jwk_of(ec.generate_private_key(ec.SECP256K1()))),
        ("/public_jwk/kty", ED448),
        ("/public_jwk/alg", {**GOOD, "alg": "RS256"}),
        ("/public_jwk/alg", {**RSA, "alg": "HS256"}),
        ("/public_jwk/use", {**GOOD, "use": "enc"}),
        ("/public_jwk/use", {**GOOD, "key_ops": ["sign"]}),
        ("/public_jwk/x", {**GOOD, "x": 5}),
        ("/public_jwk/y", {name: value for name, value in GOOD.items() if name != "y"}),
        ("/public_jwk/n", {**RSA, "n": "A" * 1401}),
        ("/public_jwk/kid", {**GOOD, "kid": 7}),
        ("/public_jwk/kid", {**GOOD, "kid": "two words"}),
        ("/public_jwk", {**GOOD, "y": GOOD["x"]}),
        ("/public_jwk", jwk_of(rsa.generate_private_key(65537, 1024))),
    ],
)
def test_keys_that_are_refused(pointer: str, jwk: Any) -> None:
    with pytest.raises(Invalid) as caught:
        accepted(jwk)
    assert caught.value.pointer == pointer

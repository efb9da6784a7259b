"""Keys that are well-formed and worth nothing."""

from __future__ import annotations

from math import prod

import pytest

from policies.traffic.authenticate_jwt_keys import unusable
from policies.traffic.authenticate_jwt_weak import weak_edwards, weak_rsa
from tests.unit.policies.traffic.tokens import jwk, private

MODULUS = private("RSA", "").public_key().public_numbers().n
SMALL = [p for p in range(3, 168) if all(p % d for d in range(2, p))]


def of_the_bad_generator() -> int:
    """A modulus of 2048 bits that is a power of 65537 by every small prime, and divisible by no larger one."""
    base = prod(SMALL)
    n = pow(65537, 1234567, base) + base * ((1 << 2047) // base)
    while n % 2 == 0 or any(n % p == 0 for p in range(169, 2000, 2)):
        n += base
    return n


def test_an_ordinary_key_is_fine() -> None:
    assert weak_rsa(MODULUS, 65537) is None
    assert unusable(jwk("RSA")) is None


@pytest.mark.parametrize(
    ("n", "e", "why"),
    [
        (MODULUS >> 1, 65537, "2047 bits"),
        (1 << 8192 | 1, 65537, "8193 bits"),
        (MODULUS, 1, "exponent"),
        (MODULUS, 3, "exponent"),
        (MODULUS, 65538, "exponent"),
        (MODULUS, 2**256 + 1, "exponent"),
        (MODULUS - MODULUS % 1999, 65537, "small factor"),
        (MODULUS - 1, 65537, "small factor"),
        (of_the_bad_generator(), 65537, "ROCA"),
    ],
)
def test_rsa_keys_that_are_weak(n: int, e: int, why: str) -> None:
    assert why in str(weak_rsa(n, e))


@pytest.mark.parametrize(
    ("curve", "x", "why"),
    [
        ("Ed25519", bytes(31), "not 32 bytes"),
        ("Ed448", bytes(56), "not 57 bytes"),
        ("Ed25519", (2**255 - 19).to_bytes(32, "little"), "one spelling"),
        ("Ed25519", b"\xff" * 32, "one spelling"),
        ("Ed25519", b"\2" + bytes(31), "of the curve"),
        ("Ed25519", b"\1" + bytes(31), "small order"),
        ("Ed25519", b"\1" + bytes(30) + b"\x80", "small order"),
        ("Ed25519", bytes(32), "small order"),
        ("Ed448", b"\1" + bytes(56), "small order"),
        ("Ed448", bytes(57), "small order"),
        ("Ed448", bytes(56) + b"\x01", "one spelling"),
    ],
)
def test_edwards_points_that_prove_nothing(curve: str, x: bytes, why: str) -> None:
    assert why in str(weak_edwards(curve, x))


def test_generated_points_are_fine() -> None:
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

    for _ in range(50):
        assert weak_edwards("Ed25519", ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()) is None
    for _ in range(20):
        assert weak_edwards("Ed448", ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()) is None

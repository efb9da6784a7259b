"""Public keys that nobody should trust, although they are well-formed: what the libraries take without a word.

Pure arithmetic on public numbers, done once when a set is prepared. A signature by such a key proves nothing: with an
exponent of one it is the message itself, a point of small order accepts made-up signatures for many messages, and a
modulus with small or guessable factors gives its private key away.
"""

from __future__ import annotations

from math import gcd

_SMALLEST_EXPONENT = 65537  # FIPS 186-5 section 5.1: 2**16 < e < 2**256
_RSA_BITS = range(2048, 8193)  # below is weak (RFC 7518 section 3.3), above costs milliseconds a token


def _primes(below: int) -> list[int]:
    return [n for n in range(2, below) if all(n % d for d in range(2, int(n**0.5) + 1))]


_SMALL_PRIMES = 1
for _prime in _primes(2000):
    _SMALL_PRIMES *= _prime
_ROCA = [(p, frozenset(pow(65537, k, p) for k in range(p))) for p in _primes(168) if p > 2]
"""CVE-2017-15361: moduli of that generator are powers of 65537 by every small prime; others are by all of them once in
a hundred million."""

_P25519 = 2**255 - 19
_D25519 = -121665 * pow(121666, -1, _P25519) % _P25519
_P448 = 2**448 - 2**224 - 1
_D448 = -39081 % _P448


def weak_rsa(n: int, e: int) -> str | None:
    """Why an RSA key must not be used; ``None`` when nothing is known against it."""
    if n.bit_length() not in _RSA_BITS:
        return f"its modulus has {n.bit_length()} bits; {_RSA_BITS[0]} to {_RSA_BITS[-1]} are taken"
    if not _SMALLEST_EXPONENT <= e < 2**256 or e % 2 == 0:
        return "its public exponent is even, or not between 65537 and 2**256"
    if gcd(n, _SMALL_PRIMES) != 1:
        return "its modulus has a small factor"
    if all(n % prime in residues for prime, residues in _ROCA):
        return "its modulus comes from a generator that gives private keys away (ROCA)"
    return None


def weak_edwards(curve: str, x: bytes) -> str | None:
    """Why a public key of RFC 8032 must not be used: not a point in its one spelling, or one of small order."""
    prime, small = (_P25519, _ed25519_small) if curve == "Ed25519" else (_P448, _ed448_small)
    length = 32 if curve == "Ed25519" else 57
    if len(x) != length:
        return f"its x is not {length} bytes long"
    top = 1 << (8 * length - 1)
    y = int.from_bytes(x, "little") & (top - 1)
    if y >= prime:
        return "its x is not a point in its one spelling (RFC 8032 section 5.1.3)"
    if not _on_curve(curve, y):
        return "its x is not a point of the curve"
    return "its x is a point of small order" if small(y) else None


def _on_curve(curve: str, y: int) -> bool:
    """Whether some x belongs to that y: whether x squared is a square (Euler's criterion)."""
    if curve == "Ed25519":
        p, numerator, denominator = _P25519, y * y - 1, _D25519 * y * y + 1
    else:
        p, numerator, denominator = _P448, y * y - 1, _D448 * y * y - 1
    square = numerator * pow(denominator, -1, p) % p
    return square == 0 or pow(square, (p - 1) // 2, p) == 1


def _ed25519_small(y: int) -> bool:
    """Orders 1, 2 and 4 have y = 1, -1 and 0. Doubling a point of order 8 must give one of order 4: its own y is then a
    root of d*y**4 + 2*y**2 - 1, which follows from the addition law with x**2 = -y**2."""
    return y in (0, 1, _P25519 - 1) or (_D25519 * pow(y, 4, _P25519) + 2 * y * y - 1) % _P25519 == 0


def _ed448_small(y: int) -> bool:
    return y in (0, 1, _P448 - 1)

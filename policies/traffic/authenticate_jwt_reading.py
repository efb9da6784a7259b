"""Read a compact JWS (RFC 7515 section 7.1) without leniency, and without believing anything it says."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any, Never

from msgspec import Struct


class InvalidToken(Exception):
    """The message is told to the caller; it never repeats a part of the token."""


class Token(Struct, frozen=True):
    """The parts of a token as read; nothing is verified. `signed` are the bytes the signature covers."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read(token: bytes) -> Token:
    """Raises `InvalidToken`."""
    parts = token.split(b".")
    if len(parts) != 3 or not parts[2]:
        raise InvalidToken("The token is not a signed JWT.")
    return Token(
        header=_members(_decode(parts[0])),
        claims=_members(_decode(parts[1])),
        signed=parts[0] + b"." + parts[1],
        signature=_decode(parts[2]),
    )


def _decode(part: bytes) -> bytes:
    """base64url without padding, RFC 7515 section 2. One text, one spelling: what does not encode back is refused,
    or a token could be changed without changing what it says."""
    try:
        decoded = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (Base64Error, ValueError):
        raise InvalidToken("The token is not base64url.") from None
    if urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise InvalidToken("The token is not base64url.")
    return decoded


def _members(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidToken("The token does not hold JSON.") from None
    if not isinstance(value, dict):
        raise InvalidToken("The token does not hold JSON objects.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidToken("The token names a member twice.")
    return members


def _no_constant(name: str) -> Never:
    raise ValueError(name)  # NaN and Infinity are not JSON, RFC 8259 section 6

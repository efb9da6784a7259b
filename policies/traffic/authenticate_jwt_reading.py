"""Read a compact JWS (RFC 7515 section 7.1) without leniency, and without believing anything it says."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any, Never

from msgspec import Struct

DEEPEST = 32
"""Levels of objects and lists. Real claims have five; where the reader would give up depends on who called it."""


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
        header=members(decode(parts[0])),
        claims=members(decode(parts[1])),
        signed=parts[0] + b"." + parts[1],
        signature=decode(parts[2]),
    )


def decode(part: bytes) -> bytes:
    """base64url without padding, RFC 7515 section 2. One text, one spelling: what does not encode back is refused,
    or a token could be changed without changing what it says."""
    try:
        decoded = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (Base64Error, ValueError):
        raise InvalidToken("The token is not base64url.") from None
    if urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise InvalidToken("The token is not base64url.")
    return decoded


def members(text: bytes) -> dict[str, Any]:
    """One JSON object, read strictly: UTF-8, no byte order mark, every member named once at every level, no NaN, no
    lone surrogates, and no deeper than `DEEPEST`. Raises `InvalidToken`."""
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half a pair is no text: RFC 8259 section 8.2
    except (ValueError, RecursionError):
        raise InvalidToken("The token does not hold JSON.") from None
    if not isinstance(value, dict):
        raise InvalidToken("The token does not hold JSON objects.")
    if text.count(b"{") + text.count(b"[") > DEEPEST and _depth(value) > DEEPEST:
        raise InvalidToken("The token is nested too deeply.")
    return value


def _depth(value: Any) -> int:
    """Level by level: no recursion that hostile input could exhaust."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidToken("The token names a member twice.")
    return members


def _no_constant(name: str) -> Never:
    raise ValueError(name)  # NaN and Infinity are not JSON, RFC 8259 section 6

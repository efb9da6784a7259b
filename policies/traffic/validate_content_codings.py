"""Undo a content coding up to a bound, or say that it cannot be: a bomb is refused instead of being unpacked.

Only codings that end by themselves are undone, and one member of them: a reader that goes on behind it (gzip may have
more, RFC 1952 section 2.2) would see what nobody judged.
"""

from __future__ import annotations

import zlib
from typing import Literal

CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""RFC 9110 section 8.4.1, to zlib's window bits; ``deflate`` is the zlib format."""
MOST_RATIO = 200
"""JSON that repeats itself packs to a fiftieth; zlib can do a thousandth."""
_ALWAYS_ALLOWED = 65_536

Undecodable = Literal["malformed", "too-large"]


def decoded(body: bytes, coding: str, most: int) -> bytes | Undecodable:
    """At most `most` bytes, and at most `MOST_RATIO` for each one given. `coding` is one of `CODINGS`."""
    bound = min(most, max(_ALWAYS_ALLOWED, MOST_RATIO * len(body)))
    unpacker = zlib.decompressobj(CODINGS[coding])
    try:
        plain = unpacker.decompress(body, bound + 1)
    except zlib.error:
        return "malformed"
    if len(plain) > bound:
        return "too-large"
    return plain if unpacker.eof and not unpacker.unused_data else "malformed"

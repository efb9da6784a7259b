"""The shape of the secrets that the registry makes up: API keys, client secrets.

    wbk_<id>_<secret><checksum>          an API key
    wbs_<id>_<secret><checksum>          a client secret

The id is 12 lower-case hex digits, the secret 64, the checksum the CRC-32 of everything before it, in 8. The checksum
is no secret and protects nothing: it tells a typing mistake, or the find of a secret scanner, without asking anybody.
Those made before there were checksums end with the secret and stay good.
"""

from __future__ import annotations

import re
from zlib import crc32

_CHECKED = re.compile(r"(wb[ks]_[0-9a-f]{12}_[0-9a-f]{64})([0-9a-f]{8})", re.ASCII)
_ID = re.compile(r"(wb[ks])_([0-9a-f]{12})_[0-9a-f]{64}(?:[0-9a-f]{8})?", re.ASCII)


_SHOWN = re.compile(r"wb[a-z]_[^/]*|eyJ[^/]*")
"""Keys of ours, and JWTs."""


def compose(prefix: str, id_: str, secret: str) -> str:
    """The whole text that is shown once; `secret` is 64 hex digits of good randomness."""
    text = f"{prefix}_{id_}_{secret}"
    return text + checksum(text)


def checksum(text: str) -> str:
    return f"{crc32(text.encode()):08x}"


def is_mistyped(text: str) -> bool:
    """Whether a text has our shape and cannot be ours. False also for what has another shape."""
    match = _CHECKED.fullmatch(text)
    return match is not None and checksum(match[1]) != match[2]


def id_of(text: str, prefix: str) -> str | None:
    """The id that a text of our shape names, with or without checksum; ``None`` for anything else."""
    match = _ID.fullmatch(text)
    return match[2] if match is not None and match[1] == prefix and not is_mistyped(text) else None


def without_secrets(path: str) -> str:
    """A path as it may be written down: without what a caller put there that belongs into a header."""
    return _SHOWN.sub("(secret)", path)

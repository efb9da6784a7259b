"""How deep JSON may nest and how long its numbers may be, seen before anything parses it.

Parsers differ in what they survive: some recurse, some turn a number of a million digits into work that grows with its
square (RFC 8259 section 9 lets them set limits). Most bodies are let through by counting brackets and looking at every
so-many-th byte, which costs less than a microsecond; what is left is read exactly. Text that is no JSON at all is left
to the parser to refuse.
"""

from __future__ import annotations

import re
from itertools import accumulate

from msgspec import Struct

from policies.traffic import Fault

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_DIGITS = bytes(0x30 if byte in b"0123456789" else 0x20 for byte in range(256))
_NUMBERS = bytes(0x30 if byte in b"0123456789+-.eE" else 0x20 for byte in range(256))
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_STEPS = {ord("["): 1, ord("]"): -1}
_PASSES = 8
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class JsonBounds(Struct, frozen=True):
    """`depth` counts arrays and objects around the innermost value, `number` (16 or more) the characters of one
    number."""

    depth: int = 100
    number: int = 400

    def fault(self, body: bytes) -> Fault | None:
        if body.count(b"[") + body.count(b"{") > self.depth and self._is_deep(body):
            return Fault("/body", "DEPTH", f"The body nests more than {self.depth} levels.")
        # a longer number has at most two signs, a point and an e: one of its three runs of digits covers four of these
        stride = max(1, (self.number - 4) // 12)
        if b"0000" in body[::stride].translate(_DIGITS) and self._has_long_number(body):
            return Fault("/body", "NUMBER_LENGTH", f"The body holds a number of more than {self.number} characters.")
        return None

    def _is_deep(self, body: bytes) -> bool:
        """Take the innermost level away a few times, which leaves nothing of what people send; then count."""
        left = _outside_strings(body).translate(_BRACKETS, _NOT_BRACKETS)
        removed = 0
        while left and removed < min(_PASSES, self.depth):
            left = left.replace(b"[]", b"")
            removed += 1
        return bool(left) and removed + max(accumulate(map(_STEPS.__getitem__, left))) > self.depth

    def _has_long_number(self, body: bytes) -> bool:
        return b"0" * (self.number + 1) in _outside_strings(body).translate(_NUMBERS)


def _outside_strings(body: bytes) -> bytes:
    if b"\\" not in body:
        return b'"'.join(body.split(b'"')[::2])
    return _STRING.sub(b'"', body)

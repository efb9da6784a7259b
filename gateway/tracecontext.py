"""The caller's trace, read from its headers: W3C Trace Context, level 1 with level 2's random flag.

A `traceparent` that is not valid begins a new trace, and then its `tracestate` is not even read; a `tracestate` that is
not valid is dropped whole and harms no `traceparent`. Headers are read once per head that a connection
repeats, not once per request.

Must not know: spans, sampling. The one subtle thing: a future version may say more behind the flags, so of its header
the four known fields are read, and what goes on is version 00 of them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.fields import Fields

SAMPLED = 1
RANDOM = 2
"""Level 2: the right-most seven bytes of the trace id are random. That stays true where the id goes on."""
MAX_MEMBERS = 32

_PARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NAME = rb"[a-z0-9_*/-]"
_MEMBER = re.compile(
    rb"([a-z0-9]%b{0,255}|[a-z0-9]%b{0,240}@[a-z]%b{0,13})=[ -+\--<>-~]{0,255}[!-+\--<>-~]" % (_NAME, _NAME, _NAME)
)


class Context(NamedTuple):
    """Ids as lower-case hex digits, as they are sent; `state` is empty where there is none that may go on."""

    trace_id: bytes
    parent_id: bytes
    flags: int
    state: bytes


def read(fields: Fields) -> Context | None:
    """What the fields of a head (names in lower case) say, or ``None`` where a trace has to begin here."""
    parent = None
    states: list[bytes] = []
    for name, value in fields:
        if name == b"traceparent":
            if parent is not None:
                return None  # several are none: which of them is the caller's?
            parent = value
        elif name == b"tracestate":
            states.append(value)
    match = None if parent is None else _PARENT.fullmatch(parent)
    if match is None or (match[5] is not None and match[1] == b"00"):
        return None
    flags = int(match[4], 16) & (SAMPLED | RANDOM)  # those nobody knows are sent as zero
    return Context(match[2], match[3], flags, state_of(states) if states else b"")


def state_of(values: list[bytes]) -> bytes:
    """The one list that several `tracestate` fields are; empty where any member of it is malformed or it has more than
    `MAX_MEMBERS`. Of members with one key the first is the latest, and the only one that goes on."""
    members: dict[bytes, bytes] = {}
    count = 0
    for member in b",".join(values).split(b","):
        member = member.strip(b" \t")
        if not member:
            continue  # allowed, since several fields are one list
        match = _MEMBER.fullmatch(member)
        count += 1
        if match is None or count > MAX_MEMBERS:
            return b""
        members.setdefault(match[1], member)
    return b",".join(members.values())

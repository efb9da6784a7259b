"""One canonical path, or a refusal: what was authorised is what is forwarded.

Two servers that read one target differently are how authorisation is walked around, so nothing ambiguous passes:
dot segments, empty segments, encoded slashes, backslashes, semicolons and control characters, malformed or overlong
escapes, non-ASCII bytes, fragments. A segment may begin with a plain semicolon, as OpenAPI's matrix style has it; the
pipeline refuses it where the contract declares no such parameter. What remains has one spelling: unreserved characters
are never escaped and escapes are upper case (RFC 3986 section 6.2.2). The query keeps its bytes; only its syntax is
judged.

Must not know: routes. The one subtle thing: almost every real target matches one expression and is returned as it is.
"""

from __future__ import annotations

import re

from gateway.framing import refused
from policies.traffic import Problem

PLAIN = (
    rb"((?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9_~!$&'()*+,=:@.-]*+)++/?|/)"
    rb"(?:\?((?:[!$&-;=?-Z_a-z~\[\]]++|%[0-9A-Fa-f]{2})*+))?"
)
"""Path and query of a target that is canonical as it stands: segments of unreserved characters and sub-delims (but no
semicolon), a dot only behind another character."""
_PLAIN = re.compile(PLAIN)
_PATH = re.compile(rb"(?:/(?:;[A-Za-z0-9_~!$&'()*+,;=:@.%-]*+|[A-Za-z0-9_~!$&'()*+,=:@.%-]*+))++")
_QUERY = re.compile(rb"[!$-~\"]*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_FORBIDDEN = frozenset(range(0x20)) | frozenset(b"/\\;\x7f")

AMBIGUOUS = refused("The path has more than one reading: send it normalised, without escaped or doubled separators.")


def canonical(target: bytes, host: bytes) -> tuple[str, str] | Problem:
    """Split a request target into canonical path (percent-encoded) and query (as sent, without the mark)."""
    match = _PLAIN.fullmatch(target)
    if match is not None:
        path, query = match.groups()
        return path.decode("ascii"), query.decode("ascii") if query else ""
    if not target.startswith(b"/"):
        # RFC 9112 section 3.2.2: absolute-form is accepted, and its authority replaces Host; we want them equal
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            return refused("The request target is not a path.")
        if absolute[1].lower() != host.lower():
            return refused("The request target names another authority than Host.")
        target = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
    path, _, query = target.partition(b"?")
    if not _QUERY.fullmatch(query) or not _escapes_are_whole(query):
        return refused("The query is malformed.")
    if not _PATH.fullmatch(path) or not _escapes_are_whole(path):
        return AMBIGUOUS
    if b"%" in path:
        decoded = _decode(path)
        if decoded is None:
            return AMBIGUOUS
        path = decoded
    if b"//" in path or any(segment in (b".", b"..") for segment in path.split(b"/")):
        return AMBIGUOUS
    return path.decode("ascii"), query.decode("ascii")


def _escapes_are_whole(text: bytes) -> bool:
    return b"%" not in text or all(escape[1] for escape in _ESCAPE.finditer(text))


def _decode(path: bytes) -> bytes | None:
    """Normalise the escapes; ``None`` when one hides a separator, a control character or malformed UTF-8."""
    out = bytearray()
    meaning = bytearray()
    at = 0
    for escape in _ESCAPE.finditer(path):
        between = path[at : escape.start()]
        code = int(escape[1], 16)
        if code in _FORBIDDEN:
            return None
        out += between
        out += bytes((code,)) if code in _UNRESERVED else b"%%%02X" % code
        meaning += between
        meaning.append(code)
        at = escape.end()
    try:
        meaning.decode("utf-8")  # overlong forms and lone surrogates hide separators from naive decoders
    except UnicodeDecodeError:
        return None
    return bytes(out + path[at:])

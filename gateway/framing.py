"""Where a message ends, judged a second time: the gate against request smuggling.

llhttp (through httptools) parses; here stands what it lets through and we do not. One refusal ends the connection,
because after it nobody knows where the next request begins. RFC 9112 sections 2.2, 3, 5, 6, 7.1 and 11.2.

Must not know: routes, upstreams, policies. The one subtle thing: heads are cut out of the stream here, before the
parser sees them, so that one feed of the parser is never more than one message and pipelined bytes stay bytes.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.fields import IMITATED, Fields, is_trusted, tokens
from policies.traffic import Problem

CHUNKED = -1
UNTIL_CLOSE = -2
"""Only a response may end with its connection (RFC 9112 section 6.3)."""

_HEAD_BYTES = bytes(byte for byte in range(256) if byte >= 0x20 and byte != 0x7F) + b"\t\r\n"
_LINE = rb"([A-Z][A-Z-]{0,31}) ([!-~]+) HTTP/(1\.[01])\r\n"
_REQUEST_LINE = re.compile(_LINE)
_PLAIN_HEAD = re.compile(_LINE + rb"(?:[!-9;-~]++:[\t -~\x80-\xff]*+\r\n)*+\r\n")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~]*)?")
_MAX_CHUNK_LINE = 256
_MAX_TRAILERS = 8192
_MAX_CRUMBS = 16_384
"""Chunks, beside one for every eight bytes: each costs a step of ours, however little it brings."""

_JUDGED = frozenset(b"host content-length transfer-encoding connection expect".split())
_NEVER_IN_TRAILERS = frozenset(
    b"content-type content-encoding content-range cache-control cookie set-cookie age date etag location retry-after "
    b"vary warning www-authenticate".split()
)
_known_hosts: set[bytes] = set()


def refused(detail: str, status: int = 400, slug: str = "bad-request", title: str = "Bad request") -> Problem:
    return Problem(status=status, slug=slug, title=title, detail=detail)


HEAD_TOO_LARGE = refused("The request head is too large.", 431, "head-too-large", "Request head too large")
TARGET_TOO_LONG = refused("The request target is too long.", 414, "target-too-long", "Request target too long")
NOT_HTTP = refused("This is not a request line of HTTP/1.1 or HTTP/1.0.")
BARE_LINE_END = refused("Every line of a request head ends with CR LF.")
UNPARSABLE = refused("The request could not be parsed.")


def is_hopeless(partial: bytes) -> bool:
    """Can no continuation make these first bytes of a head acceptable?"""
    return partial.count(b"\n") != partial.count(b"\r\n")


def gate(head: bytes, max_target: int, max_headers: int) -> re.Match[bytes] | Problem:
    """Judge the raw bytes of one whole head; the match's groups are method, target and version."""
    match = _PLAIN_HEAD.fullmatch(head)  # finds nothing odd in almost every head, and in half the time
    lines = head.count(b"\r\n")
    if match is None and (problem := odd(head, lines)) is not None:
        return problem
    if lines - 2 > max_headers:
        return HEAD_TOO_LARGE
    match = match or _REQUEST_LINE.match(head)
    if match is None:
        return NOT_HTTP
    if match.end(2) - match.start(2) > max_target:
        return TARGET_TOO_LONG
    return match


def odd(head: bytes, lines: int) -> Problem | None:
    """What no line of a head may hold; `lines` is how many there are."""
    if head.count(b"\n") != lines or head.count(b"\r") != lines:
        return BARE_LINE_END
    if head.translate(None, _HEAD_BYTES):
        return refused("The request head holds a control character.")
    if b"\r\n " in head or b"\r\n\t" in head:
        return refused("Folded header lines are obsolete and refused.")
    return None


class Frame:
    """What the head says about the message: `length` is a count of bytes or `CHUNKED`, `named` what ``Connection``
    lists, `host` the one Host field. `passed` is what `gateway.heads` made of the fields, once for all requests of a
    connection that repeat them."""

    __slots__ = ("expects", "host", "length", "named", "passed")

    def __init__(self) -> None:
        self.length = 0
        self.expects = False
        self.host = b""
        self.named: frozenset[bytes] = frozenset()
        self.passed: Any = None


def judge(version: bytes, fields: Fields) -> Frame | Problem:
    """Find the one way to read a request's framing, or refuse it."""
    frame = Frame()
    hosts = lengths = codings = 0
    for name, value in fields:
        if name not in _JUDGED:
            if IMITATED[name]:
                return refused("A header name imitates a trusted one: it differs in its separators only.")
        elif name == b"host":
            hosts += 1
            frame.host = value
        elif name == b"content-length":
            lengths += 1
            if not _LENGTH.fullmatch(value):
                return refused("Content-Length is not one plain decimal number.")
            frame.length = int(value)
        elif name == b"transfer-encoding":
            codings += 1
            if value.lower() != b"chunked":
                return refused("Transfer-Encoding is not exactly chunked.")
        elif name == b"connection":
            frame.named = frame.named | tokens(value)
        elif value.lower() != b"100-continue":
            return refused("Only 100-continue can be expected.", 417, "expectation-failed", "Expectation failed")
        else:
            # RFC 9110 section 10.1.1: an HTTP/1.0 client cannot be waiting for an interim reply
            frame.expects = version == b"1.1"
    if hosts != 1 and not (version == b"1.0" and hosts == 0):
        return refused("A request names exactly one Host.")
    if hosts and not _is_host(frame.host):
        return refused("Host is not a host name or address with an optional port.")
    if lengths > 1:
        return refused("Content-Length is repeated.")
    if codings:
        if lengths:
            return refused("Content-Length and Transfer-Encoding contradict each other.")
        if codings > 1 or version == b"1.0":
            return refused("Transfer-Encoding is repeated, or sent by an HTTP/1.0 client.")
        frame.length = CHUNKED
    return frame


def _is_host(value: bytes) -> bool:
    if value in _known_hosts:
        return True
    if not _HOST.fullmatch(value):
        return False
    if len(_known_hosts) < 1024:
        _known_hosts.add(value)
    return True


def trailers(fields: Fields) -> Problem | None:
    """Trailers are read and dropped; those that would have changed the meaning of the head are refused."""
    for name, _ in fields:
        if name in _NEVER_IN_TRAILERS or is_trusted(name) or IMITATED[name]:
            return refused("This field is not allowed in trailers.")
    return None


def reply_length(status: int, fields: Fields) -> int | None:
    """How the body of an upstream's reply ends: a count of bytes, `CHUNKED` or `UNTIL_CLOSE`; ``None`` when it says
    two things at once, and the reply must not be used."""
    if status < 200 or status in (204, 304):
        return 0
    length: int | None = None
    chunked = False
    for name, value in fields:
        if name == b"content-length":
            value = value.strip(b" \t")
            if length is not None or not _LENGTH.fullmatch(value):
                return None
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.strip(b" \t").lower() != b"chunked":
                return None
            chunked = True
    if chunked:
        return CHUNKED if length is None else None
    return UNTIL_CLOSE if length is None else length


class ChunkedEnd:
    """Finds the last byte of a chunked body without decoding it. The parser must agree, or the request is refused.

    RFC 9112 section 7.1, read strictly: CR LF everywhere, at most 15 hexadecimal digits, bounded extensions and
    trailers, and a bounded number of tiny chunks.
    """

    __slots__ = ("_crumbs", "_in_trailers", "_line", "_skip", "_trailer_bytes")

    def __init__(self) -> None:
        self._skip = 0  # bytes of chunk data, with its CR LF, still to pass over
        self._crumbs = 8 * _MAX_CRUMBS  # each chunk takes eight and gives its size back
        self._line = b""  # a line cut by the end of a read
        self._in_trailers = False
        self._trailer_bytes = 0

    def find(self, data: bytes) -> int | None:
        """The offset just behind the body in `data`, ``-1`` when it goes on, ``None`` when it is malformed."""
        at = 0
        while True:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                if self._skip:
                    return -1
            end = data.find(b"\n", at)
            piece = data[at : end + 1] if end >= 0 else data[at:]
            line = self._line + piece
            if len(line) > (_MAX_TRAILERS if self._in_trailers else _MAX_CHUNK_LINE):
                return None
            if end < 0:
                self._line = line
                return -1
            self._line = b""
            at = end + 1
            if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
                return None
            if self._in_trailers:
                if line == b"\r\n":
                    return at
                self._trailer_bytes += len(line)
                if self._trailer_bytes > _MAX_TRAILERS:
                    return None
                continue
            match = _CHUNK_LINE.fullmatch(line, 0, len(line) - 2)
            if match is None:
                return None
            size = int(match[1], 16)
            if size:
                self._skip = size + 2
                self._crumbs += size - 8
                if self._crumbs < 0:
                    return None
            else:
                self._in_trailers = True

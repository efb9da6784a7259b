"""The requests of one HTTP/1 connection, read out of its bytes: head by head, and the body behind each.

A head is cut out of the stream, gated, parsed by llhttp and judged again. A client that keeps its connection sends the
same header lines again and again, so the last head is remembered: when everything behind the target is the same byte
for byte, what was understood of it is used again and only the request line is read. That is the same reading, because
- the bytes compared run from the version to the empty line; no rule about fields looks at the request line but for
  the version, and the limits on the head are asked again;
- the line is one of a method, a path and a query that `gateway.target` finds plain; gate and llhttp accept every such
  line, and neither keeps anything from one message to the next;
- a head is remembered only if its message ends by count and llhttp, too, would keep the connection behind it.

Must not know: exchanges, passages. The one subtle thing: what was understood is shared by the requests that repeat it,
so nobody may change `fields` or `frame`; what follows from the fields alone may be noted in `learned` (see `Exchange`).
"""

from __future__ import annotations

import re
from typing import Any

import httptools

from gateway import framing, target
from gateway.fields import LOWER, Fields
from gateway.framing import CHUNKED, ChunkedEnd, Frame
from gateway.replies import NOT_IMPLEMENTED
from gateway.settings import Settings
from policies.traffic import Problem

PERMITTED = {method.encode(): method for method in "DELETE GET HEAD OPTIONS PATCH POST PUT TRACE".split()}
_UPGRADE_FIELD = re.compile(rb"(?i)\r\nupgrade:[^\r]*")
_H2C = re.compile(rb"(?i)\r\nupgrade:[ \t]*h2c[ \t]*\r\n")
_NO_UPGRADE = framing.refused("This gateway does not switch protocols.")
_PLAIN_LINE = re.compile(rb"(DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE) " + target.PLAIN)


class Requests:
    """After `head` has read one, `method`, `path`, `query`, `fields`, `frame` and `version` (``1.0`` or ``1.1``) say
    what it was; when it refuses, only `method` may be known. `unread` is how many bytes of the body are still to come,
    or `CHUNKED`."""

    __slots__ = (
        "_chunks",
        "_complete",
        "_end",
        "_into",
        "_known",
        "_parser",
        "_settings",
        "_skipped",
        "fields",
        "frame",
        "learned",
        "method",
        "path",
        "query",
        "unread",
        "version",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parser: Any = httptools.HttpRequestParser(self)
        self._known = b""  # the last head from its version on, where it may be used again
        self._skipped = False  # did the parser not see the head of this message?
        self._complete = False
        self._chunks: list[bytes] = []
        self._end: ChunkedEnd | None = None
        self.method = self.path = self.query = ""
        self.version = b"1.1"
        self.fields: Fields = []
        self.learned: dict[str, Any] = {}
        self._into = self.fields  # where the parser's header fields go: fields, or trailers
        self.frame = Frame()
        self.unread = 0

    def close(self) -> None:
        self._parser = None  # the parser holds our methods, we hold the parser

    # -- heads --

    def head(self, data: bytes) -> int | Problem:
        """Read the head at the start of `data`: how many bytes it is long, 0 when it is not whole yet, or why it is
        refused."""
        line = _PLAIN_LINE.match(data) if self._known else None
        if line is not None:
            end = line.end()
            size = end + len(self._known)
            settings = self._settings
            if (
                data.startswith(self._known, end)
                and size <= settings.max_head_bytes
                and end - line.end(1) - 1 <= settings.max_target_bytes
            ):
                method, path, query = line.groups()
                self.method = PERMITTED[method]
                self.path = path.decode("ascii")
                self.query = query.decode("ascii") if query else ""
                self.unread = self.frame.length
                self._skipped = True
                return size
        self._known = b""
        return self._read(data)

    def _read(self, data: bytes) -> int | Problem:
        self.method = ""
        settings = self._settings
        size = data.find(b"\r\n\r\n") + 4
        if size < 4:
            if framing.is_hopeless(data):
                return framing.BARE_LINE_END
            return framing.HEAD_TOO_LARGE if len(data) > settings.max_head_bytes else 0
        if size > settings.max_head_bytes:
            return framing.HEAD_TOO_LARGE
        head = data if size == len(data) else data[:size]
        line = framing.gate(head, settings.max_target_bytes, settings.max_headers)
        if isinstance(line, Problem):
            return line
        method = PERMITTED.get(line[1])
        if method is None:
            return NOT_IMPLEMENTED
        problem = self._parse(head)
        if problem is not None:
            return problem
        self.method = method
        self.version = line[3]
        frame = framing.judge(self.version, self.fields)
        if isinstance(frame, Problem):
            return frame
        split = target.canonical(line[2], frame.host)
        if isinstance(split, Problem):
            return split
        length = frame.length
        if (length == 0) != self._complete:  # the two judges disagree about where the message ends
            return framing.UNPARSABLE
        self.path, self.query = split
        self.frame = frame
        self.unread = length
        self._skipped = False
        self._into = []
        self._end = ChunkedEnd() if length == CHUNKED else None
        if length != CHUNKED and self._parser.should_keep_alive():
            self._known = head[line.end(2) :]
        return size

    def _parse(self, head: bytes) -> Problem | None:
        fields: Fields = []
        self.fields = self._into = fields
        self.learned = {}
        self._complete = False
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            # RFC 9110 section 7.8: an Upgrade may be ignored; Java's client offers h2c on every first request
            if not _H2C.search(head):
                return _NO_UPGRADE
            self._parser = httptools.HttpRequestParser(self)
            return self._parse(_UPGRADE_FIELD.sub(b"", head))
        except httptools.HttpParserError:
            return framing.UNPARSABLE
        if b" \r\n" in head or b"\t\r\n" in head:
            fields[:] = [(name, value.rstrip(b" \t")) for name, value in fields]
        return None

    # -- bodies --

    def body(self, data: bytes) -> tuple[int, bytes] | None:
        """Read on in the body: how many bytes of `data` belong to it, and what they say; ``None`` when it is
        malformed. At its end `unread` is 0."""
        ended = False
        if self._end is None:
            size = min(self.unread, len(data))
            self.unread -= size
            ended = self.unread == 0
        else:
            found = self._end.find(data)
            if found is None:
                return None
            ended = found >= 0
            size = found if ended else len(data)
            if ended:
                self.unread = 0
        piece = data if size == len(data) else data[:size]
        if self._skipped:
            return size, piece
        self._chunks = []
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserError:
            return None
        if ended != self._complete or framing.trailers(self._into) is not None:
            return None
        chunks = self._chunks
        return size, chunks[0] if len(chunks) == 1 else b"".join(chunks)

    # -- httptools --

    def on_header(self, name: bytes, value: bytes) -> None:
        self._into.append((LOWER[name], value))

    def on_body(self, data: bytes) -> None:
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        self._complete = True

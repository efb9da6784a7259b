"""One stream of HTTP/2: a head taken apart, a body counted against its window, a reply turned into frames.

Must not know: connections beyond `Carrier`, policies, upstreams. The one subtle thing: a passage writes its reply as
HTTP/1.0 does, a head and then bytes until the end, and `Stream` reads that back; so there is one way to reply, and
HTTP/1.1 pays nothing for this one.
"""

from __future__ import annotations

import math
import re
from typing import Any, Protocol

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from gateway import framing
from gateway.fields import HOP_BY_HOP, Fields
from gateway.framing import CHUNKED, Frame
from gateway.passage import Passage
from gateway.replies import REQUEST_TIMEOUT
from gateway.traced import TracedPassage
from gateway.worker import Worker
from policies.traffic import Exchange, Problem

MOST_WAITING = 65_536
"""Bytes of one reply that wait for the client's window before its upstream is held back."""
_ODD = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_ODD_FIELD = framing.refused("A header field holds a control character, or its name is not a token.")
_ODD_SCHEME = framing.refused("The scheme is neither http nor https.")
_ENDED_EARLY = framing.refused("The request ended before as many bytes as Content-Length says.")


class Carrier(Protocol):
    """What a stream needs of its connection. `send` hands over what the protocol has to say."""

    h2: H2Connection
    worker: Worker
    frames_sent: int

    @property
    def is_paused(self) -> bool: ...
    def send(self) -> None: ...
    def ended(self, stream: Stream) -> None: ...
    def set_deadline(self) -> None: ...


class Head:
    """The header list of a request, taken apart: RFC 9113 section 8.3.1."""

    def __init__(self, listed: Fields) -> None:
        self.fields: Fields = []
        self.method = self.path = self.authority = self.scheme = b""
        cookies: list[bytes] = []
        for name, value in listed:
            name, value = bytes(name), bytes(value)
            if name == b":method":
                self.method = value
            elif name == b":path":
                self.path = value
            elif name == b":authority":
                self.authority = value
            elif name == b":scheme":
                self.scheme = value
            elif name == b"cookie":
                cookies.append(value)  # section 8.2.3: crumbs are one field elsewhere
            elif not name.startswith(b":"):
                self.fields.append((name, value))
        if cookies:
            self.fields.append((b"cookie", b"; ".join(cookies)))

    def frame(self, most: int, *, ended: bool) -> Frame | Problem:
        """The framing as the request line of HTTP/1.1 would have given it, judged by the same judge."""
        if len(self.fields) > most:
            return framing.HEAD_TOO_LARGE
        if not all(_NAME.fullmatch(name) and not _ODD.search(value) for name, value in self.fields):
            return _ODD_FIELD
        if self.scheme and self.scheme.lower() not in (b"http", b"https"):
            return _ODD_SCHEME
        if self.authority:
            if any(name == b"host" and value.lower() != self.authority.lower() for name, value in self.fields):
                return framing.refused("Host names another authority than :authority.")
            self.fields = [(b"host", self.authority), *(field for field in self.fields if field[0] != b"host")]
        frame = framing.judge(b"1.1", self.fields)
        if isinstance(frame, Frame):
            if ended and frame.length > 0:  # RFC 9113 section 8.1.1; the library looks at DATA alone
                return _ENDED_EARLY
            counted = any(name == b"content-length" for name, _ in self.fields)
            frame.length = 0 if ended else frame.length if counted else CHUNKED
        return frame


class Stream:
    """One request and its reply; what a passage knows as its client (`gateway.answer.Client`)."""

    __slots__ = (
        "_begins",
        "_bound",
        "_connection",
        "_ended",
        "_held",
        "_over",
        "_owed",
        "_received",
        "_replying",
        "_since",
        "_waiting",
        "deadline",
        "id",
        "passage",
        "unread",
    )

    def __init__(self, connection: Carrier, id_: int) -> None:
        self._connection = connection
        self._begins = Passage if connection.worker.tracer is None else TracedPassage
        self.id = id_
        self.unread = 0
        self.deadline = math.inf
        self.passage: Any = None
        self._waiting = bytearray()
        self._owed = 0  # received bytes whose window was not given back
        self._received, self._since = 0, 0.0
        self._bound = 0  # bytes of the worker's budget
        self._held = self._ended = self._over = self._replying = False

    def begin(self, exchange: Exchange, frame: Frame) -> None:
        self.unread = frame.length
        self._ended = frame.length == 0
        if not self._ended:
            self._since = self._connection.worker.now
            self._wait_for_body()
        self.passage = self._begins(self._connection.worker, self, exchange, frame, b"1.0", False)
        self.passage.begin()

    def refuse(self, exchange: Exchange, problem: Problem) -> None:
        self.unread = CHUNKED
        self.passage = self._begins(self._connection.worker, self, exchange, Frame(), b"1.0", False)
        self.passage.refuse(problem)

    # -- the request --

    def take(self, size: int) -> None:
        """Account for bytes received; their window goes back at once unless the passage is behind."""
        self._owed += size
        if not self._held:
            self._give_back()

    def received(self, data: bytes, ended: bool) -> None:
        if self._over or self._ended:
            return
        self._ended = ended
        if self.unread > 0:
            self.unread = max(0, self.unread - len(data))
        if ended:
            self.unread = 0
            self.deadline = math.inf
        else:
            self._received += len(data)
            if not self._held:
                self._wait_for_body()
        self.passage.body(data, ended)

    def hold(self, held: bool) -> None:
        """Until it is let go, it is not the client who keeps us waiting."""
        if held is not self._held:
            now = self._connection.worker.now
            self._since += -now if held else now
            if not self._ended and not self._over and not self._replying:
                if held:
                    self.deadline = math.inf
                else:
                    self._wait_for_body()
                    self._connection.set_deadline()
        self._held = held
        if not held:
            self._give_back()

    def owes(self, size: int) -> None:
        """Of the worker's budget, so much is held until the client has taken what was written."""
        self._bound += size
        if self._over:
            self._pay()

    def _give_back(self) -> None:
        size, self._owed = self._owed, 0
        if size and not self._over:
            try:
                self._connection.h2.acknowledge_received_data(size, self.id)
            except H2Error:
                return
            self._connection.send()

    # -- the reply --

    def write(self, data: bytes) -> None:
        if self._over:
            return
        if not self._replying:
            head, _, data = data.partition(b"\r\n\r\n")
            status, fields = _reply(head)
            self._send_headers(status, fields)
            if status == b"100":
                return
            self._replying = True
        self._waiting += data
        self.flush()

    def _send_headers(self, status: bytes, fields: Fields) -> None:
        try:
            self._connection.h2.send_headers(self.id, [(b":status", status), *fields])
        except H2Error:
            self.cut()
        self._connection.send()

    def flush(self) -> None:
        """Send what the client's window takes; hold the upstream back while too much is waiting."""
        connection = self._connection
        h2 = connection.h2
        try:
            while self._waiting and not connection.is_paused:
                size = min(h2.local_flow_control_window(self.id), h2.max_outbound_frame_size, len(self._waiting))
                if size <= 0:
                    break
                h2.send_data(self.id, bytes(self._waiting[:size]))
                del self._waiting[:size]
                connection.frames_sent += 1
        except H2Error:
            self.cut()
            return
        connection.send()
        if self._over:
            if not self._waiting:
                self._end()
            else:
                self._wait()
        elif self._replying:
            self.passage.client_writable(len(self._waiting) < MOST_WAITING and not connection.is_paused)
            self.deadline = math.inf if not self._waiting else self._later()

    def finished(self, keep: bool) -> None:
        """The reply is complete; what waits is still sent."""
        self._over = True
        self.flush()

    def _end(self) -> None:
        self._pay()
        h2 = self._connection.h2
        try:
            h2.end_stream(self.id)
            if not self._ended:
                h2.reset_stream(self.id, ErrorCodes.NO_ERROR)
        except H2Error:
            pass
        self._connection.ended(self)

    def cut(self) -> None:
        """The client must not take what it got for a whole reply."""
        self._over = True
        self._pay()
        self._waiting.clear()
        try:
            self._connection.h2.reset_stream(self.id, ErrorCodes.INTERNAL_ERROR)
        except H2Error:
            pass
        self._connection.ended(self)

    # -- ends from outside --

    def lost(self) -> None:
        self._over = True
        self._pay()
        self._waiting.clear()
        if self.passage is not None:
            self.passage.client_lost()

    def expire(self) -> None:
        """The client neither sends its body nor takes its reply."""
        self.deadline = math.inf
        if self._replying or self._over:
            if not self._over:
                self.passage.abort()
            else:
                self.cut()
        else:
            self.passage.refuse(REQUEST_TIMEOUT)

    def _pay(self) -> None:
        if self._bound:
            bound, self._bound = self._bound, 0
            self._connection.worker.budget.give_back(bound)

    def _wait_for_body(self) -> None:
        self.deadline = self._connection.worker.body_deadline(self._since, self._received)

    def _wait(self) -> None:
        self.deadline = self._later()

    def _later(self) -> float:
        return self._connection.worker.now + self._connection.worker.settings.body_idle_seconds


def _reply(head: bytes) -> tuple[bytes, Fields]:
    """Status and fields of a reply's head; connection-specific fields have no place here (RFC 9113 section 8.2.2)."""
    first, *lines = head.split(b"\r\n")
    fields = []
    for line in lines:
        name, _, value = line.partition(b": ")
        name = name.lower()
        if name not in HOP_BY_HOP:
            fields.append((name, value))
    return first.split(b" ", 2)[1], fields

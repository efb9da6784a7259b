"""One client connection: bytes -> heads and bodies, one exchange at a time, replies in the order of the requests.

What bytes mean is read in `gateway.reading`; only when a head is whole and has one meaning does a `Passage` begin.
While it is under way the bytes behind it wait unread, and once they wait, reading stops: a client that pipelines pays
with its own memory. A connection that could not be framed is never read as HTTP again.

Must not know: policies, upstreams. The one subtle thing: a passage may end inside the very call that began it, so the
bytes are consumed by one loop (`_advance`), never by recursion.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import time
from typing import Any, cast

from gateway import clients, framing
from gateway.framing import CHUNKED, Frame
from gateway.http2 import PREFACE, Http2
from gateway.passage import Passage
from gateway.reading import Requests
from gateway.replies import REQUEST_TIMEOUT
from gateway.traced import TracedPassage
from gateway.worker import Worker
from policies.traffic import Exchange, Problem

HALF_CLOSE_SECONDS = 1.0
"""A client that stops sending may still be reading (``nc``), or may be gone: we wait this long to learn which."""
LINGER_SECONDS = 2.0
"""How long unread input is drained after a refusal, so that the reply is not lost to a reset (RFC 9112 section 9.6)."""
MAX_LINGER = 1_048_576
MOST_STEPS = 100
"""Heads and pieces of bodies taken from one client before it is somebody else's turn."""
_HEAD, _BODY, _BUSY, _GONE = range(4)
_PASSAGE, _TURN = 1, 2  # who holds reading back


class Connection(asyncio.Protocol):
    __slots__ = (
        "_advancing",
        "_asked",
        "_begins",
        "_body_received",
        "_body_since",
        "_buffer",
        "_certificate",
        "_ended",
        "_held",
        "_is_new",
        "_lingered",
        "_look_at",
        "_owed",
        "_passage",
        "_peer",
        "_requests",
        "_second",
        "_slowed",
        "_state",
        "_transport",
        "_trusted",
        "_worker",
        "_write_paused",
        "deadline",
    )

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._transport: asyncio.Transport | None = None
        self._requests = Requests(worker.settings)
        self._begins = Passage if worker.tracer is None else TracedPassage
        self._passage: Passage | None = None
        self._state = _HEAD
        self._buffer = b""
        self._advancing = self._write_paused = self._ended = self._slowed = self._trusted = False
        self._held = self._lingered = self._owed = 0
        self._body_since, self._body_received = 0.0, 0
        self._asked, self._look_at = 0, 1  # requests so far, and the one at which to think about their number
        self._second = -math.inf
        self._is_new = True
        self._certificate: Any = None
        self.deadline = math.inf

    # -- asyncio --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        worker = self._worker
        self._transport = cast(asyncio.Transport, transport)
        peer = worker.admit(self, transport)
        if peer is None:
            self._state = _GONE
            self._transport.abort()
            return
        self._peer = peer
        self._trusted = worker.visitors.is_proxy(peer)
        if worker.knows_certificates:
            self._certificate = clients.shown(transport, peer, worker.settings.trusted_proxies)
        self.deadline = worker.now + worker.settings.head_seconds

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None
        self._requests.close()
        self._state = _GONE
        self._buffer = b""
        self._pay()
        self._worker.left(self)
        passage, self._passage = self._passage, None
        if passage is not None:
            passage.client_lost()

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == _BUSY:
            self._buffer += data
            self._hold(_TURN)
        elif state == _GONE:
            self._lingered += len(data)
            if self._lingered > MAX_LINGER:
                self.cut()
        else:
            if self._buffer:
                data, self._buffer = self._buffer + data, b""
            self._advance(data)

    def eof_received(self) -> bool:
        """True keeps our half open. A client that stops sending in the middle of a request has left."""
        if self._state != _BUSY:
            return False
        self._ended = True
        self.deadline = time.monotonic() + HALF_CLOSE_SECONDS
        return True

    def pause_writing(self) -> None:
        self._write_paused = True
        self.deadline = self._worker.now + self._worker.settings.body_idle_seconds
        if self._passage is not None:
            self._passage.client_writable(False)

    def resume_writing(self) -> None:
        self._write_paused = False
        self._pay()
        if self._passage is not None:
            self.deadline = math.inf
            self._passage.client_writable(True)
        elif self._state == _HEAD:
            self._next()

    # -- what a passage asks (see `gateway.answer.Client`) --

    @property
    def unread(self) -> int:
        return self._requests.unread

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def hold(self, held: bool) -> None:
        """Stop or resume reading on behalf of the passage. Until then it is not the client who keeps us waiting."""
        if held:
            if not self._held & _PASSAGE:
                self._body_since -= self._worker.now
                if self._state == _BODY:
                    self.deadline = math.inf
            self._hold(_PASSAGE)
        elif self._held:
            if self._held & _PASSAGE:
                self._body_since += self._worker.now
                if self._state == _BODY:
                    self.deadline = self._worker.body_deadline(self._body_since, self._body_received)
            self._let_go(_PASSAGE)

    def owes(self, size: int) -> None:
        """Of the worker's budget, so much is held until the client has taken what was written."""
        self._owed += size
        if not self._write_paused or self._transport is None:
            self._pay()

    def finished(self, keep: bool) -> None:
        """The passage is over: take the next request, or close."""
        self._passage = None
        if not keep or (self._ended and not self._buffer):
            self._close()
            return
        self._state = _HEAD
        self.deadline = self._worker.now + self._worker.settings.idle_seconds
        if not self._advancing:
            self._next()

    def cut(self) -> None:
        """End the connection so that the client cannot take what it got for a whole reply: with a reset."""
        transport = self._transport
        if transport is None:
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        self._state = _GONE
        transport.abort()

    # -- what the sweep asks (see `gateway.worker.Swept`) --

    @property
    def is_idle(self) -> bool:
        return self._state == _HEAD and not self._buffer

    def expire(self) -> None:
        """The deadline passed: say so where the client is still owed an answer, close otherwise."""
        self.deadline = math.inf
        if self.is_idle:
            if self._transport is not None:
                self._transport.close()
        elif self._state == _HEAD and not self._write_paused:
            self._refuse(REQUEST_TIMEOUT)
        elif self._state == _BODY and self._passage is not None and not self._write_paused:
            self._passage.keep = False
            self._passage.refuse(REQUEST_TIMEOUT)
        else:
            self.cut()

    # -- reading --

    def _next(self) -> None:
        data, self._buffer = self._buffer, b""
        self._let_go(_TURN)
        if data:
            self._advance(data)

    def _advance(self, data: bytes) -> None:
        """Consume what may be consumed now; the rest waits in the buffer, with reading stopped."""
        self._advancing = True
        steps = MOST_STEPS
        while data:
            state = self._state
            if state == _GONE:
                break
            if state == _BUSY or self._write_paused or self._slowed:
                self._buffer = data
                self._hold(_TURN)
                break
            steps -= 1
            if steps < 0 and state == _HEAD:  # others want to be served as well
                self._buffer = data
                self._hold(_TURN)
                asyncio.get_running_loop().call_soon(self._go_on)
                break
            data = self._read_head(data) if state == _HEAD else self._read_body(data)
        self._advancing = False

    def _go_on(self) -> None:
        if self._state == _HEAD and not self._slowed and not self._write_paused:
            self._next()

    def _read_head(self, data: bytes) -> bytes:
        """Begin a passage with the head at the start of `data`; returns the bytes behind it."""
        if data.startswith(b"\r\n"):  # RFC 9112 section 2.2: an empty line before a request is ignored
            data = data[2:]
        requests = self._requests
        size = requests.head(data)
        if isinstance(size, Problem):
            if self._is_new and data.startswith(PREFACE):
                self._become_http2(data)
            else:
                self._refuse(size, requests.method)
            return b""
        if size:
            self._is_new = False
            self._begin(requests)
            return data[size:] if size < len(data) else b""
        if data:
            self.deadline = min(self.deadline, self._worker.now + self._worker.settings.head_seconds)
            self._buffer = data
        return b""

    def _become_http2(self, data: bytes) -> None:
        """The client knew beforehand that we speak HTTP/2 (RFC 9113 section 3.3): somebody else takes over."""
        transport, self._transport = self._transport, None
        assert transport is not None
        self._requests.close()
        self._state = _GONE
        self._worker.forget(self)
        successor = Http2(self._worker)
        transport.set_protocol(successor)
        self._worker.telemetry.accepted -= 1  # it is one connection
        successor.connection_made(transport)
        successor.data_received(data)

    def _begin(self, requests: Requests) -> None:
        frame, version = requests.frame, requests.version
        keep = b"close" not in frame.named if version == b"1.1" else b"keep-alive" in frame.named
        self._asked = asked = self._asked + 1
        if asked >= self._look_at:
            keep = self._look(asked) and keep
        if frame.length == 0:
            self._state = _BUSY
            self.deadline = math.inf
        else:
            self._state = _BODY
            self._body_since, self._body_received = self._worker.now, 0
            self.deadline = self._body_since + self._worker.body_patience
        peer = self._peer
        if self._trusted:
            peer = self._worker.visitors.behind(peer, requests.fields)
        exchange = Exchange(
            requests.method,
            requests.path,
            requests.query,
            requests.fields,
            peer,
            time.time(),
            requests.learned,
            self._certificate,
        )
        passage = self._passage = self._begins(self._worker, self, exchange, frame, version, keep)
        passage.begin()

    def _look(self, asked: int) -> bool:
        """So many requests have come: may there be more, and now?"""
        settings, now = self._worker.settings, time.monotonic()
        if asked >= settings.max_requests_per_connection:
            return False
        left = self._second + 1.0 - now
        if left > 0 and not self._trusted:
            self._slowed = True
            asyncio.get_running_loop().call_later(left, self._speed_up)
        self._second = now + max(0.0, left)
        self._look_at = min(asked + settings.max_requests_per_second, settings.max_requests_per_connection)
        return True

    def _speed_up(self) -> None:
        self._slowed = False
        self._go_on()

    def _read_body(self, data: bytes) -> bytes:
        """Pass on what of `data` belongs to the body; returns the bytes behind it."""
        requests = self._requests
        found = requests.body(data)
        if found is None:
            self._spoil()
            return b""
        passage = self._passage
        if passage is None:
            return b""
        ended = requests.unread == 0
        if ended:
            self._state = _BUSY
            self.deadline = math.inf
        else:
            self._body_received += found[0]
            if not self._held & _PASSAGE:
                self.deadline = self._worker.body_deadline(self._body_since, self._body_received)
        size, piece = found
        passage.body(piece, ended)
        return data[size:] if size < len(data) else b""

    def _spoil(self) -> None:
        """The body is malformed: nothing behind it can be trusted."""
        self._requests.unread = CHUNKED
        if self._passage is not None:
            self._passage.keep = False
            self._passage.spoiled(framing.UNPARSABLE)

    def _refuse(self, problem: Problem, method: str = "") -> None:
        """Answer something that never became an exchange, and close."""
        exchange = Exchange(method, "", "", [], self._peer, time.time())
        self._state = _BUSY
        self._requests.unread = CHUNKED
        passage = self._passage = self._begins(self._worker, self, exchange, Frame(), b"1.1", False)
        passage.refuse(problem)

    # -- closing --

    def _close(self) -> None:
        """Close behind the last reply; where input is unread, drain it first or the reply may be lost to a reset."""
        transport = self._transport
        if transport is None:
            return
        drained = self.unread == 0 and not self._buffer
        self._state = _GONE
        self._buffer = b""
        if drained or self._ended:
            transport.close()
            return
        self._held = 0
        transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self.deadline = time.monotonic() + LINGER_SECONDS

    def _pay(self) -> None:
        if self._owed:
            owed, self._owed = self._owed, 0
            self._worker.budget.give_back(owed)

    def _hold(self, who: int) -> None:
        if not self._held and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._held |= who

    def _let_go(self, who: int) -> None:
        if self._held:
            self._held &= ~who
            if not self._held and self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

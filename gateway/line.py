"""One connection to an upstream, and the one reply that is being read from it.

Whoever takes a line (`Taker`) writes one request and is told when something of the reply has arrived. A line goes back
to its pool only when request and reply are both complete and nothing stood behind the reply; anything odd closes it, so
a reply is never read by the wrong request. An upstream's framing is judged as strictly as a client's.

Must not know: routes, clients, how lines are chosen (`gateway.upstream`). The one subtle thing: a pooled connection may
be dead without our knowing, so `Taker.upstream_lost` says whether the loss was *stale* (a reused line that never
answered): only then is a second try safe, and only for a request that may be repeated.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import httptools

from gateway import framing
from gateway.fields import LOWER, Fields
from gateway.replies import REQUEST_TIMEOUT, UPSTREAM_INVALID, UPSTREAM_TIMEOUT, UPSTREAM_UNREACHABLE
from policies.model.contract import Upstream as Spec
from policies.traffic import Problem

MAX_REPLY_HEAD = 65_536
"""Bytes; a longer head is not an answer."""


class Taker(Protocol):
    """Who asked for a line, and takes it when it is ready (or says no, having gone meanwhile). `upstream_lost` is the
    last call; a complete reply ends with the taker's `Line.release`."""

    def upstream_ready(self, line: Line) -> bool: ...
    def upstream_received(self) -> None: ...
    def upstream_writable(self, writable: bool) -> None: ...
    def upstream_lost(self, problem: Problem, stale: bool) -> None: ...


class Home(Protocol):
    """What a line needs of its pool. `now` is monotonic seconds as of the last sweep."""

    in_flight: int
    probing: bool
    busy: set[Line]
    idle_seconds: float

    @property
    def now(self) -> float: ...
    def opened(self, line: Line) -> None: ...
    def proved(self, *, answered: bool) -> None: ...
    def succeeded(self) -> None: ...
    def failed(self) -> None: ...
    def put_back(self, line: Line) -> None: ...
    def forget(self, line: Line) -> None: ...


class Line(asyncio.Protocol):
    """One upstream connection. `status` is 0 until the head of the reply is complete; then `fields` and `length`
    (`gateway.framing.reply_length`) hold, `chunks` collects the body and `complete` turns true at its end."""

    __slots__ = (
        "_answered",
        "_extra",
        "_head_bytes",
        "_interim",
        "_is_new",
        "_keep",
        "_parser",
        "_paused",
        "_sent",
        "_total",
        "bodiless",
        "chunks",
        "complete",
        "deadline",
        "fields",
        "idle_since",
        "length",
        "pool",
        "reused",
        "status",
        "taker",
        "transport",
    )

    def __init__(self, pool: Home) -> None:
        self.pool = pool
        self.transport: asyncio.Transport | None = None
        self.taker: Taker | None = None
        self.reused = False
        self.idle_since = 0.0
        self._parser: Any = httptools.HttpResponseParser(self)
        self._extra = False
        self._is_new = False

    # -- one request --

    def start(self, data: bytes, taker: Taker, spec: Spec, now: float, *, whole: bool, bodiless: bool) -> None:
        """Write the head (and as much of the body as `data` holds). `whole` says nothing will follow; `bodiless` that
        the request is a HEAD. `now` is monotonic seconds."""
        self.taker = taker
        self.status = 0
        self.fields: Fields = []
        self.length = 0
        self.chunks: list[bytes] = []
        self.complete = False
        self.bodiless = bodiless
        self._answered = self._keep = self._interim = self._paused = False
        self._head_bytes = 0
        self._sent = whole
        self.deadline = total = now + spec.total_timeout
        self._total = total
        if whole and spec.first_byte_timeout < spec.total_timeout:
            self.deadline = now + spec.first_byte_timeout
        self.pool.busy.add(self)
        assert self.transport is not None
        self.transport.write(data)

    def send(self, data: bytes) -> None:
        """More of the request's body."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def sent(self, spec: Spec, now: float) -> None:
        """The request is complete; from now on the upstream owes us a first byte."""
        self._sent = True
        if not self._answered:
            self.deadline = min(self._total, now + spec.first_byte_timeout)

    def take(self) -> bytes:
        """What has arrived of the body since the last call."""
        chunks = self.chunks
        if not chunks:
            return b""
        self.chunks = []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def pause(self, paused: bool) -> None:
        """Back-pressure: stop reading while the client is behind. Our pause is not held against the upstream."""
        if self.transport is None or self.transport.is_closing():
            return
        self._paused = paused
        if paused:
            self.transport.pause_reading()
            self.deadline = self._total
        else:
            self.transport.resume_reading()
            self.deadline = min(self._total, self.pool.now + self.pool.idle_seconds)

    def release(self) -> None:
        """The reply was taken whole: pool the line, or close it where it cannot be trusted again."""
        self._leave()
        self.pool.succeeded()
        if self._keep and self._sent and not self._extra and self.transport and not self.transport.is_closing():
            if self.bodiless:  # the parser still waits for the body that a HEAD reply announces
                self._parser = httptools.HttpResponseParser(self)
            self.reused = True
            self.pool.put_back(self)
        else:
            self.close()

    def abandon(self) -> None:
        """The client is gone, or the reply cannot be used: neither side of this connection is worth finishing."""
        if self.taker is not None:
            self._leave()
            self.pool.probing = False
            self.close()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def expire(self) -> None:
        """The deadline passed. Whoever waits for the client has not failed: some slow clients must not eject a backend
        for everybody."""
        if not self._sent:
            self._fail(REQUEST_TIMEOUT, blamed=False)
        else:
            self._fail(UPSTREAM_TIMEOUT, blamed=not self._paused)

    def _leave(self) -> None:
        self.taker = None
        self.pool.in_flight -= 1
        self.pool.busy.discard(self)

    def _fail(self, problem: Problem, *, blamed: bool = True) -> None:
        taker = self.taker
        if taker is None:
            return
        stale = self.reused and not self._answered and problem is UPSTREAM_UNREACHABLE
        self._leave()
        if stale or not blamed:
            self.pool.probing = False
        else:
            self.pool.failed()
        self.close()
        taker.upstream_lost(problem, stale)

    def is_new_no_more(self) -> None:
        """It ended, or stood long enough, before it ever answered."""
        if self._is_new:
            self._is_new = False
            self.pool.proved(answered=False)

    # -- asyncio --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._is_new = True
        self.pool.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport = None
        self._parser = None  # the parser holds our methods, we hold the parser
        self.is_new_no_more()
        taker = self.taker
        if taker is None:
            self.pool.forget(self)
        elif self.status and self.length == framing.UNTIL_CLOSE and exc is None and not self.complete:
            self.complete = True
            taker.upstream_received()
        elif not self.complete:
            self._fail(UPSTREAM_UNREACHABLE)

    def data_received(self, data: bytes) -> None:
        taker = self.taker
        if taker is None:  # nobody asked: a late or second reply must not meet the next request
            self.close()
            return
        self._answered = True
        if self._is_new:
            self._is_new = False
            self.pool.proved(answered=True)
        idle = self.pool.now + self.pool.idle_seconds
        self.deadline = idle if idle < self._total else self._total
        in_head = not self.status
        if in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._extra = True
            if not self.complete:
                self._fail(UPSTREAM_INVALID)
                return
        if in_head and self._head_bytes > MAX_REPLY_HEAD and (not self.status or self._head_is_too_large()):
            self._fail(UPSTREAM_INVALID)
        elif self.status:
            taker.upstream_received()

    def _head_is_too_large(self) -> bool:
        """A head may arrive in one read with much of its body."""
        return sum(len(name) + len(value) + 4 for name, value in self.fields) > MAX_REPLY_HEAD

    def pause_writing(self) -> None:
        if self.taker is not None:
            self.taker.upstream_writable(False)

    def resume_writing(self) -> None:
        if self.taker is not None:
            self.taker.upstream_writable(True)

    # -- httptools --

    def on_message_begin(self) -> None:
        if self.complete:
            self._extra = True
        else:
            self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # trailers are dropped
            self.fields.append((LOWER[name], value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = status != 101  # 101 answers an Upgrade that we never sent
            if not self._interim:
                raise httptools.HttpParserError("unexpected 101")
            return
        length = framing.reply_length(status, self.fields)
        if length is None:
            raise httptools.HttpParserError("ambiguous framing")
        self.length = length
        self.status = status
        if self.bodiless:
            self.complete = True
            self._keep = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if self.complete:
            self._extra = True
        else:
            self.chunks.append(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self.complete:
            self.complete = True
            self._keep = self._parser.should_keep_alive()

"""The end of one exchange: its one reply, forwarded or our own, and the records of it.

A reply is begun once and ended once; a problem that comes too late for that cuts the connection, visibly. Announced
headers stand on every reply. Nothing here knows where a reply comes from beyond the upstream line it is read from.

Must not know: requests, bodies, policies (`gateway.passage`). The one subtle thing: `keep` only ever turns false, and
the head of the reply is where the client is told.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

import structlog

from gateway import heads
from gateway.fields import Fields
from gateway.framing import Frame
from gateway.replies import INTERNAL, REQUEST_TIMEOUT, render
from gateway.telemetry import UNROUTED
from gateway.worker import Worker
from policies.traffic import Exchange, Problem

_log = structlog.get_logger("gateway")

CLIENT_GONE = 499
"""Recorded when the client left before a reply had begun; never sent."""
MAX_DISCARD = 65_536
"""A refused request's body is read to its end, to keep the connection, only up to this size."""


class Client(Protocol):
    """What a passage needs of its client connection."""

    @property
    def unread(self) -> int:
        """Bytes of the body still to come, or `CHUNKED`; 0 when the request is complete."""

    def write(self, data: bytes) -> None: ...
    def hold(self, held: bool) -> None: ...
    def owes(self, size: int) -> None:
        """So much of the worker's budget is given back once what was written is taken."""

    def finished(self, keep: bool) -> None: ...
    def cut(self) -> None: ...


class Replied(Protocol):
    """What a reply is begun from: an upstream's line, or an answer that was kept."""

    @property
    def status(self) -> int: ...
    @property
    def fields(self) -> Fields: ...
    @property
    def length(self) -> int: ...
    @property
    def bodiless(self) -> bool: ...


class Answer:
    __slots__ = (
        "_aborted",
        "_chunked_reply",
        "_ended",
        "_frame",
        "_over",
        "_received",
        "_replied",
        "_replying",
        "_reserved",
        "_reserved_before",
        "_sent",
        "_started",
        "_status",
        "_table",
        "_upstream_seconds",
        "_version",
        "_worker",
        "client",
        "exchange",
        "keep",
    )

    def __init__(
        self, worker: Worker, client: Client, exchange: Exchange, frame: Frame, version: bytes, keep: bool
    ) -> None:
        self._worker = worker
        self.client = client
        self.exchange = exchange
        self._frame = frame
        self._version = version
        self.keep = keep
        """May the connection serve another request after this one?"""
        self._started = time.monotonic()
        self._table: Any = None
        self._ended = frame.length == 0  # has the whole request arrived?
        self._received = self._sent = self._status = 0
        self._reserved = self._reserved_before = 0  # of the worker's budget; for the request, when its reply is held
        self._upstream_seconds = 0.0
        self._replying = self._replied = self._over = self._aborted = self._chunked_reply = False
        exchange.request_id = heads.new_request_id()

    def _may_hold(self, size: int) -> bool:
        """Ask the worker for what is held of the request, or of its reply, beyond what it gave already."""
        more = self._reserved_before + size - self._reserved
        if more > 0:
            if not self._worker.budget.take(more):
                return False
            self._reserved += more
        return True

    def _begin_reply(self, line: Replied, data: bytes, complete: bool) -> None:
        """Write the head, with what there is of the body in the same write."""
        exchange, status = self.exchange, line.status
        self._replying = True
        self._status = status
        if not self._ended or self._worker.draining:
            self.keep = False
        if line.bodiless or status in (204, 304):
            framing = _announced_length(line.fields) if status != 204 else b""
        elif complete:
            framing = b"Content-Length: %d\r\n" % len(data)
        elif line.length >= 0:
            framing = b"Content-Length: %d\r\n" % line.length
        elif self._version == b"1.1":
            framing = b"Transfer-Encoding: chunked\r\n"
            self._chunked_reply = True
        else:
            framing = b""  # an HTTP/1.0 client reads until the connection closes
            self.keep = False
        self._announce()
        head = heads.reply_head(
            status,
            line.fields,
            exchange.reply_headers,
            exchange.request_id,
            self._worker.date_line,
            framing + self._connection_line(),
        )
        self._sent = len(data)
        if self._chunked_reply and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self.client.write(head + data)
        if complete:
            self._done()

    def _continue_reply(self, data: bytes, complete: bool) -> None:
        self._sent += len(data)
        if self._chunked_reply:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            if complete:
                data += b"0\r\n\r\n"
        if data:
            self.client.write(data)
        if complete:
            self._done()

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem of ours; too late for that once a reply has begun, then cut the connection."""
        if self._over or self._replied:
            return
        self.withdraw()
        exchange = self.exchange
        exchange.problem = problem
        if self._replying:
            self.abort()  # the record says why, to tell it from a client that left
            return
        self._replying = True
        self._status = problem.status
        unread = self.client.unread
        if (
            problem is REQUEST_TIMEOUT
            or self._worker.draining
            or not 0 <= unread <= MAX_DISCARD
            or (unread and self._frame.expects)
        ):
            self.keep = False
        self._announce()
        fields, body = render(problem, exchange.request_id, exchange.path)
        head = self._own_head(problem.status, fields, len(body))
        self._sent = len(body)
        self.client.hold(False)
        self.client.write(head if exchange.method == "HEAD" else head + body)
        self._done()

    def _own_head(self, status: int, fields: Fields, length: int) -> bytes:
        exchange = self.exchange
        framing = b"Content-Length: %d\r\n" % length + self._connection_line()
        return heads.own_head(
            status, fields, exchange.reply_headers, exchange.request_id, self._worker.date_line, framing
        )

    def _connection_line(self) -> bytes:
        if not self.keep:
            return b"Connection: close\r\n"
        return b"" if self._version == b"1.1" else b"Connection: keep-alive\r\n"

    def _announce(self) -> None:
        if self._table is not None:
            try:
                self._table.announce(self.exchange)
            except Exception:
                _log.exception("announce failed", request_id=self.exchange.request_id)

    def _crash(self, stop: str) -> None:
        """A fault of ours: logged with its trace, answered without it."""
        _log.exception("policy failed", stop=stop, request_id=self.exchange.request_id)
        self.refuse(INTERNAL)

    # -- the end --

    def client_lost(self) -> None:
        """The client went away: nobody waits for the upstream any more."""
        if self._over:
            return
        self._aborted = True
        self.withdraw()
        if not self._status:
            self._status = CLIENT_GONE
        self._record()

    def abort(self) -> None:
        """The reply cannot be completed: let the client see that."""
        self._aborted = True
        self.withdraw()
        self._record()
        self.client.cut()

    def withdraw(self) -> None:
        """Give up whatever is being waited for: nobody will use it."""
        raise NotImplementedError

    def _done(self) -> None:
        self._replied = True
        self._record()
        if self._ended or not self.keep:
            self.client.finished(self.keep)

    def _record(self) -> None:
        if self._over:
            return
        self._over = True
        exchange = self.exchange
        if exchange.release is not None:
            release, exchange.release = exchange.release, None
            release()
        if self._reserved:
            reserved, self._reserved = self._reserved, 0
            self.client.owes(reserved)
        labels = UNROUTED if exchange.route is None else exchange.route.metric_labels
        passed = self._frame.passed
        self._worker.telemetry.record(
            exchange,
            labels,
            self._status,
            time.monotonic() - self._started,
            self._upstream_seconds,
            self._received,
            self._sent,
            self._aborted,
            heads.trace_id(exchange.headers) if passed is None else passed.trace_id,
        )
        if exchange.route is not None:
            self._worker.usage.record(exchange, exchange.route.usage_labels, self._status)
            if exchange.arm is not None:
                exchange.arm.ended(exchange, self._status)


def _announced_length(fields: Fields) -> bytes:
    """A HEAD or 304 reply may say how long the body would have been."""
    for name, value in fields:
        if name == b"content-length":
            return b"Content-Length: %b\r\n" % value
    return b""

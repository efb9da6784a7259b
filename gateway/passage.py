"""One exchange on its way through the wire: from a whole head to the last byte of its reply.

The straight line: open (the policies) -> body (kept for validation, or streamed) -> upstream -> reply (judged, or
streamed) -> records (`gateway.answer`). A `Passage` is driven by its client connection on one side and by its upstream
line on the other, and holds each side back while the other is behind.

Must not know: how bytes become a head (`gateway.connection`) or what a policy asks. The one subtle thing: a request is
sent a second time only while all of it is still in `_outgoing`, nothing of a reply has come, and the route allows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from gateway import heads
from gateway.answer import MAX_DISCARD, Answer, Client
from gateway.budget import SMALL
from gateway.framing import CHUNKED, Frame
from gateway.keyed import Absent, Kept, Keyed
from gateway.line import Line
from gateway.replies import CROWDED, NOT_READY, PAYLOAD_TOO_LARGE
from gateway.upstream import Pool
from gateway.worker import Worker
from policies.traffic import Exchange, Problem

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# what becomes of body bytes as they arrive
_WAIT, _KEEP, _STREAM, _DISCARD = range(4)


class Passage(Answer):
    __slots__ = (
        "_judging",
        "_kept",
        "_keyed",
        "_line",
        "_mode",
        "_outgoing",
        "_pool",
        "_retried",
        "_size",
        "_task",
    )

    def __init__(
        self, worker: Worker, client: Client, exchange: Exchange, frame: Frame, version: bytes, keep: bool
    ) -> None:
        super().__init__(worker, client, exchange, frame, version, keep)
        self._mode = _WAIT
        self._kept: list[bytes] = []
        self._size = 0  # of what is kept
        self._line: Line | None = None
        self._pool: Pool | None = None
        self._outgoing = b""  # what was or will be written upstream; empty once that cannot be repeated
        self._task: asyncio.Task[None] | None = None
        self._judging = self._retried = False
        self._keyed: Keyed | None = None

    # -- the request --

    def begin(self) -> None:
        """The head is whole and unambiguous: ask the policies."""
        table = self._worker.table
        if table is None:
            self.refuse(NOT_READY)
            return
        self._table = self.exchange.table = table
        try:
            decision = table.open(self.exchange)
        except Exception:
            self._crash("open")
            return
        if decision is None or type(decision) is Problem:
            self._opened(decision)
        else:
            self._task = asyncio.get_running_loop().create_task(self._open_later(decision))

    async def _open_later(self, decision: Awaitable[Problem | None]) -> None:
        try:
            problem = await decision
        except Exception:
            self._task = None
            self._crash("open")
            return
        self._task = None
        if not self._over:
            self._opened(problem)

    def _opened(self, problem: Problem | None) -> None:
        if problem is not None:
            self.refuse(problem)
            return
        route, length = self.exchange.route, self._frame.length
        if self.exchange.idempotency_key:
            self._keyed = Keyed(self._worker, self)
        if route.validates_body or self._keyed is not None:
            if length > route.max_body_bytes and not self._let_pass_unjudged(PAYLOAD_TOO_LARGE):
                return
            self._mode = _KEEP if length <= route.max_body_bytes else _STREAM
        else:
            self._mode = _STREAM
        if self._frame.expects and length and not self._size:
            self.client.write(CONTINUE)
        if self._ended and not self._kept and self._mode == _STREAM:
            self._forward(b"", whole=True)
        elif self._ended or self._kept:
            data, self._kept = b"".join(self._kept), []
            self._size = 0
            self.client.hold(False)
            self._arrived(data, self._ended)

    def body(self, data: bytes, ended: bool) -> None:
        """A piece of the request's body arrived; `ended` with its last one."""
        self._received += len(data)
        self._ended = ended
        self._arrived(data, ended)

    def _arrived(self, data: bytes, ended: bool) -> None:
        mode = self._mode
        if mode == _STREAM:
            self._stream(data, ended)
        elif mode == _DISCARD:
            if ended and self._replied:
                self.client.finished(self.keep)
            elif self._received > MAX_DISCARD and self._replied:
                self.client.finished(False)
        elif mode == _WAIT:
            self._kept.append(data)
            self._size += len(data)
            self.client.hold(True)
        else:
            self._keep_for_validation(data, ended)

    def _keep_for_validation(self, data: bytes, ended: bool) -> None:
        self._kept.append(data)
        self._size += len(data)
        too_much = None
        if self._size > self.exchange.route.max_body_bytes:
            too_much = PAYLOAD_TOO_LARGE
        elif self._size > SMALL and not self._may_hold(self._size):
            too_much = CROWDED
        if too_much is not None:
            if self._let_pass_unjudged(too_much):
                data, self._kept = b"".join(self._kept), []
                self._mode = _STREAM
                self._stream(data, ended)
            return
        if not ended:
            return
        body = self.exchange.body = b"".join(self._kept)
        self._kept = []
        try:
            problem = self._table.check_body(self.exchange)
        except Exception:
            self._crash("check_body")
            return
        if problem is not None:
            self.refuse(problem)
        elif self._keyed is not None:
            self._keyed.begin(body)
        else:
            self._forward(body, whole=True)

    def _let_pass_unjudged(self, problem: Problem) -> bool:
        """Only where a wrong body would be refused is one that cannot be judged refused as well; and one that could not
        be told from another under the same key."""
        route = self.exchange.route
        if route.blocks_body or self._keyed is not None:
            self.refuse(problem)
            return False
        self._worker.telemetry.series(route.metric_labels).unevaluated["request"] += 1
        return True

    def spoiled(self, problem: Problem) -> None:
        """The body turned out to be malformed: whatever was sent upstream must not be taken for a request."""
        if self._replied:
            self.client.finished(False)
        else:
            self.refuse(problem)

    # -- upstream --

    def _stream(self, data: bytes, ended: bool) -> None:
        if self._pool is None:
            self._forward(data, whole=ended)
            return
        piece = self._framed(data, ended)
        if self._line is None:  # still connecting
            self._outgoing += piece
            self.client.hold(True)
            return
        if piece:
            self._line.send(piece)
        if ended:
            self._line.sent(self.exchange.upstream.spec, time.monotonic())

    def _framed(self, data: bytes, ended: bool) -> bytes:
        if self._frame.length != CHUNKED:
            return data
        piece = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return piece + b"0\r\n\r\n" if ended else piece

    def _forward(self, body: bytes, *, whole: bool) -> None:
        """Send the head upstream with what there is of the body; `whole` when that is all of it."""
        exchange = self.exchange
        upstream = exchange.upstream
        self._pool = self._worker.upstreams.pool(upstream.key, upstream.url)
        address = self._pool.address
        target = address.base + exchange.rest.encode("ascii")
        if exchange.query:
            target += b"?" + exchange.query.encode("ascii")
        head = heads.request_head(
            exchange,
            self._frame,
            target or b"/",
            address.authority,
            self._worker.identities.fields(exchange.caller),
            len(body) if whole else self._frame.length,
            self._worker.scheme,
        )
        self._outgoing = head + (body if whole else self._framed(body, False))
        self._acquire(fresh=False)

    def _acquire(self, *, fresh: bool) -> None:
        assert self._pool is not None
        line = self._pool.acquire(self.exchange.upstream.spec, self, fresh=fresh)
        if type(line) is Line:
            self.upstream_ready(line)
        elif type(line) is Problem:
            self.refuse(line)
        elif not self._ended:
            self.client.hold(True)

    def upstream_ready(self, line: Line) -> bool:
        """A connection to the upstream stands: write what we have, unless nobody waits for it any more."""
        if self._over or self._replying:
            return False
        self._line = line
        if self._keyed is not None:
            self._keyed.is_sent = True
        line.start(
            self._outgoing,
            self,
            self.exchange.upstream.spec,
            time.monotonic(),
            whole=self._ended,
            bodiless=self.exchange.method == "HEAD",
        )
        if not self._ended:
            self._outgoing = b""  # what was streamed cannot be sent twice
            self.client.hold(False)
        return True

    def upstream_writable(self, writable: bool) -> None:
        self.client.hold(not writable)

    def upstream_lost(self, problem: Problem, stale: bool) -> None:
        """No more will come from this line. A stale one is worth a second try where the request may be repeated."""
        self._line = None
        if self._over:
            return
        if (
            stale
            and self._outgoing
            and not self._retried
            and self.exchange.route.may_retry
            and self._pool is not None
            and self._pool.may_retry()
        ):
            self._retried = True
            self._acquire(fresh=True)
        else:
            self.refuse(problem)

    # -- the reply --

    def upstream_received(self) -> None:
        """Something of the reply arrived, its head at the least."""
        line = self._line
        if line is None:
            return
        if self._replying:
            self._pass_on(line, line.take())
        elif self._judging:
            self._judge(line)
        else:
            self._answered(line)

    def _answered(self, line: Line) -> None:
        self._upstream_seconds = time.monotonic() - self._started
        exchange, status = self.exchange, line.status
        if not line.bodiless and status != 304:
            try:
                wanted = self._table.wants_response(exchange, status, line.fields)
            except Exception:
                self._crash("wants_response")
                return
            if wanted:
                if line.length <= self._worker.settings.max_judged_response_bytes:
                    self._judging = True
                    self._size = 0
                    self._reserved_before = self._reserved
                    self._judge(line)
                    return
                self._unjudged()
        self._pass_on(line, line.take())

    def _unjudged(self) -> None:
        self._worker.telemetry.series(self.exchange.route.metric_labels).unevaluated["response"] += 1

    def _judge(self, line: Line) -> None:
        data = line.take()
        self._size += len(data)
        self._kept.append(data)
        if (self._size > SMALL and not self._may_hold(self._size)) or (
            not line.complete and self._size > self._worker.settings.max_judged_response_bytes
        ):
            self._judging = False
            self._unjudged()
            self._pass_on(line, self._release_kept())
            return
        if not line.complete:
            return
        self._judging = False
        body = self._release_kept()
        try:
            problem = self._table.judge_response(self.exchange, line.status, line.fields, body)
        except Exception:
            self._crash("judge_response")
            return
        if problem is not None:
            self._line = None
            line.release()  # the reply is whole: it is the contract that it broke, not the protocol
            if self._keyed is not None:
                self._keyed.withheld()
            self.refuse(problem)
        else:
            self._pass_on(line, body)

    def _release_kept(self) -> bytes:
        kept, self._kept = self._kept, []
        return kept[0] if len(kept) == 1 else b"".join(kept)

    def _pass_on(self, line: Line, data: bytes) -> None:
        """Write what arrived of the reply; a complete one gives its line back first, ready for the next request."""
        complete = line.complete
        if complete:
            self._line = None
            line.release()
        if self._keyed is not None and not self._replying:
            safe = self._keyed.answered(line, data)
            if safe is None:
                return
            data = safe
        if self._replying:
            self._continue_reply(data, complete)
        else:
            self._begin_reply(line, data, complete)

    # -- what `gateway.keyed` asks --

    @property
    def is_over(self) -> bool:
        return self._over

    def proceed(self, body: bytes) -> None:
        self._forward(body, whole=True)

    def reply_with(self, kept: Kept) -> None:
        """Answer with what was kept instead of what arrives."""
        if not self._over:
            self._begin_reply(kept, kept.body, True)

    def crash(self, stop: str) -> None:
        self._crash(stop)

    # -- ends from outside --

    def client_lost(self) -> None:
        if self._over or self._keyed is None or not self._keyed.outlives_its_client:
            super().client_lost()
            return
        self._aborted = True
        self.client_writable(True)  # nobody is behind any more
        self.client = Absent(self._worker, self)

    def withdraw(self) -> None:
        self._mode = _DISCARD
        self._kept = []
        if self._keyed is not None:
            self._keyed.given_up()
        line, self._line = self._line, None
        if line is not None:
            line.abandon()
        if self._task is not None:
            self._task.cancel()

    def client_writable(self, writable: bool) -> None:
        """The client is behind (or no longer): hold the upstream back."""
        if self._line is not None:
            self._line.pause(not writable)

"""A passage that is traced: the same line, with the moments noted that become spans.

Only where traces are exported does a connection begin passages of this kind; elsewhere tracing costs nothing. What is
not sampled costs a draw.

Must not know: how spans look or where they go. The one subtle thing: an upstream is told the id of the attempt that
reaches it, so the head that waits to be sent is given a new one for every attempt.
"""

from __future__ import annotations

import time

from gateway import heads
from gateway.answer import Client
from gateway.framing import Frame
from gateway.line import Line
from gateway.passage import Passage
from gateway.spans import Attempt, Finished
from gateway.telemetry import UNROUTED
from gateway.tracecontext import SAMPLED
from gateway.worker import Worker
from policies.traffic import Exchange, Problem

ABANDONED = "abandoned"
"""An attempt that was given up with its exchange."""


class TracedPassage(Passage):
    __slots__ = ("_answer", "_attempt", "_attempts", "_began", "_context", "_sampled", "_span")

    def __init__(
        self, worker: Worker, client: Client, exchange: Exchange, frame: Frame, version: bytes, keep: bool
    ) -> None:
        super().__init__(worker, client, exchange, frame, version, keep)
        context = self._context = heads.passed(exchange, frame, worker.scheme).context
        assert worker.tracer is not None
        self._sampled = worker.tracer.samples(context)
        if self._sampled:
            self._span = heads.new_span_id()
            self._attempts: list[Attempt] = []
            self._attempt = 0  # the id of the one that is under way
            self._began = 0.0
            self._answer = 0  # the status that came of it

    def _acquire(self, *, fresh: bool) -> None:
        if not self._sampled:
            super()._acquire(fresh=fresh)
            return
        began, span, context = time.monotonic(), heads.new_span_id(), self._context
        trace, flags = (
            (self.exchange.request_id.encode("ascii"), SAMPLED)
            if context is None
            else (context.trace_id, context.flags)
        )
        self._outgoing = heads.with_parent(self._outgoing, trace, span, flags)
        super()._acquire(fresh=fresh)
        if not self._over:  # else there was nobody to send it to
            self._attempt, self._began, self._answer = span, began, 0

    def _answered(self, line: Line) -> None:
        if self._sampled:
            self._answer = line.status
        super()._answered(line)

    def upstream_lost(self, problem: Problem, stale: bool) -> None:
        if self._sampled:
            self._end_attempt(problem.slug)
        super().upstream_lost(problem, stale)

    def _end_attempt(self, error: str | None) -> None:
        if self._attempt:
            self._attempts.append(Attempt(self._attempt, self._began, time.monotonic(), self._answer, error))
            self._attempt = 0

    def _record(self) -> None:
        if self._over:
            return
        super()._record()
        if not self._sampled:
            return
        self._end_attempt(None if self._answer and not self._aborted else ABANDONED)
        exchange, pool, tracer = self.exchange, self._pool, self._worker.tracer
        assert tracer is not None
        route, caller, problem = exchange.route, exchange.caller, exchange.problem
        # positional, because this runs once per exchange
        tracer.note(
            Finished(
                exchange.request_id if self._context is None else self._context.trace_id.decode("ascii"),
                self._span,
                self._context,
                exchange.now,
                self._started,
                time.monotonic(),
                exchange.method,
                exchange.path,
                None if route is None else route.template,
                UNROUTED if route is None else route.metric_labels,
                self._frame.host,
                exchange.peer,
                exchange.request_id,
                self._status,
                None if problem is None else problem.slug,
                exchange.version,
                exchange.site,
                None if caller is None else caller.application.id,
                self._aborted,
                None if pool is None else pool.address,
                self._attempts,
            )
        )

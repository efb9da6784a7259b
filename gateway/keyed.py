"""A call under an ``Idempotency-Key``: acted on once, however often it is sent.

Beside a `Passage` that has a key stands a `Keyed`. It claims the key before anything is sent, keeps what the upstream
answered before the client sees it, and knows at every end what may be said of the outcome: nothing was sent (the key
is free again), it was answered (repeats get that answer), or nobody knows (repeats are told so, or are sent again: see
`policies.model.contract.Idempotency`). draft-ietf-httpapi-idempotency-key-header-07.

Must not know: connections, policies, where answers are kept. The one subtle thing: once the request is with the
upstream, a client that leaves no longer ends it. It left because it lost patience, and will come back for the answer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Coroutine
from hashlib import sha256
from typing import Any, Protocol

import structlog
from msgspec import Struct, msgpack

from gateway.fields import TO_CLIENT, Fields, tokens
from gateway.idempotency import AnswersLost, Claim, Ending, Found
from gateway.replies import KEY_ANSWER_NOT_KEPT, KEY_IN_FLIGHT, KEY_OUTCOME_UNKNOWN, KEY_REUSED, KEYS_UNAVAILABLE
from gateway.worker import Worker
from policies.model.contract import Upstream
from policies.traffic import Exchange, Problem

REPLAYED = (b"idempotency-replayed", b"true")
NOT_KEPT = (b"Idempotency-Kept", b"false")
MARGIN_SECONDS = 5.0
NOTHING_DONE = frozenset({425, 429, 503})
"""An upstream's own word that it did not act, and that one should come again: not an answer to keep."""
UNKNOWN = frozenset({408, 502, 504})
"""Said by something between us and the backend, which may have acted."""
_NOT_REPEATED = frozenset({b"set-cookie", b"date", b"age"})
"""About that moment or that connection; a cookie may be a credential."""
_log = structlog.get_logger("gateway")


class Kept(Struct, array_like=True):
    """An answer as it is stored, and as `Answer` replies with it."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def length(self) -> int:
        return len(self.body)

    @property
    def bodiless(self) -> bool:
        return False


_read = msgpack.Decoder(Kept).decode
_written = msgpack.Encoder().encode


class Reply(Protocol):
    """What is asked of an upstream's line."""

    status: int
    fields: Fields
    length: int
    complete: bool


class Passage(Protocol):
    """What is asked of the passage."""

    exchange: Exchange

    @property
    def is_over(self) -> bool: ...
    def proceed(self, body: bytes) -> None: ...
    def refuse(self, problem: Problem) -> None: ...
    def reply_with(self, kept: Kept) -> None: ...
    def crash(self, stop: str) -> None: ...
    def abort(self) -> None: ...


class Keyed:
    __slots__ = ("_claim", "_passage", "_pieces", "_settled", "_size", "_worker", "is_sent")

    def __init__(self, worker: Worker, passage: Passage) -> None:
        self._worker = worker
        self._passage = passage
        self._claim: Claim | None = None
        self._settled = False
        self._pieces: list[bytes] = []
        self._size = 0
        self.is_sent = False
        """Is anything of the request with the upstream?"""

    # -- before --

    def begin(self, body: bytes) -> None:
        """The request is whole and allowed: claim its key, then send it, or answer in its place."""
        self._later(self._begin(body), "claim")

    async def _begin(self, body: bytes) -> None:
        passage, worker = self._passage, self._worker
        exchange = passage.exchange
        spec: Upstream = exchange.upstream.spec
        claim = Claim(
            identity(exchange),
            fingerprint(exchange, body),
            os.urandom(16),
            spec.first_byte_timeout + spec.connect_timeout + spec.total_timeout + MARGIN_SECONDS,
            exchange.route.resends,
        )
        try:
            found = await worker.answers.claim(claim)
        except AnswersLost:
            worker.count_key("lost")
            if worker.settings.idempotency_on_loss == "refuse":
                passage.refuse(KEYS_UNAVAILABLE)
            elif not passage.is_over:
                exchange.reply_headers.append(NOT_KEPT)
                passage.proceed(body)
            return
        if found is None:
            worker.count_key("claimed")
            self._claim = claim
            if passage.is_over:  # the client left meanwhile
                self.given_up()
            else:
                passage.proceed(body)
        elif not passage.is_over:
            self._repeat(claim, found)

    def _repeat(self, claim: Claim, found: Found) -> None:
        passage = self._passage
        if found.fingerprint != claim.fingerprint:
            self._worker.count_key("reused")
            passage.refuse(KEY_REUSED)
        elif found.state == "running":
            self._worker.count_key("in-flight")
            passage.refuse(KEY_IN_FLIGHT)
        elif found.state == "answered":
            self._worker.count_key("replayed")
            kept = _read(found.answer)
            kept.fields.append(REPLAYED)
            passage.reply_with(kept)
        elif found.state == "unkept":
            self._worker.count_key("not-kept")
            passage.refuse(KEY_ANSWER_NOT_KEPT)
        else:
            self._worker.count_key("unknown")
            passage.refuse(KEY_OUTCOME_UNKNOWN)

    # -- after --

    def answered(self, line: Reply, data: bytes) -> bytes | None:
        """A piece of the upstream's answer: what of it may go to the client now, ``None`` while it is being kept. Once
        the last piece is here, the passage replies as soon as the answer is safe."""
        if self._claim is None or self._settled:
            return data
        status = line.status
        if status in NOTHING_DONE:
            self._settled = True
            self._later(self._release(self._claim), "release")
            return data
        if status in UNKNOWN:
            self._settle("unknown")
            return data
        self._pieces.append(data)
        self._size += len(data)
        most = self._worker.settings.idempotency_max_answer_bytes
        if self._size > most or line.length > most:
            self._settle("unkept")
            return self._whole()
        if line.complete:
            self._settled = True
            kept = Kept(status, repeated(line.fields), self._whole())
            self._later(self._keep(self._claim, kept, line.fields), "keep")
        return None

    async def _keep(self, claim: Claim, kept: Kept, fields: Fields) -> None:
        await self._tell(claim, "answered", _written(kept))
        self._passage.reply_with(Kept(kept.status, fields, kept.body))

    def withheld(self) -> None:
        """The answer is whole, and nobody will see it."""
        if self._claim is not None and not self._settled:
            self._settle("unkept")

    def given_up(self) -> None:
        """The exchange ends without an answer of the upstream."""
        if self._claim is None or self._settled:
            return
        if self.is_sent:
            self._settle("unknown")
        else:
            self._settled = True
            self._later(self._release(self._claim), "release")

    @property
    def outlives_its_client(self) -> bool:
        """Is there an outcome to wait for, and to keep?"""
        return self.is_sent and self._claim is not None and not self._settled

    def _settle(self, state: Ending) -> None:
        assert self._claim is not None
        self._settled = True
        self._later(self._tell(self._claim, state), "settle")

    async def _tell(self, claim: Claim, state: Ending, answer: bytes = b"") -> None:
        try:
            await self._worker.answers.settle(claim, state, answer)
        except AnswersLost:  # the claim lapses: a repeat is told that nobody knows
            self._worker.count_key("lost")
            self._passage.exchange.reply_headers.append(NOT_KEPT)

    async def _release(self, claim: Claim) -> None:
        try:
            await self._worker.answers.release(claim)
        except AnswersLost:
            self._worker.count_key("lost")

    def _whole(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def _later(self, work: Coroutine[Any, Any, None], stop: str) -> None:
        """Run to its end, whatever becomes of the exchange."""
        self._worker.run(self._guarded(work, stop))

    async def _guarded(self, work: Coroutine[Any, Any, None], stop: str) -> None:
        try:
            await work
        except Exception:
            self._passage.crash(stop)


class Absent:
    """Stands for a client that left, until the outcome it asked for is known (see `gateway.answer.Client`)."""

    def __init__(self, worker: Worker, passage: Passage) -> None:
        self._worker = worker
        self._passage = passage
        self.deadline = math.inf
        worker.connections.add(self)

    unread = 0
    is_idle = False

    def write(self, data: bytes) -> None: ...

    def hold(self, held: bool) -> None: ...

    def owes(self, size: int) -> None:
        self._worker.budget.give_back(size)

    def finished(self, keep: bool) -> None:
        self._worker.left(self)

    def expire(self) -> None: ...

    def cut(self) -> None:
        """The worker ends, or the answer broke off."""
        if self in self._worker.connections:  # and not asked by the passage that this ends
            self._worker.left(self)
            self._passage.abort()


def identity(exchange: Exchange) -> bytes:
    """A key belongs to an application (a peer, where nobody was authenticated) and an operation. Only a digest is kept:
    keys are the clients' own, and may say something."""
    caller, route = exchange.caller, exchange.route
    subject = f"peer:{exchange.peer}" if caller is None else f"application:{caller.application.id}"
    return _digest(subject, route.contract, str(route.major), route.operation_id, exchange.idempotency_key)


def fingerprint(exchange: Exchange, body: bytes) -> bytes:
    """What two sendings of the same request have in common."""
    media_type = (exchange.header(b"content-type") or b"").decode("latin-1")
    coding = (exchange.header(b"content-encoding") or b"").decode("latin-1")
    content = sha256(body).hexdigest()
    return _digest(exchange.method, exchange.rest, exchange.query, exchange.site or "", media_type, coding, content)


def _digest(*parts: str) -> bytes:
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in (p.encode("utf-8") for p in parts))).digest()


def repeated(fields: Fields) -> Fields:
    """What of an answer's head is said again with it."""
    named: frozenset[bytes] = frozenset()
    for name, value in fields:
        if name == b"connection":
            named |= tokens(value)
    return [
        (name, value) for name, value in fields if TO_CLIENT[name] and name not in _NOT_REPEATED and name not in named
    ]

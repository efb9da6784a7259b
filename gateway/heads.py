"""The two heads we write: the request as the upstream sees it, the reply as the client sees it.

Nothing is passed on as it came: what was understood is written anew, hop-by-hop fields stay here, and whatever an
upstream believes about the caller (identity, addresses, request id, trace) is said by us alone. RFC 9110 section 7.6,
W3C Trace Context.

Must not know: sockets. The one subtle thing: identity is written once per authenticated caller, and what of a head goes
on to upstreams once per head that its connection repeats, not once per request.
"""

from __future__ import annotations

import os
from itertools import count

from gateway import tracecontext
from gateway.fields import LOWER, TO_CLIENT, TO_UPSTREAM, Fields, safe_value, tokens
from gateway.framing import CHUNKED, Frame
from gateway.replies import STATUS_LINES
from policies.traffic import Caller, Exchange

VIA = b"1.1 weighbridge"
_BEARS_CONTENT = frozenset({"POST", "PUT", "PATCH"})
"""RFC 9110 section 8.6: a request of these methods says that it has no content, where it has none."""

_SPAN_BITS = 2**64 - 1
_TRACEPARENT = b"\r\ntraceparent: 00-"

_process = int.from_bytes(os.urandom(8))
_prefix = f"{_process:016x}"
_sequence = count(1)


def restart_ids() -> None:
    """Give this process its own ids; a forked worker calls it, or it would repeat its parent's."""
    global _process, _prefix
    _process = int.from_bytes(os.urandom(8)) | 1
    _prefix = f"{_process:016x}"


def new_request_id() -> str:
    """32 lower-case hex digits, never all zero: also usable as a W3C trace id."""
    return f"{_prefix}{next(_sequence):016x}"


def new_span_id() -> int:
    """64 bits, not all zero."""
    return (_process ^ (next(_sequence) << 20)) & _SPAN_BITS or 1


class Identities:
    """Remembers the identity fields of recent callers, by the very object that authentication returned."""

    LIMIT = 10_000

    def __init__(self) -> None:
        self._known: dict[int, tuple[Caller, bytes]] = {}

    def fields(self, caller: Caller | None) -> bytes:
        """Header lines that say who calls; none for an anonymous call."""
        if caller is None:
            return b""
        known = self._known.get(id(caller))
        if known is not None and known[0] is caller:
            return known[1]
        application = caller.application
        values = [
            ("Application", application.id),
            ("Consumer", application.consumer),
            ("Audience", application.audience),
            ("Scopes", " ".join(sorted(caller.scopes))),
            ("Sites", "*" if application.sites is None else ",".join(application.sites)),
        ]
        if application.party is not None:
            values.append(("Party", application.party))
        lines = b"".join(b"Weighbridge-%b: %b\r\n" % (name.encode(), safe_value(value)) for name, value in values)
        if len(self._known) >= self.LIMIT:
            self._known.clear()
        self._known[id(caller)] = (caller, lines)
        return lines


def passed(exchange: Exchange, frame: Frame, scheme: bytes = b"http") -> Passed:
    """What of this head goes on, worked out once for all requests that repeat it."""
    known: Passed | None = frame.passed
    if known is None:
        known = frame.passed = Passed(exchange.headers, frame, exchange.peer, scheme)
    return known


def request_head(
    exchange: Exchange,
    frame: Frame,
    target: bytes,
    authority: bytes,
    identity: bytes,
    length: int,
    scheme: bytes = b"http",
) -> bytes:
    """The head for the upstream. `target` is its path with query, `length` a count of bytes, `CHUNKED` or ``0``."""
    known: Passed = frame.passed or passed(exchange, frame, scheme)
    if length == CHUNKED:
        framing = b"Transfer-Encoding: chunked\r\n"
    elif length or exchange.method in _BEARS_CONTENT:
        framing = b"Content-Length: %d\r\n" % length
    else:
        framing = b""
    site = exchange.site
    return b"".join(
        (
            exchange.method.encode("ascii"),
            b" ",
            target,
            b" HTTP/1.1\r\nHost: ",
            authority,
            known.fields,
            framing,
            b"" if site is None else b"Weighbridge-Site: %b\r\n" % safe_value(site),
            identity,
            b"X-Request-Id: ",
            request_id := exchange.request_id.encode("ascii"),
            _TRACEPARENT,
            known.trace or request_id,
            b"-%016x" % new_span_id(),
            known.about,
        )
    )


def with_parent(outgoing: bytes, trace: bytes, span_id: int, flags: int) -> bytes:
    """A request that `request_head` began, as part of another trace or as sent by another span. The first such line is
    ours: no field of the caller's has this name, and no value can hold a line end."""
    at = outgoing.index(_TRACEPARENT) + len(_TRACEPARENT)
    whole = memoryview(outgoing)
    return b"".join((whole[:at], b"%b-%016x-%02x" % (trace, span_id, flags), whole[at + 52 :]))


class Passed:
    """What of one head goes on to upstreams: `fields` are its finished lines, `trace` is the id of the caller's trace
    (empty where a new one begins), `about` all that stands behind the id of our span: the trace's rest, addresses.
    `context` is the caller's trace, `trace_id` its id as records tell it, both ``None`` where there is none."""

    __slots__ = ("about", "context", "fields", "trace", "trace_id")

    def __init__(self, fields: Fields, frame: Frame, peer: str, scheme: bytes) -> None:
        named = frame.named
        parts = [b"\r\n"]
        for name, value in fields:
            prefix = TO_UPSTREAM[name]
            if prefix and (not named or name not in named):
                parts += (prefix, value, b"\r\n")
        self.fields = b"".join(parts)
        context = self.context = tracecontext.read(fields)
        self.trace_id = None if context is None else context.trace_id.decode("ascii")
        if context is None:
            # not sampled: a caller who wanted a trace would have begun one
            self.trace, rest = b"", b"-00\r\n"
        else:
            self.trace, rest = context.trace_id, b"-%02x\r\n" % context.flags
            if context.state:
                rest += b"tracestate: %b\r\n" % context.state
        self.about = b"%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\nVia: %b\r\n\r\n" % (
            rest,
            peer.encode("ascii", "replace"),
            scheme,
            frame.host,
            VIA,
        )


def trace_id(fields: Fields) -> str | None:
    """The id of the caller's trace, of a request whose head goes nowhere."""
    context = tracecontext.read(fields)
    return None if context is None else context.trace_id.decode("ascii")


def reply_head(status: int, fields: Fields, announced: Fields, request_id: str, date: bytes, framing: bytes) -> bytes:
    """The head for the client of a reply from upstream. `fields` are the upstream's, `announced` ours, `framing` the
    finished lines that say how the body ends and what becomes of the connection."""
    lines = [STATUS_LINES[status]]
    dated = False
    named = b""
    for name, value in fields:
        prefix = TO_CLIENT[name]
        if prefix:
            lines.append(prefix + value)
            if name == b"date":
                dated = True
        elif name == b"connection" and value.lower() not in (b"keep-alive", b"close"):
            named += value + b","
    if named:
        fields = [(name, value) for name, value in fields if name not in tokens(named) and name != b"connection"]
        return reply_head(status, fields, announced, request_id, date, framing)
    if not dated:
        lines.append(date)
    for name, value in announced:
        lines.append(name + b": " + value)
    lines.append(b"X-Request-Id: %b\r\n%b\r\n" % (request_id.encode("ascii"), framing))
    return b"\r\n".join(lines)


def own_head(status: int, fields: Fields, announced: Fields, request_id: str, date: bytes, framing: bytes) -> bytes:
    """The head of a reply that we make ourselves; what the reply says itself wins over what is announced."""
    said = {LOWER[name] for name, _ in fields}
    lines = [STATUS_LINES[status], date]
    lines += [name + b": " + value for name, value in fields]
    lines += [name + b": " + value for name, value in announced if LOWER[name] not in said or LOWER[name] == b"link"]
    lines.append(b"X-Request-Id: %b\r\n%b\r\n" % (request_id.encode("ascii"), framing))
    return b"\r\n".join(lines)

"""What everybody on the straight line of a request reads and writes: one request, from its head to its records.

A module of its own because it is the one that every compiled module wants to know the layout of (`gateway.native`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.model.access import Plan
    from policies.traffic import Caller, Fault, Problem
    from policies.traffic.limit_allowance import Allowance


class Exchange:
    """One request on its way through. Each slot is written by exactly one stop and read by those after it."""

    __slots__ = (
        "allowance",
        "arm",
        "body",
        "caller",
        "certificate",
        "certified",
        "faults",
        "headers",
        "idempotency_key",
        "learned",
        "limits",
        "method",
        "now",
        "operation_id",
        "parameters",
        "path",
        "payload",
        "peer",
        "plan",
        "problem",
        "query",
        "release",
        "reply",
        "reply_headers",
        "request_faults",
        "request_id",
        "rest",
        "route",
        "site",
        "table",
        "upstream",
        "version",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: list[tuple[bytes, bytes]],
        peer: str,
        now: float,
        learned: dict[str, Any] | None = None,
        certificate: Any = None,
    ) -> None:
        # written by gateway.connection
        self.method = method
        """Upper case."""
        self.path = path
        """Canonical and still percent-encoded (`gateway.target`)."""
        self.query = query
        """As sent, without the question mark; still percent-encoded."""
        self.headers = headers
        """Names in lower case, in the order received, repeated fields repeated."""
        self.learned: dict[str, Any] = {} if learned is None else learned
        """What was worked out of `headers` alone, shared by the exchanges of a connection that repeats them."""
        self.peer = peer
        self.certificate = certificate
        """What the client showed, and that it holds the key of: `policies.traffic.authenticate_certificate.Presented`;
        `FORWARDED` where a trusted proxy tells it in a field."""
        self.certified: str | None = None
        """The application whose certificate that is, or to whose token it is bound."""
        self.now = now
        """Unix seconds: time is an argument everywhere below."""
        self.request_id: str = ""
        self.table: Any = None
        """The routing table read once when the exchange began; a swap in between does not touch it."""
        self.body: bytes | None = None
        # written by gateway.router
        self.route: Any = None
        self.rest: str = ""
        """The part of `path` that the version's templates match: what is appended to the upstream's address."""
        self.operation_id: str = ""
        self.version: str = ""
        self.arm: Any = None
        """Where the outcome counts while the application tries a version: `gateway.tryouts.Arm`."""
        self.parameters: tuple[str, ...] = ()
        """Raw (percent-encoded) path segments, in the order of the template's parameters."""
        # written by the phases
        self.caller: Caller | None = None
        self.allowance: Allowance | None = None
        """The application's share of `plan`, with its counters' names."""
        self.plan: Plan | None = None
        self.site: str | None = None
        self.upstream: Any = None
        """Which backend serves it: `policies.traffic.authorize_site.Backend`."""
        self.limits: Any = None
        """Where the caller stands after the take: `policies.traffic.limit_rate.Standing`."""
        self.release: Any = None
        """Called once when the exchange ends, whatever its end (gives back a concurrency slot)."""
        self.payload: Any = None
        """The declared media type that the request's ``Content-Type`` chose."""
        self.idempotency_key: str = ""
        """Where the operation takes one and the caller sent it: the call is acted on once."""
        self.request_faults: tuple[Fault, ...] = ()
        """What request validation reported in ``report`` mode."""
        self.reply: Any = None
        """What the operation declares for the reply that came: `policies.traffic.validate_response.Reply`."""
        self.faults: tuple[Fault, ...] = ()
        """What response validation reported."""
        # written by gateway.pipeline
        self.problem: Problem | None = None
        self.reply_headers: list[tuple[bytes, bytes]] = []
        """Announced headers, added to whatever reply is sent."""

    def header(self, name: bytes) -> bytes | None:
        """The first field of that (lower-case) name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

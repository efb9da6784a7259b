"""What the gateway asks about one exchange. The first word of a file's name is its phase.

A policy is bound once per route when a snapshot loads (parameters decoded, keys prepared, schemas compiled) and then
only decides. `decide` is synchronous and returns ``None`` to let the exchange pass or a `Problem` to end it; only a
policy that must wait (counters shared over Redis) returns an awaitable instead. Phases run in the order of `Phase`; the
first Problem wins. To add a policy, add one file ``<phase>_<noun>.py`` with a `bind` function.
"""

from __future__ import annotations

from collections.abc import Awaitable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from policies.model.access import Application, Plan


class Phase(IntEnum):
    """The order in which policies run. ``ANNOUNCE`` runs on every reply, refused or forwarded."""

    AUTHENTICATE = 1
    AUTHORIZE = 2
    LIMIT = 3
    VALIDATE = 4
    ANNOUNCE = 5


class Fault(Struct, frozen=True, omit_defaults=True):
    """One place where the message breaks the contract: `pointer` is ``/query/limit``, ``/header/Site-Id``,
    ``/path/siteId`` or ``/body/lines/0/quantity``. `detail` never repeats the value."""

    pointer: str
    code: str
    detail: str


class Problem(Struct, frozen=True, kw_only=True):
    """Ends an exchange. Rendered in one place (`gateway.replies`) as RFC 9457 problem+json.

    `slug` completes the ``type`` URI, `code` is its UPPER_SNAKE twin in the body. `headers` are sent with the reply.
    """

    status: int
    slug: str
    title: str
    detail: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    errors: tuple[Fault, ...] = ()
    extensions: dict[str, Any] = {}

    @property
    def code(self) -> str:
        return self.slug.upper().replace("-", "_")


class Caller(Struct, frozen=True):
    """Who was authenticated: the application, the credential used (its id, never the secret), the scopes granted.

    `expires_at` is unix seconds: a verified credential may be remembered until then.
    """

    application: Application
    credential: str
    scopes: frozenset[str]
    expires_at: float


class Exchange:
    """One request on its way through. Each slot is written by exactly one stop and read by those after it."""

    __slots__ = (
        "body",
        "caller",
        "faults",
        "headers",
        "limits",
        "method",
        "now",
        "operation_id",
        "parameters",
        "path",
        "peer",
        "plan",
        "problem",
        "query",
        "release",
        "reply_headers",
        "request_id",
        "route",
        "site",
        "table",
        "upstream",
        "version",
    )

    def __init__(
        self, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], peer: str, now: float
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
        self.peer = peer
        self.now = now
        """Unix seconds: time is an argument everywhere below."""
        self.request_id: str = ""
        self.table: Any = None
        """The routing table read once when the exchange began; a swap in between does not touch it."""
        self.body: bytes | None = None
        # written by gateway.router
        self.route: Any = None
        self.operation_id: str = ""
        self.version: str = ""
        self.parameters: tuple[str, ...] = ()
        """Raw (percent-encoded) path segments, in the order of the template's parameters."""
        # written by the phases
        self.caller: Caller | None = None
        self.plan: Plan | None = None
        self.site: str | None = None
        self.upstream: Any = None
        self.limits: Any = None
        self.release: Any = None
        """Called once when the exchange ends, whatever its end (gives back a concurrency slot)."""
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


Decision = Problem | None | Awaitable[Problem | None]


class Policy(Protocol):
    """A bound policy: everything that can be prepared was prepared when the snapshot loaded."""

    phase: Phase

    def decide(self, exchange: Exchange) -> Decision: ...

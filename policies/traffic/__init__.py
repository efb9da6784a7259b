"""What the gateway asks about one exchange. The first word of a file's name is its phase.

A policy is bound once per route when a snapshot loads (parameters decoded, keys prepared, schemas compiled) and then
only decides. `decide` is synchronous and returns ``None`` to let the exchange pass or a `Problem` to end it; only a
policy that must wait (counters shared over Redis, keys being fetched) returns an awaitable instead. Phases run in the
order of `Phase`; the first Problem wins.

To add a policy, add one file ``<phase>_<noun>.py`` with a function of that name, decorated with `policy`, that takes
`RouteFacts` and returns the bound policy, or ``None`` where it has nothing to decide; and name it in the chain of
`gateway.pipeline`. Files of a phase that define no policy are the parts a policy is made of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from policies import catalog
from policies.findings import Severity
from policies.traffic.exchange import Exchange as Exchange

if TYPE_CHECKING:
    from policies.model.access import Application
    from policies.model.contract import Contract, Version
    from policies.model.document import Document, Operation
    from policies.traffic.authorize_terms import Agreed
    from policies.traffic.limit_allowance import Allowance
    from policies.traffic.limit_rate import Counters
    from policies.traffic.validate_json_bounds import JsonBounds
    from policies.traffic.validate_schemas import Schemas


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

    `expires_at` is unix seconds: a verified credential may be remembered until then. `allowances` maps a subscribed
    (contract, major) to what its plan allows this application, where nothing more is to be asked; `terms` has the
    subscriptions of which there is.
    """

    application: Application
    credential: str
    scopes: frozenset[str]
    expires_at: float
    allowances: Mapping[tuple[str, int], Allowance] = {}
    terms: Mapping[tuple[str, int], Agreed] = {}


Decision = Problem | None | Awaitable[Problem | None]


class Policy(Protocol):
    """A bound policy: everything that can be prepared was prepared when the snapshot loaded."""

    phase: Phase

    def decide(self, exchange: Exchange) -> Decision: ...


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What a policy may know when it is bound to one operation of one version.

    `successor` is the major that replaces a deprecated or retired version, `upstream` the name of a rollout's own
    upstream. `counters` outlives snapshots; `schemas` compiles and shares validators; `bounds` are those of a
    body's JSON.
    """

    contract: Contract
    version: Version
    document: Document
    operation: Operation
    counters: Counters
    schemas: Schemas
    successor: int | None = None
    upstream: str | None = None
    bounds: JsonBounds | None = None

    @property
    def line(self) -> tuple[str, int]:
        """What one subscribes to."""
        return self.contract.name, self.version.major


Binder = Callable[[RouteFacts], Policy | None]


def policy(function: Binder) -> Binder:
    """Enter a policy into the catalog: its id, its file and its phase are all said by the function's name."""
    module = function.__module__.rpartition(".")[2]
    phase, _, noun = function.__name__.partition("_")
    if module != function.__name__ or phase.upper() not in Phase.__members__ or not noun:
        raise catalog.InvalidCatalog(f"{function.__module__}.{function.__name__} is not <phase>_<noun> in its own file")
    catalog.register("traffic", function, severity=Severity.ERROR)
    return function

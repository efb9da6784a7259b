"""The request line: chains of policies bound when a snapshot loads, asked in order when a request comes.

Owns the order of policies (`CHAIN`) and the life of a `Table`; knows no sockets. A table is immutable and complete:
an exchange keeps the one it began with. What did not change since the previous table is taken over from it, so a swap
costs what changed. First Problem wins; announcing happens on every reply.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable
from datetime import tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from gateway.binding import BoundRoute, Versions
from gateway.router import (
    Served,
    accepted_version,
    is_major_segment,
    method_not_allowed,
    not_found,
)
from gateway.settings import Settings
from gateway.target import AMBIGUOUS
from gateway.tls import InvalidCertificate, authorities_of, tls_context
from gateway.tryouts import Tryouts
from policies.model.access import Issuer, Plan
from policies.model.snapshot import Snapshot, SnapshotRefused
from policies.serving import ContractLines, bad_request, version_unknown
from policies.traffic import Exchange, Problem
from policies.traffic.authenticate_api_key import ApiKeys
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_certificate import Certificates
from policies.traffic.authenticate_credentials import Credentials
from policies.traffic.authenticate_jwt import KeySource, Memory, Tokens
from policies.traffic.authenticate_jwt_keys import InvalidKeys
from policies.traffic.limit_rate import Counters
from policies.traffic.validate_json_bounds import JsonBounds
from policies.traffic.validate_response import Headers

_log = structlog.get_logger("gateway.pipeline")

Outcome = Problem | Awaitable[Problem | None] | None


class KeyRing(Protocol):
    """Where issuers' keys come from (`gateway.keys`). `epoch` counts changes of anybody's keys."""

    def source(self, issuer: Issuer) -> KeySource: ...

    def epoch(self) -> int: ...

    def keep(self, issuers: tuple[Issuer, ...]) -> None: ...

    async def run(self) -> None: ...


class Pipeline:
    """Made once per worker. `build` may run in a thread of its own, one build at a time."""

    def __init__(self, counters: Counters, keys: KeyRing, settings: Settings | None = None) -> None:
        self.counters = counters
        self.keys = keys
        settings = settings or Settings()
        self.tryouts = Tryouts()
        bounds = JsonBounds(settings.max_json_depth, settings.max_number_length)
        self._versions = Versions(counters, bounds, self.tryouts)
        self._memory = Memory()
        self._settings = settings
        self._authorities: tuple[bytes, ...] = ()
        self._tls: ssl.SSLContext | None = None

    def build(self, snapshot: Snapshot, digest: str) -> Table:
        """Bind everything. Raises `SnapshotRefused`, and then nothing has changed."""
        try:
            issuers = [(issuer, self.keys.source(issuer)) for issuer in snapshot.issuers]
        except InvalidKeys as invalid:
            raise SnapshotRefused(f"an issuer's keys cannot be used: {invalid}") from invalid
        zones = zones_of(snapshot.plans)
        callers = Callers(snapshot.applications, snapshot.plans, zones)
        try:
            certificates = Certificates(snapshot.certificates, snapshot.anchors, callers)
            authorities = authorities_of(snapshot)
        except ValueError as broken:
            raise SnapshotRefused(f"a certificate cannot be used: {broken}") from broken
        contracts = self._versions.bind(snapshot)
        self.keys.keep(snapshot.issuers)
        credentials = Credentials(
            ApiKeys(snapshot.api_keys, callers),
            Tokens(issuers, snapshot.subjects, callers, self._memory, self.keys.epoch, snapshot.revoked_tokens),
            certificates,
        )
        tls = self._handshakes(authorities)
        return Table(snapshot, digest, contracts, callers, credentials, self._versions.route_count, tls)

    def _handshakes(self, authorities: tuple[bytes, ...]) -> ssl.SSLContext | None:
        """What handshakes accept with these authorities; ``None`` where clients are not asked for certificates. The
        context before stays where a new one cannot be made: it decides less than the table does."""
        settings = self._settings
        if settings is None or settings.tls_client_certificates == "off" or authorities == self._authorities:
            return self._tls
        try:
            self._tls = tls_context(settings, authorities) if authorities else None
            self._authorities = authorities
        except InvalidCertificate as invalid:
            _log.error("client certificates are accepted as before", reason=str(invalid))
        return self._tls


class Table:
    """One snapshot, ready to serve."""

    def __init__(
        self,
        snapshot: Snapshot,
        digest: str,
        contracts: dict[str, ContractLines[Served[BoundRoute]]],
        callers: Callers,
        credentials: Credentials,
        route_count: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls = tls
        self.revision = snapshot.revision
        self.compiled_at = snapshot.compiled_at
        self.digest = digest
        self.route_count = route_count
        self.callers = callers
        self._contracts = contracts
        self._identify = credentials.identify

    def open(self, exchange: Exchange) -> Outcome:
        """Route, authenticate, authorize, limit, and validate what stands in the head. An awaitable is returned only
        where something must be waited for (shared counters, a key being fetched)."""
        segments = exchange.path.split("/")
        contract = self._contracts.get(segments[1])
        if contract is None:
            return not_found("No contract is served at this address.")
        label = segments[2] if len(segments) > 2 else ""
        line = contract.by_segment.get(label)
        if line is None and is_major_segment(label):
            return version_unknown(contract.told())
        wanted = exchange.header(b"api-version")
        if line is not None and wanted is None and not line.canaries and not line.steering and line.head is not None:
            # the common case: the path alone decides
            problem = self._match(exchange, line.head, segments, 3)
            if problem is not None:
                return problem
            identified = self._identify(exchange)
            if identified is None:
                return self._run(exchange, exchange.route.chain)
            return identified if type(identified) is Problem else self._then_run(exchange, identified)
        identified = self._identify(exchange)
        if identified is None:
            return self._choose(exchange, contract, segments)
        if type(identified) is Problem:
            return identified
        return self._then_choose(exchange, contract, segments, identified)

    def check_body(self, exchange: Exchange) -> Problem | None:
        """Judge the whole request body (``b""`` when there is none)."""
        body = exchange.route.body
        return None if body is None else body.check(exchange)

    def wants_response(self, exchange: Exchange, status: int, headers: Headers) -> bool:
        """Must the reply's body be held back to be judged?"""
        judge = exchange.route.responses
        return judge is not None and judge.wants_body(exchange, status, headers)

    def judge_response(self, exchange: Exchange, status: int, headers: Headers, body: bytes) -> Problem | None:
        """Note faults (``report``), or replace the reply (``block``)."""
        judge = exchange.route.responses
        return None if judge is None else judge.judge(exchange, status, headers, body)

    def announce(self, exchange: Exchange) -> None:
        """Fill `exchange.reply_headers`; once per exchange, for replies and refusals alike."""
        if exchange.route is not None:
            for decide in exchange.route.announce:
                decide(exchange)

    # -- the stops ----------------------------------------------------------------------------------------------------

    def _choose(self, exchange: Exchange, contract: ContractLines[Served[BoundRoute]], segments: list[str]) -> Outcome:
        """The version depends on the caller or on what it asked for."""
        line = contract.by_segment.get(segments[2]) if len(segments) > 2 else None
        start = 2 if line is None else 3
        wanted = _sent(exchange, b"api-version")
        if len(wanted) > 1:
            return bad_request("API-Version was sent more than once.")
        asked = wanted[0] if wanted else None
        if asked is None and line is None:
            asked = accepted_version(",".join(_sent(exchange, b"accept")))
        number = None
        if asked is not None:
            requested = contract.requested(asked, line)
            if isinstance(requested, Problem):
                return requested
            line, number = requested
        elif line is None:
            assigned = contract.assigned(exchange.caller)
            if isinstance(assigned, Problem):
                return assigned
            line = assigned
        steered = line.steered(number, exchange) if line.steering else None
        served = steered if steered is not None else line.served(number, exchange.caller)
        if isinstance(served, Problem):
            return served
        problem = self._match(exchange, served, segments, start)
        return problem if problem is not None else self._run(exchange, exchange.route.chain)

    def _match(self, exchange: Exchange, served: Served[BoundRoute], segments: list[str], start: int) -> Problem | None:
        exchange.version = served.number
        found = served.templates.match(segments, start)
        route: BoundRoute | None
        if found is None:
            route = served.fallback
            if route is None:
                exchange.reply_headers.extend(served.fields)
                return not_found("The version served here has no such path.")
        else:
            item, exchange.parameters = found
            route = item.methods.get(exchange.method) or served.fallback
            if route is None:
                exchange.reply_headers.extend(served.fields)
                return method_not_allowed(item)
            if ";" in exchange.path and not route.takes_semicolons(exchange.parameters):
                return AMBIGUOUS
        exchange.route = route
        exchange.operation_id = route.operation_id
        prefix = len(segments[1]) + 1 if start == 2 else len(segments[1]) + len(segments[2]) + 2
        exchange.rest = exchange.path[prefix:]
        return None

    def _run(self, exchange: Exchange, chain: tuple[Callable[[Exchange], Outcome], ...]) -> Outcome:
        for decide in chain:
            decision = decide(exchange)
            if decision is not None:
                if type(decision) is Problem:
                    return decision
                return self._resume(exchange, decision, chain[chain.index(decide) + 1 :])
        return None

    async def _resume(
        self,
        exchange: Exchange,
        pending: Outcome,
        rest: tuple[Callable[[Exchange], Outcome], ...],
    ) -> Problem | None:
        assert isinstance(pending, Awaitable)
        return await pending or await _settled(self._run(exchange, rest))

    async def _then_run(self, exchange: Exchange, pending: Outcome) -> Problem | None:
        assert isinstance(pending, Awaitable)
        return await pending or await _settled(self._run(exchange, exchange.route.chain))

    async def _then_choose(
        self, exchange: Exchange, contract: ContractLines[Served[BoundRoute]], segments: list[str], pending: Outcome
    ) -> Problem | None:
        assert isinstance(pending, Awaitable)
        return await pending or await _settled(self._choose(exchange, contract, segments))


def zones_of(plans: Iterable[Plan]) -> dict[str, tzinfo]:
    """The time zones in which plans count, read while nobody waits. Raises `SnapshotRefused` for one unknown here."""
    zones: dict[str, tzinfo] = {}
    for plan in plans:
        try:
            zones[plan.time_zone] = ZoneInfo(plan.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SnapshotRefused(
                f"plan {plan.name}: the time zone {plan.time_zone!r} is not known here; update the package tzdata"
            ) from error
    return zones


def _sent(exchange: Exchange, name: bytes) -> list[str]:
    """Every field of that (lower-case) name."""
    return [value.decode("latin-1") for key, value in exchange.headers if key == name]


async def _settled(outcome: Outcome) -> Problem | None:
    if outcome is None or isinstance(outcome, Problem):
        return outcome
    return await outcome

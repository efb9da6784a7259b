"""A contract as its consumer sees it, read from the snapshot as a gateway reads it.

    Readings(store).current() -> Reading                what gateways serve now; made once per snapshot
    Reading.identify(exchange) -> Caller                raises Refused: the policies' own answer
    Reading.application(id) -> Application              raises NotFound
    Reading.entries(application) -> list[Entry]         one for each subscription
    Reading.entry(application, contract, ...) -> Entry  the version that this application gets; raises NotFound, Refused
    Reading.document(entry, address) -> (dict, digest)  the reduced document

Nothing is decided here: who asks is for the gateway's authenticators, which version for `policies.serving`, what is in
it for `policies.view`. The snapshot of the store is what gateways have, at most two seconds later.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import inf
from typing import Any

from msgspec.structs import replace

from policies.model.access import Application, Issuer, Plan, Subscription, Terms
from policies.model.contract import LIVE, Contract, Stage, Version
from policies.model.document import Document, digest
from policies.model.snapshot import Snapshot, loads
from policies.serving import ContractLines, MajorLine, lines_of, successor_of, version_unknown
from policies.traffic import Caller, Exchange, Problem
from policies.traffic.authenticate_api_key import ApiKeys
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_credentials import Credentials, CredentialsNeeded
from policies.traffic.authenticate_jwt import Memory, Tokens
from policies.traffic.authenticate_jwt_keys import EmbeddedKeys, InvalidKeys
from policies.traffic.authorize_subscription import not_subscribed
from policies.traffic.validate_lifecycle import retired
from policies.view import View, view
from registry.errors import NotFound, Refused
from registry.store import Store

_KEPT = 500
"""Reduced documents that are remembered of one snapshot."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A version as `policies.serving` hands it out."""

    number: str
    version: Version
    successor: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What an application gets of a contract. `chosen` is ``None`` where nothing is served."""

    application: Application
    contract: Contract
    major: int
    plan: Plan
    chosen: Chosen | None


class Readings:
    """The current snapshot of a store, read when somebody asks. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._memory = Memory()
        self._current: Reading | None = None

    def current(self) -> Reading:
        """Raises `NotFound` before there is a snapshot."""
        row = self._store.snapshot()
        if row is None:
            raise NotFound("there is no snapshot yet")
        with self._lock:
            if self._current is None or self._current.digest != row.digest:
                snapshot, named = loads(row.data)
                self._current = Reading(snapshot, named, self._memory, self._current)
            return self._current


class Reading:
    """One snapshot. `memory` outlives it, and documents that did not change are taken over from the one `before`."""

    def __init__(self, snapshot: Snapshot, digest: str, memory: Memory, before: Reading | None = None) -> None:
        self.digest = digest
        self._snapshot = snapshot
        self._contracts = {contract.name: contract for contract in snapshot.contracts}
        self._plans = {plan.name: plan for plan in snapshot.plans}
        self._lines: dict[str, ContractLines[Chosen]] = {}
        known: dict[str, Document] = {} if before is None else before._documents
        self._documents: dict[str, Document] = {
            name: known.get(name) or Document(tree) for name, tree in snapshot.documents.items()
        }
        self._shown: dict[tuple[str, str, str, str], tuple[dict[str, Any], str]] = {}
        # what counts calls is the gateway's affair: here a plan is a name
        self._callers = Callers(snapshot.applications, [Plan(name=plan.name) for plan in snapshot.plans])
        self._credentials = Credentials(
            ApiKeys(snapshot.api_keys, self._callers),
            Tokens(
                [(issuer, keys) for issuer in snapshot.issuers if (keys := _keys(issuer)) is not None],
                snapshot.subjects,
                self._callers,
                memory,
                revoked=snapshot.revoked_tokens,
            ),
        )

    def identify(self, exchange: Exchange) -> Caller:
        """Who sent this, by the rules of the gateway. Tokens of issuers whose keys would have to be fetched are of an
        issuer not known here."""
        problem = self._credentials.identify(exchange)
        if problem is None and exchange.caller is None:
            problem = CredentialsNeeded().decide(exchange)
        if isinstance(problem, Problem):
            raise Refused(problem)
        assert exchange.caller is not None
        return exchange.caller

    def application(self, id_: str) -> Application:
        """As registered: a token may speak for less."""
        found = self._callers.application(id_)
        if found is None:
            raise NotFound(f"there is no application {id_!r}")
        return found

    def contract(self, name: str) -> Contract:
        found = self._contracts.get(name)
        if found is None:
            raise NotFound(f"there is no contract {name!r}")
        return found

    def entries(self, application: Application, *, now: float) -> list[Entry]:
        """By contract and major; those through which calls are let now."""
        caller, found = self._caller(application), []
        for held in sorted(_held(application, now), key=lambda held: (held.contract, held.major)):
            contract = self._contracts[held.contract]
            line = self._of(contract).majors.get(held.major)
            served = None if line is None else self._pinned(held) or line.served(None, caller)
            chosen = served if isinstance(served, Chosen) else None
            found.append(Entry(_narrowed(application, held), contract, held.major, self._plans[held.plan], chosen))
        return found

    def _pinned(self, held: Subscription) -> Chosen | None:
        """The live version that was agreed. What an application tries is told by ``API-Version`` alone."""
        if not isinstance(held, Terms) or held.pin is None:
            return None
        for version in self._snapshot.versions:
            if (version.contract, version.number) == (held.contract, held.pin) and version.stage in LIVE:
                live = [v.major for v in self._snapshot.versions if v.contract == held.contract and v.stage in LIVE]
                current = version.stage is Stage.PUBLISHED
                return Chosen(version.number, version, None if current else successor_of(version, live))
        return None

    def entry(
        self, application: Application, name: str, *, now: float, major: int | None = None, version: str | None = None
    ) -> Entry:
        """`version` is what ``API-Version`` may say; without it and without `major` it is the major that the gateway
        would choose if the application subscribes to it, else the newest that it subscribes to."""
        contract = self.contract(name)
        lines, caller = self._of(contract), self._caller(application)
        held = {s.major: s for s in _held(application, now) if s.contract == name}
        line = None if major is None else lines.majors.get(major)
        if major is not None and line is None:
            raise Refused(version_unknown(lines.told()))
        number = None
        if version is not None:
            requested = lines.requested(version, line)
            if isinstance(requested, Problem):
                raise Refused(requested)
            line, number = requested
        if line is None:
            line = _preferred(lines, caller, held)
        subscription = held.get(line.major)
        pinned = None if subscription is None else self._pinned(subscription)
        if pinned is not None and number in (None, pinned.number):
            served: Chosen | Problem = pinned
        else:
            served = line.served(number, caller)
        if isinstance(served, Problem):
            raise Refused(served)
        if served.version.stage is Stage.RETIRED:  # told to everybody, as at the gateway
            raise Refused(retired(name, line.major, served.number, served.successor))
        if subscription is None:
            raise Refused(not_subscribed(name, line.major))
        return Entry(_narrowed(application, subscription), contract, line.major, self._plans[subscription.plan], served)

    def document(self, entry: Entry, address: str) -> tuple[dict[str, Any], str]:
        """The document reduced for that application, and the digest of what is in it."""
        chosen = entry.chosen
        assert chosen is not None
        key = (entry.application.id, entry.contract.name, chosen.number, address)
        if key not in self._shown:
            facts = View(
                contract=entry.contract,
                version=chosen.version,
                document=self._documents[chosen.version.digest],
                application=entry.application,
                plan=entry.plan,
                address=address,
                successor=chosen.successor,
            )
            tree = view(facts)
            if len(self._shown) >= _KEPT:
                self._shown.clear()
            self._shown[key] = tree, digest(tree)
        return self._shown[key]

    def _caller(self, application: Application) -> Caller:
        caller = self._callers.caller(application.id, "", None, inf)
        assert caller is not None
        return caller

    def _of(self, contract: Contract) -> ContractLines[Chosen]:
        if contract.name not in self._lines:

            def chosen(version: Version, _upstream: str | None, live: list[int]) -> Chosen:
                current = version.stage in (Stage.PUBLISHED, Stage.IN_REVIEW)  # nobody has to move on from it
                return Chosen(version.number, version, None if current else successor_of(version, live))

            self._lines[contract.name] = lines_of(contract, self._snapshot.versions, self._snapshot.rollouts, chosen)
        return self._lines[contract.name]


def _held(application: Application, now: float) -> list[Subscription]:
    """The subscriptions through which calls are let now."""
    active = [t for t in application.terms if t.state == "active" and (t.expires_at is None or now < t.expires_at)]
    return [*application.subscriptions, *active]


def _narrowed(application: Application, held: Subscription) -> Application:
    """With the sites that this subscription grants, of its own."""
    if not isinstance(held, Terms) or held.sites is None:
        return application
    own = application.sites
    return replace(application, sites=tuple(site for site in held.sites if own is None or site in own))


def _preferred(lines: ContractLines[Chosen], caller: Caller, held: dict[int, Subscription]) -> MajorLine[Chosen]:
    assigned = lines.assigned(caller)
    if not isinstance(assigned, Problem) and (assigned.major in held or not held):
        return assigned
    mine = [line for major, line in sorted(lines.majors.items()) if major in held]
    best = [line for line in mine if line.live] or mine
    if best:
        return best[-1]
    if isinstance(assigned, Problem):
        raise Refused(assigned)
    return assigned


def _keys(issuer: Issuer) -> EmbeddedKeys | None:
    if issuer.jwks is None:
        return None
    try:
        return EmbeddedKeys(issuer)
    except InvalidKeys:
        return None

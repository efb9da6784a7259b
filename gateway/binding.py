"""Bind versions: from a snapshot's contracts, versions and documents to routes with their chains of policies.

Owns the order of policies; which version a major serves is in `policies.serving`. What a route is bound from is
compared with the previous snapshot, and an unchanged version is taken over whole, compiled schemas and all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.router import Served
from gateway.templates import AmbiguousTemplates, Templates
from gateway.tryouts import Running, Steer, Tryouts
from policies.model.access import Terms
from policies.model.contract import LIVE, Contract, Rollout, Stage, Version
from policies.model.document import Document, Operation
from policies.model.snapshot import Snapshot, SnapshotRefused
from policies.serving import ContractLines, lines_of, successor_of
from policies.traffic import Binder, Decision, Exchange, RouteFacts
from policies.traffic.announce_lifecycle import announce_lifecycle, fields_of
from policies.traffic.announce_limits import announce_limits
from policies.traffic.authenticate_credentials import authenticate_credentials
from policies.traffic.authorize_audience import authorize_audience
from policies.traffic.authorize_scopes import authorize_scopes
from policies.traffic.authorize_site import authorize_site, template_names
from policies.traffic.authorize_subscription import authorize_subscription
from policies.traffic.limit_concurrency import limit_concurrency
from policies.traffic.limit_rate import Counters, limit_rate
from policies.traffic.validate_idempotency_key import validate_idempotency_key
from policies.traffic.validate_json_bounds import JsonBounds
from policies.traffic.validate_lifecycle import validate_lifecycle
from policies.traffic.validate_parameters import validate_parameters
from policies.traffic.validate_request_body import ValidateRequestBody, validate_request_body
from policies.traffic.validate_response import ResponseJudge, validate_response
from policies.traffic.validate_schemas import Schemas

CHAIN: tuple[Binder, ...] = (
    authenticate_credentials,
    authorize_subscription,
    authorize_audience,
    authorize_scopes,
    authorize_site,
    limit_concurrency,  # before the rates: what it refuses charges none of them
    limit_rate,
    validate_lifecycle,
    validate_parameters,
    validate_idempotency_key,
    validate_request_body,
)
"""Credentials are looked at before (`authenticate_api_key`, `authenticate_jwt`): a version may depend on the caller."""
RETIRED_CHAIN: tuple[Binder, ...] = (
    authenticate_credentials,
    authorize_subscription,
    limit_concurrency,
    limit_rate,
    validate_lifecycle,
)
ANNOUNCE: tuple[Binder, ...] = (announce_lifecycle, announce_limits)
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 section 9.2.2

Decide = Callable[[Exchange], Decision]


class BoundRoute:
    """One operation of one version with everything it needs. `metric_labels` are contract, major and operation;
    `usage_labels` are these and the version's number."""

    __slots__ = (
        "announce",
        "blocks_body",
        "body",
        "chain",
        "contract",
        "major",
        "matrix",
        "max_body_bytes",
        "may_retry",
        "method",
        "metric_labels",
        "operation_id",
        "resends",
        "responses",
        "template",
        "usage_labels",
        "validates_body",
    )

    def __init__(self, facts: RouteFacts, responses: ResponseJudge | None) -> None:
        contract, operation = facts.contract, facts.operation
        retired = facts.version.stage is Stage.RETIRED
        bound = [(binder, binder(facts)) for binder in (RETIRED_CHAIN if retired else CHAIN)]
        policies = [policy for _, policy in bound if policy is not None]
        self.chain: tuple[Decide, ...] = tuple(policy.decide for policy in policies)
        self.announce: tuple[Decide, ...] = tuple(p.decide for b in ANNOUNCE if (p := b(facts)) is not None)
        self.body = next((policy for policy in policies if isinstance(policy, ValidateRequestBody)), None)
        self.responses = responses
        self.contract = contract.name
        self.major = facts.version.major
        self.method = operation.method
        self.template = operation.path
        self.operation_id = operation.operation_id or operation.key.strip()
        self.validates_body = self.body is not None and self.body.needs_body
        self.blocks_body = contract.request_validation == "block"
        self.max_body_bytes = contract.max_body_bytes
        self.may_retry = operation.method in _IDEMPOTENT
        self.resends = contract.idempotency == "resend"
        self.metric_labels = (self.contract, str(self.major), self.operation_id)
        self.usage_labels = (*self.metric_labels, facts.version.number)
        names = template_names(operation.path)
        matrix = {p.name for p in operation.parameters if p.place == "path" and p.style == "matrix"}
        self.matrix = frozenset(index for index, name in enumerate(names) if name in matrix)

    def takes_semicolons(self, parameters: Sequence[str]) -> bool:
        """Whether every semicolon in the path stands where the contract puts one. Some servers cut a segment at its
        semicolon, and would then read another path than the one that was authorised."""
        return all(";" not in value or index in self.matrix for index, value in enumerate(parameters))


class Versions:
    """Binds snapshot after snapshot. `counters` and compiled schemas outlive them all."""

    def __init__(self, counters: Counters, bounds: JsonBounds, tryouts: Tryouts) -> None:
        self._counters = counters
        self._bounds = bounds
        self._tryouts = tryouts
        self._schemas = Schemas()
        self._documents: dict[str, Document] = {}
        self._bound: dict[tuple[str, str, str | None], tuple[object, Served[BoundRoute]]] = {}
        self.route_count = 0

    def bind(self, snapshot: Snapshot) -> dict[str, ContractLines[Served[BoundRoute]]]:
        """Raises `SnapshotRefused`; what was bound before stays as it was."""
        binding = _Binding(snapshot, self._counters, self._bounds, self._schemas, self._documents, self._bound)
        steers = [
            (application.id, terms)
            for application in snapshot.applications
            for terms in application.terms
            if terms.pin is not None or terms.tryout is not None
        ]
        for application, terms in steers:
            binding.steer(application, terms, self._tryouts.running(application, terms))
        self._tryouts.keep(terms.tryout.id for _, terms in steers if terms.tryout is not None)
        contracts = {contract.name: binding.contract(contract) for contract in snapshot.contracts}
        self._documents = binding.documents
        self._bound = binding.bound
        self._schemas.forget(frozenset(binding.documents))
        self.route_count = sum(served.templates.count for _, served in binding.bound.values())
        return contracts


class _Binding:
    """One snapshot being bound."""

    def __init__(
        self,
        snapshot: Snapshot,
        counters: Counters,
        bounds: JsonBounds,
        schemas: Schemas,
        documents: dict[str, Document],
        bound: dict[tuple[str, str, str | None], tuple[object, Served[BoundRoute]]],
    ) -> None:
        self._snapshot = snapshot
        self._counters = counters
        self._bounds = bounds
        self._schemas = schemas
        self._known_documents = documents
        self._known = bound
        self._versions: dict[str, list[Version]] = {}
        for version in snapshot.versions:
            self._versions.setdefault(version.contract, []).append(version)
        self._rollouts: dict[str, list[Rollout]] = {}
        for rollout in snapshot.rollouts:
            self._rollouts.setdefault(rollout.contract, []).append(rollout)
        self._steers: dict[str, list[tuple[str, Terms, Running | None]]] = {}
        self.documents: dict[str, Document] = {}
        self.bound: dict[tuple[str, str, str | None], tuple[object, Served[BoundRoute]]] = {}

    def steer(self, application: str, terms: Terms, running: Running | None) -> None:
        """An application that is pinned to a version, or tries one."""
        self._steers.setdefault(terms.contract, []).append((application, terms, running))

    def contract(self, contract: Contract) -> ContractLines[Served[BoundRoute]]:
        def serve(version: Version, upstream: str | None, live: list[int]) -> Served[BoundRoute]:
            return self._served(contract, version, upstream, live)

        versions = self._versions.get(contract.name, ())
        lines = lines_of(contract, versions, self._rollouts.get(contract.name, ()), serve)
        if contract.name in self._steers:
            self._steer(contract, lines)
        return lines

    def _steer(self, contract: Contract, lines: ContractLines[Served[BoundRoute]]) -> None:
        """A version that is not live any more steers nobody; one in rollout is served from there."""
        versions = {version.number: version for version in self._versions[contract.name] if version.stage in LIVE}
        upstreams = {rollout.version: rollout.upstream for rollout in self._rollouts.get(contract.name, ())}
        live = [version.major for version in versions.values()]

        def served(number: str | None) -> Served[BoundRoute] | None:
            version = None if number is None else versions.get(number)
            return None if version is None else self._served(contract, version, upstreams.get(version.number), live)

        for application, terms, running in self._steers[contract.name]:
            line = lines.majors.get(terms.major)
            if line is not None:
                tried = served(terms.tryout.version if terms.tryout else None)
                line.steering[application] = Steer(served(terms.pin), running, tried)

    def _served(
        self, contract: Contract, version: Version, upstream: str | None, live: list[int]
    ) -> Served[BoundRoute]:
        key = (contract.name, version.number, upstream)
        if key in self.bound:
            return self.bound[key][1]
        successor = successor_of(version, live)
        made_from = (contract, version, successor)
        known = self._known.get(key)
        document = self._document(version)
        if known is not None and known[0] == made_from:
            self.bound[key] = known
            return known[1]
        served = self._bind(contract, version, document, upstream, successor)
        self.bound[key] = (made_from, served)
        return served

    def _document(self, version: Version) -> Document:
        document = self.documents.get(version.digest) or self._known_documents.get(version.digest)
        if document is None:
            document = Document(self._snapshot.documents[version.digest])
            if document.digest != version.digest:
                raise SnapshotRefused(f"{version.contract}@{version.number}: the document is not the one named")
        self.documents[version.digest] = document
        return document

    def _bind(
        self, contract: Contract, version: Version, document: Document, upstream: str | None, successor: int | None
    ) -> Served[BoundRoute]:
        templates: Templates[BoundRoute] = Templates()
        where = ""
        try:
            for operation in document.operations:
                where = f" {operation.key}"
                route = self._route(contract, version, document, operation, upstream, successor)
                templates.add(operation.path, operation.method, route)
            fallback = None
            if version.stage is Stage.RETIRED:
                fallback = self._route(contract, version, document, ANYTHING, upstream, successor)
        except (ValueError, LookupError, TypeError, AttributeError, AmbiguousTemplates) as error:
            reason = str(error).partition("\n")[0]
            raise SnapshotRefused(f"{contract.name}@{version.number}{where} cannot be bound: {reason}") from error
        fields = fields_of(self._facts(contract, version, document, ANYTHING, upstream, successor))
        return Served(version.number, templates, fallback, fields)

    def _route(
        self,
        contract: Contract,
        version: Version,
        document: Document,
        operation: Operation,
        upstream: str | None,
        successor: int | None,
    ) -> BoundRoute:
        facts = self._facts(contract, version, document, operation, upstream, successor)
        retired = version.stage is Stage.RETIRED
        return BoundRoute(facts, None if retired else validate_response(facts))

    def _facts(
        self,
        contract: Contract,
        version: Version,
        document: Document,
        operation: Operation,
        upstream: str | None,
        successor: int | None,
    ) -> RouteFacts:
        counters, schemas = self._counters, self._schemas
        return RouteFacts(contract, version, document, operation, counters, schemas, successor, upstream, self._bounds)


ANYTHING = Operation(
    method="",
    path="",
    operation_id=None,
    parameters=(),
    request_body=None,
    responses=(),
    security=None,
    pointer="",
)
"""Stands for whatever was asked of a retired version that it never had."""

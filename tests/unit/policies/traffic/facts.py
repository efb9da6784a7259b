"""What a policy is bound to and asked about, made from as little as a test cares for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gateway.counters.memory import MemoryCounters
from policies.model.access import Application, Plan, Subscription
from policies.model.contract import Contract, Stage, Upstream, Version
from policies.model.document import Document
from policies.traffic import Caller, Exchange, Fault, Problem, RouteFacts
from policies.traffic.authenticate_callers import Callers
from policies.traffic.limit_rate import Counters
from policies.traffic.validate_schemas import Schemas

NOW = 1_800_000_000.0
SCHEMES = {
    "oauth": {"type": "oauth2", "flows": {}},
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic"},
    "mtls": {"type": "mutualTLS"},
}


def document(
    operation: dict[str, Any], *, path: str = "/things", method: str = "get", openapi: str = "3.1.0", **components: Any
) -> Document:
    return Document(
        {
            "openapi": openapi,
            "info": {"title": "t", "version": "1.0.0"},
            "paths": {path: {method: {"operationId": "op", "responses": {"200": {"description": "ok"}}, **operation}}},
            "components": {"securitySchemes": SCHEMES, **components},
        }
    )


def contract(**more: Any) -> Contract:
    fields: dict[str, Any] = {
        "name": "orders",
        "title": "Orders",
        "owner": "desk",
        "audience": "partner",
        "upstreams": {"default": Upstream(url="http://hub:1/orders/v{major}")},
    }
    return Contract(**(fields | more))


def version(number: str = "1.0.0", **more: Any) -> Version:
    fields: dict[str, Any] = {"contract": "orders", "number": number, "digest": "d", "stage": Stage.PUBLISHED}
    return Version(**(fields | more))


def facts(
    of: Document,
    *,
    contract: Contract = contract(),  # noqa: B008 - frozen
    version: Version = version(),  # noqa: B008 - frozen
    counters: Counters | None = None,
    successor: int | None = None,
    upstream: str | None = None,
) -> RouteFacts:
    return RouteFacts(
        contract, version, of, of.operations[0], counters or MemoryCounters(), Schemas(), successor, upstream
    )


def exchange(
    method: str = "GET",
    path: str = "/things",
    query: str = "",
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    parameters: tuple[str, ...] = (),
    caller: Caller | None = None,
    body: bytes | None = None,
    callers: Callers | None = None,
    now: float = NOW,
) -> Exchange:
    made = Exchange(method, path, query, headers or [], "192.0.2.7", now)
    made.rest = path
    made.parameters = parameters
    made.caller = caller
    made.body = body
    made.table = SimpleNamespace(callers=callers or Callers((), ()))
    return made


def application(id_: str = "app", **more: Any) -> Application:
    fields: dict[str, Any] = {
        "id": id_,
        "name": id_,
        "consumer": "c",
        "audience": "partner",
        "subscriptions": (Subscription(contract="orders", major=1, plan="plan"),),
    }
    return Application(**(fields | more))


def caller(app: Application | None = None, *, plan: Plan | None = None, scopes: tuple[str, ...] = ()) -> Caller:
    app = app or application(scopes=scopes)
    made = Callers((app,), (plan or Plan(name="plan"),)).caller(app.id, "credential", None, NOW + 60)
    assert made is not None
    return made


def codes(problem: object) -> list[tuple[str, str]]:
    """(pointer, code) of every fault of a refusal."""
    assert isinstance(problem, Problem), problem
    return [(fault.pointer, fault.code) for fault in problem.errors]


def noted(faults: tuple[Fault, ...]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults]


def slug(problem: object) -> str:
    assert isinstance(problem, Problem), problem
    return problem.slug

"""Small whole snapshots for tests of the gateway."""

from __future__ import annotations

from typing import Any

from gateway.counters.memory import MemoryCounters
from gateway.keys import KeyRing
from gateway.pipeline import Pipeline, Table
from policies.model.access import ApiKey, Application, Issuer, Limit, Plan, Subject, Subscription, secret_digest
from policies.model.contract import Contract, SiteParameter, Stage, Upstream, Version
from policies.model.document import digest
from policies.model.snapshot import Snapshot, dumps, loads
from policies.traffic import Exchange
from tests.unit.policies.traffic.facts import NOW, SCHEMES
from tests.unit.policies.traffic.tokens import AUDIENCE, ISSUER, jwk

KEY = b"wbk_app_secret"


def document(number: str = "1.0.0", **more: Any) -> dict[str, Any]:
    """Orders: list (scope), create (scope, body), health (open); `more` adds paths."""
    oauth = [{"oauth": ["orders:read"]}]
    page = {
        "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 200}},
                       {"name": "siteId", "in": "query", "schema": {"type": "string"}}],
        "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }  # fmt: skip
    order = {"type": "object", "required": ["lines"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": number},
        "components": {"securitySchemes": SCHEMES},
        "paths": {
            "/orders": {
                "get": {"operationId": "listOrders", "security": oauth, **page},
                "post": {
                    "operationId": "createOrder",
                    "security": [{"oauth": ["orders:write"]}],
                    "requestBody": {"required": True, "content": {"application/json": {"schema": order}}},
                    "responses": {"201": {"description": "made"}},
                },
            },
            "/orders/{orderId}": {
                "get": {
                    "operationId": "getOrder",
                    "security": oauth,
                    "parameters": [{"name": "orderId", "in": "path", "required": True, "schema": {"type": "integer"}}],
                    "responses": {"200": {"description": "ok"}},
                }
            },
            "/health": {"get": {"operationId": "health", "security": [], "responses": {"200": {"description": "ok"}}}},
            **more,
        },
    }


def contract(**more: Any) -> Contract:
    fields: dict[str, Any] = {
        "name": "orders",
        "title": "Orders",
        "owner": "desk",
        "audience": "partner",
        "site": SiteParameter(place="query", name="siteId"),
        "upstreams": {
            "default": Upstream(url="http://hub:1/orders/v{major}"),
            "DAL-2": Upstream(url="http://dal:2/orders/v{major}"),
        },
    }
    return Contract(**(fields | more))


def version(number: str = "1.0.0", stage: Stage = Stage.PUBLISHED, **more: Any) -> Version:
    fields: dict[str, Any] = {
        "contract": "orders",
        "number": number,
        "digest": digest(document(number)),
        "stage": stage,
    }
    return Version(**(fields | more))


def application(id_: str = "app", majors: tuple[int, ...] = (1, 2, 3), plan: str = "plan", **more: Any) -> Application:
    fields: dict[str, Any] = {
        "id": id_,
        "name": id_,
        "consumer": "c",
        "audience": "partner",
        "scopes": ("orders:read",),
        "subscriptions": tuple(Subscription(contract="orders", major=major, plan=plan) for major in majors),
    }
    return Application(**(fields | more))


def snapshot(*versions: Version, **more: Any) -> Snapshot:
    versions = versions or (version(),)
    fields: dict[str, Any] = {
        "revision": 7,
        "compiled_at": int(NOW),
        "contracts": (contract(),),
        "versions": versions,
        "documents": {digest(tree): tree for tree in (document(v.number) for v in versions)},
        "applications": (application(),),
        "api_keys": (ApiKey(id="k", digest=secret_digest(KEY.decode()), application="app"),),
        "issuers": (Issuer(name="id", issuer=ISSUER, audience=AUDIENCE, jwks={"keys": [jwk()]}),),
        "subjects": (Subject(id="cred", issuer=ISSUER, subject="app", application="app"),),
        "plans": (Plan(name="plan", limits=(Limit(name="rate", requests=100, window=10),)),),
    }
    return Snapshot(**(fields | more))


def pipeline() -> Pipeline:
    return Pipeline(MemoryCounters(), KeyRing())


def table(*versions: Version, of: Pipeline | None = None, **more: Any) -> Table:
    made, checksum = loads(dumps(snapshot(*versions, **more)))
    return (of or pipeline()).build(made, checksum)


def exchange(
    on: Table, path: str = "/orders/v1/orders", query: str = "", *headers: tuple[bytes, bytes], method: str = "GET",
    key: bytes | None = KEY, now: float = NOW,
) -> Exchange:  # fmt: skip
    sent = [*headers] if key is None else [(b"x-api-key", key), *headers]
    made = Exchange(method, path, query, sent, "192.0.2.7", now)
    made.table = on
    return made

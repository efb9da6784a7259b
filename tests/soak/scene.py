"""What the gateways of a soak serve: one document under several contracts, and callers on several plans."""

from __future__ import annotations

import time
from typing import Any

from policies.model.access import ApiKey, Application, Limit, Plan, Subscription, secret_digest
from policies.model.contract import Contract, Stage, Upstream, Version
from policies.model.document import digest
from policies.model.snapshot import Snapshot, dumps

LIMIT, WINDOW = 100, 10
PLANS = (
    Plan(name="wide", limits=(Limit(name="rate", requests=1_000_000, window=1),)),
    Plan(name="local", limits=(Limit(name="tight", requests=LIMIT, window=WINDOW),)),
    Plan(name="open", limits=(Limit(name="tight", requests=LIMIT, window=WINDOW),), on_counter_loss="open"),
    Plan(name="closed", limits=(Limit(name="tight", requests=LIMIT, window=WINDOW),), on_counter_loss="closed"),
)


def key(plan: str) -> str:
    """The API key of the application that is on this plan."""
    return f"wbk_{plan}_secret"


def document() -> dict[str, Any]:
    item = {"name": "itemId", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"}}
    shape = {"type": "object", "required": ["target"], "properties": {"target": {"type": "string"}}}
    line = {"type": "object", "required": ["quantity"], "properties": {"quantity": {"type": "integer"}, "note": {}}}
    json = "application/json"
    answered = {"200": {"description": "An item.", "content": {json: {"schema": shape}}}}
    secured = {"security": [{"oauth": ["items:use"]}], "responses": answered}
    flow = {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {"items:use": "Use items"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Items", "version": "1.0.0"},
        "components": {"securitySchemes": {"oauth": {"type": "oauth2", "flows": flow}}},
        "paths": {
            "/items/{itemId}": {"get": {"operationId": "getItem", "parameters": [item], **secured}},
            "/items": {
                "post": {
                    "operationId": "makeItem",
                    "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}],
                    "requestBody": {"required": True, "content": {json: {"schema": line}}},
                    **secured,
                }
            },
        },
    }


def snapshot(revision: int, upstreams: dict[str, str], *, plans: tuple[Plan, ...] = PLANS, **spec: Any) -> bytes:
    """`upstreams` maps contracts to addresses; `spec` is what else `Upstream` takes, for all but ``steady``."""
    tree = document()
    return dumps(
        Snapshot(
            revision=revision,
            compiled_at=int(time.time()),
            contracts=tuple(
                Contract(
                    name=name,
                    title=name,
                    owner="desk",
                    audience="partner",
                    upstreams={"default": Upstream(url=url, **({} if name == "steady" else spec))},
                    response_validation="block" if name == "blocking" else "report",
                )
                for name, url in upstreams.items()
            ),
            versions=tuple(
                Version(contract=name, number="1.0.0", digest=digest(tree), stage=Stage.PUBLISHED) for name in upstreams
            ),
            documents={digest(tree): tree},
            applications=tuple(
                Application(
                    id=plan.name,
                    name=plan.name,
                    consumer="soak",
                    audience="partner",
                    scopes=("items:use",),
                    subscriptions=tuple(Subscription(contract=name, major=1, plan=plan.name) for name in upstreams),
                )
                for plan in plans
            ),
            api_keys=tuple(
                ApiKey(id=plan.name, digest=secret_digest(key(plan.name)), application=plan.name) for plan in plans
            ),
            plans=plans,
        )
    )

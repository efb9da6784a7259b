"""A small world for registry tests: two teams, a contract, a partner's application, documents that lint accepts."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from policies.lifecycle import Action
from policies.model.access import Limit, Plan
from policies.model.contract import Contract, Upstream
from policies.model.document import Document
from registry import issuers, operators, plans, publishing, subscriptions, transitions
from registry.audit import Actor
from registry.evidence import Publication
from registry.store import Unit
from registry.store.records import Consumer, RegisteredApplication, Team

NOW = 1_800_000_000
DAY = 86_400
ADMIN = Actor("ada", "admin")
MEMBER = Actor("mia", "member", "stock-team")
MAINTAINER = Actor("mara", "maintainer", "stock-team")
OTHER = Actor("otto", "member", "order-team")
READER = Actor("rita", "reader")

CONTRACT = Contract(
    name="stock",
    title="Stock",
    owner="stock-team",
    audience="partner",
    upstreams={"default": Upstream(url="http://127.0.0.1:9101/stock/v{major}")},
)
PLAN = Plan(name="standard", limits=(Limit(name="per-minute", requests=60, window=60),))
CONSUMER = Consumer(id="oakhurst", name="Oakhurst Supply", audience="partner")
APPLICATION = RegisteredApplication(
    id="oakhurst-procurement", name="Procurement", consumer="oakhurst", party="SUP-10021", scopes=("stock:read",)
)


@dataclass(frozen=True)
class Parsed:
    """Stands for what the safe door hands over."""

    document: Document
    text: str = "openapi: 3.1.0\n"


_PROBLEM = {
    "description": "Something is wrong.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status"],
                "properties": {
                    "type": {"type": "string", "format": "uri", "maxLength": 500},
                    "title": {"type": "string", "maxLength": 200},
                    "status": {"type": "integer", "minimum": 100, "maximum": 599},
                },
            },
            "example": {"type": "https://stock.example/problems/none", "title": "None", "status": 404},
        }
    },
}

_TREE: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Stock",
        "version": "1.0.0",
        "description": "How much is where.",
        "contact": {"name": "Stock team", "email": "stock@larkfield.example"},
    },
    "servers": [{"url": "https://api.larkfield.example/stock/v1"}],
    "tags": [{"name": "stock", "description": "Stock"}],
    "security": [{"oauth": ["stock:read"]}],
    "paths": {
        "/items/{sku}": {
            "get": {
                "operationId": "getItem",
                "summary": "One item.",
                "description": "What is known of one item.",
                "tags": ["stock"],
                "parameters": [
                    {
                        "name": "sku",
                        "in": "path",
                        "required": True,
                        "description": "The item.",
                        "schema": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$", "maxLength": 6},
                        "example": "AB1234",
                    }
                ],
                "responses": {
                    "200": {
                        "description": "The item.",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["sku", "unit"],
                                    "properties": {
                                        "sku": {"type": "string", "maxLength": 6, "description": "The item."},
                                        "unit": {"type": "string", "enum": ["EA", "CS"], "description": "Unit."},
                                    },
                                },
                                "example": {"sku": "AB1234", "unit": "EA"},
                            }
                        },
                    },
                    **dict.fromkeys(("400", "401", "403", "404", "429", "default"), _PROBLEM),
                },
            }
        }
    },
    "components": {
        "securitySchemes": {
            "oauth": {
                "type": "oauth2",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": "https://api.larkfield.example/oauth/token",
                        "scopes": {"stock:read": "Read stock."},
                    }
                },
            }
        }
    },
}


def document(number: str = "1.0.0", *, extra: int = 0, breaking: bool = False, untidy: bool = False) -> Document:
    """A document that lint accepts. `extra` adds that many optional response members (a minor change each), `breaking`
    makes a query parameter required, `untidy` takes the security away (a lint error)."""
    tree = deepcopy(_TREE)
    tree["info"]["version"] = number
    operation = tree["paths"]["/items/{sku}"]["get"]
    properties = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    for index in range(extra):
        properties[f"note{index}"] = {"type": "string", "maxLength": 100, "description": "A note."}
    if breaking:
        operation["parameters"].append(
            {
                "name": "siteId",
                "in": "query",
                "required": True,
                "description": "The site.",
                "schema": {"type": "string", "maxLength": 5},
                "example": "DAL-2",
            }
        )
    if untidy:
        del tree["security"]
        del tree["components"]
    return Document(tree)


def parsed(number: str = "1.0.0", **changes: Any) -> Parsed:
    return Parsed(document(number, **changes))


def seed(unit: Unit, *, now: int = NOW) -> None:
    """Teams, the contract, a plan, a consumer and its application; nothing published yet."""
    issuers.bootstrap(unit, issuer="http://127.0.0.1:8080", audience="weighbridge", now=now)
    for name in ("stock-team", "order-team"):
        operators.put_team(unit, ADMIN, Team(name=name), now=now)
    publishing.register_contract(unit, ADMIN, CONTRACT, now=now)
    plans.put_plan(unit, ADMIN, PLAN, now=now)
    subscriptions.put_consumer(unit, ADMIN, CONSUMER, now=now)
    subscriptions.put_application(unit, ADMIN, APPLICATION, now=now)


def publish(unit: Unit, number: str = "1.0.0", *, actor: Actor = MEMBER, now: int = NOW, **changes: Any) -> Publication:
    return publishing.publish(unit, actor, "stock", parsed(number, **changes), now=now)


def subscribe(unit: Unit, major: int = 1, *, now: int = NOW) -> None:
    subscriptions.subscribe(unit, ADMIN, APPLICATION.id, "stock", major, "standard", now=now)


def deprecate(unit: Unit, number: str, *, successor: str = "2", now: int = NOW) -> Publication:
    sunset_at = now + 200 * DAY
    return transitions.move(
        unit, MEMBER, "stock", number, Action.DEPRECATE, sunset_at=sunset_at, successor=successor, reason="old", now=now
    )

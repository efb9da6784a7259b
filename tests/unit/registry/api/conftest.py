"""A registry in memory of the test: its application, a client for it, and a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from starlette.testclient import TestClient

from registry import documents, upkeep
from registry.api import app
from registry.api.desk import Desk
from registry.settings import Settings
from registry.store import open_store

KEY = "bootstrap-key-of-the-tests"
NOW = 1_800_000_000
"""2027-01-15T08:00:00Z"""

DOCUMENT = """\
openapi: 3.1.0
info: {title: Stock, version: %s, description: Stock by site., contact: {name: Inventory}}
servers: [{url: https://api.example.com/stock}]
security: [{oauth: [stock.read]}]
tags: [{name: stock, description: Stock}]
paths:
  /stock/{sku}:
    get:
      operationId: getStock
      summary: Read stock
      description: Reads the stock of one SKU.
      tags: [stock]
      parameters:
        - name: sku
          in: path
          required: true
          description: The SKU.
          example: A-1
          schema: {type: string, maxLength: 20}
      responses:
        '200':
          description: The stock.
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Stock'}
              example: {sku: A-1%s}
        default:
          description: A problem.
          content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}
components:
  securitySchemes:
    oauth:
      type: oauth2
      flows: {clientCredentials: {tokenUrl: 'https://api.example.com/token', scopes: {stock.read: Read stock}}}
  schemas:
    Stock:
      type: object
      required: [sku]
      properties:
        sku: {type: string, maxLength: 20}
        %s
    Problem:
      type: object
      required: [type, title, status]
      properties:
        type: {type: string, maxLength: 200}
        title: {type: string, maxLength: 200}
        status: {type: integer, minimum: 100, maximum: 599}
        detail: {type: string, maxLength: 2000}
        instance: {type: string, maxLength: 200}
"""


def document(number: str, *, site: bool = True) -> str:
    """A document that passes the rules; without `site` a member of its response is gone."""
    member = "site: {type: string, maxLength: 10}" if site else ""
    return DOCUMENT % (number, ", site: DAL-2" if site else "", member)


class Registry:
    """The registry as somebody with a key sees it. `now` is the time, in unix seconds."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.store = open_store(f"sqlite:///{folder}/registry.db")
        settings = Settings(admin_key=KEY, issuer="https://registry.example", token_seconds=600)
        self.desk = Desk(self.store, settings, lambda: self.now)
        upkeep.begin(self.store, settings, self.desk.keyring, now=self.now)
        self.client = TestClient(app.create(self.desk), raise_server_exceptions=False)

    def call(self, method: str, path: str, *, key: str | None = KEY, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        answer: httpx.Response = self.client.request(method, path, headers=headers, **options)
        return answer

    def ok(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of an answer that must be a success."""
        answer = self.call(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def problem(self, method: str, path: str, status: int, code: str, **options: Any) -> Any:
        """The JSON of a problem that must have that status and code."""
        answer = self.call(method, path, **options)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        tree = answer.json()
        assert (answer.status_code, tree["status"], tree["code"]) == (status, status, code), answer.text
        assert tree["requestId"] == answer.headers["x-request-id"]
        assert tree["type"] == "https://weighbridge.example/problems/" + code.lower().replace("_", "-")
        return tree

    def seed(self) -> None:
        """The team `inventory` with its contract `stock`, the plan `gold`, the consumer and application `oakhurst`."""
        self.ok("PUT", "/v1/teams/inventory", json={"title": "Inventory"})
        self.ok(
            "PUT",
            "/v1/contracts/stock",
            json={
                "title": "Stock",
                "owner": "inventory",
                "audience": "partner",
                "upstreams": {"default": {"url": "http://127.0.0.1:9/v{major}"}},
            },
        )
        limits = [{"name": "burst", "requests": 10, "window": 1}]
        self.ok("PUT", "/v1/plans/gold", json={"title": "Gold", "limits": limits})
        self.ok("PUT", "/v1/consumers/oakhurst", json={"name": "Oakhurst", "audience": "partner"})
        application = {"name": "Oakhurst", "consumer": "oakhurst", "scopes": ["stock.read", "stock.write"]}
        self.ok("PUT", "/v1/applications/oakhurst", json=application)

    def publish(self, number: str, **options: Any) -> Any:
        return self.ok("POST", "/v1/contracts/stock/versions", json={"document": document(number), **options})


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry(tmp_path)
    yield made
    made.client.close()
    made.store.close()


@pytest.fixture(scope="session", autouse=True)
def surroundings() -> Iterator[None]:
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])
    yield
    structlog.reset_defaults()
    documents.close()

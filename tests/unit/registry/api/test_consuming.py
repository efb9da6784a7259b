"""What an application reads of itself: by its own credential, as the gateway routes it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.counters.memory import MemoryCounters
from gateway.keys import KeyRing
from gateway.pipeline import Pipeline
from policies.model.snapshot import loads
from policies.traffic import Exchange
from registry.settings import Settings
from tests.unit.registry.api.conftest import NOW, Registry

STOCK = "/v1/applications/me/contracts/stock/openapi.json"


@pytest.fixture
def oakhurst(registry: Registry) -> Registry:
    """Oakhurst may read stock 1.0.0, on the plan gold."""
    registry.seed()
    registry.publish("1.0.0")
    registry.ok("PUT", "/v1/applications/oakhurst/subscriptions/stock/1", json={"plan": "gold"})
    return registry


def credential(registry: Registry, kind: str = "api-key", **more: Any) -> Any:
    return registry.ok("POST", "/v1/applications/oakhurst/credentials", json={"kind": kind, **more})


@pytest.fixture
def key(oakhurst: Registry) -> dict[str, str]:
    return {"X-API-Key": credential(oakhurst)["secret"]}


def token(registry: Registry, secret: str, **more: str) -> dict[str, str]:
    fields = {"grant_type": "client_credentials", "client_id": "oakhurst", "client_secret": secret, **more}
    answer = registry.client.post("/oauth/token", data=fields)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def own(registry: Registry, path: str, headers: dict[str, str]) -> Any:
    return registry.ok("GET", path, key=None, headers=headers)


def refused(registry: Registry, path: str, headers: dict[str, str], status: int, code: str) -> Any:
    return registry.problem("GET", path, status, code, key=None, headers=headers)


def routed(registry: Registry, headers: list[tuple[bytes, bytes]], path: str) -> str:
    """The version that a gateway serves."""
    row = registry.store.snapshot()
    assert row is not None
    table = Pipeline(MemoryCounters(), KeyRing()).build(*loads(row.data))
    exchange = Exchange("GET", path, "", headers, "192.0.2.7", registry.now)
    exchange.table = table
    table.open(exchange)
    return exchange.version


def test_a_key_reads_the_document_of_its_application(oakhurst: Registry, key: dict[str, str]) -> None:
    tree = own(oakhurst, STOCK, key)
    validate(tree)
    assert tree["servers"] == [{"url": "http://127.0.0.1:8000/stock/v1"}]
    assert list(tree["paths"]) == ["/stock/{sku}"]
    limits = tree["info"]["x-weighbridge"].pop("limits")
    assert [(limit["name"], limit["requests"], limit["window"]) for limit in limits] == [("burst", 10, 1)]
    assert tree["info"]["x-weighbridge"] == {
        "application": "oakhurst", "consumer": "oakhurst", "contract": "stock", "major": 1, "version": "1.0.0",
        "stage": "published", "plan": "gold", "blocked": False,
    }  # fmt: skip


def test_a_token_reads_the_same_and_so_does_an_operator_for_it(oakhurst: Registry, key: dict[str, str]) -> None:
    bearer = token(oakhurst, credential(oakhurst, "client-secret")["secret"])
    tree = own(oakhurst, STOCK, key)
    assert own(oakhurst, STOCK, bearer) == tree
    assert oakhurst.ok("GET", "/v1/applications/oakhurst/contracts/stock/openapi.json") == tree


def test_without_the_scope_the_operation_is_absent(oakhurst: Registry, key: dict[str, str]) -> None:
    application = {"name": "Oakhurst", "consumer": "oakhurst", "scopes": ["stock.write"]}
    oakhurst.ok("PUT", "/v1/applications/oakhurst", json=application)
    assert own(oakhurst, STOCK, key)["paths"] == {}


def test_it_is_not_sent_again_to_who_has_it(oakhurst: Registry, key: dict[str, str]) -> None:
    first = oakhurst.call("GET", STOCK, key=None, headers=key)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = oakhurst.call("GET", STOCK, key=None, headers={**key, "If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    oakhurst.ok("PUT", "/v1/plans/gold", json={"title": "Gold", "limits": []})
    changed = oakhurst.call("GET", STOCK, key=None, headers={**key, "If-None-Match": etag})
    assert changed.status_code == 200, "limits are part of it"


def test_who_am_i(oakhurst: Registry, key: dict[str, str]) -> None:
    issued = credential(oakhurst, "client-secret", label="old")
    path = f"/v1/applications/oakhurst/credentials/{issued['credential']['id']}"
    oakhurst.ok("DELETE", path)
    answer = oakhurst.call("GET", "/v1/applications/me", key=None, headers=key)
    me = answer.json()
    assert [(c["kind"], c["current"], c["last_used_at"]) for c in me.pop("credentials")] == [("api-key", True, None)]
    (subscription,) = me.pop("subscriptions")
    assert me == {
        "id": "oakhurst", "name": "Oakhurst", "consumer": "oakhurst", "audience": "partner", "party": None,
        "sites": None, "scopes": ["stock.read", "stock.write"], "pins": {},
    }  # fmt: skip
    assert subscription == {
        "contract": "stock", "major": 1, "title": "Stock", "plan": "gold", "version": "1.0.0", "stage": "published",
        "deprecated_at": None, "sunset_at": None, "successor": None, "blocked": False,
        "address": "http://127.0.0.1:8000/stock/v1", "document": f"{STOCK}?major=1",
    }  # fmt: skip
    assert "digest" not in answer.text
    assert key["X-API-Key"] not in answer.text
    listed = own(oakhurst, "/v1/applications/me/contracts", key)
    assert listed == {"items": [subscription], "page": {"limit": 50, "next_cursor": None}}
    assert own(oakhurst, subscription["document"], key)["openapi"] == "3.1.0"


def test_lists_come_in_pages(oakhurst: Registry, key: dict[str, str]) -> None:
    oakhurst.publish("2.0.0")
    oakhurst.ok("PUT", "/v1/applications/oakhurst/subscriptions/stock/2", json={"plan": "gold"})
    first = own(oakhurst, "/v1/applications/me/contracts?limit=1", key)
    cursor = first["page"]["next_cursor"]
    second = own(oakhurst, f"/v1/applications/me/contracts?limit=1&cursor={cursor}", key)
    assert [item["major"] for page in (first, second) for item in page["items"]] == [1, 2]
    assert second["page"]["next_cursor"] is None
    operators = oakhurst.ok("GET", "/v1/applications/oakhurst/contracts")["items"]
    assert [item["document"] for item in operators] == [
        f"/v1/applications/oakhurst/contracts/stock/openapi.json?major={major}" for major in (1, 2)
    ]


def test_of_several_majors_it_is_the_one_asked_for_else_the_pin_else_the_default(
    oakhurst: Registry, key: dict[str, str]
) -> None:
    def numbers(query: str = "") -> str:
        return str(own(oakhurst, STOCK + query, key)["info"]["x-weighbridge"]["version"])

    oakhurst.publish("2.0.0")
    assert numbers() == "1.0.0", "the only one it subscribes to, though 2 is the default"
    oakhurst.ok("PUT", "/v1/applications/oakhurst/subscriptions/stock/2", json={"plan": "gold"})
    assert (numbers(), numbers("?major=1"), numbers("?version=1"), numbers("?version=2.0.0")) == (
        "2.0.0", "1.0.0", "1.0.0", "2.0.0",
    )  # fmt: skip
    application = {"name": "Oakhurst", "consumer": "oakhurst", "scopes": [], "pins": {"stock": 1}}
    oakhurst.ok("PUT", "/v1/applications/oakhurst", json=application)
    assert numbers() == "1.0.0"
    secret = key["X-API-Key"].encode()
    assert routed(oakhurst, [(b"x-api-key", secret)], "/stock/stock/A-1") == "1.0.0"
    refused(oakhurst, STOCK + "?major=1&version=2", key, 400, "BAD_REQUEST")
    refused(oakhurst, STOCK + "?version=newest", key, 400, "BAD_REQUEST")
    refused(oakhurst, STOCK + "?major=7", key, 404, "VERSION_UNKNOWN")
    refused(oakhurst, STOCK + "?version=1.9.0", key, 404, "VERSION_UNKNOWN")


def test_rollouts_and_previews_are_seen_as_the_gateway_routes_them(oakhurst: Registry, key: dict[str, str]) -> None:
    secret = [(b"x-api-key", key["X-API-Key"].encode())]
    oakhurst.publish("1.1.0")
    oakhurst.publish("1.2.0", stage="draft")
    oakhurst.ok("POST", "/v1/contracts/stock/versions/1.2.0/transitions", json={"action": "submit"})
    for share, applications, number in ((0, ["oakhurst"], "1.1.0"), (100, [], "1.1.0"), (0, [], "1.0.0")):
        body = {"version": "1.1.0", "share": share, "applications": applications}
        oakhurst.ok("PUT", "/v1/contracts/stock/rollouts/1", json=body)
        assert own(oakhurst, STOCK, key)["info"]["version"] == number
        assert routed(oakhurst, secret, "/stock/v1/stock/A-1") == number
    preview = f"{STOCK}?version=1.2.0"
    refused(oakhurst, preview, key, 404, "VERSION_UNKNOWN")
    path = "/v1/contracts/stock/versions/1.2.0/preview-applications"
    oakhurst.ok("PUT", path, json={"applications": ["oakhurst"]})
    shown = own(oakhurst, preview, key)["info"]
    assert (shown["version"], shown["x-weighbridge"]["stage"]) == ("1.2.0", "in-review")
    assert routed(oakhurst, [*secret, (b"api-version", b"1.2.0")], "/stock/v1/stock/A-1") == "1.2.0"


def test_without_a_subscription_it_is_told_so_and_of_what_is_gone_where_to_go(
    oakhurst: Registry, key: dict[str, str]
) -> None:
    oakhurst.publish("2.0.0")
    refused(oakhurst, STOCK + "?major=2", key, 403, "NOT_SUBSCRIBED")
    refused(oakhurst, "/v1/applications/me/contracts/nothing/openapi.json", key, 404, "NOT_FOUND")
    body = {"action": "deprecate", "reason": "old", "sunset_at": "2028-01-15", "successor": "2"}
    oakhurst.ok("POST", "/v1/contracts/stock/versions/1.0.0/transitions", json=body)
    shown = own(oakhurst, STOCK, key)["info"]["x-weighbridge"]
    assert (shown["deprecated_at"], shown["sunset_at"], shown["successor"]) == (
        "2027-01-15T08:00:00Z", "2028-01-15T00:00:00Z", "/stock/v2",
    )  # fmt: skip
    oakhurst.now = NOW + 400 * 86_400
    body = {"action": "retire", "reason": "done", "forced": True}
    oakhurst.ok("POST", "/v1/contracts/stock/versions/1.0.0/transitions", json=body)
    problem = refused(oakhurst, STOCK + "?major=1", key, 410, "VERSION_RETIRED")
    assert problem["successor"] == "/stock/v2"
    assert own(oakhurst, "/v1/applications/me/contracts", key)["items"][0]["stage"] == "retired"


@pytest.mark.parametrize("path", ["/v1/applications/me", "/v1/applications/me/contracts", STOCK])
def test_only_a_credential_of_an_application_is_let_in(oakhurst: Registry, path: str) -> None:
    issued = credential(oakhurst)
    key = {"X-API-Key": issued["secret"]}
    refused(oakhurst, path, {}, 401, "CREDENTIALS_MISSING")
    refused(oakhurst, path, {"X-API-Key": issued["secret"][:-1]}, 401, "CREDENTIALS_INVALID")
    refused(oakhurst, path, {"X-API-Key": issued["credential"]["id"]}, 401, "CREDENTIALS_INVALID")
    refused(oakhurst, path, {**key, "Authorization": "Bearer x"}, 400, "BAD_REQUEST")
    oakhurst.problem("GET", path, 401, "CREDENTIALS_INVALID")  # a management key, even the admin's
    own(oakhurst, path, key)
    oakhurst.ok("DELETE", f"/v1/applications/oakhurst/credentials/{issued['credential']['id']}")
    refused(oakhurst, path, key, 401, "CREDENTIALS_INVALID")


def test_a_token_dies_with_its_secret_and_with_time(oakhurst: Registry) -> None:
    issued = credential(oakhurst, "client-secret")
    bearer = token(oakhurst, issued["secret"])
    oakhurst.now += 600 + 9
    own(oakhurst, STOCK, bearer)
    oakhurst.now += 2
    refused(oakhurst, STOCK, bearer, 401, "CREDENTIALS_INVALID")
    fresh = token(oakhurst, issued["secret"])
    own(oakhurst, STOCK, fresh)
    oakhurst.ok("DELETE", f"/v1/applications/oakhurst/credentials/{issued['credential']['id']}")
    refused(oakhurst, STOCK, fresh, 401, "CREDENTIALS_INVALID")


def test_a_credential_of_an_application_governs_nothing(oakhurst: Registry, key: dict[str, str]) -> None:
    bearer = token(oakhurst, credential(oakhurst, "client-secret")["secret"])
    for path in ("/v1/contracts", "/v1/applications/oakhurst", "/v1/applications/oakhurst/contracts", "/v1/snapshot"):
        assert oakhurst.call("GET", path, key=None, headers=key).status_code == 401
        assert oakhurst.call("GET", path, key=None, headers=bearer).status_code == 401


def test_wrong_keys_are_counted_by_source_and_a_right_one_is_let_in_all_the_same(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.seed()
    secret = credential(registry)["secret"]
    for _ in range(20):
        refused(registry, "/v1/applications/me", {"X-API-Key": "wbk_guess"}, 401, "CREDENTIALS_INVALID")
    answer = registry.call("GET", "/v1/applications/me", key=None, headers={"X-API-Key": "wbk_guess"})
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_ATTEMPTS")
    assert int(answer.headers["retry-after"]) > 0
    own(registry, "/v1/applications/me", {"X-API-Key": secret})
    registry.client.close()
    registry.store.close()


def test_no_application_is_called_me(registry: Registry) -> None:
    registry.seed()
    answer = registry.call("PUT", "/v1/applications/me", json={"name": "Me", "consumer": "oakhurst"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_gateway_is_named_by_a_setting() -> None:
    assert Settings(gateway_url="https://api.example.com/edge").gateway_url == "https://api.example.com/edge"
    for wrong in (
        "api.example.com",
        "https://",
        "https://u:p@host",
        "https://host/?q",
        "https://host/#f",
        "ftp://host",
    ):
        with pytest.raises(ValueError, match="gateway_url"):
            Settings(gateway_url=wrong)


def test_what_was_agreed_is_seen_as_long_as_it_holds(oakhurst: Registry, key: dict[str, str]) -> None:
    """A pin, and a trial that ends, as the gateway judges them; what is suspended is not there."""
    oakhurst.publish("1.1.0")
    path = "/v1/applications/oakhurst/subscriptions/stock/1"
    oakhurst.ok("PUT", f"{path}/version", json={"pin": "1.0.0"})
    sent = [(b"x-api-key", key["X-API-Key"].encode())]
    assert own(oakhurst, STOCK, key)["info"]["version"] == routed(oakhurst, sent, "/stock/v1/stock/A-1") == "1.0.0"
    oakhurst.ok("PUT", path, json={"plan": "gold", "expires_at": "2027-01-15T08:01:00Z"})
    assert own(oakhurst, STOCK, key)["info"]["version"] == "1.0.0"
    oakhurst.now += 60
    refused(oakhurst, STOCK, key, 403, "NOT_SUBSCRIBED")
    oakhurst.ok("PUT", path, json={"plan": "gold", "expires_at": None})
    oakhurst.ok("PUT", f"{path}/version", json={})
    assert own(oakhurst, STOCK, key)["info"]["version"] == "1.1.0"
    oakhurst.ok("POST", f"{path}/transitions", json={"to": "suspended", "reason": "invoices"})
    refused(oakhurst, STOCK, key, 403, "NOT_SUBSCRIBED")

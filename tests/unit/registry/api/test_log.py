"""The audit log by HTTP: pages newest first, an export oldest first that proves itself."""

from __future__ import annotations

import json
from typing import Any

from registry import chain
from tests.unit.registry.api.conftest import Registry


def test_an_export_is_a_whole_chain_in_pages(registry: Registry) -> None:
    for number in range(7):
        registry.ok("PUT", f"/v1/teams/team-{number}", json={})
    rows: list[dict[str, Any]] = []
    while True:
        answer = registry.call("GET", "/v1/audit/export", params={"after": rows[-1]["seq"] if rows else 0, "limit": 3})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jsonl")
        page = [json.loads(line) for line in answer.text.splitlines()]
        rows += page
        if len(page) < 3:
            break
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert chain.verify(rows).is_whole
    assert {row["subject"] for row in rows} > {f"teams/team-{number}" for number in range(7)}
    newest = registry.ok("GET", "/v1/audit", params={"limit": 1})["items"][0]
    assert newest["hash"] == rows[-1]["hash"]


def test_an_export_behind_the_end_is_empty(registry: Registry) -> None:
    answer = registry.call("GET", "/v1/audit/export", params={"after": 10_000})
    assert (answer.status_code, answer.text) == (200, "")


def test_a_row_says_with_which_key_and_from_where(registry: Registry) -> None:
    registry.seed()
    made = registry.ok("POST", "/v1/operators", json={"name": "mara", "role": "maintainer", "team": "inventory"})
    registry.ok("PUT", "/v1/contracts/stock", key=made["key"], json=CONTRACT)
    by_operator, by_bootstrap = registry.ok("GET", "/v1/audit", params={"limit": 2})["items"]
    assert (by_operator["actor"], by_operator["credential"]) == ("mara", made["operator"]["id"])
    assert (by_bootstrap["actor"], by_bootstrap["credential"]) == ("bootstrap-admin", "bootstrap-key")
    assert by_operator["source"] == by_bootstrap["source"] == "testclient"
    own = registry.ok("GET", "/v1/audit", key=made["key"], params={"limit": 1})["items"][0]
    assert (own["actor"], own["credential"], own["source"]) == ("mara", None, None)


CONTRACT = {
    "title": "Stock, renamed",
    "owner": "inventory",
    "audience": "partner",
    "upstreams": {"default": {"url": "http://127.0.0.1:9/v{major}"}},
}

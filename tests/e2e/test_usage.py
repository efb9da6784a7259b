"""Observed use, all the way: a call through the gateway is what a publisher reads a moment later."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.e2e.conftest import CUSTOMER, Running, eventually
from weighbridge.settings import read_private


def _calls(up: Running, contract: str, operation: str) -> int:
    told = up.run("usage", contract, "--application", CUSTOMER, "--format", "json")
    assert told.returncode == 0, told.stderr
    return sum(item["calls"] for item in json.loads(told.stdout) if item["operation"] == operation)


def test_what_was_called_is_known_by_contract_version_and_credential(up: Running) -> None:
    before = _calls(up, "shipment@1", "listShipments")
    for _ in range(4):
        assert up.call("/shipment/v1/shipments").status_code != 401
    assert eventually(lambda: _calls(up, "shipment@1", "listShipments") == before + 4, 20)
    assert _calls(up, "shipment@2", "listShipments") == 0
    held = json.loads(up.run("apps", "show", CUSTOMER, "--format", "json").stdout)
    key = up.demo["keys"][CUSTOMER].split("_")[1]
    (used,) = [credential for credential in held["credentials"] if credential["id"] == key]
    assert used["last_used_at"] is not None


def test_whom_a_change_hurts_is_told_with_what_it_calls(up: Running) -> None:
    up.call("/inventory-availability/v1/sites/0142/availability")

    def told() -> list[str]:
        return up.run("diff", "inventory-availability@1", "inventory-availability@2").stdout.splitlines()

    assert eventually(
        lambda: any(line.startswith("        calls GET /sites/{siteCode}/availability ") for line in told()), 20
    )
    held = up.run("retire", "inventory-availability@1")
    assert held.returncode == 1
    assert f"still called by {CUSTOMER} on " in held.stdout


def test_the_gateways_key_opens_nothing_else(up: Running) -> None:
    key = {"Authorization": f"Bearer {read_private(up.home / 'gateway.json')['key']}"}

    def ask(path: str) -> int:
        return httpx.get(up.registry + path, headers=key, trust_env=False).status_code

    assert [ask(path) for path in ("/v1/snapshot", "/v1/usage", "/v1/applications", "/v1/audit")] == [
        200,
        403,
        403,
        403,
    ]


def test_top_shows_the_gateway_of_up(up: Running) -> None:
    shown = up.run("top", "--once", "--interval", "0.2", "--json")
    assert shown.returncode == 0, shown.stderr
    view: dict[str, Any] = json.loads(shown.stdout)
    assert [(line["url"], line["state"]) for line in view["gateways"]] == [(up.admin, "ready")]
    assert view["gateways"][0]["per_second"] is not None
    assert {line["application"] for line in view["consumers"]} >= {CUSTOMER}

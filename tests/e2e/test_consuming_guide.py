"""Walks docs/guides/consuming.md as an integrator would, against the demo."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import CUSTOMER, ROOT, Running, eventually
from tests.e2e.test_readme import Shell, matches, steps


def test_the_guide_to_calling_a_contract_is_true(up: Running, tmp_path: Path) -> None:
    places = {
        "127.0.0.1:8000": up.gateway.removeprefix("http://"),
        "127.0.0.1:8080": up.registry.removeprefix("http://"),
    }
    terminal = Shell(tmp_path, up.environment)
    walked = 0
    try:
        for command, expected in steps((ROOT / "docs" / "guides" / "consuming.md").read_text()):
            for written, real in places.items():
                command, expected = command.replace(written, real), (expected or "").replace(written, real)
            printed = terminal.type(command)
            assert matches(expected or "", printed), f"$ {command}\nexpected:\n{expected}\n\nprinted:\n{printed}"
            walked += 1
    finally:
        terminal.close()
    assert walked == 15
    tree = json.loads((tmp_path / "inventory.json").read_text())
    assert tree["info"]["x-weighbridge"]["application"] == CUSTOMER


def test_what_the_document_holds_is_not_refused_and_what_it_does_not_is(up: Running) -> None:
    """Over the wire, for every operation of a contract that the customer may call in part."""
    key = up.key(CUSTOMER)
    scopes = up.client.get(f"/v1/applications/{CUSTOMER}")["scopes"]
    assert "prices:read" in scopes
    held = up.client.get(f"/v1/applications/{CUSTOMER}")
    up.client.put(f"/v1/applications/{CUSTOMER}", {**held, "scopes": [s for s in scopes if s != "prices:quote"]})
    try:
        address = f"{up.registry}/v1/applications/me/contracts/pricing/openapi.json"
        seen = httpx.get(address, headers=key, trust_env=False).json()
        whole = up.client.get("/v1/contracts/pricing/versions/1.1.0/document")
        shown = _operations(seen)
        assert 0 < len(shown) < len(_operations(whole))

        def answered() -> bool:
            refused = {(path, method) for path, method in _operations(whole) if _status(up, path, method) == 403}
            return refused == _operations(whole) - shown

        eventually(answered)
    finally:
        up.client.put(f"/v1/applications/{CUSTOMER}", held)


def _operations(tree: Any) -> set[tuple[str, str]]:
    return {(path, method) for path, item in tree["paths"].items() for method in ("get", "post") if method in item}


def _status(up: Running, path: str, method: str) -> int:
    return up.call("/pricing/v1" + re.sub(r"\{[^}]*\}", "x", path), method=method.upper()).status_code

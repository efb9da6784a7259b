"""Credentials over the management API: shown once, rotated, told where they stand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.registry.api.conftest import NOW, Registry

PATH = "/v1/applications/oakhurst/credentials"
DAY = 86_400


@pytest.fixture
def made(registry: Registry) -> Any:
    registry.seed()
    return registry.ok("POST", PATH, json={"kind": "api-key", "label": "nightly"})


def states(registry: Registry) -> dict[str, str]:
    return {held["id"]: held["state"] for held in registry.ok("GET", PATH)["items"]}


def test_a_rotation_shows_the_new_key_once_and_the_end_of_the_old_one(registry: Registry, made: Any) -> None:
    old = made["credential"]["id"]
    answer = registry.call("POST", f"{PATH}/{old}/rotation", json={"overlap_seconds": 20 * DAY, "reason": "yearly"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    rotated = answer.json()
    new = rotated["credential"]["id"]
    assert rotated["secret"].startswith(f"wbk_{new}_")
    assert (rotated["credential"]["label"], rotated["credential"]["state"]) == ("nightly", "live")
    assert (rotated["replaced"]["expires_at"], rotated["replaced"]["replaced_by"]) == ("2027-02-04T08:00:00Z", new)
    assert states(registry) == {old: "live", new: "live"}
    registry.now = NOW + 7 * DAY
    assert states(registry) == {old: "expiring", new: "live"}
    registry.now = NOW + 20 * DAY
    registry.ok("DELETE", f"{PATH}/{new}")
    assert states(registry) == {old: "expired", new: "revoked"}
    for text in (made["secret"], rotated["secret"]):
        assert text not in str(registry.ok("GET", PATH)) + str(registry.ok("GET", "/v1/audit"))
    rows = registry.ok("GET", "/v1/audit", params={"subject": f"applications/oakhurst/credentials/{old}"})["items"]
    assert [(row["action"], row["reason"]) for row in rows] == [
        ("credential.rotate", "yearly"),
        ("credential.create", None),
    ]


def test_what_is_no_rotation(registry: Registry, made: Any) -> None:
    address = f"{PATH}/{made['credential']['id']}/rotation"
    registry.problem("POST", f"{PATH}/000000000000/rotation", 404, "NOT_FOUND", json={})
    for body in ({"overlap_seconds": -1}, {"overlap_seconds": "7d"}, {"kind": "api-key"}, {"expires_at": "soon"}):
        assert registry.call("POST", address, json=body).status_code in (400, 422), body
    registry.ok("POST", address, json={})
    registry.problem("POST", address, 409, "CONFLICT", json={})

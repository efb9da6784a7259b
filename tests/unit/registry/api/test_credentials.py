"""Credentials over the management API: shown once, rotated, told where they stand."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from tests.certificates import Made, authority, made
from tests.unit.registry.api.conftest import NOW, Registry

PATH = "/v1/applications/oakhurst/credentials"
DAY = 86_400
SINCE, UNTIL = datetime.fromtimestamp(NOW - DAY, UTC), datetime.fromtimestamp(NOW + 100 * DAY, UTC)
CA = authority("CN=Oakhurst CA", since=SINCE, until=UNTIL)
OWN = made("CN=edi", since=SINCE, until=UNTIL)


@pytest.fixture
def key(registry: Registry) -> Any:
    registry.seed()
    return registry.ok("POST", PATH, json={"kind": "api-key", "label": "nightly"})


def states(registry: Registry) -> dict[str, str]:
    return {held["id"]: held["state"] for held in registry.ok("GET", PATH)["items"]}


def test_a_rotation_shows_the_new_key_once_and_the_end_of_the_old_one(registry: Registry, key: Any) -> None:
    old = key["credential"]["id"]
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
    for text in (key["secret"], rotated["secret"]):
        assert text not in str(registry.ok("GET", PATH)) + str(registry.ok("GET", "/v1/audit"))
    rows = registry.ok("GET", "/v1/audit", params={"subject": f"applications/oakhurst/credentials/{old}"})["items"]
    assert [(row["action"], row["reason"]) for row in rows] == [
        ("credential.rotate", "yearly"),
        ("credential.create", None),
    ]


def test_what_is_no_rotation(registry: Registry, key: Any) -> None:
    address = f"{PATH}/{key['credential']['id']}/rotation"
    registry.problem("POST", f"{PATH}/000000000000/rotation", 404, "NOT_FOUND", json={})
    for body in ({"overlap_seconds": -1}, {"overlap_seconds": "7d"}, {"kind": "api-key"}, {"expires_at": "soon"}):
        assert registry.call("POST", address, json=body).status_code in (400, 422), body
    registry.ok("POST", address, json={})
    registry.problem("POST", address, 409, "CONFLICT", json={})


def certificate(of: Made = OWN, **more: Any) -> dict[str, Any]:
    return {"kind": "certificate", "certificate": of.pem, **more}


def test_a_certificate_is_registered_once_and_told_by_its_fingerprint(registry: Registry) -> None:
    registry.seed()
    first = registry.call("POST", PATH, json=certificate(label="edi"))
    again = registry.call("POST", PATH, json=certificate(label="edi"))
    assert (first.status_code, again.status_code) == (201, 200)
    told = first.json()["credential"]
    assert again.json() == {"credential": told, "secret": None}
    assert (told["kind"], told["label"], told["anchor"], told["name_kind"]) == ("certificate", "edi", None, None)
    assert told["subject"] == sha256(OWN.der).hexdigest()
    assert (told["expires_at"], told["state"]) == ("2027-04-25T08:00:01Z", "live")
    assert "certificate" not in told
    registry.problem("POST", f"{PATH}/{told['id']}/rotation", 400, "INVALID", json={})


def test_an_anchor_and_a_name_in_what_it_issues(registry: Registry) -> None:
    registry.seed()
    named = {"kind": "certificate", "anchor": "oakhurst", "san_dns": "EDI.oakhurst.example"}
    registry.problem("POST", PATH, 400, "INVALID", json=named)
    made = registry.call("PUT", "/v1/trust-anchors/oakhurst", json={"certificates": CA.pem})
    assert (made.status_code, made.headers["weighbridge-change"]) == (201, "created")
    assert made.json() == {
        "name": "oakhurst",
        "certificates": CA.pem,
        "authorities": [
            {
                "subject": "CN=Oakhurst CA",
                "fingerprint": sha256(CA.der).hexdigest(),
                "valid_from": "2027-01-14T08:00:00Z",
                "valid_until": "2027-04-25T08:00:00Z",
            }
        ],
    }
    assert registry.ok("GET", "/v1/trust-anchors")["items"] == [registry.ok("GET", "/v1/trust-anchors/oakhurst")]
    held = registry.ok("POST", PATH, json=named)["credential"]
    assert (held["subject"], held["anchor"], held["name_kind"]) == ("edi.oakhurst.example", "oakhurst", "san_dns")
    registry.problem("DELETE", "/v1/trust-anchors/oakhurst", 409, "CONFLICT")
    registry.ok("DELETE", f"{PATH}/{held['id']}")
    assert registry.call("DELETE", "/v1/trust-anchors/oakhurst").status_code == 204
    registry.problem("GET", "/v1/trust-anchors/oakhurst", 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "certificate"},
        {"kind": "certificate", "certificate": "x"},
        {"kind": "certificate", "anchor": "oakhurst"},
        {"kind": "certificate", "san_dns": "a.example"},
        {"kind": "certificate", "anchor": "oakhurst", "san_dns": "a.example", "san_uri": "urn:a"},
        {"kind": "certificate", "anchor": "nobody", "san_dns": "a.example"},
        {"kind": "certificate", "anchor": "oakhurst", "san_dns": "*.example"},
        certificate(anchor="oakhurst"),
        certificate(san_dns="a.example"),
        certificate(subject="x"),
        certificate(issuer="x"),
        certificate(kind="api-key"),
        {"kind": "client-secret", "anchor": "oakhurst"},
        {"kind": "api-key", "subject_dn": "CN=a"},
    ],
)
def test_what_is_no_certificate(registry: Registry, body: dict[str, Any]) -> None:
    registry.seed()
    registry.ok("PUT", "/v1/trust-anchors/oakhurst", json={"certificates": CA.pem})
    registry.problem("POST", PATH, 400, "INVALID", json=body)


def test_an_application_may_take_bound_tokens_only(registry: Registry) -> None:
    registry.seed()
    held = registry.ok("GET", "/v1/applications/oakhurst")
    assert held["bound_tokens_only"] is False
    assert registry.ok("PUT", "/v1/applications/oakhurst", json={**held, "bound_tokens_only": True})[
        "bound_tokens_only"
    ]
    (crossed,) = registry.ok("GET", "/v1/snapshot")["snapshot"]["applications"]
    assert crossed["bound_tokens_only"] is True

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.registry.api.conftest import Registry

SOURCE = "0f" * 16


def _gateway(registry: Registry) -> str:
    made = registry.ok("POST", "/v1/operators", json={"name": "gate", "role": "gateway"})
    return str(made["key"])


def _use(**changes: Any) -> dict[str, Any]:
    return {
        "contract": "stock",
        "major": 1,
        "number": "1.0.0",
        "application": "oakhurst",
        "operation": "getStock",
        "status_class": "2xx",
        "calls": 5,
        "last_at": "2027-01-15T07:59:50Z",
        **changes,
    }


def _report(*uses: dict[str, Any], sequence: int = 1, credentials: tuple[Any, ...] = ()) -> dict[str, Any]:
    return {"source": SOURCE, "sequence": sequence, "uses": list(uses), "credentials": list(credentials)}


def test_a_gateway_reports_and_people_read(registry: Registry) -> None:
    registry.seed()
    registry.publish("1.0.0")
    key = _gateway(registry)
    report = _report(_use(), _use(application=None, status_class="4xx", calls=1))
    assert registry.ok("POST", "/v1/usage", key=key, json=report) == {"accepted": True, "ignored": 0}
    assert registry.ok("POST", "/v1/usage", key=key, json=report) == {"accepted": False, "ignored": 0}
    items = registry.ok("GET", "/v1/usage")["items"]
    shared = {"contract": "stock", "major": 1, "number": "1.0.0", "operation": "getStock"}
    at = {"first_day": "2027-01-15", "last_at": "2027-01-15T07:59:50Z"}
    assert items == [
        {**shared, "application": None, "status_class": "4xx", "calls": 1, **at},
        {**shared, "application": "oakhurst", "status_class": "2xx", "calls": 5, **at},
    ]
    assert registry.ok("GET", "/v1/usage?contract=bins")["items"] == []
    assert len(registry.ok("GET", "/v1/usage?application=oakhurst")["items"]) == 1


def test_pages_hold_everything_once_and_in_order(registry: Registry) -> None:
    registry.seed()
    registry.publish("1.0.0")
    for sequence, day in enumerate(("13", "14", "15"), start=1):
        uses = [_use(operation=f"op{n}", last_at=f"2027-01-{day}T01:00:00Z") for n in range(4)]
        registry.ok("POST", "/v1/usage", json=_report(*uses, sequence=sequence))
    for query, expected in (("daily=true", 12), ("daily=false", 4)):
        seen, cursor = [], ""
        while cursor is not None:
            page = registry.ok("GET", f"/v1/usage?limit=3&{query}" + (f"&cursor={cursor}" if cursor else ""))
            seen += [(item["first_day"], item["operation"], item["calls"]) for item in page["items"]]
            cursor = page["page"]["next_cursor"]
        assert len(seen) == len(set(seen)) == expected
        assert seen == sorted(seen)
    assert seen[0] == ("2027-01-13", "op0", 15)


def test_a_cursor_of_another_list_is_refused(registry: Registry) -> None:
    registry.seed()
    registry.publish("1.0.0")
    registry.ok("POST", "/v1/usage", json=_report(_use(operation="a"), _use(operation="b")))
    cursor = registry.ok("GET", "/v1/usage?limit=1&daily=true")["page"]["next_cursor"]
    for query in (f"cursor={cursor}", "cursor=YQ", "cursor=%21", "daily=true&cursor=YQ"):
        registry.problem("GET", f"/v1/usage?{query}", 400, "INVALID")


def test_a_gateways_key_opens_two_doors(registry: Registry) -> None:
    registry.seed()
    key = _gateway(registry)
    assert registry.call("GET", "/v1/snapshot", key=key).status_code == 200
    assert registry.ok("POST", "/v1/usage", key=key, json=_report())["accepted"]
    for method, path, body in (
        ("GET", "/v1/usage", None),
        ("GET", "/v1/contracts", None),
        ("GET", "/v1/operators", None),
        ("GET", "/v1/audit", None),
        ("POST", "/v1/operators", {"name": "x", "role": "admin"}),
        ("PUT", "/v1/plans/free", {"limits": []}),
        ("POST", "/v1/signing-keys", None),
        ("DELETE", "/v1/contracts/stock", None),
    ):
        registry.problem(method, path, 403, "FORBIDDEN", key=key, json=body)


def test_a_member_reads_usage_and_reports_none(registry: Registry) -> None:
    registry.seed()
    key = registry.ok("POST", "/v1/operators", json={"name": "rita", "role": "member", "team": "inventory"})["key"]
    registry.problem("POST", "/v1/usage", 403, "FORBIDDEN", key=key, json=_report(_use()))
    assert registry.ok("GET", "/v1/usage", key=key)["items"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        _use(calls=0),
        _use(calls=10**18),
        _use(calls=1.5),
        _use(application="Not A Slug"),
        _use(application="../x"),
        _use(operation=""),
        _use(operation="x" * 201),
        _use(status_class="9xx"),
        _use(last_at="yesterday"),
        _use(number="one"),
        _use(major=-1),
        _use(more="x"),
    ],
)
def test_a_malformed_report_counts_nothing(registry: Registry, wrong: dict[str, Any]) -> None:
    registry.seed()
    registry.publish("1.0.0")
    tree = registry.problem("POST", "/v1/usage", 400, "INVALID", json=_report(_use(), wrong))
    assert tree["errors"][0]["pointer"].startswith("/uses/1")
    assert registry.ok("GET", "/v1/usage")["items"] == []


def test_a_report_is_bounded(registry: Registry) -> None:
    registry.problem("POST", "/v1/usage", 400, "INVALID", json=_report(*[_use()] * 501))
    used = {"id": "a", "last_used_at": "2027-01-15"}
    registry.problem("POST", "/v1/usage", 400, "INVALID", json=_report(credentials=(used,) * 501))


def test_a_text_no_database_takes_is_refused(registry: Registry) -> None:
    registry.seed()
    registry.publish("1.0.0")
    registry.problem("POST", "/v1/usage", 400, "INVALID", json=_report(_use(operation="a\0b")))


def test_credentials_show_their_last_use_everywhere(registry: Registry) -> None:
    registry.seed()
    made = registry.ok("POST", "/v1/applications/oakhurst/credentials", json={"kind": "api-key"})["credential"]
    assert made["last_used_at"] is None
    used = {"id": made["id"], "last_used_at": "2027-01-15T07:00:00Z"}
    registry.ok("POST", "/v1/usage", json=_report(credentials=(used,)))
    path = "/v1/applications/oakhurst/credentials"
    shown = [registry.ok("GET", path)["items"][0], registry.ok("GET", f"{path}/{made['id']}")]
    shown.append(registry.ok("DELETE", f"{path}/{made['id']}"))
    assert [credential["last_used_at"] for credential in shown] == ["2027-01-15T07:00:00Z"] * 3


def test_a_diff_says_who_is_touched(registry: Registry) -> None:
    registry.seed()
    registry.publish("1.0.0")
    registry.publish("1.1.0")
    registry.ok("POST", "/v1/usage", json=_report(_use(calls=8)))
    made = registry.ok("GET", "/v1/contracts/stock/diff?from=1.0.0&to=1.1.0")
    (touched,) = made["impact"]["touched"]
    assert (touched["application"], touched["hurt"], made["impact"]["hurt"]) == ("oakhurst", False, [])
    assert touched["calls"] == [
        {"operation": "GET /stock/{sku}", "calls_per_day": 8.0, "last_called_at": "2027-01-15T07:59:50Z"}
    ]

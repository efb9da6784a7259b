"""The demo's backends as they run: six processes on free ports, every example of every served document called for real.

Answers are judged against the contracts with the gateway's own reading of schemas. Two sites break theirs on purpose;
that they do is asserted as well.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from policies.model.document import Document, Operation
from policies.model.schema import standalone, validator
from weighbridge.demo.backends.contracts import Served, newest
from weighbridge.demo.backends.places import BY_ID, SITES

SPECS = Path(__file__).resolve().parents[2] / "specs" / "services"
CONTRACTS = ("inventory-availability", "order-status", "pricing", "shipment", "supplier-acknowledgement")
NOON = "2026-03-31T17:30:00+00:00"
"""A Tuesday, half past one in the afternoon in Atlanta: the examples of the documents lie around this day."""

INSIDE = {
    "Weighbridge-Application": "close-reconciler",
    "Weighbridge-Consumer": "larkfield-finance",
    "Weighbridge-Party": "INT-90001",
    "Weighbridge-Audience": "internal",
    "Weighbridge-Scopes": "inventory:read prices:net prices:cost",
    "Weighbridge-Sites": "*",
}
SUPPLIER = {
    "Weighbridge-Application": "brightwater-edi-bridge",
    "Weighbridge-Consumer": "brightwater-cable",
    "Weighbridge-Party": "SUP-10021",
    "Weighbridge-Audience": "partner",
    "Weighbridge-Scopes": "acknowledgements:read acknowledgements:write",
    "Weighbridge-Sites": "DAL-2,PHX-1,TOR-1",
}
CUSTOMER = {
    "Weighbridge-Application": "oakhurst-procurement",
    "Weighbridge-Consumer": "oakhurst-mechanical",
    "Weighbridge-Party": "CUS-20041",
    "Weighbridge-Audience": "partner",
    "Weighbridge-Scopes": "inventory:read prices:read",
    "Weighbridge-Sites": "DAL-2,PHX-1,ATL-1",
}
COPPER = "CBL-THHN-12-BK"


def free_ports(count: int) -> int:
    """The first of `count` neighbouring free ports."""
    for base in range(20_000 + os.getpid() % 5_000, 60_000, count):
        held = []
        try:
            for port in range(base, base + count):
                taken = socket.socket()
                held.append(taken)
                taken.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for taken in held:
                taken.close()
    raise AssertionError("no free ports")


class Backends:
    """One running family of backends."""

    def __init__(self, data: Path, *options: str) -> None:
        self.base_port = free_ports(len(SITES))
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "weighbridge.demo.backends", "--data", str(data)),
                *("--base-port", str(self.base_port), *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=SPECS.parents[1],
        )

    def url(self, site_id: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.base_port + BY_ID[site_id].port_offset}{path}"

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 30
        for site in SITES:
            while (health := self._health(site.port_offset)) is None:
                assert self.process.poll() is None, self.process.communicate()
                assert time.monotonic() < deadline, f"{site.site_id} is not ready"
                time.sleep(0.05)
            assert health == {"status": "ok", "site": site.site_id}

    def _health(self, port_offset: int) -> Any:
        connection = HTTPConnection("127.0.0.1", self.base_port + port_offset, timeout=10)
        try:
            connection.request("GET", "/healthz")
            return json.load(connection.getresponse())
        except ConnectionRefusedError:
            return None
        finally:
            connection.close()

    def stop(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    running = Backends(tmp_path_factory.mktemp("backends"), "--starts-at", NOON)
    try:
        running.wait_until_ready()
        yield running
    finally:
        status, out, err = running.stop()
    assert (status, out, err) == (0, "", "")


@pytest.fixture(scope="module")
def client(backends: Backends) -> Iterator[httpx.Client]:
    with httpx.Client(timeout=15, trust_env=False) as session:
        yield session


def documents(behind: int = 0) -> dict[tuple[str, int], Served]:
    return {(name, major): served for name in CONTRACTS for major, served in newest(SPECS, name, behind).items()}


def faults(document: Document, operation: Operation, answer: httpx.Response) -> list[str]:
    """Everything in which an answer breaks the document, as text."""
    declared = {response.status: response for response in operation.responses}
    response = declared.get(str(answer.status_code))
    if response is None:
        return [f"status {answer.status_code} is not declared: {answer.text}"]
    found = [
        f"header {header.name} is missing"
        for header in response.headers
        if header.required and header.name.lower() not in answer.headers
    ]
    if not response.payloads:
        return [*found, *([f"a body where none is declared: {answer.text}"] if answer.content else [])]
    media_type = answer.headers["content-type"].partition(";")[0]
    payload = next((entry for entry in response.payloads if entry.media_type == media_type), None)
    if payload is None or payload.schema is None:
        return [*found, f"media type {media_type} is not declared"]
    judge = validator(standalone(document, payload.schema, "response"))
    return found + [
        "".join(f"/{step}" for step in error.instance_path) + f": {error.message}"
        for error in judge.iter_errors(answer.json())
    ]


def requests_of(served: Served, operation: Operation, site_id: str) -> Iterator[dict[str, Any]]:
    """The requests that a document's own examples make, one per body example."""
    path, query, headers = operation.path, {}, {}
    for parameter in operation.parameters:
        example = parameter.raw.get("example")
        if parameter.name in {"siteId", "Site-Id"}:
            example = site_id
        elif parameter.name == "siteCode":
            example = BY_ID[site_id].code
        if parameter.place == "path":
            path = path.replace(f"{{{parameter.name}}}", str(example))
        elif parameter.place == "query" and parameter.required:
            query[parameter.name] = ",".join(example) if isinstance(example, list) else example
        elif parameter.place == "header" and parameter.name == "Site-Id" and site_id != "HUB":
            headers[parameter.name] = example
    bodies = operation.request_body.payloads[0].examples if operation.request_body else ((None, None),)
    for place, (_, body) in enumerate(bodies):
        key = f"{served.major}-{operation.operation_id}-{place}".ljust(8, "x")[:64]
        keyed = {"Idempotency-Key": key} if operation.method == "POST" else {}
        yield {
            "method": operation.method,
            "url": served.base_path + path,
            "params": query,
            "headers": headers | keyed,
            "json": body,
        }


def call(
    client: httpx.Client, backends: Backends, site_id: str, request: dict[str, Any], caller: dict[str, str]
) -> httpx.Response:
    return client.request(
        request["method"],
        backends.url(site_id, request["url"]),
        params=request["params"],
        headers=caller | request["headers"],
        json=request["json"],
    )


@pytest.mark.parametrize("site_id", [site.site_id for site in SITES])
def test_every_answer_to_an_example_keeps_the_contract(backends: Backends, client: httpx.Client, site_id: str) -> None:
    site, called = BY_ID[site_id], 0
    for contract, major in documents():
        # the slow site is asked for its stock only
        if not site.offers(contract, major) or (site.answer_seconds and contract != "inventory-availability"):
            continue
        served = newest(SPECS, contract, site.minors_behind(contract))[major]
        for operation in served.document.operations:
            if site.is_hub and "{site" in operation.path:
                continue
            for request in requests_of(served, operation, site_id):
                answer = call(client, backends, site_id, request, INSIDE)
                where = f"{contract} {served.number} {operation.operation_id}: {answer.status_code} {answer.text}"
                assert faults(served.document, operation, answer) == [], where
                assert answer.headers["X-Served-By"] == site_id
                assert answer.status_code < 500, where
                called += 1
    assert called >= (6 if site_id == "STJ-1" else 26)


@pytest.mark.parametrize(
    ("site_id", "contract", "major", "operations"),
    [
        ("HUB", "order-status", 1, {"listOrders": 200, "getOrder": 200, "getLineHistory": 200}),
        ("HUB", "order-status", 2, {"listOrders": 200, "getOrder": 200, "getLineHistory": 200, "searchOrders": 200}),
        ("HUB", "pricing", 1, {"listPrices": 200, "listPriceListEntries": 200, "quotePrices": 201}),
        ("HUB", "pricing", 2, {"listPrices": 200, "listPriceListEntries": 200, "quotePrices": 201, "getQuote": 200}),
        (
            "DAL-2",
            "inventory-availability",
            1,
            {"listAvailability": 200, "getAvailability": 200, "checkAvailability": 200},
        ),
        (
            "DAL-2",
            "inventory-availability",
            2,
            {
                "listSites": 200,
                "listAvailability": 200,
                "getAvailability": 200,
                "checkAvailability": 200,
                "createReservation": 201,
                "releaseReservation": 204,
            },
        ),
        ("DAL-2", "shipment", 1, {"listShipments": 200, "getShipment": 200}),
        ("DAL-2", "shipment", 2, {"listShipments": 200, "getShipment": 200}),
    ],
)  # fmt: skip
def test_examples_of_reading_succeed(
    backends: Backends, client: httpx.Client, site_id: str, contract: str, major: int, operations: dict[str, int]
) -> None:
    served = documents()[contract, major]
    seen = {}
    for operation in served.document.operations:
        for request in requests_of(served, operation, site_id):
            if operation.operation_id in operations:
                seen[operation.operation_id] = call(client, backends, site_id, request, INSIDE).status_code
    assert seen == operations


def inventory(backends: Backends, site_id: str, rest: str) -> str:
    return backends.url(site_id, f"/inventory-availability/v2/sites/{site_id}/{rest}")


def test_each_site_has_its_own_stock(backends: Backends, client: httpx.Client) -> None:
    seen = {}
    for site in SITES:
        if not site.is_hub:
            answer = client.get(inventory(backends, site.site_id, f"availability/{COPPER}"), headers=INSIDE)
            assert answer.json()["siteId"] == site.site_id == answer.headers["X-Served-By"]
            seen[site.site_id] = answer.json()["freshness"]
    assert seen == {"DAL-2": "REALTIME", "PHX-1": "REALTIME", "ATL-1": "BATCH", "TOR-1": "REALTIME", "STJ-1": "MANUAL"}


def test_toronto_breaks_the_contract_for_what_is_sold_by_the_metre(backends: Backends, client: httpx.Client) -> None:
    served = documents()["inventory-availability", 2]
    operation = next(entry for entry in served.document.operations if entry.operation_id == "getAvailability")
    metres = ["CBL-NMD-14-2", "CBL-NMD-12-2", "CBL-TECK-12-3", "CBL-TECK-10-3", "CBL-RW90-6-BK"]
    for sku in metres:
        broken = client.get(inventory(backends, "TOR-1", f"availability/{sku}"), headers=INSIDE)
        found = faults(served.document, operation, broken)
        assert [fault.partition(":")[0] for fault in found] == ["/available/value", "/nextReceipt"], (sku, found)
        sound = client.get(inventory(backends, "DAL-2", f"availability/{sku}"), headers=INSIDE)
        assert faults(served.document, operation, sound) == []
    assert client.get(inventory(backends, "TOR-1", "availability/CBL-NMD-14-2"), headers=INSIDE).json()[
        "available"
    ] == {
        "value": "12,5",
        "unit": "MTR",
    }


def test_phoenix_is_one_minor_behind(backends: Backends, client: httpx.Client) -> None:
    served = documents()["inventory-availability", 1]
    assert served.number == "1.2.0"
    operation = next(entry for entry in served.document.operations if entry.operation_id == "getAvailability")
    path = f"/inventory-availability/v1/sites/0155/availability/{COPPER}"
    answer = client.get(backends.url("PHX-1", path), headers=INSIDE)
    assert answer.status_code == 200
    assert faults(served.document, operation, answer) == [': "freshness" is a required property']
    # and major 2 has no reservations there yet
    held = client.post(inventory(backends, "PHX-1", "reservations"), headers=INSIDE, json={})
    assert (held.status_code, held.json()["code"]) == (404, "NOT_FOUND")


def test_atlanta_lists_what_it_posted_and_holds_what_is_there(backends: Backends, client: httpx.Client) -> None:
    answer = client.get(inventory(backends, "ATL-1", f"availability/{COPPER}"), headers=INSIDE)
    assert answer.json()["available"] == {"value": "900", "unit": "FOT"}
    # machines stamp in UTC, wherever they stand
    assert answer.headers["Data-As-Of"] == answer.json()["asOf"] == "2026-03-31T10:00:00Z"
    stale = client.get(inventory(backends, "ATL-1", "availability?maxAgeSeconds=3600"), headers=INSIDE)
    assert (stale.status_code, stale.json()["code"]) == (503, "STOCK_STALE")
    assert 1 <= int(stale.headers["Retry-After"]) <= 1800
    held = client.post(
        inventory(backends, "ATL-1", "reservations"),
        headers=INSIDE | {"Idempotency-Key": "atlanta-0001"},
        json={
            "item": {"sku": COPPER},
            "quantity": {"value": "500", "unit": "FOT"},
            "holdUntil": "2026-04-03T12:00:00-04:00",
        },
    )
    assert (held.status_code, held.json()["code"]) == (409, "INSUFFICIENT_STOCK")
    assert {entry["siteId"] for entry in held.json()["alternatives"]} >= {"DAL-2"}


def test_st_johns_is_slow_and_major_2_only(backends: Backends, client: httpx.Client) -> None:
    answer = client.get(inventory(backends, "STJ-1", f"availability/{COPPER}"), headers=INSIDE)
    assert answer.elapsed.total_seconds() >= 0.9
    assert answer.status_code == 200
    old = client.get(backends.url("STJ-1", f"/inventory-availability/v1/sites/0142/availability/{COPPER}"))
    assert old.status_code == 404


def test_partners_see_less(backends: Backends, client: httpx.Client) -> None:
    url = inventory(backends, "DAL-2", f"availability/{COPPER}")
    inside, customer = (client.get(url, headers=caller).json() for caller in (INSIDE, CUSTOMER))
    assert inside["onHand"] == {"value": "4210.5", "unit": "FOT"}
    assert customer["available"] == {"value": "1000", "unit": "FOT"}
    assert customer["capped"] is True
    assert customer.keys().isdisjoint({"onHand", "reserved", "onOrder"})
    assert customer["item"]["customerPartNumber"] == "OM/1200 bk"
    assert "customerPartNumber" not in inside["item"]
    # a supplier sees only what it supplies
    bolt = inventory(backends, "DAL-2", "availability/FST-HXB-M10X50")
    assert [client.get(bolt, headers=caller).status_code for caller in (SUPPLIER, CUSTOMER)] == [404, 200]


def test_unchanged_stock_costs_a_304(backends: Backends, client: httpx.Client) -> None:
    url = inventory(backends, "DAL-2", "availability/CBL-THHN-10-BK")
    first = client.get(url, headers=INSIDE)
    again = client.get(url, headers=INSIDE | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])


def test_head_is_a_get_without_its_body(backends: Backends, client: httpx.Client) -> None:
    url = inventory(backends, "DAL-2", f"availability/{COPPER}")
    whole, head = client.get(url, headers=INSIDE), client.head(url, headers=INSIDE)
    assert (whole.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]


def test_a_write_is_done_once_per_key(backends: Backends, client: httpx.Client) -> None:
    url = inventory(backends, "DAL-2", "reservations")
    stock = inventory(backends, "DAL-2", "availability/CBL-THHN-14-WH")
    body = {
        "item": {"sku": "CBL-THHN-14-WH"},
        "quantity": {"value": "10.5", "unit": "FOT"},
        "holdUntil": "2026-04-03T12:00:00-05:00",
    }
    before = client.get(stock, headers=INSIDE).json()["reserved"]["value"]
    keyed = CUSTOMER | {"Idempotency-Key": "held-once-1"}
    first, replayed = (client.post(url, headers=keyed, json=body) for _ in range(2))
    assert (first.status_code, replayed.status_code) == (201, 201)
    assert first.json() == replayed.json()
    assert "Idempotency-Replayed" not in first.headers
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert float(client.get(stock, headers=INSIDE).json()["reserved"]["value"]) == float(before) + 10.5
    other = client.post(url, headers=keyed, json=body | {"quantity": {"value": "11", "unit": "FOT"}})
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    # somebody else's hold does not exist; one's own is given back, twice if need be
    own = f"{url}/{first.json()['reservationId']}"
    assert client.delete(own, headers=SUPPLIER).status_code == 404
    assert [client.delete(own, headers=CUSTOMER).status_code for _ in range(2)] == [204, 204]
    assert client.get(stock, headers=INSIDE).json()["reserved"]["value"] == before


def test_pages_follow_each_other_without_loss(backends: Backends, client: httpx.Client) -> None:
    url, seen, cursor = inventory(backends, "PHX-1", "availability"), [], None
    while True:
        query = {"limit": 90} | ({"cursor": cursor} if cursor else {})
        body = client.get(url, params=query, headers=INSIDE).json()
        seen += [entry["item"]["sku"] for entry in body["items"]]
        cursor = body["page"].get("nextCursor")
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 220
    first = client.get(url, params={"limit": 1}, headers=INSIDE).json()["page"]["nextCursor"]
    bent = client.get(url, params={"cursor": first, "sku": COPPER}, headers=INSIDE)
    assert (bent.status_code, bent.json()["code"]) == (400, "CURSOR_INVALID")


def test_an_acknowledgement_goes_its_way(backends: Backends, client: httpx.Client) -> None:
    order = "/supplier-acknowledgement/v2/sites/PHX-1/purchase-orders/PO-45001236/acknowledgements"
    url = backends.url("PHX-1", order)
    listed = client.get(backends.url("PHX-1", order.rsplit("/", 2)[0]), headers=SUPPLIER).json()["items"]
    assert {entry["poNumber"] for entry in listed} == {"PO-45001236", "PO-45001249"}
    lines = next(entry for entry in listed if entry["poNumber"] == "PO-45001236")["lines"]
    answer = {
        "lines": [
            {
                "lineNumber": line["lineNumber"],
                "answer": "QUANTITY_CHANGED",
                "schedules": [
                    {
                        "quantity": {"value": "10", "unit": line["quantity"]["unit"]},
                        "promisedShipAt": "2026-04-08T12:00:00-07:00",
                    }
                ],
            }
            for line in lines
        ]
    }
    # what the down-converted document cannot say is still refused
    bare = {"lines": [{"lineNumber": 1, "answer": "ACCEPTED"}]}
    refused = client.post(url, headers=SUPPLIER | {"Idempotency-Key": "answer-0001"}, json=bare)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/body/lines/0/schedules")
    stranger = SUPPLIER | {"Weighbridge-Party": "SUP-10022", "Idempotency-Key": "answer-0002"}
    assert client.post(url, headers=stranger, json=answer).json()["code"] == "PO_UNKNOWN"
    taken = client.post(url, headers=SUPPLIER | {"Idempotency-Key": "answer-0003"}, json=answer)
    assert taken.status_code == 201, taken.text
    assert (taken.status_code, taken.json()["status"], taken.json()["phase"]) == (
        201,
        "ACCEPTED_WITH_CHANGES",
        "ACTIVE",
    )
    again = client.post(url, headers=SUPPLIER | {"Idempotency-Key": "answer-0004"}, json=answer)
    assert (again.status_code, again.json()["code"]) == (409, "ACK_SUPERSEDED")
    decision = f"{url}/{taken.json()['acknowledgementId']}/decision"
    decided = client.put(decision, headers=INSIDE, json={"decision": "AGREED"})
    assert (decided.status_code, decided.json()["phase"]) == (200, "DONE")
    late = client.put(decision, headers=INSIDE, json={"decision": "DISPUTED"})
    assert (late.status_code, late.json()["allowed"]) == (409, [])
    # only the newest answer can be decided on, and the refusal says which that is
    partly = {"lines": [{"lineNumber": 1, "answer": "ON_HOLD"}]}
    order = backends.url("DAL-2", order.replace("PHX-1", "DAL-2").replace("PO-45001236", "PO-45001238"))
    first, second = (
        client.post(order, headers=INSIDE | {"Idempotency-Key": f"partly-000{n}"}, json=partly).json() for n in (1, 2)
    )
    stale = client.put(f"{order}/{first['acknowledgementId']}/decision", headers=INSIDE, json={"decision": "AGREED"})
    assert (stale.status_code, second["acknowledgementId"] in stale.json()["detail"]) == (409, True), stale.text
    # the hub, which serves major 1, sees the same order answered
    old = backends.url("HUB", "/supplier-acknowledgement/v1/purchase-orders")
    assert "PO-45001236" not in {entry["poNumber"] for entry in client.get(old, headers=SUPPLIER).json()["items"]}
    told = client.get(f"{old}/PO-45001236/acknowledgement", headers=SUPPLIER).json()
    assert told["lines"][0]["answer"] == "ACCEPTED"
    assert told["lines"][0]["answerDetail"] == "QUANTITY_CHANGED"


def test_errors_of_acknowledgement_major_1_have_their_old_shape(backends: Backends, client: httpx.Client) -> None:
    url = backends.url("HUB", "/supplier-acknowledgement/v1/purchase-orders/PO-00000000/acknowledgement")
    answer = client.get(url, headers=SUPPLIER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json() == {"code": "PO_UNKNOWN", "message": "No such purchase order."}


def test_a_shipment_is_announced_moved_and_received_short(backends: Backends, client: httpx.Client) -> None:
    url = backends.url("PHX-1", "/shipment/v2/shipments")
    site = {"Site-Id": "PHX-1"}
    notice = {
        "shipperRef": "BW-77001",
        "purpose": "PURCHASE",
        "shipTo": "PHX-1",
        "carrier": {"scac": "HBLN"},
        "departedAt": "2026-03-31T09:00:00-07:00",
        "eta": "2026-04-02T09:00:00-07:00",
        "packages": [
            {
                "sscc": "095210010000070003",
                "lines": [
                    {
                        "poNumber": "PO-45001249",
                        "lineNumber": 1,
                        "item": {"sku": "CBL-THHN-12-BK"},
                        "quantity": {"value": "20", "unit": "FOT"},
                    }
                ],
            }
        ],
    }

    def send(path: str, body: Any, key: str, caller: dict[str, str] = SUPPLIER) -> httpx.Response:
        return client.post(url + path, headers=caller | site | {"Idempotency-Key": key}, json=body)

    first = send("", notice, "notice-0001")
    assert first.json().get("code") == "SKU_UNKNOWN", first.text
    ordered = client.get(
        backends.url("PHX-1", "/supplier-acknowledgement/v2/sites/PHX-1/purchase-orders"), headers=SUPPLIER
    ).json()["items"]
    line = next(entry for entry in ordered if entry["poNumber"] == "PO-45001249")["lines"][0]
    package_line = notice["packages"][0]["lines"][0]  # type: ignore[index]
    package_line["item"] = {"sku": line["item"]["sku"]}
    package_line["quantity"] = {"value": "20", "unit": line["quantity"]["unit"]}
    taken = send("", notice, "notice-0002")
    assert (taken.status_code, taken.json()["phase"]) == (201, "PENDING")
    assert [warning["code"] for warning in taken.json()["warnings"]] == ["ASN_LATE"]
    assert send("", notice, "notice-0003").json()["code"] == "SHIPMENT_DUPLICATE"
    one = f"/{taken.json()['shipmentId']}"
    assert send(f"{one}/milestones", {"code": "ARRIVED", "at": "2026-03-31T18:00:00Z"}, "move-0001").status_code == 409
    for place, code in enumerate(("DEPARTED", "DELAYED", "ARRIVED")):
        moved = send(f"{one}/milestones", {"code": code, "at": "2026-03-31T18:00:00Z"}, f"move-100{place}")
        assert moved.status_code == 201, moved.text
    receipt = {
        "lines": [
            {
                "sscc": "095210010000070003",
                "item": package_line["item"],
                "received": {"value": "19", "unit": line["quantity"]["unit"]},
            }
        ]
    }
    received = send(f"{one}/receipts", receipt, "receipt-0001", INSIDE)
    assert (received.status_code, received.json()["status"]) == (201, "RECEIVED_WITH_VARIANCE")
    assert [(entry["code"], entry["variance"]["value"]) for entry in received.json()["variances"]] == [
        ("SHORT_RECEIPT", "-1")
    ]
    # the hub knows it too, another supplier does not, and its carrier sees no items
    everywhere = backends.url("HUB", f"/shipment/v2/shipments{one}")
    assert client.get(everywhere, headers=SUPPLIER).json()["status"] == "RECEIVED_WITH_VARIANCE"
    assert client.get(everywhere, headers=SUPPLIER | {"Weighbridge-Party": "SUP-10022"}).status_code == 404
    carrier = client.get(everywhere, headers=SUPPLIER | {"Weighbridge-Party": "CAR-30011"})
    assert [package.keys() for package in carrier.json()["packages"]] == [{"sscc"}]


def test_prices_show_what_the_scopes_allow(backends: Backends, client: httpx.Client) -> None:
    url = backends.url("HUB", "/pricing/v2/prices?sku=FST-HXB-M10X50")
    plain = client.get(url, headers=CUSTOMER)
    assert plain.headers["Cache-Control"] == "private, no-store"
    price = plain.json()["items"][0]
    assert price["listPrice"]["amount"] == "31.4000"
    assert price.keys().isdisjoint({"netPrice", "cost"})
    net = client.get(url, headers=CUSTOMER | {"Weighbridge-Scopes": "prices:read prices:net prices:cost"}).json()
    assert net["items"][0]["netPrice"]["amount"] == "24.7350"
    assert "cost" not in net["items"][0]
    assert "cost" in client.get(url, headers=INSIDE).json()["items"][0]
    quote = client.post(
        backends.url("HUB", "/pricing/v2/price-quotes"),
        headers=CUSTOMER | {"Idempotency-Key": "quote-0001"},
        json={
            "currency": "USD",
            "lines": [
                {"lineNumber": 1, "item": {"sku": "FST-HXB-M10X50"}, "quantity": {"value": "2", "unit": "MIL"}},
                {
                    "lineNumber": 2,
                    "item": {"customerPartNumber": "OM/7781 a"},
                    "quantity": {"value": "3", "unit": "CEN"},
                },
            ],
        },
    ).json()
    assert [line["extended"]["amount"] for line in quote["lines"]] == ["458.20", "74.21"]
    again = backends.url("HUB", f"/pricing/v2/price-quotes/{quote['quoteId']}")
    assert client.get(again, headers=CUSTOMER).json() == quote
    assert client.get(again, headers=SUPPLIER).json()["code"] == "QUOTE_UNKNOWN"
    cad = client.get(backends.url("HUB", "/pricing/v2/prices?siteId=TOR-1&sku=FST-HXB-M10X50"), headers=CUSTOMER)
    assert cad.json()["items"][0]["priceListId"] == "PL-LISTCA"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'{"customerPoNumbers": ["\xff"]}', 400),
        (b"[" * 5000 + b"]" * 5000, 400),
        (b'{"customerPoNumbers": [NaN]}', 400),
        (b'{"customerPoNumbers": ["1"], "misspelt": 1}', 400),
        (b'{"customerPoNumbers": ["' + b"1" * 1_100_000 + b'"]}', 413),
        (b'{"customerPoNumbers": ["4711/B"]}', 200),
    ],
)
def test_bad_bodies_get_a_problem(backends: Backends, client: httpx.Client, content: bytes, status: int) -> None:
    answer = client.post(
        backends.url("HUB", "/order-status/v2/order-searches"),
        headers=CUSTOMER
        | {"Content-Type": "application/json", "X-Request-Id": "request-1", "Correlation-Id": "flow-1"},
        content=content,
    )
    assert answer.status_code == status
    if status != 200:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (problem["requestId"], problem["correlationId"], problem["retryable"]) == ("request-1", "flow-1", False)
    # errors belong to the flow as well
    assert answer.headers["Correlation-Id"] == "flow-1"


def test_other_methods_name_the_ones_there_are(backends: Backends, client: httpx.Client) -> None:
    answer = client.patch(backends.url("DAL-2", "/shipment/v2/shipments"), headers=INSIDE)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


def test_undeclared_query_parameters_are_refused_from_major_2(backends: Backends, client: httpx.Client) -> None:
    stray = [
        client.get(backends.url("HUB", f"/shipment/v{major}/shipments?stray=1"), headers=INSIDE).status_code
        for major in (1, 2)
    ]
    assert stray == [200, 400]


def test_a_second_start_finds_its_facts_again(tmp_path: Path) -> None:
    running = Backends(tmp_path, "--starts-at", NOON)
    try:
        running.wait_until_ready()
        sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*.db")}
    finally:
        assert running.stop() == (0, "", "")
    assert sorted(sizes) == ["atl-1.db", "dal-2.db", "hub.db", "phx-1.db", "stj-1.db", "tor-1.db"]
    later = Backends(tmp_path, "--starts-at", "2026-05-01T12:00:00+00:00", "--require-identity")
    try:
        later.wait_until_ready()
        url = later.url("HUB", "/order-status/v2/orders/SO-70012345")
        order = httpx.get(url, headers=INSIDE, trust_env=False).json()
        assert order["orderedAt"] == "2026-03-28T13:00:00Z"
        nobody = httpx.get(url, trust_env=False)
        assert (nobody.status_code, nobody.json()["code"]) == (401, "CREDENTIALS_MISSING")
    finally:
        assert later.stop() == (0, "", "")


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        base = free_ports(len(SITES))
        taken.bind(("127.0.0.1", base + 2))
        taken.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "weighbridge.demo.backends", "--data", tmp_path, "--base-port", str(base)],
            capture_output=True,
            text=True,
            timeout=30,
            cwd=SPECS.parents[1],
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"demo backends: cannot listen on 127.0.0.1:{base + 2} (Address already in use); choose another --base-port\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_killing_the_parent_ends_every_site(tmp_path: Path) -> None:
    running = Backends(tmp_path, "--starts-at", NOON)
    running.wait_until_ready()
    running.process.kill()
    running.process.communicate()
    deadline = time.monotonic() + 10
    for site in SITES:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", running.base_port + site.port_offset)) != 0:
                    break
            assert time.monotonic() < deadline, f"{site.site_id} outlived its parent"
            time.sleep(0.05)


@pytest.mark.parametrize("major", [1, 2])
def test_examples_can_be_sent_as_they_are_on_any_day(tmp_path: Path, client: httpx.Client, major: int) -> None:
    """What a newcomer pastes, and what `weighbridge verify` starts from: real ids, with every optional parameter."""
    running = Backends(tmp_path)
    heard, refused = set[str](), dict[str, list[str]]()
    try:
        running.wait_until_ready()
        for (contract, number), served in documents().items():
            if number != major:
                continue
            at_hub = contract == "pricing" or (contract, major) == ("supplier-acknowledgement", 1)
            site_id = "HUB" if at_hub else "DAL-2"
            # what a document creates is read before it is created: the story is told twice
            for operation in served.document.operations * 2:
                answers = []
                for request in requests_of(served, operation, site_id):
                    optional = {
                        p.name: p.raw["example"]
                        for p in operation.parameters
                        if p.place == "query" and not p.required and "example" in p.raw
                    }
                    lists = {name: ",".join(value) for name, value in optional.items() if isinstance(value, list)}
                    request["params"] |= optional | lists
                    answers.append(call(client, running, site_id, request, INSIDE))
                called = f"{contract} {operation.operation_id}"
                if any(answer.is_success for answer in answers):
                    refused.pop(called, None)
                    heard.add(called)
                elif called not in heard:
                    refused[called] = [answer.text for answer in answers]
    finally:
        assert running.stop() == (0, "", "")
    assert refused == {}

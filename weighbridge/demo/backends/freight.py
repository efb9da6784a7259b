"""Shipments: who takes part in one, what may be announced, how milestones and receipts move it along.

Owns the judgement of notices, milestones and receipts, for both majors. A supplier sees its own, a customer its own, a
carrier what it carries (without items); everybody else's does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal
from weighbridge.demo.backends.goods import ITEMS, in_base_unit, item_of
from weighbridge.demo.backends.states import SHIPMENT, allowed
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import is_sscc, stamp
from weighbridge.demo.seeds.parties import CARRIERS, CUSTOMERS, SUPPLIERS

REF_MEMORY = timedelta(days=400)
LABEL_MEMORY = timedelta(days=365)
TOLERANCE = Decimal("1.05")
"""More than ordered by this factor is over-shipment."""
NOTICE_AFTER_DEPARTURE = timedelta(minutes=60)
NOTICE_BEFORE_ARRIVAL = timedelta(hours=4)

MOVES = frozenset({"DEPARTED", "ARRIVED", "DELIVERED", "REFUSED", "LOST"})
"""Milestones that are states too; any other is news along the way."""

SCACS = {party.party_id: party.scac for party in CARRIERS}
CARRIER_NAMES = {party.scac: party.name for party in CARRIERS if party.scac}
_NAMES = {party.party_id: party.name for party in (*SUPPLIERS, *CUSTOMERS, *CARRIERS)}
_ROLES = {"SUP": "SUPPLIER", "CUS": "CUSTOMER", "CAR": "CARRIER", "INT": "SHIP_FROM"}


def check_site(call: Call) -> None:
    """``Site-Id`` names the site that answers, or is absent at the hub. Raises `Refusal` ``SITE_UNKNOWN``."""
    named = call.headers.get("site-id")
    if named is not None and named != call.site.site_id:
        raise Refusal(404, "SITE_UNKNOWN", f"{named} is not answered for here.")


def may_see(call: Call, record: Record) -> bool:
    if call.caller.is_carrier:
        return bool(record.body["carrier"]["scac"] == SCACS.get(call.caller.party))
    return call.caller.may_see(record.owner, record.body["shipper"]["partyId"])


def visible_shipments(call: Call) -> Iterator[Record]:
    return (record for record in call.records.all("shipment") if may_see(call, record))


def shipment_of(call: Call) -> Record:
    record = call.records.get("shipment", call.path["shipmentId"])
    if record is None or not may_see(call, record):
        raise Refusal(404, "SHIPMENT_UNKNOWN", "No such shipment.")
    return record


def shipper_of(call: Call) -> dict[str, str]:
    party = call.caller.party
    shipper = {"partyId": party, "role": _ROLES[party[:3]]}
    return shipper | ({"name": _NAMES[party]} if party in _NAMES else {})


def new_id(call: Call, shipper_ref: str) -> str:
    text = f"{call.caller.party} {shipper_ref} {stamp(call.now)} {call.site.site_id}"
    return f"SHP-9{int.from_bytes(sha256(text.encode()).digest()[:8], 'big') % 10**8:08d}"


def refuse_duplicate(call: Call, shipper_ref: str) -> None:
    """A sender's own number stands for one shipment in 400 days. Raises `Refusal` ``SHIPMENT_DUPLICATE``."""
    for record in call.records.all("shipment"):
        same = record.body["shipperRef"] == shipper_ref and record.body["shipper"]["partyId"] == call.caller.party
        if same and record.changed_at > call.now - REF_MEMORY:
            raise Refusal(409, "SHIPMENT_DUPLICATE", "This shipperRef is announced already.", existingId=record.id)


def check_packages(call: Call, purpose: str, packages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The packages with each item resolved to its SKU. Raises `Refusal` for what the dock could not take."""
    used = {
        package["sscc"]
        for record in call.records.all("shipment")
        for package in record.body["packages"]
        if "sscc" in package and record.changed_at > call.now - LABEL_MEMORY
    }
    checked, told = [], dict[tuple[str, int], Decimal]()
    for index, package in enumerate(packages):
        pointer = f"/body/packages/{index}"
        if not is_sscc(package["sscc"]) or package["sscc"] in used:
            raise _refused("SSCC_INVALID", f"{pointer}/sscc", "check digit wrong, or label used within a year")
        used.add(package["sscc"])
        lines = []
        for place, line in enumerate(package["lines"]):
            lines.append(_line(call, purpose, line, f"{pointer}/lines/{place}", told))
        checked.append(package | {"number": str(index + 1), "lines": lines})
    return checked


def notice_warnings(call: Call, departed_at: datetime, eta: datetime) -> list[dict[str, str]]:
    """A late notice is accepted with a warning: refusing it would lose the very fact that is wanted."""
    since = call.now - departed_at
    if since > NOTICE_AFTER_DEPARTURE:
        minutes = int(since.total_seconds() // 60)
        return [
            {
                "code": "ASN_LATE",
                "pointer": "/body/departedAt",
                "detail": f"Announced {minutes} minutes after departure",
            }
        ]
    if eta - call.now < NOTICE_BEFORE_ARRIVAL:
        return [{"code": "ASN_LATE", "pointer": "/body/eta", "detail": "Announced less than four hours before arrival"}]
    return []


def add_milestone(call: Call, record: Record, milestone: dict[str, Any]) -> Record:
    """Raises `Refusal` ``MILESTONE_OUT_OF_ORDER`` for what cannot have happened yet."""
    status, code = record.body["status"], milestone["code"]
    if code in MOVES:
        possible = code in allowed(SHIPMENT, status)
    else:
        possible = status in {"DEPARTED", "ARRIVED"}
    if not possible:
        raise Refusal(
            409, "MILESTONE_OUT_OF_ORDER", f"{code} cannot follow {status}; send what is missing between them."
        )
    body = record.body | {
        "status": code if code in MOVES else status,
        "milestones": [*record.body["milestones"], milestone],
    }
    changed = Record(record.kind, record.id, record.owner, call.now, body)
    call.records.put(changed, record.body["siteId"])
    return changed


def receive(call: Call, record: Record, lines: list[dict[str, Any]]) -> tuple[Record, list[dict[str, Any]]]:
    """(the shipment received, variances in base units with the item's SKU). Raises `Refusal`."""
    status = record.body["status"]
    if status not in {"ARRIVED", "RECEIVING"}:
        raise Refusal(
            409,
            "INVALID_STATE_TRANSITION",
            f"{status} cannot be received.",
            **{"from": status, "to": "RECEIVED", "allowed": list(allowed(SHIPMENT, status))},
        )
    expected: dict[tuple[str, str], Decimal] = {}
    for package in record.body["packages"]:
        for line in package.get("lines", ()):
            key = package.get("sscc", ""), line["sku"]
            expected[key] = expected.get(key, Decimal(0)) + in_base_unit(line["quantity"], ITEMS[line["sku"]])
    got, damaged = dict.fromkeys(expected, Decimal(0)), set[tuple[str, str]]()
    for index, line in enumerate(lines):
        item = item_of(line["item"], call.caller, pointer=f"/body/lines/{index}/item")
        key = line["sscc"], item.sku
        if key not in expected:
            raise _refused("SSCC_INVALID", f"/body/lines/{index}/sscc", "this shipment has no such package or item")
        if Decimal(line["received"]["value"]):
            got[key] += in_base_unit(line["received"], item, pointer=f"/body/lines/{index}/received")
        if "damaged" in line and Decimal(line["damaged"]["value"]):
            damaged.add(key)
    variances = [
        {"sscc": key[0], "sku": key[1], "expected": amount, "variance": got[key] - amount, "code": code}
        for key, amount in expected.items()
        for code in _variance_codes(got[key] - amount, key in damaged)
    ]
    at = stamp(call.now)
    exceptions = [{"code": code, "raisedAt": at} for code in dict.fromkeys(entry["code"] for entry in variances)]
    body = record.body | {
        "status": "RECEIVED_WITH_VARIANCE" if variances else "RECEIVED",
        "exceptions": [*record.body["exceptions"], *exceptions],
    }
    changed = Record(record.kind, record.id, record.owner, call.now, body)
    call.records.put(changed, record.body["siteId"])
    return changed, variances


def _variance_codes(variance: Decimal, is_damaged: bool) -> list[str]:
    codes = ["SHORT_RECEIPT"] if variance < 0 else ["OVER_RECEIPT"] if variance > 0 else []
    return [*codes, "DAMAGED"] if is_damaged else codes


def _line(
    call: Call, purpose: str, line: dict[str, Any], pointer: str, told: dict[tuple[str, int], Decimal]
) -> dict[str, Any]:
    item = item_of(line["item"], call.caller, pointer=f"{pointer}/item")
    amount = in_base_unit(line["quantity"], item, pointer=f"{pointer}/quantity")
    if purpose == "PURCHASE":
        order = call.records.get("po", line["poNumber"])
        ordered = next(
            (
                entry
                for entry in (order.body["lines"] if order is not None and call.caller.may_see(order.owner) else ())
                if entry["lineNumber"] == line["lineNumber"]
            ),
            None,
        )
        if order is None or ordered is None:
            raise Refusal(404, "PO_UNKNOWN", f"{line['poNumber']} has no such line for you.")
        if order.body["closed"]:
            raise Refusal(409, "PO_CLOSED", f"{line['poNumber']} is complete or cancelled.")
        if ordered["sku"] != item.sku:
            raise _refused("SKU_UNKNOWN", f"{pointer}/item", f"line {line['lineNumber']} orders another item")
        key = line["poNumber"], line["lineNumber"]
        told[key] = told.get(key, _shipped(call, *key)) + amount
        if told[key] > Decimal(ordered["ordered"]["value"]) * TOLERANCE:
            raise _refused("OVER_SHIPMENT", f"{pointer}/quantity", "above the open quantity and its tolerance")
    _check_trace(call, line, pointer, item_sku=item.sku, amount=amount)
    kept = {name: line[name] for name in ("lotNumber", "serialNumbers", "expiryDate") if name in line}
    return kept | {
        "poNumber": line["poNumber"],
        "lineNumber": line["lineNumber"],
        "sku": item.sku,
        "quantity": line["quantity"],
    }


def _check_trace(call: Call, line: dict[str, Any], pointer: str, *, item_sku: str, amount: Decimal) -> None:
    item = ITEMS[item_sku]
    if item.by_lot and not ("lotNumber" in line and "expiryDate" in line):
        raise _refused("TRACE_DATA_REQUIRED", f"{pointer}/lotNumber", "lot number and expiry date are required")
    if item.by_serial and len(line.get("serialNumbers", ())) != amount:
        raise _refused("TRACE_DATA_REQUIRED", f"{pointer}/serialNumbers", "one serial number per piece")
    if "expiryDate" in line and line["expiryDate"] < call.site.local(call.now).date().isoformat():
        raise _refused("LOT_EXPIRED", f"{pointer}/expiryDate", "this lot is past its day")


def _shipped(call: Call, po_number: str, line_number: int) -> Decimal:
    return sum(
        (
            in_base_unit(line["quantity"], ITEMS[line["sku"]])
            for record in call.records.all("shipment")
            if record.body["status"] not in {"CANCELLED", "LOST", "REFUSED"}
            for package in record.body["packages"]
            for line in package.get("lines", ())
            if line["poNumber"] == po_number and line["lineNumber"] == line_number
        ),
        Decimal(0),
    )


def _refused(code: str, pointer: str, detail: str) -> Refusal:
    title = code.replace("_", " ").lower()
    return Refusal(422, code, f"{title}: {detail}.", errors=[{"pointer": pointer, "code": code, "detail": detail}])

"""Shipment, major 1: carriers by name, one weight, arrival as a day, labels where there are any."""

from __future__ import annotations

import re
from datetime import datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.exchange import Call, Refusal, Reply
from weighbridge.demo.backends.freight import (
    CARRIER_NAMES,
    check_site,
    new_id,
    notice_warnings,
    refuse_duplicate,
    shipment_of,
    shipper_of,
    visible_shipments,
)
from weighbridge.demo.backends.freight import add_milestone as move
from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import quantity, stamp

UNNAMED = "XXXX"
"""A carrier that we have no code for."""


def announce_shipment(call: Call) -> Reply:
    check_site(call)
    body = call.body
    site = BY_ID.get(body["shipTo"])
    if site is None or site.is_hub or call.site not in (site, BY_ID["HUB"]):
        raise Refusal(404, "SITE_UNKNOWN", "There is no such site to ship to.")
    refuse_duplicate(call, body["shipperRef"])
    _check_order(call, body.get("poNumber"))
    if body["packageCount"] != len(body["packages"]):
        raise Refusal(
            422,
            "VALIDATION_FAILED",
            "packageCount is not the number of packages.",
            errors=[
                {
                    "pointer": "/body/packageCount",
                    "code": "VALIDATION_FAILED",
                    "detail": f"{len(body['packages'])} listed",
                }
            ],
        )
    # a bare day means the end of that day where the goods arrive
    eta = datetime.combine(datetime.fromisoformat(body["eta"]).date(), time(17), ZoneInfo(site.zone))
    shipment_id = new_id(call, body["shipperRef"])
    name = body["carrier"]
    scac = next((code for code, known in CARRIER_NAMES.items() if known.lower() == name.lower()), UNNAMED)
    unit = body.get("weightUnit", "LBR")
    stored: dict[str, Any] = {
        "shipmentId": shipment_id,
        "siteId": site.site_id,
        "shipperRef": body["shipperRef"],
        "purpose": body["purpose"],
        "status": "ANNOUNCED",
        "shipper": shipper_of(call),
        "shipTo": site.site_id,
        "carrier": {"scac": scac, "name": name},
        "trackingNumber": f"PRO-{shipment_id[-8:]}",
        "departedAt": stamp(call.now),
        "eta": stamp(eta),
        "weight": quantity(str(body["weight"]), unit),
        "packages": body["packages"],
        "milestones": [],
        "exceptions": [
            {"code": warning["code"], "raisedAt": stamp(call.now)} for warning in notice_warnings(call, call.now, eta)
        ],
    }
    for optional in ("poNumber", "note"):
        if optional in body:
            stored[optional] = body[optional]
    record = Record("shipment", shipment_id, call.caller.party, call.now, stored)
    call.records.put(record, site.site_id)
    return Reply(201, _shipment(record))


def list_shipments(call: Call) -> Reply:
    check_site(call)
    po_number = call.query.get("poNumber")
    found = [
        shown for record in visible_shipments(call) if po_number in {None, (shown := _shipment(record)).get("poNumber")}
    ]
    offset, limit = call.query.get("offset", 0), call.query.get("limit", 100)
    return Reply(200, {"items": found[offset : offset + limit]})


def get_shipment(call: Call) -> Reply:
    check_site(call)
    return Reply(200, _shipment(shipment_of(call)))


def add_milestone(call: Call) -> Reply:
    check_site(call)
    move(call, shipment_of(call), call.body)
    return Reply(201, call.body)


def _check_order(call: Call, po_number: str | None) -> None:
    if po_number is None:
        return
    order = call.records.get("po", po_number)
    if order is None or not call.caller.may_see(order.owner):
        raise Refusal(
            422,
            "PO_UNKNOWN",
            "No such purchase order.",
            errors=[{"pointer": "/body/poNumber", "code": "PO_UNKNOWN", "detail": "unknown, or not yours"}],
        )
    if order.body["closed"]:
        raise Refusal(409, "PO_CLOSED", f"{po_number} is complete or cancelled.")


def _shipment(record: Record) -> dict[str, Any]:
    body = record.body
    kept = "shipmentId status shipperRef purpose shipTo trackingNumber".split()
    shown: dict[str, Any] = {name: body[name] for name in kept}
    weight, unit = _weight(body)
    shown |= {
        "carrier": body["carrier"].get("name") or body["carrier"]["scac"],
        "weight": weight,
        "weightUnit": unit,
        "eta": body["eta"][:10],
        "packageCount": len(body["packages"]),
        "packages": [
            {"number": str(place)}
            | {name: package[name] for name in ("number", "sscc") if name in package}
            | _lot(package)
            for place, package in enumerate(body["packages"], start=1)
        ],
    }
    if body["milestones"]:
        shown["milestones"] = body["milestones"]
    po_number = body.get("poNumber") or next(
        (line["poNumber"] for package in body["packages"] for line in package.get("lines", ())), None
    )
    if po_number is not None:
        shown["poNumber"] = po_number
    if "note" in body:
        shown["note"] = body["note"]
    return shown


def _weight(body: dict[str, Any]) -> tuple[float, str]:
    """(number, unit): as announced, or the packages' sum in the unit of the first."""
    weights = (
        [body["weight"]] if "weight" in body else [entry["weight"] for entry in body["packages"] if "weight" in entry]
    )
    if not weights:
        return 0.0, "LBR"
    unit = weights[0]["unit"] if weights[0]["unit"] in {"LBR", "KGM"} else "LBR"
    return float(sum(Decimal(weight["value"]) for weight in weights)), unit


def _lot(package: dict[str, Any]) -> dict[str, Any]:
    """Lot and expiry stood on the package; later they moved to its lines."""
    holder = package if "lotNumber" in package else next(iter(package.get("lines", ())), {})
    return {
        name: holder[name]
        for name in ("lotNumber", "expiryDate")
        if re.fullmatch(r".{1,20}", str(holder.get(name, "")))
    }

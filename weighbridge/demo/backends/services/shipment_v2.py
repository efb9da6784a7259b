"""Shipment, major 2: labelled packages, instants instead of days, receipts with their variances."""

from __future__ import annotations

from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal, Reply, conditional
from weighbridge.demo.backends.freight import (
    CARRIER_NAMES,
    check_packages,
    check_site,
    new_id,
    notice_warnings,
    receive,
    refuse_duplicate,
    shipment_of,
    shipper_of,
    visible_shipments,
)
from weighbridge.demo.backends.freight import add_milestone as move
from weighbridge.demo.backends.goods import ITEMS, item_ref
from weighbridge.demo.backends.paging import page
from weighbridge.demo.backends.states import SHIPMENT, phase
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, quantity, stamp


def announce_shipment(call: Call) -> Reply:
    check_site(call)
    body = call.body
    if body["shipTo"] != call.site.site_id:
        raise Refusal(404, "SITE_UNKNOWN", "Announce a shipment at the site that it goes to.")
    refuse_duplicate(call, body["shipperRef"])
    packages = check_packages(call, body["purpose"], body["packages"])
    warnings = notice_warnings(call, instant(body["departedAt"]), instant(body["eta"]))
    shipment_id = new_id(call, body["shipperRef"])
    scac = body["carrier"]["scac"]
    name = body["carrier"].get("name") or CARRIER_NAMES.get(scac)
    stored = {
        "shipmentId": shipment_id,
        "siteId": call.site.site_id,
        "shipperRef": body["shipperRef"],
        "purpose": body["purpose"],
        "status": "ANNOUNCED",
        "shipper": shipper_of(call),
        "shipTo": body["shipTo"],
        "carrier": {"scac": scac} | ({"name": name} if name else {}),
        "trackingNumber": f"PRO-{shipment_id[-8:]}",
        "departedAt": body["departedAt"],
        "eta": body["eta"],
        "packages": packages,
        "milestones": [],
        "exceptions": [{"code": warning["code"], "raisedAt": stamp(call.now)} for warning in warnings],
    }
    if "note" in body:
        stored["note"] = body["note"]
    record = Record("shipment", shipment_id, call.caller.party, call.now, stored)
    call.records.put(record, call.site.site_id)
    shown = _shipment(call, record)
    told = {member: value for member, value in shown.items() if member not in {"milestones", "exceptions"}}
    return Reply(201, told | {"warnings": warnings}, {"Location": f"./shipments/{shipment_id}"})


def list_shipments(call: Call) -> Reply:
    check_site(call)
    query = call.query

    def show(record: Record) -> dict[str, Any] | None:
        body = record.body
        wanted = (
            query.get("purpose") in {None, body["purpose"]}
            and query.get("phase") in {None, phase(SHIPMENT, body["status"])}
            and ("poNumber" not in query or query["poNumber"] in _po_numbers(body))
        )
        return _summary(record) if wanted and _labelled(body) else None

    return Reply(200, page(call, visible_shipments(call), show))


def get_shipment(call: Call) -> Reply:
    check_site(call)
    return conditional(call, _shipment(call, _found(call)), as_of=call.site.posted(call.now))


def add_milestone(call: Call) -> Reply:
    check_site(call)
    move(call, _found(call), call.body)
    return Reply(201, call.body)


def record_receipt(call: Call) -> Reply:
    check_site(call)
    record, variances = receive(call, _found(call), call.body["lines"])
    body = {
        "shipmentId": record.id,
        "status": record.body["status"],
        "phase": phase(SHIPMENT, record.body["status"]),
        "receivedAt": stamp(call.now),
        "variances": [
            {
                "sscc": entry["sscc"],
                "item": item_ref(ITEMS[entry["sku"]], call.caller),
                "expected": quantity(entry["expected"], ITEMS[entry["sku"]].unit),
                "variance": quantity(entry["variance"], ITEMS[entry["sku"]].unit),
                "code": entry["code"],
            }
            for entry in variances
        ],
    }
    return Reply(201, body)


def _found(call: Call) -> Record:
    record = shipment_of(call)
    if not _labelled(record.body):
        raise Refusal(404, "SHIPMENT_UNKNOWN", "Announced in major 1 without labels: ask for it there.")
    return record


def _labelled(body: dict[str, Any]) -> bool:
    return all("sscc" in package for package in body["packages"])


def _po_numbers(body: dict[str, Any]) -> set[str]:
    named = {line["poNumber"] for package in body["packages"] for line in package.get("lines", ())}
    return named | ({body["poNumber"]} if "poNumber" in body else set())


def _summary(record: Record) -> dict[str, Any]:
    body = record.body
    kept = "shipmentId siteId shipperRef purpose status shipper shipTo carrier trackingNumber departedAt eta".split()
    return {name: body[name] for name in kept} | {
        "phase": phase(SHIPMENT, body["status"]),
        "changedAt": stamp(record.changed_at),
    }


def _shipment(call: Call, record: Record) -> dict[str, Any]:
    body = record.body
    shown = _summary(record) | {
        "packages": [_package(call, record, package) for package in body["packages"]],
        "milestones": body["milestones"],
    }
    if body["exceptions"]:
        shown["exceptions"] = body["exceptions"]
    if "note" in body:
        # major 1 allowed longer notes
        shown["note"] = body["note"][:80]
    return shown


def _package(call: Call, record: Record, package: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {name: package[name] for name in ("sscc", "weight") if name in package}
    if "lines" in package and not call.caller.is_carrier:
        shown["lines"] = [_line(call, record, line) for line in package["lines"]]
    return shown


def _line(call: Call, record: Record, line: dict[str, Any]) -> dict[str, Any]:
    supplier = record.owner if record.owner.startswith("SUP-") else None
    shown = {name: value for name, value in line.items() if name != "sku"}
    return shown | {"item": item_ref(ITEMS[line["sku"]], call.caller, supplier=supplier)}

"""Thirty shipments: every state and purpose, one without SSCC, one announced too late, one received short."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.states import SHIPMENT, path_to
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import quantity, sscc, stamp
from weighbridge.demo.seeds.items import catalogue
from weighbridge.demo.seeds.parties import CARRIERS, CUSTOMERS, SUPPLIERS
from weighbridge.demo.seeds.purchasing import FIRST_PO, purchase_orders

FIRST_SHIPMENT = 812345
FIRST_SSCC = 5000
WITHOUT_SSCC, LATE, SHORT = 4, 2, 7
"""Index of the shipment without labels (legal in major 1 only), of the late notice, of the short receipt."""

INBOUND = (
    "ANNOUNCED",
    "DEPARTED",
    "ARRIVED",
    "RECEIVING",
    "RECEIVED",
    "RECEIVED_WITH_VARIANCE",
    "DEPARTED",
    "RECEIVED_WITH_VARIANCE",
    "CANCELLED",
    "LOST",
    "REFUSED",
    "RECEIVED",
)
OUTBOUND = ("ANNOUNCED", "DEPARTED", "ARRIVED", "DELIVERED", "REFUSED", "DELIVERED", "LOST", "CANCELLED")
MILESTONES = frozenset({"DEPARTED", "ARRIVED", "DELIVERED", "REFUSED", "LOST"})


def shipments(day: date) -> Iterator[Record]:
    """12 purchases, 8 sales, 5 transfers, 5 returns."""
    orders = [
        order.body for order in purchase_orders(day) if order.body["acknowledgements"] and not order.body["closed"]
    ]
    for number in range(12):
        order = orders[number % len(orders)]
        supplier = next(party for party in SUPPLIERS if party.party_id == order["supplier"])
        shipper = {"partyId": supplier.party_id, "role": "SUPPLIER", "name": supplier.name}
        lines = [
            {"poNumber": order["poNumber"], "lineNumber": line["lineNumber"], "sku": line["sku"],
             "quantity": _half(line["ordered"])}
            for line in order["lines"][:1]
        ]  # fmt: skip
        yield _shipment(number, day, "PURCHASE", INBOUND[number], order["siteId"], shipper, lines, supplier.party_id)
    for number in range(12, 30):
        customer = CUSTOMERS[0] if number % 3 == 0 else CUSTOMERS[number % len(CUSTOMERS)]
        sites = ("TOR-1",) if customer.currency == "CAD" else ("DAL-2", "PHX-1", "ATL-1")
        site_id = sites[number % len(sites)]
        if number < 20:
            purpose, status, owner = "SALE", OUTBOUND[number - 12], customer.party_id
            shipper = {"partyId": "INT-90002", "role": "SHIP_FROM", "name": BY_ID[site_id].name}
        elif number < 25:
            purpose, status, owner = "TRANSFER", INBOUND[number - 20], ""
            site_id = ("TOR-1", "DAL-2", "PHX-1", "ATL-1", "TOR-1")[number - 20]
            shipper = {"partyId": "INT-90002", "role": "SHIP_FROM", "name": "Larkfield Supply"}
        else:
            purpose, status, owner = "RETURN", INBOUND[number - 22], customer.party_id
            shipper = {"partyId": customer.party_id, "role": "CUSTOMER", "name": customer.name}
        item = catalogue()[(number * 3) % 60]
        # what is no purchase has no purchase order of ours either: the line names the order it belongs to
        lines = [{"poNumber": f"PO-{FIRST_PO - number}", "lineNumber": 1, "sku": item.sku, "quantity": quantity(12, item.unit)}]  # fmt: skip  # noqa: E501
        yield _shipment(number, day, purpose, status, site_id, shipper, lines, owner)


def _shipment(
    number: int,
    day: date,
    purpose: str,
    status: str,
    site_id: str,
    shipper: dict[str, str],
    lines: list[dict[str, Any]],
    owner: str,
) -> Record:
    zone = ZoneInfo(BY_ID[site_id].zone)
    carrier = CARRIERS[number % len(CARRIERS)]
    departed = datetime.combine(day - timedelta(days=1 + number % 6), time(16, 40), zone)
    eta = datetime.combine(departed.date() + timedelta(days=2), time(9), zone)
    way = path_to(SHIPMENT, status)
    limit = datetime.combine(day, time(0), ZoneInfo("UTC")) - timedelta(minutes=30)
    milestones = []
    at = departed
    for place, passed in enumerate(way[1:]):
        at = min(departed + timedelta(hours=14 * place), limit - timedelta(minutes=5 * (len(way) - place)))
        if passed in MILESTONES:
            milestones.append({"code": passed, "at": stamp(at.astimezone(zone)), "place": BY_ID[site_id].name})
    changed = min(at, limit)
    package: dict[str, Any] = {"number": "1", "weight": quantity(Decimal(180 + 7 * number), "KGM" if zone.key == "America/Toronto" else "LBR"), "lines": lines}  # fmt: skip  # noqa: E501
    if number != WITHOUT_SSCC:
        package["sscc"] = sscc(FIRST_SSCC + number)
    exceptions = []
    if number == LATE:
        exceptions.append({"code": "ASN_LATE", "raisedAt": stamp(changed)})
    if status == "RECEIVED_WITH_VARIANCE":
        code = "SHORT_RECEIPT" if number == SHORT else "DAMAGED"
        exceptions.append({"code": code, "raisedAt": stamp(changed)})
    shipment_id = f"SHP-{FIRST_SHIPMENT + number:09d}"
    body = {
        "shipmentId": shipment_id,
        "siteId": site_id,
        "shipperRef": f"LK-{99000 + number}",
        "purpose": purpose,
        "status": status,
        "shipper": shipper,
        "shipTo": site_id,
        "carrier": {"scac": carrier.scac, "name": carrier.name},
        "trackingNumber": f"PRO-{88000 + number}",
        "departedAt": stamp(departed),
        "eta": stamp(eta),
        "packages": [package],
        "milestones": milestones,
        "exceptions": exceptions,
    }
    return Record("shipment", shipment_id, owner, changed, body)


def _half(ordered: dict[str, str]) -> dict[str, str]:
    return quantity(Decimal(int(Decimal(ordered["value"]) / 2)), ordered["unit"])

"""What one customer holds on the first day: a quote and the stock behind it, under the numbers that documents name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.places import BY_ID, HUB
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import money, plain, quantity, stamp, unit_price
from weighbridge.demo.seeds.items import catalogue
from weighbridge.demo.seeds.parties import CUSTOMERS
from weighbridge.demo.seeds.prices import KNOWN_NET

QUOTE, RESERVATION, RESERVED_AT = "QTE-4M8XK20P7C", "RSV-7QK2M9X4AB", "DAL-2"
SKU, AMOUNT = "FST-HXB-M10X50", 2000
HELD_SKU, HELD = "CBL-THHN-12-BK", 400
DAYS = 14


def quote(day: date) -> Record:
    item = next(item for item in catalogue() if item.sku == SKU)
    net = Decimal(KNOWN_NET[SKU][2])
    body = {
        "quoteId": QUOTE,
        "currency": "USD",
        "siteId": RESERVED_AT,
        "createdAt": stamp(_made(day)),
        "validUntil": stamp(_ends(day, HUB)),
        "lines": [
            {
                "lineNumber": 1,
                "item": {"sku": item.sku, "gtin": item.gtin, "description": item.description},
                "quantity": quantity(AMOUNT, item.unit),
                "netPrice": unit_price(net, "USD", item.per, item.unit),
                "extended": money(net * AMOUNT / item.per, "USD"),
                "exceptions": [],
            }
        ],
    }
    return Record("quote", QUOTE, CUSTOMERS[0].party_id, _made(day), body)


def reservation(day: date) -> Record:
    item = next(item for item in catalogue() if item.sku == HELD_SKU)
    body = {
        "reservationId": RESERVATION,
        "siteId": RESERVED_AT,
        "item": {"sku": item.sku, "gtin": item.gtin, "description": item.description},
        "quantity": quantity(HELD, item.unit),
        "status": "ACTIVE",
        "phase": "ACTIVE",
        "holdUntil": stamp(_ends(day, RESERVED_AT)),
        "reference": "Quote 4711/B",
        "createdAt": stamp(_made(day)),
        "baseQuantity": str(HELD),
    }
    return Record("reservation", RESERVATION, CUSTOMERS[0].party_id, _made(day), body)


def backed(record: Record, site_id: str, day: date) -> Record:
    """The stock record with that reservation told apart from the rest of what is reserved."""
    if (site_id, record.id) != (RESERVED_AT, HELD_SKU):
        return record
    other = plain(Decimal(record.body["reserved"]) - HELD)
    holds = {RESERVATION: {"quantity": str(HELD), "until": stamp(_ends(day, RESERVED_AT))}}
    return replace(record, body=record.body | {"reserved": other, "holds": holds})


def _made(day: date) -> datetime:
    return datetime.combine(day, time(0), ZoneInfo("UTC")) - timedelta(hours=4)


def _ends(day: date, site_id: str) -> datetime:
    return datetime.combine(day + timedelta(days=DAYS), time(17), ZoneInfo(BY_ID[site_id].zone))

"""Twenty-four purchase orders: every acknowledgement status, two of them overdue, one with a disputed price."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import quantity, stamp, unit_price
from weighbridge.demo.seeds.items import Item, catalogue
from weighbridge.demo.seeds.parties import SUPPLIERS

FIRST_PO = 45001234

ROWS: tuple[tuple[str, str, str], ...] = (
    ("DAL-2", "SUP-10021", "AWAITED"),
    ("DAL-2", "SUP-10021", "ACCEPTED"),
    ("PHX-1", "SUP-10021", "AWAITED"),
    ("TOR-1", "SUP-10021", "OVERDUE"),
    ("DAL-2", "SUP-10022", "AWAITED"),
    ("ATL-1", "SUP-10022", "ACCEPTED"),
    ("TOR-1", "SUP-10023", "AWAITED"),
    ("DAL-2", "SUP-10023", "PARTIAL"),
    ("PHX-1", "SUP-10024", "ACCEPTED_WITH_CHANGES"),
    ("ATL-1", "SUP-10024", "AGREED"),
    ("DAL-2", "SUP-10025", "REJECTED"),
    ("TOR-1", "SUP-10025", "ACCEPTED"),
    ("DAL-2", "SUP-10026", "DISPUTED"),
    ("PHX-1", "SUP-10026", "AWAITED"),
    ("DAL-2", "SUP-10021", "ACCEPTED_WITH_CHANGES"),
    ("PHX-1", "SUP-10021", "AGREED"),
    ("ATL-1", "SUP-10022", "OVERDUE"),
    ("TOR-1", "SUP-10022", "PARTIAL"),
    ("DAL-2", "SUP-10023", "ACCEPTED"),
    ("TOR-1", "SUP-10023", "ACCEPTED"),
    ("PHX-1", "SUP-10024", "AWAITED"),
    ("DAL-2", "SUP-10025", "ACCEPTED"),
    ("ATL-1", "SUP-10026", "REJECTED"),
    ("TOR-1", "SUP-10026", "AGREED"),
)
CLOSED = frozenset({9, 23})
"""Index of the orders that are complete: nothing more may be shipped or answered."""

KNOWN_LINES = {
    0: (("CBL-THHN-12-BK", 5000), ("CBL-THHN-12-RD", 2000)),
    6: (("CHM-CUT-5L", 24), ("CHM-ISO-4L", 48)),
}


def purchase_orders(day: date) -> Iterator[Record]:
    """One ``po`` record each; its acknowledgements stand inside, oldest first."""
    items = catalogue()
    for number, (site_id, supplier, status) in enumerate(ROWS):
        yield _purchase_order(number, site_id, supplier, status, day, items)


def _purchase_order(
    number: int, site_id: str, supplier: str, status: str, day: date, items: tuple[Item, ...]
) -> Record:
    zone = ZoneInfo(BY_ID[site_id].zone)
    # the order run is at 02:00; what still awaits an answer was ordered tonight, what is overdue three days ago
    age = {"AWAITED": 0, "OVERDUE": 3}.get(status, 4 + number % 9)
    ordered_at = datetime.combine(day - timedelta(days=age), time(0), ZoneInfo("UTC")) - timedelta(hours=1)
    own = [item for item in items[:60] if supplier in item.suppliers and not item.discontinued]
    chosen = KNOWN_LINES.get(number) or tuple(
        (own[(number + place * 3) % len(own)].sku, 240 + 120 * place) for place in range(1 + number % 3)
    )
    by_sku = {item.sku: item for item in items}
    lines = [
        _line(place, by_sku[sku], amount, BY_ID[site_id].currency, day, zone)
        for place, (sku, amount) in enumerate(chosen, start=1)
    ]
    answered_at = ordered_at + timedelta(hours=20)
    answers = [] if status in {"AWAITED", "OVERDUE"} else [_answer(number, status, lines, answered_at)]
    po_number = f"PO-{FIRST_PO + number}"
    body = {
        "poNumber": po_number,
        "siteId": site_id,
        "supplier": supplier,
        "orderedAt": stamp(ordered_at),
        "answerDueAt": stamp(_next_business_day(ordered_at.astimezone(zone))),
        "status": status,
        "closed": number in CLOSED,
        "lines": lines,
        "acknowledgements": answers,
    }
    return Record("po", po_number, supplier, answered_at if answers else ordered_at, body)


def _line(place: int, item: Item, amount: int, currency: str, day: date, zone: ZoneInfo) -> dict[str, Any]:
    cost = item.list_price * Decimal("0.62")
    return {
        "lineNumber": place,
        "sku": item.sku,
        "ordered": quantity(amount, item.unit),
        "unitPrice": unit_price(cost, currency, item.per, item.unit),
        "requestedShipAt": stamp(datetime.combine(day + timedelta(days=5 + place), time(12), zone)),
    }


def _answer(number: int, status: str, lines: list[dict[str, Any]], at: datetime) -> dict[str, Any]:
    party = next(party for party in SUPPLIERS if party.party_id == ROWS[number][1])
    answered = lines[:1] if status == "PARTIAL" else lines
    changed = {"ACCEPTED_WITH_CHANGES": "QUANTITY_CHANGED", "AGREED": "DATE_CHANGED", "DISPUTED": "PRICE_CHANGED"}
    told = []
    for line in answered:
        answer = "REJECTED" if status == "REJECTED" else changed.get(status, "ACCEPTED")
        entry: dict[str, Any] = {"lineNumber": line["lineNumber"], "answer": answer}
        if answer == "REJECTED":
            entry["rejectReason"] = "OUT_OF_STOCK"
        else:
            value = Decimal(line["ordered"]["value"])
            amount = value * Decimal("0.8") if answer == "QUANTITY_CHANGED" else value
            entry["schedules"] = [
                {"quantity": quantity(amount, line["ordered"]["unit"]), "promisedShipAt": line["requestedShipAt"]}
            ]
        if answer == "PRICE_CHANGED":
            price = line["unitPrice"]
            entry["unitPrice"] = price | {"amount": f"{Decimal(price['amount']) * Decimal('1.08'):.4f}"}
        told.append(entry)
    return {
        "acknowledgementId": f"ACK-{700000 + number:09d}",
        "supplierOrderRef": f"{party.name.split()[0][:2].upper()}-{5500 + number}",
        "receivedAt": stamp(at),
        "status": status,
        "lines": told,
        "warnings": [{"code": "PRICE_MISMATCH", "pointer": "/body/lines/0/unitPrice"}] if status == "DISPUTED" else [],
    }


def _next_business_day(local: datetime) -> datetime:
    due = local + timedelta(days=1)
    while due.weekday() >= 5:
        due += timedelta(days=1)
    return due.replace(hour=17, minute=0, second=0)

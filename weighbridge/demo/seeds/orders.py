"""Forty-eight sales orders with 130 lines: every line status, every carried code, one order served by three sites."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.states import ORDER_LINE, path_to
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import quantity, stamp
from weighbridge.demo.seeds.items import Item, catalogue
from weighbridge.demo.seeds.parties import CREDIT_HELD, CURRENCY, CUSTOMERS

FIRST_ORDER = 70012345
COUNT = 48
OF_THREE_SITES = 2
"""Index of the order whose lines ship from Dallas, Phoenix and Toronto."""

_US = ("DAL-2", "PHX-1", "ATL-1")
_CA = ("TOR-1", "STJ-1")
_LINES = (2, 3, 3)
_CARRIED = {
    "BACKORDERED": ("BACKORDERED",),
    "ON_HOLD": ("CREDIT_HOLD",),
    "PARTIALLY_SHIPPED": ("PARTIAL_SHIPMENT",),
    "PARTIALLY_ALLOCATED": ("PROMISE_AT_RISK",),
    "PICKING": ("PROMISE_MISSED",),
    "AWAITING_PICKUP": ("SUBSTITUTED",),
}
_NOT_SHIPPED = {"SHIPPED": 1, "DELIVERED": 1, "PARTIALLY_SHIPPED": 2, "CLOSED_SHORT": 2}


def orders(day: date) -> Iterator[Record]:
    """Whole orders, as the hub knows them."""
    items = catalogue()
    for number in range(COUNT):
        yield _first(day, items) if number == 0 else _order(number, day, items)


def at_site(order: Record, site_id: str) -> Record | None:
    """The part of an order that one site works on, or ``None``."""
    lines = [line for line in order.body["lines"] if line["siteId"] == site_id]
    return Record(order.kind, order.id, order.owner, order.changed_at, order.body | {"lines": lines}) if lines else None


def _order(number: int, day: date, items: tuple[Item, ...]) -> Record:
    # every third order is Oakhurst's, the large customer
    customer = CUSTOMERS[0] if number % 3 == 0 else CUSTOMERS[number % len(CUSTOMERS)]
    sites = _CA if CURRENCY[customer.party_id] == "CAD" else _US
    ordered_at = _before(day, 2 + number % 14, number)
    statuses = list(ORDER_LINE)
    lines = []
    for place in range(_LINES[number % 3]):
        site_id = ("DAL-2", "PHX-1", "TOR-1")[place] if number == OF_THREE_SITES else sites[number % len(sites)]
        # every third order moved as one, so that whole orders are in every status too
        status = statuses[(number // 3 if number % 3 == 1 else number + 4 * place) % len(statuses)]
        if customer.party_id == CREDIT_HELD and status in {"ACCEPTED", "ALLOCATED"}:
            status = "ON_HOLD"
        item = items[(number * 5 + place * 13) % 60]
        lines.append(_line(place + 1, item, 24 + 12 * (number % 7), status, site_id, ordered_at, day))
    return _record(number, customer.party_id, f"P{number:04d}", ordered_at, lines)


def _first(day: date, items: tuple[Item, ...]) -> Record:
    # the order that documents and tests name
    ordered_at = _before(day, 3, 0)
    by_sku = {item.sku: item for item in items}
    lines = [
        _line(1, by_sku["CBL-THHN-12-BK"], 2000, "SHIPPED", "DAL-2", ordered_at, day),
        _line(2, by_sku["GLV-NIT-L"], 48, "DELIVERED", "DAL-2", ordered_at, day),
        _line(3, by_sku["FST-HXB-M10X50"], 400, "PARTIALLY_SHIPPED", "DAL-2", ordered_at, day),
        _line(4, by_sku["TLS-DRL-18V"], 2, "SHIPPED", "DAL-2", ordered_at, day),
    ]
    lines[2]["shipped"] = quantity(300, "EA")
    lines[2]["buyerLineRef"] = "20A"
    lines[2]["exceptions"].insert(0, {"code": "BACKORDERED", "raisedAt": lines[2]["history"][-1]["at"]})
    lines[2]["promise"] = {"shipAt": _promised("DAL-2", day, 2), "basis": "INBOUND"}
    return _record(0, CUSTOMERS[0].party_id, "4711/B", ordered_at, lines)


def _record(number: int, owner: str, po_number: str, ordered_at: datetime, lines: list[dict[str, Any]]) -> Record:
    changed = max(datetime.fromisoformat(line["history"][-1]["at"]) for line in lines)
    order_id = f"SO-{FIRST_ORDER + number}"
    body = {"orderId": order_id, "customerPoNumber": po_number, "orderedAt": stamp(ordered_at), "lines": lines}
    return Record("order", order_id, owner, changed, body)


def _line(
    line_number: int, item: Item, amount: int, status: str, site_id: str, ordered_at: datetime, day: date
) -> dict[str, Any]:
    way = path_to(ORDER_LINE, status)
    step = (_midnight(day) - timedelta(hours=1) - ordered_at) / len(way)
    codes = _CARRIED.get(status, ())
    history: list[dict[str, Any]] = []
    for place, passed in enumerate(way):
        at = stamp(ordered_at + step * place)
        carried = [{"code": code, "raisedAt": at} for code in codes] if passed == status else []
        history.append({"status": passed, "at": at, "siteId": site_id, "exceptions": carried})
    shipped = amount // _NOT_SHIPPED[status] if status in _NOT_SHIPPED else 0
    line: dict[str, Any] = {
        "lineNumber": line_number,
        "sku": item.sku,
        "ordered": quantity(amount, item.unit),
        "shipped": quantity(shipped, item.unit),
        "siteId": site_id,
        "status": status,
        "exceptions": history[-1]["exceptions"].copy(),
        "history": history,
    }
    if ORDER_LINE[status][0] in {"PENDING", "ACTIVE"} and status != "ON_HOLD":
        basis = "INBOUND" if status == "BACKORDERED" else "STOCK"
        line["promise"] = {"shipAt": _promised(site_id, day, 1 + line_number), "basis": basis}
    if status == "AWAITING_PICKUP":
        line["substitution"] = {"sku": item.successor or "GLV-NIT-XL", "reason": "OUT_OF_STOCK"}
    return line


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), ZoneInfo("UTC"))


def _before(day: date, days: int, number: int) -> datetime:
    return _midnight(day) - timedelta(days=days) + timedelta(hours=13, minutes=7 * number)


def _promised(site_id: str, day: date, days: int) -> str:
    site = BY_ID[site_id]
    return stamp(datetime.combine(day + timedelta(days=days), site.cut_offs[0].at, ZoneInfo(site.zone)))

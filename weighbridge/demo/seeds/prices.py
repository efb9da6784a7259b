"""Price lists: two regional ones and one contract; the US list is replaced tonight, with a gap of one item."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.store import Record
from weighbridge.demo.seeds.items import Item, catalogue

CAD_PER_USD = Decimal("1.36")
CONTRACT_SHARE, LIST_SHARE, COST_SHARE, BREAK_SHARE = (Decimal(text) for text in ("0.79", "0.92", "0.62", "0.95"))
BREAK_AT = 10
"""A price break starts at this many price units (``per``)."""

GAP = "TLS-DRL-12V"
"""On the US list until tonight, and on none after."""

CONTRACT = "PL-CONTRACT07"
CONTRACT_OF = "CUS-20041"
KNOWN_NET = {"FST-HXB-M10X50": ("24.7350", "29.8000", "22.9100")}
"""Net price, list price and net price at the break, as the documents name them."""


def prices(day: date) -> Iterator[Record]:
    """``price`` records: one per list, item and period. `validTo` is the last day, absent where none is set."""
    start = day - timedelta(days=90)
    for item in catalogue():
        yield _price("PL-LISTUS", item, "USD", LIST_SHARE, start, day, day)
        if item.sku != GAP:
            yield _price("PL-LISTUS", item, "USD", LIST_SHARE, day + timedelta(days=1), None, day)
        yield _price("PL-LISTCA", item, "CAD", LIST_SHARE, start, None, day)
    for item in catalogue()[:60]:
        yield _price(CONTRACT, item, "USD", CONTRACT_SHARE, start, None, day)


def _price(
    price_list: str, item: Item, currency: str, share: Decimal, valid_from: date, valid_to: date | None, day: date
) -> Record:
    listed = item.list_price * (CAD_PER_USD if currency == "CAD" else 1)
    net, break_list, break_net = listed * share, listed * BREAK_SHARE, listed * share * BREAK_SHARE
    if price_list == CONTRACT and item.sku in KNOWN_NET:
        net, break_list, break_net = (Decimal(text) for text in KNOWN_NET[item.sku])
    body: dict[str, Any] = {
        "sku": item.sku,
        "priceListId": price_list,
        "currency": currency,
        "list": _amount(listed),
        "net": _amount(net),
        "cost": _amount(listed * COST_SHARE),
        "breakFrom": BREAK_AT * item.per,
        "breakList": _amount(break_list),
        "breakNet": _amount(break_net),
        "validFrom": valid_from.isoformat(),
    }
    if valid_to is not None:
        body["validTo"] = valid_to.isoformat()
    changed = datetime.combine(day - timedelta(days=2), time(6), ZoneInfo("UTC"))
    owner = CONTRACT_OF if price_list == CONTRACT else ""
    return Record("price", f"{price_list}/{item.sku}/{valid_from.isoformat()}", owner, changed, body)


def _amount(value: Decimal) -> str:
    return f"{value:.4f}"

"""How much of each item lies at each yard on the day of seeding, and which lots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.places import YARDS, Site
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import plain, stamp
from weighbridge.demo.seeds.items import Item, catalogue

EVERY_NTH = {"DAL-2": 1, "PHX-1": 1, "ATL-1": 2, "TOR-1": 1, "STJ-1": 3}
"""A yard stocks every n-th item; the smaller, the fewer. The first ten (cables) are everywhere."""

KNOWN = {
    ("DAL-2", "CBL-THHN-12-BK"): ("4210.5", "410.5", "5000", 2),
    ("DAL-2", "FST-HXB-M10X50"): ("1200", "1200", "0", None),
    ("ATL-1", "CBL-THHN-12-BK"): ("900", "0", "2500", 3),
    ("TOR-1", "CBL-NMD-14-2"): ("12.5", "0", "0", None),
    ("TOR-1", "CBL-NMD-12-2"): ("300.75", "0", "0", None),
    ("TOR-1", "CBL-TECK-12-3"): ("87.5", "0", "0", None),
    ("TOR-1", "CBL-TECK-10-3"): ("40.25", "0", "0", None),
    ("TOR-1", "CBL-RW90-6-BK"): ("610.5", "0", "0", None),
}
"""On hand, reserved, on order, days until the next receipt: the numbers that documents and tests name."""

PULLED_PER_HOUR = {("ATL-1", "CBL-THHN-12-BK"): "120"}
"""What leaves the floor between two postings and is seen by nobody but the floor."""


def stock(day: date) -> Iterator[tuple[Site, Record]]:
    """One ``stock`` record per yard and item it keeps."""
    items = catalogue()
    for place, site in enumerate(YARDS, start=1):
        for number, item in enumerate(items):
            if number < 10 or number % EVERY_NTH[site.site_id] == 0:
                changed = datetime.combine(day, time(0), ZoneInfo("UTC")) - timedelta(minutes=(number * 7) % 600)
                yield site, Record("stock", item.sku, "", changed, _level(site, place, number, item, day, items))


def _level(site: Site, place: int, number: int, item: Item, day: date, items: tuple[Item, ...]) -> dict[str, Any]:
    on_hand, reserved, on_order, days = KNOWN.get((site.site_id, item.sku)) or _usual(place, number, item)
    level: dict[str, Any] = {
        "sku": item.sku,
        "onHand": on_hand,
        "reserved": reserved,
        "onOrder": on_order,
        "pulledPerHour": PULLED_PER_HOUR.get((site.site_id, item.sku), "0"),
        "elsewhere": _elsewhere(site, number, item),
    }
    if days is not None:
        expected = datetime.combine(day + timedelta(days=days), time(9), ZoneInfo(site.zone))
        level["nextReceiptAt"] = stamp(expected)
    if item.by_lot:
        level["lots"] = _lots(number, day)
    return level


def _usual(place: int, number: int, item: Item) -> tuple[str, str, str, int | None]:
    scale = max(1, item.cap // 5)
    on_hand = Decimal((number * 37 + place * 11) % 17 * scale)
    if item.unit in {"FOT", "MTR", "LBR", "KGM", "LTR"} and on_hand:
        # measured goods are cut: they do not come in whole units
        on_hand += Decimal((number + place) % 4) / 4
    reserved = Decimal(int(on_hand) // 10)
    if item.discontinued:
        return plain(on_hand), plain(reserved), "0", None
    ordered = (number + place) % 3 != 0
    return (
        plain(on_hand),
        plain(reserved),
        str(item.cap if ordered else 0),
        1 + (number + place) % 9 if ordered else None,
    )


def _elsewhere(site: Site, number: int, item: Item) -> dict[str, str]:
    # last night's network file: what the other yards had, in base units
    found: dict[str, str] = {}
    for place, other in enumerate(YARDS, start=1):
        if other is site or not (number < 10 or number % EVERY_NTH[other.site_id] == 0):
            continue
        on_hand, reserved, *_ = KNOWN.get((other.site_id, item.sku)) or _usual(place, number, item)
        if (available := Decimal(on_hand) - Decimal(reserved)) > 0:
            found[other.site_id] = plain(available)
    return found


def _lots(number: int, day: date) -> list[dict[str, str]]:
    # one lot of the first chemical is past its day, two lots are near it
    offset = {30: -3, 31: 9, 32: 12}.get(number, 240 + number)
    return [
        {"lotNumber": f"L{number:02d}A", "expiryDate": (day + timedelta(days=offset)).isoformat()},
        {"lotNumber": f"L{number:02d}B", "expiryDate": (day + timedelta(days=400)).isoformat()},
    ]

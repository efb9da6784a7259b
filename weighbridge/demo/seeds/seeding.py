"""Fill the places' files once: a second run finds its facts again and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from weighbridge.demo.backends.places import HUB, SITES
from weighbridge.demo.backends.store import Record, Store
from weighbridge.demo.seeds.freight import shipments
from weighbridge.demo.seeds.orders import at_site, orders
from weighbridge.demo.seeds.prices import prices
from weighbridge.demo.seeds.promises import RESERVED_AT, backed, quote, reservation
from weighbridge.demo.seeds.purchasing import purchase_orders
from weighbridge.demo.seeds.stock import stock


def seed(stores: Mapping[str, Store], day: date) -> None:
    """`stores` maps every site id, the hub's included, to its file. All dates are relative to `day`.

    A file is filled in one transaction, so that a run which was interrupted starts over.
    """
    empty = {site_id: store for site_id, store in stores.items() if store.seeded_on() is None}
    if not empty:
        return
    facts: dict[str, list[Record]] = {site_id: [] for site_id in stores}
    for site_id, record in _facts(day):
        facts[site_id].append(record)
    for site_id, store in empty.items():
        with store.transaction():
            for record in facts[site_id]:
                store.put(record)
            store.mark_seeded(day)


def _facts(day: date) -> Iterator[tuple[str, Record]]:
    """Every record with its home. Whole orders live at the hub; each site has the part that it works on."""
    for site, record in stock(day):
        yield site.site_id, backed(record, site.site_id, day)
    yield RESERVED_AT, reservation(day)
    yield HUB, quote(day)
    for order in orders(day):
        yield HUB, order
        for site in SITES:
            if (part := at_site(order, site.site_id)) is not None:
                yield site.site_id, part
    for record in purchase_orders(day):
        yield record.body["siteId"], record
    for record in prices(day):
        yield HUB, record
    for record in shipments(day):
        yield record.body["siteId"], record

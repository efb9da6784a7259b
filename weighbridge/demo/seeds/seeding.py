"""Fill the places' files once: a second run finds its facts again and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from weighbridge.demo.backends.store import Store
from weighbridge.demo.seeds.stock import stock


def seed(stores: Mapping[str, Store], day: date) -> None:
    """`stores` maps every site id, the hub's included, to its file. All dates are relative to `day`.

    A file is filled in one transaction, so that a run which was interrupted starts over.
    """
    for site_id, store in stores.items():
        if store.seeded_on() is not None:
            continue
        with store.transaction():
            for site, record in stock(day):
                if site.site_id == site_id:
                    store.put(record)
            store.mark_seeded(day)

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from weighbridge.demo.backends.places import SITES
from weighbridge.demo.backends.states import ACKNOWLEDGEMENT, ORDER_LINE, SHIPMENT, allowed, least_advanced
from weighbridge.demo.backends.store import Record, Store
from weighbridge.demo.backends.values import check_digit, instant, is_sscc
from weighbridge.demo.seeds.freight import shipments
from weighbridge.demo.seeds.items import catalogue
from weighbridge.demo.seeds.orders import orders
from weighbridge.demo.seeds.prices import GAP, prices
from weighbridge.demo.seeds.purchasing import purchase_orders
from weighbridge.demo.seeds.seeding import seed

DAY = date(2026, 3, 31)
MIDNIGHT = datetime(2026, 3, 31, tzinfo=UTC)


def test_the_catalogue_has_every_trait() -> None:
    items = catalogue()
    assert len(items) == len({item.sku for item in items}) == len({item.gtin for item in items}) == 220
    assert all(check_digit(item.gtin[:-1]) == item.gtin[-1] for item in items)
    assert all(item.packs[item.unit] == "1" for item in items)
    assert Counter(item.group for item in items) == {
        "fastener": 20,
        "cable": 10,
        "chemical": 8,
        "tool": 8,
        "wear": 8,
        "welding": 6,
        "plain": 160,
    }
    assert sum(item.discontinued for item in items) == 3
    assert {item.successor for item in items if item.discontinued} <= {item.sku for item in items}
    assert sum(len(item.suppliers) == 2 for item in items) == 2
    assert sum(item.promoted for item in items) == 1
    assert [item.sku for item in items if item.unit == "MTR"] == [
        "CBL-NMD-14-2", "CBL-NMD-12-2", "CBL-TECK-12-3", "CBL-TECK-10-3", "CBL-RW90-6-BK",
    ]  # fmt: skip
    assert items[0].sku == "CBL-THHN-12-BK"
    assert items[0].supplier_part("SUP-10021") == "THHN12-BLK"


def test_orders_show_every_status_and_every_code() -> None:
    found = list(orders(DAY))
    lines = [line for order in found for line in order.body["lines"]]
    assert (len(found), len(lines)) == (48, 130)
    statuses = Counter(line["status"] for line in lines)
    assert statuses.keys() == ORDER_LINE.keys()
    assert min(statuses.values()) >= 2
    # an order as a whole is in every status as well, so that no phase is an empty list
    assert {least_advanced(line["status"] for line in order.body["lines"]) for order in found} == ORDER_LINE.keys()
    assert {exception["code"] for line in lines for exception in line["exceptions"]} == {
        "BACKORDERED", "PARTIAL_SHIPMENT", "SUBSTITUTED", "CREDIT_HOLD", "PROMISE_AT_RISK", "PROMISE_MISSED",
    }  # fmt: skip
    assert [order.id for order in found if len({line["siteId"] for line in order.body["lines"]}) == 3] == [
        "SO-70012347"
    ]


def test_histories_follow_the_table_and_end_before_the_day() -> None:
    for order in orders(DAY):
        for line in order.body["lines"]:
            history = line["history"]
            assert history[-1]["status"] == line["status"]
            for before, after in pairwise(history):
                assert after["status"] in allowed(ORDER_LINE, before["status"])
                assert instant(before["at"]) < instant(after["at"])
        assert order.changed_at < MIDNIGHT


def test_purchase_orders_show_every_answer() -> None:
    found = list(purchase_orders(DAY))
    assert len(found) == 24
    statuses = Counter(order.body["status"] for order in found)
    assert statuses.keys() == ACKNOWLEDGEMENT.keys()
    assert (statuses["OVERDUE"], statuses["DISPUTED"]) == (2, 1)
    for order in found:
        answered = order.body["status"] not in {"AWAITED", "OVERDUE"}
        assert bool(order.body["acknowledgements"]) == answered
        assert order.changed_at < MIDNIGHT
        if not answered:
            assert (instant(order.body["answerDueAt"]) < MIDNIGHT) == (order.body["status"] == "OVERDUE")


def test_shipments_show_every_state_and_purpose() -> None:
    found = list(shipments(DAY))
    assert len(found) == 30
    assert {shipment.body["status"] for shipment in found} == SHIPMENT.keys()
    assert {shipment.body["purpose"] for shipment in found} == {"PURCHASE", "SALE", "TRANSFER", "RETURN"}
    labels = [package.get("sscc") for shipment in found for package in shipment.body["packages"]]
    assert labels.count(None) == 1
    assert all(is_sscc(label) for label in labels if label is not None)
    codes = Counter(exception["code"] for shipment in found for exception in shipment.body["exceptions"])
    assert (codes["ASN_LATE"], codes["SHORT_RECEIPT"]) == (1, 1)
    assert all(shipment.changed_at < MIDNIGHT for shipment in found)


def test_the_us_list_is_replaced_tonight_with_a_gap() -> None:
    def on(day: str) -> set[str]:
        return {
            record.body["sku"]
            for record in prices(DAY)
            if record.body["priceListId"] == "PL-LISTUS"
            and record.body["validFrom"] <= day <= record.body.get("validTo", "9999-12-31")
        }

    assert on("2026-03-31") - on("2026-04-01") == {GAP}
    assert len(on("2026-03-31")) == 220


@pytest.fixture
def stores(tmp_path: Path) -> dict[str, Store]:
    return {site.site_id: Store(tmp_path / f"{site.site_id}.db") for site in SITES}


def test_seeding_is_done_once(stores: dict[str, Store]) -> None:
    seed(stores, DAY)
    changed = Record("order", "SO-70012345", "CUS-20041", MIDNIGHT, {"changed": True})
    stores["HUB"].put(changed)
    seed(stores, date(2027, 1, 1))
    assert stores["HUB"].get("order", "SO-70012345") == changed
    assert {store.seeded_on() for store in stores.values()} == {DAY}
    counts = {
        site_id: {kind: len(list(store.all(kind))) for kind in ("stock", "order", "po", "shipment", "price")}
        for site_id, store in stores.items()
    }
    assert counts["HUB"] == {"stock": 0, "order": 48, "po": 0, "shipment": 0, "price": 719}
    assert counts["DAL-2"]["stock"] == 220
    assert sum(count["po"] for count in counts.values()) == 24
    assert sum(count["shipment"] for count in counts.values()) == 30
    assert counts["STJ-1"] == {"stock": 80, "order": 8, "po": 0, "shipment": 0, "price": 0}
    for store in stores.values():
        store.close()

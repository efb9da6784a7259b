from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from weighbridge.demo.backends.exchange import INSIDE, Refusal
from weighbridge.demo.backends.goods import ITEMS, in_base_unit, in_unit, item_of, item_ref, visible

BOLT, WIRE = ITEMS["FST-HXB-M10X50"], ITEMS["CBL-THHN-12-BK"]
OAKHURST = replace(INSIDE, party="CUS-20041", audience="partner")
BRIGHTWATER = replace(INSIDE, party="SUP-10021", audience="partner")


@pytest.mark.parametrize(
    ("key", "caller", "found"),
    [
        ({"sku": BOLT.sku}, OAKHURST, BOLT),
        ({"gtin": WIRE.gtin}, OAKHURST, WIRE),
        ({"customerPartNumber": "OM/7781 a"}, OAKHURST, BOLT),
        ({"customerPartNumber": "OM/7781 a", "sku": BOLT.sku}, OAKHURST, BOLT),
        ({"supplierPartNumber": "THHN12-BLK"}, BRIGHTWATER, WIRE),
        ({"supplierPartNumber": "THHN12-BLK"}, INSIDE, WIRE),
        # keys that disagree, keys of somebody else, items of somebody else
        ({"customerPartNumber": "OM/7781 a", "sku": WIRE.sku}, OAKHURST, None),
        ({"customerPartNumber": "OM/7781 a"}, replace(OAKHURST, party="CUS-20042"), None),
        ({"supplierPartNumber": "THHN12-BLK"}, OAKHURST, None),
        ({"sku": BOLT.sku}, BRIGHTWATER, None),
        ({"sku": "NO-SUCH"}, INSIDE, None),
        ({}, INSIDE, None),
    ],
)
def test_keys_name_items(key: dict[str, str], caller: object, found: object) -> None:
    if found is not None:
        assert item_of(key, caller) is found  # type: ignore[arg-type]
        return
    with pytest.raises(Refusal) as refused:
        item_of(key, caller, pointer="/item")  # type: ignore[arg-type]
    assert (refused.value.status, refused.value.code) == (422, "SKU_UNKNOWN")


def test_references_tell_only_the_callers_own_keys() -> None:
    assert item_ref(BOLT, OAKHURST)["customerPartNumber"] == "OM/7781 a"
    assert item_ref(WIRE, BRIGHTWATER, supplier="SUP-10021")["supplierPartNumber"] == "THHN12-BLK"
    assert item_ref(BOLT, INSIDE).keys() == {"sku", "gtin", "description"}
    assert "supplierPartNumber" not in item_ref(WIRE, OAKHURST, supplier="SUP-10021")
    assert visible(WIRE, BRIGHTWATER)


def test_quantities_follow_the_pack_table() -> None:
    assert in_base_unit({"value": "4", "unit": "CEN"}, BOLT) == 400
    assert in_base_unit({"value": "12.5", "unit": "FOT"}, WIRE) == Decimal("12.5")
    assert in_unit(Decimal(1250), "CEN", BOLT) == {"value": "12", "unit": "CEN"}
    assert in_unit(Decimal("3800.25"), "FOT", WIRE) == {"value": "3800.25", "unit": "FOT"}
    with pytest.raises(Refusal) as wrong_unit:
        in_base_unit({"value": "1", "unit": "KGM"}, BOLT, pointer="/lines/0/quantity")
    assert wrong_unit.value.code == "UOM_MISMATCH"
    assert wrong_unit.value.more == {"allowedUnits": ["EA", "CEN", "MIL", "XCT"]}
    for value in ("1.5", "0"):
        with pytest.raises(Refusal) as broken:
            in_base_unit({"value": value, "unit": "EA"}, BOLT)
        assert broken.value.code == "QUANTITY_NOT_MULTIPLE"

"""Items as callers name them and as they may see them; quantities turned into an item's base unit.

Owns the resolution of item keys (SKU, GTIN, other people's part numbers) and the pack table's rules. A part number of
somebody else does not exist for this caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from weighbridge.demo.backends.exchange import Caller, Refusal
from weighbridge.demo.backends.values import COUNTED, plain, quantity
from weighbridge.demo.seeds.items import Item, catalogue

ITEMS: Mapping[str, Item] = {item.sku: item for item in catalogue()}
_BY_GTIN = {item.gtin: item for item in ITEMS.values()}


def visible(item: Item, caller: Caller) -> bool:
    """A supplier sees only what it supplies; everybody else sees the catalogue."""
    return not caller.is_supplier or caller.party in item.suppliers


def item_of(key: Mapping[str, Any], caller: Caller, *, pointer: str = "", status: int = 422) -> Item:
    """The one item that every given key names. Raises `Refusal` ``SKU_UNKNOWN`` (404 or, inside lists, 422)."""
    found = _matching(key, caller)
    if not found or found[0] is None or any(item is not found[0] for item in found):
        raise Refusal(
            status,
            "SKU_UNKNOWN",
            "No such item for you, or the keys name different ones.",
            errors=[{"pointer": pointer, "code": "SKU_UNKNOWN", "detail": "no item has these keys"}]
            if pointer
            else None,
        )
    return found[0]


def _matching(key: Mapping[str, Any], caller: Caller) -> list[Item | None]:
    matches: list[Item | None] = []
    if "sku" in key:
        matches.append(ITEMS.get(key["sku"]))
    if "gtin" in key:
        matches.append(_BY_GTIN.get(key["gtin"]))
    if "customerPartNumber" in key:
        part = key["customerPartNumber"]
        owners = [caller.party] if not caller.is_internal else None
        matches.append(
            next(
                (
                    item
                    for item in ITEMS.values()
                    for owner, number in item.customer_parts.items()
                    if number == part and (owners is None or owner in owners)
                ),
                None,
            )
        )
    if "supplierPartNumber" in key:
        part = key["supplierPartNumber"]
        matches.append(
            next(
                (
                    item
                    for item in ITEMS.values()
                    for owner in item.suppliers
                    if item.supplier_part(owner) == part and (caller.is_internal or owner == caller.party)
                ),
                None,
            )
        )
    return [item if item is not None and visible(item, caller) else None for item in matches]


def item_ref(item: Item, caller: Caller, *, supplier: str | None = None) -> dict[str, str]:
    """The item with the keys this caller knows it by. `supplier` adds the part number of that party."""
    ref = {"sku": item.sku, "gtin": item.gtin}
    if caller.party in item.customer_parts:
        ref["customerPartNumber"] = item.customer_parts[caller.party]
    if supplier is not None and (caller.is_internal or caller.party == supplier):
        ref["supplierPartNumber"] = item.supplier_part(supplier)
    ref["description"] = item.description
    return ref


def in_base_unit(asked: Mapping[str, str], item: Item, *, pointer: str = "/body/quantity") -> Decimal:
    """A quantity in the item's base unit. Raises `Refusal` ``UOM_MISMATCH`` or ``QUANTITY_NOT_MULTIPLE``."""
    unit, value = asked["unit"], Decimal(asked["value"])
    if unit not in item.packs:
        allowed = list(item.packs)
        raise Refusal(
            422,
            "UOM_MISMATCH",
            f"{item.sku} is not sold by {unit}.",
            errors=[{"pointer": f"{pointer}/unit", "code": "UOM_MISMATCH", "detail": f"use {', '.join(allowed)}"}],
            allowedUnits=allowed,
        )
    if value == 0 or (unit in COUNTED and value != int(value)):
        raise Refusal(
            422,
            "QUANTITY_NOT_MULTIPLE",
            f"{item.sku} is counted by {unit}: whole numbers from one on.",
            errors=[
                {"pointer": f"{pointer}/value", "code": "QUANTITY_NOT_MULTIPLE", "detail": f"{plain(value)} {unit}"}
            ],
        )
    return value * Decimal(item.packs[unit])


def in_unit(base: Decimal, unit: str, item: Item) -> dict[str, str]:
    """A base quantity told in the unit that was asked in; counted packs are rounded down."""
    value = base / Decimal(item.packs[unit])
    return quantity(Decimal(int(value)) if unit in COUNTED else value.quantize(Decimal("0.001")).normalize(), unit)

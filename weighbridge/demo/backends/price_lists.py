"""Which price applies: the party's contract before the regional list, the quantity break before the plain price.

Owns the choice and the arithmetic of prices, for both majors. Net prices and cost leave this module only for those who
may see them; a list that is another party's does not exist.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal
from weighbridge.demo.backends.goods import ITEMS
from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import unit_price
from weighbridge.demo.seeds.items import Item
from weighbridge.demo.seeds.parties import CURRENCY

LISTS = {"USD": "PL-LISTUS", "CAD": "PL-LISTCA"}
PRIVATE = {"Cache-Control": "private, no-store", "Vary": "Authorization"}
"""Net prices are the most copied data of all: no cache may share them between parties."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def currency_of(call: Call, party: str, site_id: str | None) -> str:
    """The named site's country decides, else the party's own currency. Raises `Refusal` ``SITE_UNKNOWN``."""
    if site_id is None:
        return CURRENCY.get(party, "USD")
    site = BY_ID.get(site_id)
    if site is None or site.is_hub:
        raise Refusal(404, "SITE_UNKNOWN", "No such site.")
    return site.currency


def applicable(call: Call, party: str, currency: str, on: date) -> dict[str, Record]:
    """SKU -> the one price that applies to the party on that day."""
    chosen: dict[str, Record] = {}
    for record in call.records.all("price"):
        body = record.body
        if body["currency"] != currency or not is_valid(record, on):
            continue
        if record.owner == party:
            chosen[body["sku"]] = record
        elif record.owner == "" and body["priceListId"] == LISTS[currency]:
            chosen.setdefault(body["sku"], record)
    return chosen


def is_valid(record: Record, on: date) -> bool:
    day = on.isoformat()
    return bool(record.body["validFrom"] <= day <= record.body.get("validTo", "9999-12-31"))


def entries(call: Call, price_list_id: str) -> list[Record]:
    """A list's entries. Raises `Refusal` ``PRICE_NOT_FOUND`` for a list that is missing or somebody else's."""
    found = [
        record
        for record in call.records.all("price")
        if record.body["priceListId"] == price_list_id and (record.owner == "" or call.caller.may_see(record.owner))
    ]
    if not found:
        raise Refusal(404, "PRICE_NOT_FOUND", "No such price list.")
    return found


def today(call: Call) -> date:
    """Lists change at local midnight of the network office."""
    return call.site.local(call.now).date()


def net_price(record: Record, amount: Decimal) -> dict[str, Any]:
    """The net price for an amount in base units, the break included."""
    item, body = ITEMS[record.body["sku"]], record.body
    value = body["breakNet"] if amount >= body["breakFrom"] else body["net"]
    return unit_price(Decimal(value), body["currency"], item.per, item.unit)


def extended(price: dict[str, Any], amount: Decimal) -> Decimal:
    """Price times amount in base units, not yet rounded: extend first, round once."""
    return Decimal(price["amount"]) * amount / Decimal(price["per"]["value"])


def as_unit_price(item: Item, record: Record, member: str) -> dict[str, Any]:
    return unit_price(Decimal(record.body[member]), record.body["currency"], item.per, item.unit)


def quote_id(call: Call) -> str:
    text = f"{call.caller.application} {call.headers.get('idempotency-key')} {call.now.isoformat()}"
    number, code = int.from_bytes(sha256(text.encode()).digest()[:8], "big"), ""
    for _ in range(10):
        number, place = divmod(number, len(_ALPHABET))
        code += _ALPHABET[place]
    return f"QTE-{code}"

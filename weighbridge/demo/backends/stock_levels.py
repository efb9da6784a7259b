"""What a yard has of an item: what the floor has, what the list says, and what this caller is shown of it.

Owns the arithmetic between stock, holds and the posting clock. The subtle thing: a yard that posts at shift end lists
what it last posted (`listed`), while a hold is decided by what is really there (`on_floor`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from weighbridge.demo.backends.exchange import Call, Caller, Refusal, retry_after
from weighbridge.demo.backends.goods import ITEMS, visible
from weighbridge.demo.backends.places import BY_CODE, BY_ID, Site
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, stamp
from weighbridge.demo.seeds.items import Item


@dataclass(frozen=True, slots=True)
class Level:
    """Quantities in the item's base unit."""

    item: Item
    record: Record
    on_hand: Decimal
    reserved: Decimal
    on_order: Decimal
    pulled: Decimal
    """What left the floor since the last posting."""

    @property
    def listed(self) -> Decimal:
        return max(Decimal(0), self.on_hand - self.reserved)

    @property
    def on_floor(self) -> Decimal:
        return max(Decimal(0), self.listed - self.pulled)

    @property
    def next_receipt_at(self) -> str | None:
        return self.record.body.get("nextReceiptAt")

    def shown(self, caller: Caller) -> tuple[Decimal, bool]:
        """(available, capped): inside the listed stock, outside no more than the item's publication cap."""
        if caller.is_internal or self.listed <= self.item.cap:
            return self.listed, False
        return Decimal(self.item.cap), True


def site_of(call: Call) -> Site:
    """The site named in the path. Raises `Refusal` ``SITE_UNKNOWN`` when it is not the one that answers here."""
    if call.major == 1:
        named = BY_CODE.get(call.path["siteCode"])
    else:
        named = BY_ID.get(call.path["siteId"])
    if named is None or named is not call.site or not named.offers(call.contract, call.major):
        since = dict(named.first_major).get(call.contract) if named is not None else None
        hint = f" It is offered from major {since} on." if since is not None and since > call.major else ""
        raise Refusal(404, "SITE_UNKNOWN", f"No such site in major {call.major}.{hint}")
    return named


def level_of(call: Call, sku: str, *, status: int = 404, pointer: str = "") -> Level:
    """Raises `Refusal` ``SKU_UNKNOWN`` for what is not kept here or not for this caller."""
    record = call.records.get("stock", sku)
    if record is None or not visible(ITEMS[sku], call.caller):
        errors = [{"pointer": pointer, "code": "SKU_UNKNOWN", "detail": f"{sku} is not kept here"}] if pointer else None
        raise Refusal(status, "SKU_UNKNOWN", f"{call.site.site_id} keeps no such item for you.", errors=errors)
    return _level(call, record)


def levels(call: Call) -> Iterator[Level]:
    """Every item this caller may see, in list order."""
    return (_level(call, record) for record in call.records.all("stock") if visible(ITEMS[record.id], call.caller))


def refuse_stale(call: Call, as_of: datetime) -> None:
    """Raises `Refusal` ``STOCK_STALE`` when the posting is older than ``maxAgeSeconds``."""
    bound = call.query.get("maxAgeSeconds")
    if bound is not None and (call.now - as_of).total_seconds() > bound:
        following = call.site.next_posting(call.now)
        raise Refusal(
            503,
            "STOCK_STALE",
            f"Stock was posted at {stamp(as_of)}; the next posting is at {stamp(following)}.",
            headers=retry_after(call.now, following),
        )


def _level(call: Call, record: Record) -> Level:
    body = record.body
    held = sum(
        (Decimal(hold["quantity"]) for hold in body.get("holds", {}).values() if instant(hold["until"]) > call.now),
        Decimal(0),
    )
    hours = Decimal((call.now - call.site.posted(call.now)).total_seconds()) / 3600
    return Level(
        item=ITEMS[record.id],
        record=record,
        on_hand=Decimal(body["onHand"]),
        reserved=Decimal(body["reserved"]) + held,
        on_order=Decimal(body["onOrder"]),
        pulled=Decimal(body["pulledPerHour"]) * hours,
    )


def with_holds(record: Record, holds: dict[str, Any], now: datetime) -> Record:
    """The stock record after a hold was added or given back; lapsed holds are swept out."""
    live = {key: hold for key, hold in holds.items() if instant(hold["until"]) > now}
    return Record(record.kind, record.id, record.owner, now, record.body | {"holds": live})

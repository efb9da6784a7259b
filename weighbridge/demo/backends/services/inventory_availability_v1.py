"""Inventory availability, major 1: whole numbers in one array, sites by branch number, ``null`` for no receipt."""

from __future__ import annotations

from typing import Any

from weighbridge.demo.backends.exchange import Call, Reply
from weighbridge.demo.backends.stock_levels import Level, level_of, levels, site_of
from weighbridge.demo.backends.values import zulu

HAS_FRESHNESS = (1, 2, 0)
"""The minor that promised ``freshness``; a site on an older one does not send it."""


def list_availability(call: Call) -> Reply:
    site = site_of(call)
    wanted = set(call.query.get("sku") or ())
    shown = [_level(call, level) for level in levels(call) if not wanted or level.item.sku in wanted]
    return Reply(200, sorted(shown, key=lambda level: str(level["sku"])), as_of=site.posted(call.now))


def get_availability(call: Call) -> Reply:
    site = site_of(call)
    return Reply(200, _level(call, level_of(call, call.path["sku"])), as_of=site.posted(call.now))


def check_availability(call: Call) -> Reply:
    site_of(call)
    outcomes = []
    for index, line in enumerate(call.body["lines"]):
        level = level_of(call, line["sku"], status=422, pointer=f"/body/lines/{index}/sku")
        outcome = "FULL" if line["quantity"] <= level.listed else "PARTIAL" if level.listed >= 1 else "NONE"
        outcomes.append(
            {
                "lineNumber": line["lineNumber"],
                "outcome": outcome,
                "quantityAvailable": int(level.shown(call.caller)[0]),
            }
        )
    return Reply(200, {"lines": outcomes})


def _level(call: Call, level: Level) -> dict[str, Any]:
    available = int(level.shown(call.caller)[0])
    body: dict[str, Any] = {
        "sku": level.item.sku,
        # required here, yet no business of partners: they are told what they may have
        "quantityOnHand": int(level.on_hand) if call.caller.is_internal else available,
        "quantityAvailable": available,
        "nextReceiptDate": level.next_receipt_at[:10] if level.next_receipt_at is not None else None,
        "asOf": zulu(call.site.posted(call.now)),
    }
    if call.caller.is_internal:
        body["quantityOnOrder"] = int(level.on_order)
    if tuple(int(part) for part in call.number.split(".")) >= HAS_FRESHNESS:
        body["freshness"] = call.site.freshness
    return body

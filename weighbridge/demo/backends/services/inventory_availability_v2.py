"""Inventory availability, major 2: how much, where, how fresh; baskets checked and stock held."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal, Reply, conditional, reopens
from weighbridge.demo.backends.goods import in_base_unit, in_unit, item_of, item_ref
from weighbridge.demo.backends.paging import page
from weighbridge.demo.backends.places import YARDS, Site
from weighbridge.demo.backends.states import RESERVATION, phase
from weighbridge.demo.backends.stock_levels import Level, level_of, levels, refuse_stale, site_of, with_holds
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, quantity, stamp, zulu

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def list_sites(call: Call) -> Reply:
    now = call.now
    # sites change rarely: the day they joined is long past, so only their order by id matters
    joined = datetime(2020, 1, 1, tzinfo=now.tzinfo)
    records = [Record("site", site.site_id, "", joined, {}) for site in sorted(YARDS, key=lambda site: site.site_id)]
    by_id = {site.site_id: site for site in YARDS}

    def show(record: Record) -> dict[str, Any] | None:
        site = by_id[record.id]
        if call.caller.sites is not None and site.site_id not in call.caller.sites:
            return None
        return _site(site, now)

    return Reply(200, page(call, records, show), as_of=now)


def list_availability(call: Call) -> Reply:
    site = site_of(call)
    as_of = site.posted(call.now)
    refuse_stale(call, as_of)
    wanted = set(call.query.get("sku") or ())
    by_sku = {level.item.sku: level for level in levels(call) if not wanted or level.item.sku in wanted}
    body = page(
        call, [level.record for level in by_sku.values()], lambda record: _availability(call, by_sku[record.id], as_of)
    )
    return Reply(200, body, as_of=as_of)


def get_availability(call: Call) -> Reply:
    site = site_of(call)
    as_of = site.posted(call.now)
    body = _availability(call, level_of(call, call.path["sku"]), as_of)
    return conditional(call, body, as_of=as_of, ignoring=frozenset({"asOf"}))


def check_availability(call: Call) -> Reply:
    site_of(call)
    outcomes = [_outcome(call, line, f"/body/lines/{index}") for index, line in enumerate(call.body["lines"])]
    return Reply(200, {"lines": outcomes}, {"Data-As-Of": zulu(call.site.posted(call.now))})


def create_reservation(call: Call) -> Reply:
    site = site_of(call)
    if site.is_closed(call.now):
        raise reopens(site, call.now)
    item = item_of(call.body["item"], call.caller, pointer="/body/item")
    level = level_of(call, item.sku, status=422, pointer="/body/item")
    amount = in_base_unit(call.body["quantity"], item)
    until = instant(call.body["holdUntil"])
    if until <= call.now:
        raise Refusal(
            422,
            "RESERVATION_EXPIRED",
            "holdUntil is past already.",
            errors=[{"pointer": "/body/holdUntil", "code": "RESERVATION_EXPIRED", "detail": "must lie ahead"}],
        )
    if amount > level.on_floor:
        raise Refusal(
            409,
            "INSUFFICIENT_STOCK",
            f"{site.site_id} cannot hold that much of {item.sku}.",
            alternatives=_alternatives(call, level, call.body["quantity"]["unit"]),
        )
    seed = f"{call.caller.application}{call.headers.get('idempotency-key')}{stamp(call.now)}{item.sku}"
    reservation_id = "RSV-" + _code(seed)
    body = {
        "reservationId": reservation_id,
        "siteId": site.site_id,
        "item": item_ref(item, call.caller),
        "quantity": call.body["quantity"],
        "status": "ACTIVE",
        "phase": phase(RESERVATION, "ACTIVE"),
        "holdUntil": call.body["holdUntil"],
        "createdAt": stamp(call.now),
    }
    if "reference" in call.body:
        body["reference"] = call.body["reference"]
    owner = call.caller.party or call.caller.application
    call.records.put(Record("reservation", reservation_id, owner, call.now, body | {"baseQuantity": str(amount)}))
    holds = level.record.body.get("holds", {}) | {reservation_id: {"quantity": str(amount), "until": stamp(until)}}
    call.records.put(with_holds(level.record, holds, call.now))
    return Reply(201, body, {"Location": f"./reservations/{reservation_id}"})


def release_reservation(call: Call) -> Reply:
    site_of(call)
    found = call.records.get("reservation", call.path["reservationId"])
    if found is None or not (call.caller.may_see(found.owner) or found.owner == call.caller.application):
        raise Refusal(404, "RESERVATION_UNKNOWN", "No such reservation.")
    if found.body["status"] == "RELEASED":
        return Reply(204)
    if instant(found.body["holdUntil"]) <= call.now:
        raise Refusal(409, "RESERVATION_EXPIRED", "The hold has lapsed by itself; reserve again.")
    with call.records.own.transaction():
        released = found.body | {"status": "RELEASED", "phase": phase(RESERVATION, "RELEASED")}
        call.records.put(Record("reservation", found.id, found.owner, call.now, released))
        level = call.records.get("stock", found.body["item"]["sku"])
        assert level is not None
        holds = {key: hold for key, hold in level.body.get("holds", {}).items() if key != found.id}
        call.records.put(with_holds(level, holds, call.now))
    return Reply(204)


def _site(site: Site, now: datetime) -> dict[str, Any]:
    return {
        "siteId": site.site_id,
        "gln": site.gln,
        "name": site.name,
        "kind": site.kind,
        "country": site.country,
        "region": site.region,
        "timeZone": site.zone,
        "cutOffs": [
            {
                "service": cut_off.service,
                "localTime": f"{cut_off.at:%H:%M}",
                "timeZone": site.zone,
                "nextAt": site.next_cut_off(cut_off, now),
            }
            for cut_off in site.cut_offs
        ],
    }


def _availability(call: Call, level: Level, as_of: datetime) -> dict[str, Any]:
    item, unit = level.item, level.item.unit
    available, capped = level.shown(call.caller)
    body: dict[str, Any] = {
        "siteId": call.site.site_id,
        "item": item_ref(item, call.caller),
        "available": quantity(available, unit),
        "capped": capped,
        "freshness": call.site.freshness,
        "asOf": zulu(as_of),
    }
    if call.caller.is_internal:
        body["onHand"] = quantity(level.on_hand, unit)
        body["reserved"] = quantity(level.reserved, unit)
        if level.on_order:
            body["onOrder"] = quantity(level.on_order, unit)
    if (expected := level.next_receipt_at) is not None and instant(expected) > call.now:
        body["nextReceipt"] = {"quantity": quantity(level.on_order, unit), "expectedAt": expected}
    if call.site.decimal_comma and unit == "MTR":
        body["available"]["value"] = body["available"]["value"].replace(".", ",")
        body.setdefault("nextReceipt", None)
    return body


def _outcome(call: Call, line: dict[str, Any], pointer: str) -> dict[str, Any]:
    item = item_of(line["item"], call.caller, pointer=f"{pointer}/item")
    level = level_of(call, item.sku, status=422, pointer=f"{pointer}/item")
    unit = line["quantity"]["unit"]
    wanted = in_base_unit(line["quantity"], item, pointer=f"{pointer}/quantity")
    available, _ = level.shown(call.caller)
    # the cap hides how much there is, not whether a basket can be filled
    outcome = "FULL" if wanted <= level.listed else "PARTIAL" if level.listed > 0 else "NONE"
    body: dict[str, Any] = {
        "lineNumber": line["lineNumber"],
        "outcome": outcome,
        "available": in_unit(available, unit, item),
    }
    if outcome == "FULL":
        body["promise"] = {"shipAt": _ships(call.site, call.now), "basis": "STOCK"}
    elif level.next_receipt_at is not None and instant(level.next_receipt_at) > call.now:
        body["promise"] = {"shipAt": level.next_receipt_at, "basis": "INBOUND"}
    if outcome != "FULL" and (others := _alternatives(call, level, unit)):
        body["alternatives"] = others
    return body


def _ships(site: Site, now: datetime) -> str:
    if site.cut_offs:
        return min(site.next_cut_off(cut_off, now) for cut_off in site.cut_offs)
    return stamp(site.local(now) + timedelta(days=1))


def _alternatives(call: Call, level: Level, unit: str) -> list[dict[str, Any]]:
    allowed = call.caller.sites
    cap = None if call.caller.is_internal else Decimal(level.item.cap)
    return [
        {"siteId": site_id, "available": in_unit(min(Decimal(value), cap or Decimal(value)), unit, level.item)}
        for site_id, value in level.record.body["elsewhere"].items()
        if allowed is None or site_id in allowed
    ]


def _code(seed: str) -> str:
    number, text = int.from_bytes(sha256(seed.encode()).digest()[:8], "big"), ""
    for _ in range(10):
        number, place = divmod(number, len(_ALPHABET))
        text += _ALPHABET[place]
    return text

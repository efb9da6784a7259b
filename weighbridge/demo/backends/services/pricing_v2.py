"""Pricing, major 2: list prices for those who may read, net prices for those who may see them, quotes that hold."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal, Reply
from weighbridge.demo.backends.goods import ITEMS, in_base_unit, item_of, item_ref
from weighbridge.demo.backends.paging import page
from weighbridge.demo.backends.price_lists import (
    PRIVATE,
    applicable,
    as_unit_price,
    currency_of,
    entries,
    extended,
    net_price,
    quote_id,
    today,
)
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, money, quantity, stamp

QUOTE_DAYS = 14


def list_prices(call: Call) -> Reply:
    on = date.fromisoformat(call.query["onDate"]) if "onDate" in call.query else today(call)
    currency = currency_of(call, call.caller.party, call.query.get("siteId"))
    wanted = set(call.query.get("sku") or ())
    chosen = applicable(call, call.caller.party, currency, on)
    records = sorted(chosen.values(), key=lambda record: (record.changed_at, record.id))
    found = [record for record in records if not wanted or record.body["sku"] in wanted]
    return Reply(200, page(call, found, lambda record: _price(call, record)), PRIVATE)


def list_price_list_entries(call: Call) -> Reply:
    found = entries(call, call.path["priceListId"])
    return Reply(200, page(call, found, lambda record: _price(call, record)), PRIVATE)


def quote_prices(call: Call) -> Reply:
    body = call.body
    currency = currency_of(call, call.caller.party, body.get("siteId"))
    if body["currency"] != currency:
        raise Refusal(
            422,
            "CURRENCY_NOT_AGREED",
            f"Your prices are in {currency}.",
            errors=[{"pointer": "/body/currency", "code": "CURRENCY_NOT_AGREED", "detail": f"use {currency}"}],
        )
    chosen = applicable(call, call.caller.party, currency, today(call))
    lines = [_quoted(call, line, chosen, f"/body/lines/{index}") for index, line in enumerate(body["lines"])]
    local = call.site.local(call.now)
    until = datetime.combine(local.date() + timedelta(days=QUOTE_DAYS), time(23, 59, 59), local.tzinfo)
    quote: dict[str, Any] = {
        "quoteId": quote_id(call),
        "currency": currency,
        "createdAt": stamp(call.now),
        "validUntil": stamp(until),
        "lines": lines,
    }
    if "siteId" in body:
        quote["siteId"] = body["siteId"]
    owner = call.caller.party or call.caller.application
    call.records.put(Record("quote", quote["quoteId"], owner, call.now, quote))
    return Reply(201, quote, PRIVATE | {"Location": f"./price-quotes/{quote['quoteId']}"})


def get_quote(call: Call) -> Reply:
    found = call.records.get("quote", call.path["quoteId"])
    if found is None or not (call.caller.may_see(found.owner) or found.owner == call.caller.application):
        raise Refusal(404, "QUOTE_UNKNOWN", "No such quote.")
    if instant(found.body["validUntil"]) < call.now:
        raise Refusal(409, "PRICE_EXPIRED", "This quote no longer holds: quote again.")
    return Reply(200, found.body, PRIVATE)


def _price(call: Call, record: Record) -> dict[str, Any]:
    item, body, caller = ITEMS[record.body["sku"]], record.body, call.caller
    sees_net = "prices:net" in caller.scopes
    shown: dict[str, Any] = {
        "item": item_ref(item, caller),
        "listPrice": as_unit_price(item, record, "list"),
        "priceListId": body["priceListId"],
        "validFrom": body["validFrom"],
    }
    pause: dict[str, Any] = {
        "from": quantity(body["breakFrom"], item.unit),
        "listPrice": as_unit_price(item, record, "breakList"),
    }
    if sees_net:
        shown["netPrice"] = as_unit_price(item, record, "net")
        pause["netPrice"] = as_unit_price(item, record, "breakNet")
    if caller.is_internal and "prices:cost" in caller.scopes:
        shown["cost"] = as_unit_price(item, record, "cost")
    if "validTo" in body:
        shown["validTo"] = body["validTo"]
    return shown | {"breaks": [pause]}


def _quoted(call: Call, line: dict[str, Any], chosen: dict[str, Record], pointer: str) -> dict[str, Any]:
    item = item_of(line["item"], call.caller, pointer=f"{pointer}/item")
    amount = in_base_unit(line["quantity"], item, pointer=f"{pointer}/quantity")
    told: dict[str, Any] = {
        "lineNumber": line["lineNumber"],
        "item": item_ref(item, call.caller),
        "quantity": line["quantity"],
        "exceptions": [],
    }
    record = chosen.get(item.sku)
    if record is None:
        told["exceptions"].append({"code": "PRICE_NOT_FOUND", "detail": "No price agreed"})
        return told
    price = net_price(record, amount)
    return told | {"netPrice": price, "extended": money(extended(price, amount), price["currency"])}

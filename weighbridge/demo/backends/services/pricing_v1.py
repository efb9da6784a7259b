"""Pricing, major 1: net prices as numbers with two decimals, for the customer named in the query."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal, Reply
from weighbridge.demo.backends.goods import ITEMS
from weighbridge.demo.backends.price_lists import applicable, currency_of, entries, quote_id, today
from weighbridge.demo.backends.store import Record

QUOTE_DAYS = 14
CENT = Decimal("0.01")


def list_prices(call: Call) -> Reply:
    customer = call.query["customerId"]
    if not call.caller.may_see(customer):
        return Reply(200, {"items": []})
    currency = currency_of(call, customer, call.query.get("siteId"))
    chosen = applicable(call, customer, currency, today(call))
    found = [_price(chosen[sku]) for sku in dict.fromkeys(call.query["sku"]) if sku in chosen]
    return Reply(200, {"items": _slice(call, found)})


def list_price_list_entries(call: Call) -> Reply:
    return Reply(200, {"items": _slice(call, [_price(record) for record in entries(call, call.path["priceListId"])])})


def quote_prices(call: Call) -> Reply:
    body = call.body
    customer = body["customerId"]
    if not call.caller.may_see(customer):
        raise Refusal(404, "PRICE_NOT_FOUND", "No price agreed for this customer.")
    currency = currency_of(call, customer, body.get("siteId"))
    chosen = applicable(call, customer, currency, today(call))
    lines = []
    for index, line in enumerate(body["lines"]):
        if line["sku"] not in ITEMS:
            raise Refusal(
                422,
                "SKU_UNKNOWN",
                "No such item.",
                errors=[{"pointer": f"/body/lines/{index}/sku", "code": "SKU_UNKNOWN", "detail": line["sku"]}],
            )
        record = chosen.get(line["sku"])
        if record is None:
            raise Refusal(404, "PRICE_NOT_FOUND", f"No price agreed for {line['sku']}.")
        member = "breakNet" if line["quantity"] >= record.body["breakFrom"] else "net"
        price = _each(record, member)
        lines.append(
            {
                "lineNumber": line["lineNumber"],
                "sku": line["sku"],
                "unitPrice": float(price),
                "extendedPrice": float((price * line["quantity"]).quantize(CENT)),
            }
        )
    quote = {
        "quoteId": quote_id(call),
        "currency": currency,
        "validTo": (today(call) + timedelta(days=QUOTE_DAYS)).isoformat(),
        "lines": lines,
    }
    return Reply(201, quote)


def _price(record: Record) -> dict[str, Any]:
    body = record.body
    return {
        "sku": body["sku"],
        "priceListId": body["priceListId"],
        "unitPrice": float(_each(record, "net")),
        "currency": body["currency"],
        "validFrom": body["validFrom"],
        "validTo": body.get("validTo"),
        "breaks": [{"fromQuantity": body["breakFrom"], "unitPrice": float(_each(record, "breakNet"))}],
    }


def _each(record: Record, member: str) -> Decimal:
    """Per single unit, rounded to the cent: the loss of precision that major 2 was made to end."""
    per = ITEMS[record.body["sku"]].per
    return (Decimal(record.body[member]) / per).quantize(CENT, ROUND_HALF_UP)


def _slice(call: Call, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    offset = call.query.get("offset", 0)
    return found[offset : offset + call.query.get("limit", 200)]

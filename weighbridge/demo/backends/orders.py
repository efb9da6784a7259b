"""Sales orders as a caller may see them: own orders only, and at a site the lines that this site works on."""

from __future__ import annotations

from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal
from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.states import ORDER_LINE, least_advanced, phase
from weighbridge.demo.backends.store import Record


def check_site(call: Call) -> None:
    """``siteId`` is optional: without it the hub answers. Raises `Refusal` ``SITE_UNKNOWN`` for another place's id."""
    named = call.query.get("siteId")
    if named is not None and (named not in BY_ID or BY_ID[named] is not call.site):
        raise Refusal(404, "SITE_UNKNOWN", f"{named} is not answered for here.")


def visible_orders(call: Call) -> list[Record]:
    return [record for record in call.records.all("order") if call.caller.may_see(record.owner)]


def order_of(call: Call) -> Record:
    """Raises `Refusal` ``ORDER_UNKNOWN``, with one answer for missing and somebody else's."""
    record = call.records.get("order", call.path["orderId"])
    if record is None or not call.caller.may_see(record.owner):
        raise Refusal(404, "ORDER_UNKNOWN", "No such order.")
    return record


def line_of(call: Call) -> dict[str, Any]:
    for line in order_of(call).body["lines"]:
        if line["lineNumber"] == call.path["lineNumber"]:
            found: dict[str, Any] = line
            return found
    raise Refusal(404, "ORDER_UNKNOWN", "No such order line.")


def status_of(record: Record) -> tuple[str, str]:
    """(status, phase) of an order: its least advanced line's."""
    status = least_advanced(line["status"] for line in record.body["lines"])
    return status, phase(ORDER_LINE, status)

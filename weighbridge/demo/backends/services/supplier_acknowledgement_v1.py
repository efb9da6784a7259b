"""Supplier acknowledgement, major 1: one answer per order at the hub, whole numbers, errors of a shape of their own."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.exchange import Call, Refusal, Reply
from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.purchasing import answer, order_of, status_of, visible_orders
from weighbridge.demo.backends.states import ACKNOWLEDGEMENT, phase
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import quantity, stamp

MOST = 200

TOLD_AS = {
    "QUANTITY_CHANGED": "ACCEPTED",
    "DATE_CHANGED": "ACCEPTED",
    "PRICE_CHANGED": "ACCEPTED",
    "SUBSTITUTED": "ACCEPTED",
    "PARTIAL_BACKORDERED": "BACKORDERED",
    "ON_HOLD": "BACKORDERED",
}
"""Readers of major 1 know three answers; the newer ones are told by the nearest of them."""
DETAILS = frozenset({"QUANTITY_CHANGED", "DATE_CHANGED"})


def error_body(problem: dict[str, Any]) -> dict[str, Any]:
    """Errors were ``{code, message}`` before problem+json."""
    return {"code": problem["code"], "message": problem["detail"][:500]}


def list_purchase_orders(call: Call) -> Reply:
    waiting = [
        {
            "poNumber": record.id,
            "orderedAt": record.body["orderedAt"],
            "answerDueAt": record.body["answerDueAt"],
        }
        for record in visible_orders(call)
        if phase(ACKNOWLEDGEMENT, status_of(record, call.now)) == "PENDING"
    ]
    return Reply(200, {"items": waiting[:MOST]})


def get_acknowledgement(call: Call) -> Reply:
    record = order_of(call)
    if not record.body["acknowledgements"]:
        raise Refusal(404, "PO_UNKNOWN", "This order has no answer yet.")
    return Reply(200, _answer(record.id, record.body["acknowledgements"][-1]))


def acknowledge(call: Call) -> Reply:
    with call.records.own.transaction():
        record = order_of(call)
        lines = [_line_in(record, line) for line in call.body["lines"]]
        reference = call.body.get("supplierOrderRef")
        before = record.body["acknowledgements"]
        if before and before[-1]["lines"] == lines and before[-1].get("supplierOrderRef") == reference:
            # a PUT repeated is no change
            return Reply(200, _answer(record.id, before[-1]))
        return Reply(200, _answer(record.id, answer(call, record, lines, reference).acknowledgement))


def _line_in(record: Record, line: dict[str, Any]) -> dict[str, Any]:
    """A line of major 1 in the words of major 2; what only major 1 says is kept beside."""
    ordered = next((entry for entry in record.body["lines"] if entry["lineNumber"] == line["lineNumber"]), None)
    told: dict[str, Any] = {"lineNumber": line["lineNumber"], "answer": line["answer"]}
    if "unitCost" in line:
        told["unitCost"] = line["unitCost"]
    if line["answer"] == "REJECTED":
        told["rejectReason"] = "OTHER"
    elif ordered is not None and line["acceptedQuantity"] > 0:
        zone = ZoneInfo(BY_ID[record.body["siteId"]].zone)
        day = date.fromisoformat(line["promiseDate"] or ordered["requestedShipAt"][:10])
        told["schedules"] = [
            {
                "quantity": quantity(line["acceptedQuantity"], ordered["ordered"]["unit"]),
                "promisedShipAt": stamp(datetime.combine(day, time(12), zone)),
            }
        ]
    return told


def _answer(po_number: str, given: dict[str, Any]) -> dict[str, Any]:
    body = {
        "poNumber": po_number,
        "receivedAt": given["receivedAt"],
        "lines": [_line_out(line) for line in given["lines"]],
    }
    if "supplierOrderRef" in given:
        body["supplierOrderRef"] = given["supplierOrderRef"]
    return body


def _line_out(line: dict[str, Any]) -> dict[str, Any]:
    schedules = line.get("schedules", [])
    told: dict[str, Any] = {
        "lineNumber": line["lineNumber"],
        "answer": TOLD_AS.get(line["answer"], line["answer"]),
        "acceptedQuantity": int(sum((Decimal(entry["quantity"]["value"]) for entry in schedules), Decimal(0))),
        "promiseDate": schedules[-1]["promisedShipAt"][:10] if schedules else None,
    }
    if line["answer"] in DETAILS:
        told["answerDetail"] = line["answer"]
    if "unitCost" in line:
        told["unitCost"] = line["unitCost"]
    return told

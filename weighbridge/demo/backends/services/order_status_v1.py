"""Order status, major 1: five statuses, a day as promise, and the customer named in the query."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from weighbridge.demo.backends.exchange import Call, Reply
from weighbridge.demo.backends.orders import check_site, line_of, order_of, status_of, visible_orders
from weighbridge.demo.backends.paging import instant_of
from weighbridge.demo.backends.states import ORDER_LINE_MAJOR_1
from weighbridge.demo.backends.store import Record

MOST = 500


def list_orders(call: Call) -> Reply:
    check_site(call)
    since = instant_of(call.query, "updatedSince")
    found = [
        _summary(record)
        for record in visible_orders(call)
        if record.owner == call.query["customerNumber"] and (since is None or record.changed_at >= since)
    ]
    return Reply(200, {"items": found[:MOST]})


def get_order(call: Call) -> Reply:
    check_site(call)
    record = order_of(call)
    return Reply(200, _summary(record) | {"lines": [_line(line) for line in record.body["lines"]]})


def get_line_history(call: Call) -> Reply:
    check_site(call)
    items: list[dict[str, Any]] = []
    for event in line_of(call)["history"]:
        told = {"status": ORDER_LINE_MAJOR_1[event["status"]], "at": event["at"], "siteId": event["siteId"]}
        told |= _exception(event["exceptions"])
        # several of today's statuses are one here: only a change that can be seen is an event
        if not items or items[-1]["status"] != told["status"] or "exceptionCode" in told:
            items.append(told)
    return Reply(200, {"items": items})


def _summary(record: Record) -> dict[str, Any]:
    body = {
        "orderId": record.id,
        "customerPoNumber": record.body["customerPoNumber"],
        "status": ORDER_LINE_MAJOR_1[status_of(record)[0]],
    }
    promises = [line["promise"]["shipAt"][:10] for line in record.body["lines"] if "promise" in line]
    if promises:
        body["promiseDate"] = max(promises)
    return body | _exception([exception for line in record.body["lines"] for exception in line["exceptions"]])


def _line(line: dict[str, Any]) -> dict[str, Any]:
    body = {
        "lineNumber": line["lineNumber"],
        "sku": line["sku"],
        "quantityOrdered": int(Decimal(line["ordered"]["value"])),
        "quantityShipped": int(Decimal(line["shipped"]["value"])),
        "status": ORDER_LINE_MAJOR_1[line["status"]],
    }
    if "promise" in line:
        body["promiseDate"] = line["promise"]["shipAt"][:10]
    return body | _exception(line["exceptions"])


def _exception(exceptions: list[dict[str, Any]]) -> dict[str, str]:
    return {"exceptionCode": exceptions[0]["code"]} if exceptions else {}

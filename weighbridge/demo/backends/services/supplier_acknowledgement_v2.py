"""Supplier acknowledgement, major 2: per site, split into schedules, every answer kept."""

from __future__ import annotations

from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal, Reply
from weighbridge.demo.backends.goods import ITEMS, item_of, item_ref
from weighbridge.demo.backends.paging import page
from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.purchasing import answer, decide, order_of, status_of, visible_orders
from weighbridge.demo.backends.states import ACKNOWLEDGEMENT, phase
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, stamp


def list_purchase_orders(call: Call) -> Reply:
    _check_site(call)
    wanted = call.query.get("phase")

    def show(record: Record) -> dict[str, Any] | None:
        shown = _order(call, record)
        return shown if wanted is None or shown["phase"] == wanted else None

    return Reply(200, page(call, visible_orders(call), show))


def acknowledge(call: Call) -> Reply:
    _check_site(call)
    record = order_of(call)
    for index, line in enumerate(call.body["lines"]):
        if "substitute" in line:
            item_of(line["substitute"], call.caller, pointer=f"/body/lines/{index}/substitute")
    answered = answer(call, record, call.body["lines"], call.body.get("supplierOrderRef")).acknowledgement
    body = {
        "acknowledgementId": answered["acknowledgementId"],
        "status": answered["status"],
        "phase": phase(ACKNOWLEDGEMENT, answered["status"]),
        "recordedAt": answered["receivedAt"],
        "warnings": answered["warnings"],
    }
    return Reply(201, body, {"Location": f"./acknowledgements/{answered['acknowledgementId']}"})


def list_acknowledgements(call: Call) -> Reply:
    _check_site(call)
    order = order_of(call)
    records = [
        Record("ack", given["acknowledgementId"], order.owner, instant(given["receivedAt"]), given)
        for given in order.body["acknowledgements"]
    ]
    records.sort(key=lambda record: (record.changed_at, record.id), reverse=True)
    return Reply(200, page(call, records, lambda record: _answer(call, order, record.body), newest_first=True))


def decide_changes(call: Call) -> Reply:
    _check_site(call)
    body = call.body
    with call.records.own.transaction():
        decided = decide(call, order_of(call), call.path["acknowledgementId"], body["decision"], body.get("comment"))
    return Reply(200, decided)


def _check_site(call: Call) -> None:
    named = BY_ID.get(call.path["siteId"])
    if named is None or named is not call.site:
        raise Refusal(404, "SITE_UNKNOWN", "No such site, or it does not buy for itself.")


def _order(call: Call, record: Record) -> dict[str, Any]:
    status = status_of(record, call.now)
    return {
        "poNumber": record.id,
        "siteId": record.body["siteId"],
        "status": status,
        "phase": phase(ACKNOWLEDGEMENT, status),
        "orderedAt": record.body["orderedAt"],
        "answerDueAt": record.body["answerDueAt"],
        "changedAt": stamp(record.changed_at),
        "lines": [
            {
                "lineNumber": line["lineNumber"],
                "item": item_ref(ITEMS[line["sku"]], call.caller, supplier=record.owner),
                "quantity": line["ordered"],
                "requestedDate": line["requestedShipAt"][:10],
                "unitPrice": line["unitPrice"],
            }
            for line in record.body["lines"]
        ],
    }


def _answer(call: Call, order: Record, given: dict[str, Any]) -> dict[str, Any]:
    body = {
        "acknowledgementId": given["acknowledgementId"],
        "poNumber": order.id,
        "siteId": order.body["siteId"],
        "status": given["status"],
        "phase": phase(ACKNOWLEDGEMENT, given["status"]),
        "recordedAt": given["receivedAt"],
        "lines": [_line(call, line) for line in given["lines"]],
    }
    if "supplierOrderRef" in given:
        body["supplierOrderRef"] = given["supplierOrderRef"]
    return body


def _line(call: Call, line: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        name: line[name] for name in ("lineNumber", "answer", "schedules", "unitPrice", "rejectReason") if name in line
    }
    if "substitute" in line:
        told["substitute"] = item_ref(item_of(line["substitute"], call.caller), call.caller)
    return told

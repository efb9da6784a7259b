"""Order status, major 2: where is my order, which line waits for what, and what was promised."""

from __future__ import annotations

from typing import Any

from weighbridge.demo.backends.exchange import Call, Reply, conditional
from weighbridge.demo.backends.goods import ITEMS, item_ref
from weighbridge.demo.backends.orders import check_site, line_of, order_of, status_of, visible_orders
from weighbridge.demo.backends.paging import page
from weighbridge.demo.backends.states import ORDER_LINE, phase
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, stamp, zulu


def list_orders(call: Call) -> Reply:
    check_site(call)
    po_number, wanted = call.query.get("customerPoNumber"), call.query.get("phase")

    def show(record: Record) -> dict[str, Any] | None:
        if po_number is not None and record.body.get("customerPoNumber") != po_number:
            return None
        summary = _summary(record)
        return summary if wanted is None or summary["phase"] == wanted else None

    return Reply(200, page(call, visible_orders(call), show))


def get_order(call: Call) -> Reply:
    check_site(call)
    record = order_of(call)
    body = _summary(record) | {"lines": [_line(call, line) for line in record.body["lines"]]}
    return conditional(call, body, as_of=call.site.posted(call.now))


def get_line_history(call: Call) -> Reply:
    check_site(call)
    events = line_of(call)["history"]
    # events of one line are told apart by their order, so the place in the history serves as id
    records = [Record("event", f"{place:04d}", "", instant(event["at"]), event) for place, event in enumerate(events)]
    return Reply(200, page(call, records, lambda record: _event(record.body)))


def search_orders(call: Call) -> Reply:
    check_site(call)
    by_number: dict[str, list[dict[str, Any]]] = {number: [] for number in call.body["customerPoNumbers"]}
    for record in visible_orders(call):
        found = by_number.get(record.body.get("customerPoNumber", ""))
        if found is not None and len(found) < 50:
            found.append(_summary(record))
    items = [{"customerPoNumber": number, "orders": found} for number, found in by_number.items()]
    return Reply(200, {"items": items}, {"Data-As-Of": zulu(call.site.posted(call.now))})


def _summary(record: Record) -> dict[str, Any]:
    status, status_phase = status_of(record)
    return {
        "orderId": record.id,
        "customerPoNumber": record.body["customerPoNumber"],
        "status": status,
        "phase": status_phase,
        "orderedAt": record.body["orderedAt"],
        "changedAt": stamp(record.changed_at),
    }


def _line(call: Call, line: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "lineNumber": line["lineNumber"],
        "item": item_ref(ITEMS[line["sku"]], call.caller),
        "ordered": line["ordered"],
        "shipped": line["shipped"],
        "siteId": line["siteId"],
        "status": line["status"],
        "phase": phase(ORDER_LINE, line["status"]),
    }
    for name in ("buyerLineRef", "promise"):
        if name in line:
            body[name] = line[name]
    if line["exceptions"]:
        body["exceptions"] = line["exceptions"]
    if "substitution" in line:
        instead = ITEMS[line["substitution"]["sku"]]
        body["substitution"] = {"item": item_ref(instead, call.caller), "reason": line["substitution"]["reason"]}
    return body


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"phase": phase(ORDER_LINE, event["status"])}

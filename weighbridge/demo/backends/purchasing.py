"""Purchase orders and suppliers' answers to them: who may see one, what an answer makes of the order.

Owns the judgement of an answer, for both majors. The sharpest rule of this trade holds here: a supplier learns nothing
of an order that is not its own, not even that it exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal
from weighbridge.demo.backends.goods import ITEMS, in_base_unit
from weighbridge.demo.backends.states import ACKNOWLEDGEMENT, allowed, phase
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, stamp

PROMISING = frozenset({"ACCEPTED", "QUANTITY_CHANGED", "DATE_CHANGED", "PRICE_CHANGED", "SUBSTITUTED", "PARTIAL_BACKORDERED"})  # fmt: skip  # noqa: E501
"""Answers that promise something, and therefore need a schedule."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of an answer: the stored acknowledgement."""

    acknowledgement: dict[str, Any]
    order: Record


def visible_orders(call: Call) -> list[Record]:
    return [record for record in call.records.all("po") if call.caller.may_see(record.owner)]


def order_of(call: Call) -> Record:
    """Raises `Refusal` ``PO_UNKNOWN`` for what is missing or somebody else's."""
    record = call.records.get("po", call.path["poNumber"])
    if record is None or not call.caller.may_see(record.owner):
        raise Refusal(404, "PO_UNKNOWN", "No such purchase order.")
    return record


def status_of(record: Record, now: datetime) -> str:
    """The stored status, unless nobody answered in time: being overdue is the clock's doing."""
    status = str(record.body["status"])
    return "OVERDUE" if status == "AWAITED" and now > instant(record.body["answerDueAt"]) else status


def answer(call: Call, record: Record, lines: list[dict[str, Any]], supplier_order_ref: str | None) -> Answered:
    """Judge and store an answer in the words of major 2.

    Raises `Refusal` for a closed order, a line that is not ordered, more than ordered, another currency, a promise
    without schedule, and for an answer that the table of states does not allow now.
    """
    body = record.body
    if body["closed"]:
        raise Refusal(409, "PO_CLOSED", "This order is complete or cancelled.")
    ordered = {line["lineNumber"]: line for line in body["lines"]}
    warnings: list[dict[str, str]] = []
    for index, line in enumerate(lines):
        _check_line(line, ordered, f"/body/lines/{index}", warnings)
    if call.now > instant(body["answerDueAt"]):
        # late news is still news: it is taken, with a warning
        warnings.append({"code": "ACK_LATE", "detail": f"Due at {body['answerDueAt']}"})
    status = _status_after(body, lines)
    before = status_of(record, call.now)
    if status not in allowed(ACKNOWLEDGEMENT, before):
        raise Refusal(409, "ACK_SUPERSEDED", f"An answer stands already ({before}); our buyer has to decide first.")
    count = len(body["acknowledgements"]) + 1
    acknowledgement: dict[str, Any] = {
        "acknowledgementId": f"ACK-{int(record.id[3:]) % 10_000_000:07d}{count:02d}",
        "receivedAt": stamp(call.now),
        "status": status,
        "lines": lines,
        "warnings": warnings,
    }
    if supplier_order_ref is not None:
        acknowledgement["supplierOrderRef"] = supplier_order_ref
    answers = [*body["acknowledgements"], acknowledgement]
    changed = Record("po", record.id, record.owner, call.now, body | {"status": status, "acknowledgements": answers})
    call.records.put(changed, body["siteId"])
    return Answered(acknowledgement, changed)


def decide(call: Call, record: Record, acknowledgement_id: str, decision: str, comment: str | None) -> dict[str, Any]:
    """Agree to changes or dispute them; the same decision again is no change. Raises `Refusal`."""
    answers = record.body["acknowledgements"]
    given = next((entry for entry in answers if entry["acknowledgementId"] == acknowledgement_id), None)
    if given is None:
        raise Refusal(404, "ACKNOWLEDGEMENT_UNKNOWN", "No such acknowledgement.")
    if given.get("decision") == decision:
        return _decision(given)
    before = record.body["status"]
    is_newest = given is answers[-1]
    if not is_newest or decision not in allowed(ACKNOWLEDGEMENT, before):
        newest = answers[-1]["acknowledgementId"]
        raise Refusal(
            409,
            "INVALID_STATE_TRANSITION",
            f"{before} cannot become {decision}." if is_newest else f"A newer answer stands: decide on {newest}.",
            **{"from": before, "to": decision, "allowed": list(allowed(ACKNOWLEDGEMENT, before))},
        )
    decided = given | {"status": decision, "decision": decision, "decidedAt": stamp(call.now)}
    if comment is not None:
        decided["comment"] = comment
    body = record.body | {"status": decision, "acknowledgements": [*answers[:-1], decided]}
    call.records.put(Record("po", record.id, record.owner, call.now, body), record.body["siteId"])
    return _decision(decided)


def _decision(decided: dict[str, Any]) -> dict[str, Any]:
    body = {
        "acknowledgementId": decided["acknowledgementId"],
        "decision": decided["decision"],
        "status": decided["status"],
        "phase": phase(ACKNOWLEDGEMENT, decided["status"]),
        "decidedAt": decided["decidedAt"],
    }
    return body | ({"comment": decided["comment"]} if "comment" in decided else {})


def _check_line(
    line: dict[str, Any], ordered: dict[int, dict[str, Any]], pointer: str, warnings: list[dict[str, str]]
) -> None:
    found = ordered.get(line["lineNumber"])
    if found is None:
        raise _invalid(f"{pointer}/lineNumber", "no such line in this order")
    if line["answer"] in PROMISING and not line.get("schedules"):
        raise _invalid(f"{pointer}/schedules", f"{line['answer']} promises something: say when")
    if line["answer"] == "REJECTED" and "rejectReason" not in line:
        raise _invalid(f"{pointer}/rejectReason", "say why")
    item = ITEMS[found["sku"]]
    promised = sum(
        (
            in_base_unit(schedule["quantity"], item, pointer=f"{pointer}/schedules/{place}/quantity")
            for place, schedule in enumerate(line.get("schedules", ()))
        ),
        Decimal(0),
    )
    if promised > Decimal(found["ordered"]["value"]):
        raise Refusal(
            422,
            "ACK_QUANTITY_EXCEEDS_ORDER",
            f"Line {line['lineNumber']} promises more than was ordered.",
            errors=[
                {
                    "pointer": f"{pointer}/schedules",
                    "code": "ACK_QUANTITY_EXCEEDS_ORDER",
                    "detail": f"ordered {found['ordered']['value']} {found['ordered']['unit']}",
                }
            ],
        )
    if (price := line.get("unitPrice")) is not None:
        if price["currency"] != found["unitPrice"]["currency"]:
            raise Refusal(422, "CURRENCY_NOT_AGREED", f"This order is in {found['unitPrice']['currency']}.")
        if _per_unit(price) != _per_unit(found["unitPrice"]):
            warnings.append({"code": "PRICE_MISMATCH", "pointer": f"{pointer}/unitPrice"})


def _per_unit(price: dict[str, Any]) -> Decimal:
    return Decimal(price["amount"]) / Decimal(price["per"]["value"])


def _status_after(body: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    latest = {line["lineNumber"]: line for given in body["acknowledgements"] for line in given["lines"]}
    latest |= {line["lineNumber"]: line for line in lines}
    if any(line["lineNumber"] not in latest for line in body["lines"]):
        return "PARTIAL"
    if all(line["answer"] == "REJECTED" for line in latest.values()):
        return "REJECTED"
    if all(_is_plain_yes(latest[line["lineNumber"]], line) for line in body["lines"]):
        return "ACCEPTED"
    return "ACCEPTED_WITH_CHANGES"


def _is_plain_yes(line: dict[str, Any], ordered: dict[str, Any]) -> bool:
    if line["answer"] != "ACCEPTED":
        return False
    item = ITEMS[ordered["sku"]]
    promised = sum((in_base_unit(schedule["quantity"], item) for schedule in line["schedules"]), Decimal(0))
    return promised == Decimal(ordered["ordered"]["value"])


def _invalid(pointer: str, detail: str) -> Refusal:
    return Refusal(
        400,
        "VALIDATION_FAILED",
        "The answer does not follow the contract.",
        errors=[{"pointer": pointer, "code": "VALIDATION_FAILED", "detail": detail}],
    )

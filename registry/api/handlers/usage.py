"""Observed use: what gateways report, and what people read of it."""

from __future__ import annotations

from typing import Any

import msgspec

from registry import usage
from registry.api.desk import Answer, Call
from registry.api.wire import decode, moment, paged, plain, uncursor
from registry.errors import Invalid
from registry.store.records import UseSum
from registry.store.uses import place
from registry.usage import UsageReport

__all__ = ["list_usage", "report_usage"]


def list_usage(
    call: Call,
    *,
    contract: str | None = None,
    application: str | None = None,
    days: int = 30,
    daily: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> Answer:
    after = None if cursor is None else _place(uncursor(cursor), daily=daily)
    with call.store.read() as unit:
        found = usage.usage(
            unit,
            contract=contract,
            application=application,
            days=days,
            daily=daily,
            after=after,
            limit=limit + 1,
            now=call.now,
        )
    shown = found[:limit]
    more = len(found) > limit
    last = msgspec.json.encode(place(shown[-1], daily=daily)).decode() if more else None
    return Answer(paged([_shown(use) for use in shown], limit, last))


def report_usage(call: Call) -> Answer:
    body = call.body
    reported = decode(
        UsageReport,
        {
            **body,
            "uses": [_at(use, f"/uses/{index}", "last_at") for index, use in enumerate(body["uses"])],
            "credentials": [
                _at(used, f"/credentials/{index}", "last_used_at") for index, used in enumerate(body["credentials"])
            ],
        },
    )
    with call.store.write() as unit:
        receipt = usage.report(unit, call.actor, reported, keep_days=call.desk.settings.usage_days, now=call.now)
    return Answer(msgspec.to_builtins(receipt))


def _at(entry: dict[str, Any], pointer: str, name: str) -> dict[str, Any]:
    return {**entry, name: moment(entry[name], f"{pointer}/{name}")}


def _shown(use: UseSum) -> dict[str, Any]:
    return {**plain(use), "application": use.application or None}


def _place(text: str, *, daily: bool) -> list[str | int]:
    """Where the page before ended. Raises `Invalid`."""
    kind: Any = tuple[str, str, int, str, str, str, str] if daily else tuple[str, int, str, str, str, str]
    try:
        return list(msgspec.json.decode(text, type=kind))
    except msgspec.DecodeError:
        raise Invalid(
            "/query/cursor", "this is no cursor of such a list; pass page.next_cursor of the page before"
        ) from None

"""Asking for subscriptions, and answering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import subscribing
from registry.api.desk import Answer, Call, saved
from registry.api.wire import plain

__all__ = ["move_subscription", "request_subscription"]


def request_subscription(call: Call, *, application: str, dry_run: bool = False) -> Answer:
    body = call.body
    with call.store.write() as unit:
        made = subscribing.request(
            unit,
            call.actor,
            application,
            body["contract"],
            body["major"],
            body["plan"],
            sites=sites_of(body),
            reason=body.get("reason"),
            dry_run=dry_run,
            now=call.now,
        )
    return saved(made, plain)


def move_subscription(call: Call, *, application: str, contract: str, major: int, dry_run: bool = False) -> Answer:
    body = call.body
    with call.store.write() as unit:
        made = subscribing.move(
            unit,
            call.actor,
            application,
            contract,
            major,
            body["to"],
            reason=body.get("reason"),
            dry_run=dry_run,
            now=call.now,
        )
    return saved(made, plain)


def sites_of(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Sorted, so that the same grant is the same however it is written."""
    sites = body.get("sites")
    return None if sites is None else tuple(sorted(set(sites)))

"""Asking for subscriptions, and answering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import subscribing, tryouts
from registry.api.desk import Answer, Call, saved
from registry.api.wire import decode, moment, plain
from registry.store.records import RolledBack

__all__ = ["move_subscription", "put_version_choice", "report_rollback", "request_subscription"]


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


def put_version_choice(call: Call, *, application: str, contract: str, major: int, dry_run: bool = False) -> Answer:
    body = call.body
    wish = body.get("tryout")
    with call.store.write() as unit:
        made = tryouts.choose(
            unit,
            call.actor,
            application,
            contract,
            major,
            pin=body.get("pin"),
            tryout=None if wish is None else decode(tryouts.Wish, wish),
            dry_run=dry_run,
            now=call.now,
        )
    return saved(made, plain)


def report_rollback(call: Call, *, application: str, contract: str, major: int) -> Answer:
    body = call.body
    at = moment(body["at"], "/at")
    told = RolledBack(
        version="",
        tryout=body["tryout"],
        at=call.now if at is None else at,
        reason=body["reason"],
        tried=(body["tried"]["calls"], body["tried"]["failures"]),
        base=(body["base"]["calls"], body["base"]["failures"]),
    )
    with call.store.write() as unit:
        ended = tryouts.roll_back(unit, call.actor, application, contract, major, told, now=call.now)
    return Answer({"ended": ended is not None})


def sites_of(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Sorted, so that the same grant is the same however it is written."""
    sites = body.get("sites")
    return None if sites is None else tuple(sorted(set(sites)))

"""What is done to credentials beyond making and revoking them, which `access` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry import rotation, usage
from registry.api.desk import Answer, Call
from registry.api.wire import instant, moment, plain
from registry.store import Unit
from registry.store.records import Credential

__all__ = ["rotate_credential"]


def rotate_credential(call: Call, *, application: str, credential: str) -> Answer:
    body = call.body or {}
    with call.store.write() as unit:
        made = rotation.rotate(
            unit,
            call.actor,
            application,
            credential,
            overlap=body.get("overlap_seconds", rotation.OVERLAP_SECONDS),
            label=body.get("label"),
            expires_at=moment(body.get("expires_at"), "/expires_at"),
            reason=body.get("reason"),
            now=call.now,
        )
        show = shown(unit, [made.credential, made.replaced], call.now)
    answer = {"credential": show(made.credential), "secret": made.secret, "replaced": show(made.replaced)}
    return Answer(answer, 201, {"Cache-Control": "no-store"})


def shown(unit: Unit, found: list[Credential], now: int) -> Callable[[Credential], dict[str, Any]]:
    """Shows credentials with where they stand, and the time of their last use, which is no part of the record."""
    last = usage.last_used(unit, [credential.id for credential in found])
    return lambda credential: {
        **plain(credential),
        "last_used_at": instant(last.get(credential.id)),
        "state": credential.state(now),
    }

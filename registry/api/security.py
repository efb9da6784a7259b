"""Who asks: the bearer key of a management request. Named in the specification as ``x-bearerInfoFunc``."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool

from registry.api.desk import DESK, Desk


async def actor_of(token: str, request: Any) -> dict[str, Any]:
    """What connexion hands on as ``token_info``. Raises `registry.errors.Unauthenticated`."""
    desk: Desk = request.scope[DESK]
    actor = await run_in_threadpool(desk.actor_of, token)
    return {"sub": actor.name, "actor": actor}

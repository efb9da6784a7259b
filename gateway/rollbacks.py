"""Tells the registry which tryouts were rolled back here, so that it records them and stops them everywhere.

Waits until there is something to tell and costs nothing before. A registry that is away is told when it is back: here
the tryout is over already.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import structlog

from gateway.settings import Settings
from gateway.tryouts import RolledBack, Tryouts

RETRY_SECONDS = 2.0
_SETTLED = (400, 404, 409, 413, 415, 422)
"""The registry knows of no such tryout any more, or never will take it from this build."""

_log = structlog.get_logger("gateway.tryouts")


async def report(settings: Settings, tryouts: Tryouts) -> None:
    """Until cancelled."""
    while True:
        await tryouts.told.wait()
        tryouts.told.clear()
        key = settings.registry_key.get_secret_value()
        async with httpx.AsyncClient(
            base_url=settings.registry_url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(5.0, connect=2.0),
            trust_env=False,
        ) as client:
            while tryouts.pending:
                for id_, rolled_back in list(tryouts.pending.items()):
                    if await _told(client, rolled_back):
                        tryouts.pending.pop(id_, None)
                if tryouts.pending:
                    await asyncio.sleep(RETRY_SECONDS)


async def _told(client: httpx.AsyncClient, rolled_back: RolledBack) -> bool:
    """Whether there is nothing more to tell of it."""
    path = f"/v1/applications/{rolled_back.application}/subscriptions/{rolled_back.contract}/{rolled_back.major}"
    try:
        reply = await client.post(f"{path}/rollback", json=body_of(rolled_back))
    except (httpx.HTTPError, ValueError) as error:
        _log.warning("rollback not reported yet", reason=f"{type(error).__name__}: {error}".rstrip(": "))
        return False
    if reply.is_success or reply.status_code in _SETTLED:
        return True
    _log.warning("rollback not reported yet", reason=f"the registry answered {reply.status_code}")
    return False


def body_of(rolled_back: RolledBack) -> dict[str, Any]:
    verdict = rolled_back.verdict
    return {
        "tryout": rolled_back.tryout,
        "at": datetime.fromtimestamp(int(rolled_back.at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": verdict.reason,
        "tried": msgspec.to_builtins(verdict.tried._asdict()),
        "base": msgspec.to_builtins(verdict.base._asdict()),
    }

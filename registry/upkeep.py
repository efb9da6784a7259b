"""What a running registry does by itself, on no request: signing keys that are due, and what has expired forgotten.

Safe with several registries on one database: each looks first, in a read unit, and acts in a write unit that looks
again. A failure is logged and tried again; nothing here may end the registry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from starlette.concurrency import run_in_threadpool

from registry import compiler, issuers, signing
from registry.sealing import Keyring
from registry.settings import Settings
from registry.store import Store

EVERY_SECONDS = 30.0
_log = structlog.get_logger("registry.upkeep")


def begin(store: Store, settings: Settings, keyring: Keyring, *, now: int) -> None:
    """Before the first request: what a registry cannot run without, private keys sealed, and one to sign with.

    Raises `sealing.WrongSecretsKey` when the keyring does not open what is kept.
    """
    with store.write() as unit:
        issuers.bootstrap(unit, issuer=settings.issuer, audience=settings.audience, now=now)
        sealed, bare = signing.seal(unit, keyring, now=now)
        signing.tend(unit, keyring, schedule(settings), now=now)
    if sealed:
        _log.info("signing keys sealed", keys=sealed)
    if bare:
        store.scrub()


def tend(store: Store, settings: Settings, keyring: Keyring, *, now: int) -> bool:
    """One round; returns whether anything was done."""
    plan = schedule(settings)
    with store.read() as unit:
        due = signing.is_due(unit, plan, now=now)
        stale = unit.used_assertions.any_until("expires_at", now) or unit.revoked_tokens.any_until(
            "expires_at", now - compiler.REVOCATION_KEPT_SECONDS
        )
    if not (due or stale):
        return False
    with store.write() as unit:
        done = signing.tend(unit, keyring, plan, now=now)
        forgotten = unit.used_assertions.delete_until("expires_at", now)
        forgotten += unit.revoked_tokens.delete_until("expires_at", now - compiler.REVOCATION_KEPT_SECONDS)
    if done:
        _log.info("signing keys tended")
    return done or forgotten > 0


def schedule(settings: Settings) -> signing.Schedule:
    return signing.Schedule(settings.signing_algorithm, settings.signing_key_days, settings.signing_key_lead_seconds)


async def run(store: Store, settings: Settings, keyring: Callable[[], Keyring], clock: Callable[[], float]) -> None:
    """Until cancelled."""
    while True:
        try:
            await run_in_threadpool(lambda: tend(store, settings, keyring(), now=int(clock())))
        except Exception as error:
            _log.error("upkeep failed", error=type(error).__name__, reason=str(error))
        await asyncio.sleep(EVERY_SECONDS)

"""Who asks, found out before anything of a request but its head is read.

    Door(desk).admit(scope, operation, doing)       raises Problem 401, 429; Unauthenticated, Forbidden, Refused
    actor_of(token, request)                        named in the specification (``x-bearerInfoFunc`` and its like)

An operator shows a management key; an application that asks about itself shows what it shows the gateway.

Wrong keys are counted by source, and by the id that they name. Who sent too many is told 429 instead of 401, but a
valid key is let in all the same, whoever guesses from its address or at its id: its 256 random bits are not guessed.
The one exception is a bootstrap key that is so short that somebody may have made it up: what has not the form of an
operator's key is then not even looked at while its source is over the limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from policies import governance
from policies.traffic import Caller, Exchange
from registry import operators, permissions
from registry.api.desk import ACTOR, CALLER, REQUEST_ID, Desk
from registry.api.problems import CHALLENGE, Problem
from registry.attempts import Attempts
from registry.audit import Actor
from registry.errors import Refused, Unauthenticated

UNGUESSABLE = 32
"""Characters from which on a bootstrap key is taken for generated; shorter ones may be a phrase."""
_log = structlog.get_logger("registry.security")


class Door:
    """Use from one event loop. Counts for one process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        most, key = desk.settings.key_guesses, desk.settings.admin_key
        self._is_guessable = key is not None and len(key.get_secret_value()) < UNGUESSABLE
        self._bootstrap, self._sources, self._ids = (Attempts(per_source=most, per_name=most) for _ in range(3))
        self._applications = Attempts(per_source=most, per_name=most)

    async def admit(self, scope: Scope, operation: str, doing: str) -> None:
        """Puts the actor into the scope, when its role may do this to anything at all; to which things is for the doing
        functions to say."""
        if operation in governance.OWN:
            caller = scope[CALLER] = await self._caller(scope)
            application = caller.application
            scope[ACTOR] = Actor(
                application.id, "partner", consumers=(application.consumer,), audience=application.audience
            )
            return
        scope[ACTOR] = await self._actor(scope)
        permissions.require_role(scope[ACTOR], operation, doing)

    async def _actor(self, scope: Scope) -> Actor:
        token = _bearer(scope)
        if token is None:
            raise Problem(
                401,
                "credentials-missing",
                "Unauthorized",
                "send a management key: Authorization: Bearer wbo_...",
                headers={"WWW-Authenticate": CHALLENGE},
            )
        address = str((scope.get("client") or ("",))[0])
        id_ = operators.key_id(token)
        now = self._desk.clock()
        counted = [(self._bootstrap, address)] if id_ is None else [(self._sources, address), (self._ids, id_)]
        wait = max(attempts.wait(name, "", now) for attempts, name in counted)
        if wait and id_ is None and self._is_guessable:
            raise _too_many(wait)
        try:
            actor = await run_in_threadpool(self._desk.actor_of, token)
        except Unauthenticated:
            _log.warning("management key refused", source=address, key=id_, request_id=scope[REQUEST_ID])
            if wait:
                raise _too_many(wait) from None
            for attempts, name in counted:
                attempts.failed(name, "", now)
            raise
        return replace(actor, source=address or None)

    async def _caller(self, scope: Scope) -> Caller:
        address = str((scope.get("client") or ("",))[0])
        now = self._desk.clock()
        query = scope.get("query_string", b"").decode("latin-1")
        exchange = Exchange(scope["method"], scope["path"], query, list(scope["headers"]), address, now)
        try:
            reading = await run_in_threadpool(self._desk.readings.current)
            return reading.identify(exchange)
        except Refused as refused:
            if refused.problem.slug != "credentials-invalid":
                raise
            _log.warning("application refused", source=address, request_id=scope[REQUEST_ID])
            if wait := self._applications.wait(address, "", now):
                raise _too_many(wait, "credentials") from None
            self._applications.failed(address, "", now)
            raise


def _bearer(scope: Scope) -> str | None:
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, token = given.decode("latin-1").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _too_many(wait: int, what: str = "management keys") -> Problem:
    return Problem(
        429,
        "too-many-attempts",
        "Too many wrong keys",
        f"too many {what} were wrong; try again in {wait} s",
        headers={"Retry-After": str(wait)},
    )


def actor_of(_token: str, request: Any) -> dict[str, Any]:
    """What connexion hands on as ``token_info``: the actor whom the guard let in."""
    actor: Actor = request.scope[ACTOR]
    return {"sub": actor.name, "actor": actor}

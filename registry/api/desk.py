"""What a handler is given, and what it gives back.

Desk      the store, the settings and the clock of one running registry
Call      one request: the desk, who asks, what was sent
Answer    status, body, headers
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
from starlette.responses import Response

from policies.traffic import Caller
from registry import operators, sealing
from registry.api.feed import Feed
from registry.attempts import Attempts
from registry.audit import Actor, Saved
from registry.consuming import Readings
from registry.sealing import Keyring
from registry.settings import Settings
from registry.store import Store

DESK = "weighbridge.desk"
REQUEST_ID = "weighbridge.request-id"
ACTOR = "weighbridge.actor"
CALLER = "weighbridge.caller"
PEER = "weighbridge.peer"
"""Keys of the ASGI scope; the last is who connected (host and port), where ``client`` is who asks by way of a proxy."""


class Desk:
    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.feed = Feed(store)
        self.attempts = Attempts()
        self.readings = Readings(store)

    @cached_property
    def keyring(self) -> Keyring:
        """What private keys are sealed with. Raises `Invalid` where none was given and none can be made."""
        return sealing.keyring(self.settings, self.store.file)

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())

    def actor_of(self, token: str) -> Actor:
        """Raises `Unauthenticated`."""
        key = self.settings.admin_key
        with self.store.read() as unit:
            return operators.authenticate(
                unit, token, admin_key=key.get_secret_value() if key else None, now=self.now()
            )


@dataclass(frozen=True, slots=True)
class Call:
    """`body` is parsed JSON, or bytes for other media types, or ``None``. `caller` is the application that asks about
    itself (`policies.governance.OWN`); then the actor is it, too."""

    desk: Desk
    actor: Actor
    body: Any
    headers: Mapping[str, str]
    now: int
    caller: Caller | None = None

    @property
    def store(self) -> Store:
        return self.desk.store

    def prefers(self, *offered: str) -> str:
        """The first of the media types offered that ``Accept`` names, in its own order; else the first one offered.
        Weights are not looked at: people and programs that want a page name it."""
        for named in self.headers.get("accept", "").split(","):
            wanted = named.partition(";")[0].strip().lower()
            if wanted in offered:
                return wanted
        return offered[0]

    def holds(self, digest: str) -> bool:
        """Whether ``If-None-Match`` names what has this digest: RFC 9110 section 13.1.2, weak comparison."""
        named = self.headers.get("if-none-match", "").split(",")
        return any(tag.strip().removeprefix("W/").strip('"') in ("*", digest) for tag in named)


@dataclass(frozen=True, slots=True)
class Answer:
    body: Any = None
    """JSON, or bytes of the media type already; ``None`` sends no body."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def response(self) -> Response:
        if self.body is None:
            return Response(status_code=self.status, headers=self.headers)
        content = self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)
        return Response(content, status_code=self.status, headers=self.headers, media_type=self.media_type)


def saved(result: Saved[Any], show: Callable[[Any], dict[str, Any]]) -> Answer:
    """The answer to a ``PUT``: 201 when it was created, and what the request did in a header."""
    change = "created" if result.created else "changed" if result.changed else "unchanged"
    return Answer(show(result.record), 201 if result.created else 200, {"Weighbridge-Change": change})


GONE = Answer(status=204)

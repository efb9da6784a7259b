"""Issuers' keys: embedded in the snapshot, or fetched in the background from where the issuer publishes them.

Never fetched by a request: one that meets an unknown ``kid`` may ask for a newer set and wait for it briefly, and that
is throttled, so that made-up kids cause next to no fetches. A fetch that fails changes nothing: yesterday's keys are
better than none. Only https, or http on loopback, to addresses that are allowed (`gateway.outgoing`), no redirects, a
bounded body in a bounded time. Every issuer is fetched by itself, so that a slow one keeps no other from being heard.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import httpx
import structlog

from gateway.outgoing import JudgedTransport
from policies.model.access import Issuer
from policies.outgoing import Networks, UnsafeAddress, target
from policies.traffic.authenticate_jwt import KeySource
from policies.traffic.authenticate_jwt_keys import EmbeddedKeys, InvalidKeys, Keys, parse

FRESH_SECONDS = 600.0
FRESH_RANGE = (60.0, 3600.0)
"""What a ``Cache-Control: max-age`` of the issuer may make of it."""
RETRY_RANGE = (5.0, 60.0)
THROTTLE_SECONDS = 10.0
"""Between two fetches caused by unknown kids."""
PATIENCE_SECONDS = 1.0
"""How long one request waits for a fetch it caused."""
LARGEST = 1024 * 1024
FETCH_SECONDS = 10.0
"""For a whole fetch, however steadily it drips."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})")
_log = structlog.get_logger("gateway.keys")


class FetchFailed(Exception):
    """The set could not be had; the message says why."""


class RemoteKeys:
    """A set published at an address. Instants are monotonic seconds."""

    def __init__(self, name: str, uri: str, wake: Callable[[], None]) -> None:
        self.name = name
        self.uri = uri
        self.keys: Keys = {}
        self.due = 0.0
        self.fetching = False
        self._wake = wake
        self._failures = 0
        self._asked_at = float("-inf")
        self._waiting: asyncio.Future[None] | None = None

    def refresh(self) -> Awaitable[None] | None:
        now = time.monotonic()
        if self._waiting is None:
            if now - self._asked_at < THROTTLE_SECONDS:
                return None
            self._asked_at = now
            self._waiting = asyncio.get_running_loop().create_future()
            self.due = now
            self._wake()
        return self._arrival(self._waiting)

    async def fetch(self, client: httpx.AsyncClient) -> bool:
        """Fetch once; returns whether the keys changed. Who asks for newer keys meanwhile waits for these."""
        self._asked_at = time.monotonic()
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        try:
            found, fresh = await fetch(client, self.uri)
        except FetchFailed as failure:
            self._failures += 1
            doubled = min(self._failures - 1, 10)  # a power of a day's failures is no float any more
            retry = min(RETRY_RANGE[1], RETRY_RANGE[0] * 2**doubled)
            self.due = time.monotonic() + retry
            _log.warning("keys not fetched", issuer=self.name, reason=str(failure), kept=len(self.keys))
            return False
        finally:
            waiting, self._waiting = self._waiting, None
            if waiting is not None and not waiting.done():
                # whoever waits looks at `keys` in a later turn of the loop, after they were replaced
                asyncio.get_running_loop().call_soon(waiting.set_result, None)
        self._failures = 0
        self.due = time.monotonic() + fresh
        changed = _thumbprints(found) != _thumbprints(self.keys)
        self.keys = found
        return changed

    @staticmethod
    async def _arrival(waiting: asyncio.Future[None]) -> None:
        await asyncio.wait([waiting], timeout=PATIENCE_SECONDS)


class KeyRing:
    """All issuers' keys of one worker. `source` may be called from any thread; the rest belongs to the loop."""

    def __init__(self, networks: Networks = Networks.parse("public,loopback")) -> None:  # noqa: B008 - frozen
        self._networks = networks
        self._remote: dict[tuple[str, str], RemoteKeys] = {}
        self._wanted: frozenset[tuple[str, str]] = frozenset()
        self._epoch = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    def epoch(self) -> int:
        """Grows whenever any issuer's keys changed."""
        return self._epoch

    def source(self, issuer: Issuer) -> KeySource:
        """Raises `InvalidKeys` for an embedded set that cannot be used, or an address that must not be fetched."""
        if issuer.jwks is not None or issuer.jwks_uri is None:
            return EmbeddedKeys(issuer)
        if not may_fetch(issuer.jwks_uri):
            raise InvalidKeys(f"{issuer.jwks_uri} is neither https nor http on loopback")
        place = (issuer.issuer, issuer.jwks_uri)
        known = self._remote.get(place)
        if known is None:
            known = self._remote[place] = RemoteKeys(issuer.name, issuer.jwks_uri, self._wake)
            self._wake()
        return known

    def keep(self, issuers: tuple[Issuer, ...]) -> None:
        """Fetch no more for issuers that are not among these."""
        wanted = {(issuer.issuer, issuer.jwks_uri) for issuer in issuers}
        self._remote = {place: keys for place, keys in self._remote.items() if place in wanted}

    async def run(self) -> None:
        """Keep every set fresh until cancelled."""
        self._loop = asyncio.get_running_loop()
        transport = JudgedTransport(self._networks)
        async with (
            httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=5.0, trust_env=False) as client,
            asyncio.TaskGroup() as fetches,
        ):
            while True:
                self._woken.clear()
                now = time.monotonic()
                idle = [keys for keys in list(self._remote.values()) if not keys.fetching]
                for keys in [keys for keys in idle if keys.due <= now]:
                    keys.fetching = True
                    fetches.create_task(self._refresh(keys, client))
                soonest = min((keys.due for keys in idle if not keys.fetching), default=None)
                pause = None if soonest is None else max(0.0, soonest - time.monotonic())
                try:
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
                except TimeoutError:
                    pass

    async def _refresh(self, keys: RemoteKeys, client: httpx.AsyncClient) -> None:
        try:
            if await keys.fetch(client):
                self._epoch += 1  # before whoever waits for these keys looks at them
        finally:
            keys.fetching = False
            self._woken.set()

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)


async def fetch(client: httpx.AsyncClient, uri: str) -> tuple[Keys, float]:
    """The usable keys at an address, and for how many seconds they are fresh. Raises `FetchFailed`."""
    body = bytearray()
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS),
            client.stream("GET", uri, headers={"Accept": "application/json", "Accept-Encoding": "identity"}) as reply,
        ):
            if reply.status_code != 200:
                raise FetchFailed(f"answered {reply.status_code}")
            if reply.headers.get("content-encoding", "identity") != "identity":
                raise FetchFailed("answered in a content coding that was not asked for")
            async for piece in reply.aiter_raw():
                body += piece
                if len(body) > LARGEST:
                    raise FetchFailed(f"answered more than {LARGEST} bytes")
            told = _MAX_AGE.search(reply.headers.get("cache-control", "").lower())
        keys = parse(bytes(body))
    except TimeoutError:
        raise FetchFailed(f"took longer than {FETCH_SECONDS:.0f} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, InvalidKeys, OSError, ValueError) as error:
        raise FetchFailed(f"{type(error).__name__}: {error}") from error
    if not keys:
        raise FetchFailed("no key of the set can be used")
    fresh = float(told[1]) if told else FRESH_SECONDS
    return keys, min(max(fresh, FRESH_RANGE[0]), FRESH_RANGE[1])


def may_fetch(uri: str) -> bool:
    """https anywhere; plain http only on loopback. What a name means is judged when it is connected to."""
    try:
        place = target(uri)
    except UnsafeAddress:
        return False
    loopback = place.host == "localhost" or (place.address is not None and place.address.is_loopback)
    return place.scheme == "https" or loopback


def _thumbprints(keys: Keys) -> dict[str | None, str]:
    return {kid: key.thumbprint for kid, key in keys.items()}

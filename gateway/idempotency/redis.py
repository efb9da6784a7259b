"""Answers in Redis or Valkey, shared by all gateways: one script to claim, one to settle.

A server that loses what it was told (restarted without ``appendonly``, evicting) forgets claims, and a repeat is then
sent again: keep it on one that persists and does not evict. No call waits longer than `PATIENCE_SECONDS`; the first
loss opens the breaker, and while it is open nobody waits at all. The one subtle thing: a claim that was not answered
may still have been granted. Its request is not sent, so it is released as soon as the server can be reached.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Any

import redis.asyncio as aioredis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.idempotency import AnswersLost, Claim, Ending, Found

PATIENCE_SECONDS = 1.0
PROBE_SECONDS = 0.25
MOST_CONNECTIONS = 8
MOST_UNCERTAIN = 10_000
"""Claims remembered while the server is away."""
PREFIX = b"weighbridge:answer:"
_log = structlog.get_logger("gateway.idempotency")


class RedisAnswers:
    def __init__(self, url: str, seconds: float) -> None:
        pool = aioredis.BlockingConnectionPool.from_url(
            url, max_connections=MOST_CONNECTIONS, timeout=PATIENCE_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._client = aioredis.Redis.from_pool(pool)
        self._claim = self._client.register_script(files(__package__).joinpath("claim.lua").read_text("utf-8"))
        self._settle = self._client.register_script(files(__package__).joinpath("settle.lua").read_text("utf-8"))
        self._milliseconds = int(seconds * 1000)
        self._uncertain: list[Claim] = []
        self._probing: asyncio.Task[None] | None = None
        self.lost = False

    async def claim(self, claim: Claim) -> Found | None:
        lease = int(claim.lease * 1000)
        terms = [claim.fingerprint, claim.token, lease, self._milliseconds, int(claim.resends)]
        try:
            reply = await self._ask(self._claim, claim, terms)
        except _Unanswered as unanswered:
            if len(self._uncertain) < MOST_UNCERTAIN:
                self._uncertain.append(claim)
            raise AnswersLost from unanswered
        if not reply:
            return None
        state, fingerprint, answer = reply
        return Found(state.decode(), fingerprint, answer)

    async def settle(self, claim: Claim, state: Ending, answer: bytes = b"") -> None:
        await self._ask(self._settle, claim, [claim.token, state, answer, self._milliseconds])

    async def release(self, claim: Claim) -> None:
        await self._ask(self._settle, claim, [claim.token, "", b"", 0])

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def _ask(self, script: Any, claim: Claim, terms: list[Any]) -> Any:
        if self.lost:
            raise AnswersLost
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await script(keys=[PREFIX + claim.id], args=terms)
        except (RedisError, OSError, TimeoutError) as error:
            self._lose(error)
            raise _Unanswered from error

    def _lose(self, error: object) -> None:
        if self.lost:
            return
        self.lost = True
        _log.warning("answers lost", reason=f"{type(error).__name__}: {error}")
        self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> None:
        """Until something can be written again, and what may have been claimed meanwhile is free."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                async with asyncio.timeout(2 * PATIENCE_SECONDS):
                    await self._client.set(PREFIX + b"probe", 1, px=1000)
                    while self._uncertain:
                        claim = self._uncertain[-1]
                        await self._settle(keys=[PREFIX + claim.id], args=[claim.token, "", b"", 0])
                        self._uncertain.pop()
            except (RedisError, OSError, TimeoutError):
                continue
            self.lost = False
            _log.info("answers found again")
            return


class _Unanswered(AnswersLost):
    """It was asked, and may have heard."""

"""What was answered under an ``Idempotency-Key``, kept by URL scheme: ``sqlite://`` (the workers of one gateway, in its
state directory) or ``redis://`` (all gateways together).

Every backend keeps the promises of `Answers`: of any number of claims of one id exactly one is granted, and what was
granted stays taken, over restarts too, until it is released or its time is up. Must not know: HTTP. The one subtle
thing: a claim whose lease ran out is not free again. Nobody knows whether its request was acted on, so it is *lapsed*,
and only a claim that `resends` may take it over.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

State = Literal["running", "lapsed", "answered", "unkept", "unknown"]
"""Under way · its lease ran out · answered · answered by more than is kept · sent, and no answer came."""
Ending = Literal["answered", "unkept", "unknown"]
FREE_TO_RESEND = frozenset({"lapsed", "unknown"})


class Claim(Struct, frozen=True):
    """`id` and `token` are random to everybody else, `fingerprint` is what the same request has in common. `lease` is
    in seconds; `resends` says that a request whose outcome is unknown may be sent again."""

    id: bytes
    fingerprint: bytes
    token: bytes
    lease: float
    resends: bool = False


class Found(Struct, frozen=True):
    """What already stands under an id."""

    state: State
    fingerprint: bytes
    answer: bytes = b""


class AnswersLost(Exception):
    """The store did not answer in time, or cannot be written."""


class Answers(Protocol):
    """Nothing is opened before the first claim. Everything raises `AnswersLost`."""

    lost: bool
    """Whether the last attempt to reach the store failed."""

    def claim(self, claim: Claim) -> Awaitable[Found | None]:
        """Take the id, or learn what stands under it; ``None`` says that it is ours now."""

    def settle(self, claim: Claim, state: Ending, answer: bytes = b"") -> Awaitable[None]:
        """Say how it ended; without effect where the claim is no longer ours."""

    def release(self, claim: Claim) -> Awaitable[None]:
        """Nothing was sent: the id is free again."""

    async def close(self) -> None: ...


class UnknownAnswers(ValueError):
    """The URL names no store."""


def open_answers(url: str, directory: Path, seconds: float) -> Answers:
    """The store for a URL; ``sqlite://`` without a path lies in `directory`, an answer is kept for `seconds`. Raises
    `UnknownAnswers`."""
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        from gateway.idempotency.sqlite import SqliteAnswers

        path = rest.removeprefix("//").removeprefix("/")
        return SqliteAnswers(Path(path) if path else directory / "idempotency.db", seconds)
    if scheme in ("redis", "rediss", "unix"):
        from gateway.idempotency.redis import RedisAnswers  # the client is loaded where it is used

        try:
            return RedisAnswers(url, seconds)
        except ValueError as error:  # which names the part; the whole may hold a password
            raise UnknownAnswers(f"the address of the store of answers cannot be read: {error}") from error
    raise UnknownAnswers(f"no store of answers for {scheme!r}: use sqlite:// or redis://host:port/db")

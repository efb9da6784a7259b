"""Counters, chosen by URL scheme: ``memory://`` (rates for this process alone, quotas in a file for all workers of one
gateway) or ``redis://`` (all gateways together).

Every backend keeps the promises of `policies.traffic.limit_rate.Counters`: a take charges all limits or none, a strict
window is never exceeded wherever it starts, refused calls charge nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gateway.counters.durable import DurableCounters
from gateway.counters.memory import MemoryCounters
from policies.traffic.limit_rate import Counters


class OpenCounters(Counters, Protocol):
    """Counters with a lifetime: the server starts them before it accepts anybody, and closes them when it ends."""

    @property
    def lost(self) -> bool:
        """Whether what is shared cannot be reached, so that plans say what happens."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class UnknownCounters(ValueError):
    """The URL's scheme names no backend."""


def open_counters(url: str, directory: Path | None = None) -> OpenCounters:
    """Open the backend for a URL. Nothing is connected before `OpenCounters.start`. A backend without a server keeps
    its quotas in `directory`. Raises `UnknownCounters`."""
    scheme = url.partition(":")[0]
    if scheme == "memory":
        return MemoryCounters() if directory is None else DurableCounters(directory)
    if scheme in ("redis", "rediss", "unix"):
        from gateway.counters.redis import RedisCounters  # the client is loaded where it is used

        try:
            return RedisCounters(url)
        except ValueError as error:  # which names the part; the whole may hold a password
            raise UnknownCounters(f"the address of the counters cannot be read: {error}") from error
    raise UnknownCounters(f"no counters for {scheme!r}: use memory:// or redis://host:port/db")

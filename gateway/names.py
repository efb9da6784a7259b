"""Names of upstreams -> addresses: asked in threads of their own, remembered, and kept while nobody answers.

Must not know: connections. The one subtle thing is who waits: a name that was known before is waited for only briefly,
so a resolver that fails or hangs stops nobody who was reached before it did; and a lookup that hangs holds one thread
of its own, so no other name waits behind it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from math import inf

FRESH_SECONDS = 10.0
"""How long an answer is used without asking again. The system's resolver does not tell us how long it may be."""
PATIENCE_SECONDS = 0.1
"""For a newer answer, where there is an older one: much less than an upstream's time to connect, of which it is part.
A later answer serves whoever comes next."""

Addresses = tuple[str, ...]


def ask_system(host: str, port: int) -> Addresses:
    """What the system's resolver says, in its order. Blocks. Raises `OSError`, or `UnicodeError` for no name at all."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(place[4][0]) for place in found))


class Names:
    """Belongs to the loop of one worker."""

    def __init__(self, ask: Callable[[str, int], Addresses] = ask_system) -> None:
        self._ask = ask
        self._known: dict[str, tuple[Addresses, float]] = {}
        self._asking: dict[str, asyncio.Future[Addresses]] = {}

    async def addresses(self, host: str, port: int) -> Addresses:
        """Never empty. Raises `OSError` or `UnicodeError` where there is not even an old answer."""
        known = self._known.get(host)
        now = time.monotonic()
        if known is not None and now < known[1]:
            return known[0]
        if known is None and _is_address(host):
            self._known[host] = ((host,), inf)
            return (host,)
        asking = self._asking.get(host) or self._start(host, port)
        if known is None:
            return await asyncio.shield(asking)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asyncio.shield(asking)
        except (OSError, UnicodeError):  # a timeout is an OSError
            self._known[host] = (known[0], now + FRESH_SECONDS)
            return known[0]

    def _start(self, host: str, port: int) -> asyncio.Future[Addresses]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Addresses] = loop.create_future()
        future.add_done_callback(asyncio.Future.exception)  # whoever asked may have left
        self._asking[host] = future

        def answered(outcome: Addresses | OSError | UnicodeError) -> None:
            del self._asking[host]
            if isinstance(outcome, tuple):
                self._known[host] = (outcome, time.monotonic() + FRESH_SECONDS)
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        def ask() -> None:
            outcome: Addresses | OSError | UnicodeError
            try:
                outcome = self._ask(host, port)
            except (OSError, UnicodeError) as error:
                outcome = error
            try:
                loop.call_soon_threadsafe(answered, outcome)
            except RuntimeError:  # the worker has ended meanwhile
                pass

        threading.Thread(target=ask, name=f"lookup {host}", daemon=True).start()
        return future


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True

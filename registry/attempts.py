"""Failed attempts to prove who one is, counted by where they come from, so that guessing becomes slow.

    attempts.wait(source, name, now) -> int     seconds until another try is allowed, 0 for at once
    attempts.failed(source, name, now)          to be called for each failure, never for a success

Pure counting: the clock is an argument, nothing is told to anybody. A failure counts for its source and for the pair of
source and name (a client id, the id of a key), and ebbs away steadily: a source that fails once a minute is never held
up. Refusals by `wait` are no failures, so knocking on does not prolong it.

Names are never counted over all sources: whoever knows the id of a client could then keep that client out. What the
sum over many sources may try is not dangerous to secrets of 256 bits. IPv6 is counted by its /64, which is what one
customer has. The subtle thing is memory: it is bounded, and when it is full, who failed longest ago is forgotten.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from threading import Lock

PER_SOURCE = 60
PER_NAME = 10
WINDOW = 60.0
MOST = 20_000
_LONGEST_NAME = 64


class Attempts:
    """Safe to use from many threads. Several at once may all be let in before the first of them has failed: as many as
    there are threads to judge them."""

    def __init__(
        self, *, per_source: int = PER_SOURCE, per_name: int = PER_NAME, window: float = WINDOW, most: int = MOST
    ) -> None:
        self._limits = (per_source, per_name)
        self._window = window
        self._most = most
        self._lock = Lock()
        self._over_at: dict[tuple[str, ...], float] = {}  # when all failures of a key will have ebbed away

    def wait(self, source: str, name: str, now: float) -> int:
        with self._lock:
            waits = [
                self._over_at.get(key, now) - now - self._window + self._window / limit
                for key, limit in self._keys(source, name)
            ]
        longest = max(waits)
        return ceil(longest) if longest > 1e-6 else 0

    def failed(self, source: str, name: str, now: float) -> None:
        with self._lock:
            for key, limit in self._keys(source, name):
                over_at = max(now, self._over_at.pop(key, now)) + self._window / limit
                while len(self._over_at) >= self._most:
                    del self._over_at[next(iter(self._over_at))]
                self._over_at[key] = min(over_at, now + self._window)

    def __len__(self) -> int:
        """How many sources and names are remembered."""
        return len(self._over_at)

    def _keys(self, source: str, name: str) -> tuple[tuple[tuple[str, ...], int], ...]:
        place = _place(source)
        return ((place,), self._limits[0]), ((place, name[:_LONGEST_NAME]), self._limits[1])


def _place(source: str) -> str:
    try:
        address = ip_address(source)
    except ValueError:
        return source[:_LONGEST_NAME]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), 64), strict=False))
    return str(address)

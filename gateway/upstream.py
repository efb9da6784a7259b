"""The other side: keep-alive pools per upstream, with their bulkhead, breaker and retry budget.

`Pool.acquire` gives a pooled `Line`, promises a new one, or says why not. Concurrency is bounded per upstream, so that
a slow one cannot take the others with it; an upstream that fails again and again is ejected and probed with one
request.

Must not know: routes, clients, policies. The one subtle thing: everything here counts *per worker*; what an upstream
sees is the sum over workers.
"""

from __future__ import annotations

import asyncio
import errno
import math
import ssl
import time
from collections import deque
from collections.abc import Coroutine, Hashable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import structlog

from gateway.line import Line, Taker
from gateway.names import Names
from gateway.replies import EXHAUSTED, UPSTREAM_OVERLOADED, UPSTREAM_TIMEOUT, UPSTREAM_UNREACHABLE
from gateway.settings import Settings
from policies.model.contract import Upstream as Spec
from policies.outgoing import Networks
from policies.traffic import Problem

FAILURES_TO_EJECT = 5
EJECT_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
RETRY_SHARE = 0.2
"""Retries may be at most this share of recent requests."""
FORGET_POOL_SECONDS = 300.0
OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
"""What this machine ran out of: no upstream is to blame, or ejected, for that."""
FIRST_WINDOW = 6
"""New connections to one upstream at a time, until it has shown that it takes more. A burst must not overflow the
accept queue of a small backend (five in Python's standard server): the kernel drops what is too much and asks again a
whole second later. One is new from opening to the first byte of an answer, but no longer than `NEW_SECONDS`: an upload
or a slow answer must not hold up everybody else."""
NEW_SECONDS = 0.5
SLOW_CONNECT_SECONDS = 0.5
"""Longer than a round trip: the kernel had to ask again."""
MOST_TOLD = 100

_log = structlog.get_logger("gateway.upstream")


class Address:
    """An upstream URL taken apart once."""

    __slots__ = ("authority", "base", "host", "port", "tls")

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.tls = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.tls else 80)
        self.authority = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii")
        self.base = parts.path.rstrip("/").encode("ascii", "replace")


class Pool:
    """The lines to one upstream, and what we know of its health."""

    def __init__(self, upstreams: Upstreams, address: Address) -> None:
        self.upstreams = upstreams
        self.busy = upstreams.busy
        self.idle_seconds = upstreams.idle_seconds
        self.address = address
        self.idle: deque[Line] = deque()
        self.in_flight = 0
        self.probing = False
        self.used_at = upstreams.now
        self.connects = self.failures = self.retries = self.refusals = 0
        self.window = float(FIRST_WINDOW)
        """Grows by one with every new connection that answers, and slowly once one was dropped, which halves it: TCP's
        own way (RFC 5681 section 3.1). See `FIRST_WINDOW`."""
        self._threshold = math.inf
        self.unproven = 0
        """Open connections that are still new."""
        self._failed_in_a_row = 0
        self._ejections = 0
        self._open_until = 0.0
        self._retry_credit = 10.0
        self._told: set[str] = set()
        self._waiting: deque[tuple[Spec, Taker, float]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def acquire(self, spec: Spec, taker: Taker, *, fresh: bool = False) -> Line | Problem | None:
        """A pooled line at once, or ``None`` when the taker has to wait for one (then `Taker.upstream_ready` or
        `Taker.upstream_lost` follows), or the reason why not. `fresh` insists on a new connection."""
        self.used_at = self.upstreams.now
        if self.in_flight >= spec.max_concurrent:
            self.refusals += 1
            return UPSTREAM_OVERLOADED
        if self._open_until:
            if self.probing or self.upstreams.now < self._open_until:
                self.refusals += 1
                return UPSTREAM_UNREACHABLE
            self.probing = True
        self.in_flight += 1
        if self._retry_credit < 10.0 and not fresh:  # a second try earns no third
            self._retry_credit += RETRY_SHARE
        while self.idle and not fresh:
            line = self.idle.pop()
            if line.transport is not None and not line.transport.is_closing():
                return line
        if fresh:
            self._start(self._connect(spec, taker))
            return None
        self._waiting.append((spec, taker, time.monotonic() + spec.first_byte_timeout))
        self._connect_more()
        return None

    def may_retry(self) -> bool:
        """Spend one retry of the budget, if there is one."""
        if self._retry_credit < 1.0:
            return False
        self._retry_credit -= 1.0
        self.retries += 1
        return True

    def _connect_more(self) -> None:
        """Open as many connections as there are takers waiting, within the window; who waits takes the first that is
        free, be it new or given back."""
        while len(self._tasks) < min(self.window - self.unproven, len(self._waiting)):
            self._start(self._connect(self._waiting[0][0], None))

    def _start(self, connecting: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(connecting)
        self._tasks.add(task)
        task.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self.upstreams.closing:
            self._connect_more()

    async def _connect(self, spec: Spec, taker: Taker | None) -> None:
        """Connect for one taker, or for whoever waits."""
        self.connects += 1
        try:
            async with asyncio.timeout(spec.connect_timeout):
                line = await self._open()
        except TimeoutError:
            problem = UPSTREAM_TIMEOUT
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that cannot be encoded for DNS
            ours = isinstance(error, OSError) and error.errno in OUR_OWN
            problem = EXHAUSTED if ours else UPSTREAM_UNREACHABLE
        else:
            if taker is None:
                self.put_back(line)
            elif not taker.upstream_ready(line):
                self._gone()
                self.put_back(line)
            return
        self._narrow()
        if problem is not EXHAUSTED:
            self.failed()
        if taker is not None:
            self._disappoint(taker, problem)
        elif self._open_until:
            while self._waiting:
                self._disappoint(self._waiting.popleft()[1], problem)
        elif self._waiting:
            self._disappoint(self._waiting.popleft()[1], problem)

    async def _open(self) -> Line:
        """Try one address after the other. Raises `OSError` or `UnicodeError`."""
        address, failure = self.address, OSError()
        tls, name = (self.upstreams.tls, address.host) if address.tls else (None, None)
        for place in await self.upstreams.names.addresses(address.host, address.port):
            refusal = self.upstreams.refuses(place, address.port)
            if refusal is not None:
                failure = OSError(errno.EACCES, refusal)
                self._tell(refusal)
                continue
            began = time.monotonic()
            try:
                _, line = await asyncio.get_running_loop().create_connection(
                    lambda: Line(self), place, address.port, ssl=tls, server_hostname=name
                )
            except OSError as error:
                failure = error
            else:
                if time.monotonic() - began > SLOW_CONNECT_SECONDS:
                    self._narrow()
                return line
        raise failure

    def _tell(self, refusal: str) -> None:
        """Once for each address, however often it is asked for."""
        if refusal not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(refusal)
            _log.warning("upstream not connected to", upstream=self.address.authority.decode(), reason=refusal)

    def _narrow(self) -> None:
        self.window = self._threshold = max(float(FIRST_WINDOW), self.window / 2)

    def opened(self, line: Line) -> None:
        """A connection stands."""
        self.unproven += 1
        asyncio.get_running_loop().call_later(NEW_SECONDS, line.is_new_no_more)

    def proved(self, *, answered: bool) -> None:
        """A new connection answered for the first time; or it ended, or stood long enough, without."""
        self.unproven -= 1
        if answered:
            self.window += 1 if self.window < self._threshold else 1 / self.window
        if self._waiting and not self.upstreams.closing:
            self._connect_more()

    def _gone(self) -> None:
        """A taker no longer wants a line."""
        self.in_flight -= 1
        self.probing = False

    def _disappoint(self, taker: Taker, problem: Problem) -> None:
        self._gone()
        taker.upstream_lost(problem, stale=False)

    def put_back(self, line: Line) -> None:
        """A line is free, for whoever waits or for later. Its last taker may still be reading the reply from it."""
        if len(self.idle) >= self.upstreams.max_idle + len(self._waiting) or self.upstreams.closing:
            line.close()
            return
        line.idle_since = self.upstreams.now
        self.idle.append(line)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        """Give the lines that are free to those who waited longest."""
        while self._waiting and self.idle:
            line = self.idle.pop()
            if line.transport is None or line.transport.is_closing():
                continue
            _, taker, _ = self._waiting.popleft()
            if not taker.upstream_ready(line):
                self._gone()
                self.idle.append(line)
        self._connect_more()

    def forget(self, line: Line) -> None:
        try:
            self.idle.remove(line)
        except ValueError:
            pass

    def succeeded(self) -> None:
        if self._failed_in_a_row:
            if self._ejections:
                _log.info("upstream answers again", upstream=self.address.authority.decode())
            self._failed_in_a_row = self._ejections = 0
            self._open_until = 0.0
        self.probing = False

    def failed(self) -> None:
        """Count a failure of the upstream itself; too many in a row eject it, each time for longer. Those that were
        under way when it was ejected do not count again."""
        self.failures += 1
        self._failed_in_a_row += 1
        self.probing = False
        now = time.monotonic()
        if self._failed_in_a_row >= FAILURES_TO_EJECT and now >= self._open_until:
            self._open_until = now + EJECT_SECONDS[min(self._ejections, len(EJECT_SECONDS) - 1)]
            self._ejections += 1
            if self._ejections == 1:  # once per outage: while it lasts, probes fail and eject anew
                _log.warning(
                    "upstream ejected", upstream=self.address.authority.decode(), failures=self._failed_in_a_row
                )

    @property
    def now(self) -> float:
        return self.upstreams.now

    @property
    def is_ejected(self) -> bool:
        return self._open_until > 0.0

    def sweep(self, now: float) -> None:
        oldest = now - self.upstreams.keepalive_seconds
        while self.idle and self.idle[0].idle_since < oldest:
            self.idle.popleft().close()
        while self._waiting and self._waiting[0][2] < now:
            self._disappoint(self._waiting.popleft()[1], UPSTREAM_TIMEOUT)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        while self.idle:
            self.idle.pop().close()


class Upstreams:
    """Every pool of one worker. `sweep` is called a few times a second and enforces the deadlines."""

    def __init__(self, settings: Settings, now: float) -> None:
        self.now = now
        """Monotonic seconds as of the last sweep: exact enough for idle times, free on the hot path."""
        self.idle_seconds = settings.upstream_idle_seconds
        self.keepalive_seconds = settings.upstream_keepalive_seconds
        self.max_idle = settings.upstream_max_idle
        self.busy: set[Line] = set()
        self.closing = False
        self.names = Names()
        self.networks = Networks.parse(settings.upstream_networks)
        """Judged as they are connected to: a name may mean another address tomorrow, or at the next asking."""
        self._admin_host, self._admin_port = settings.admin_host, settings.admin_port
        self._pools: dict[Hashable, Pool] = {}
        self._tls: ssl.SSLContext | None = None

    def refuses(self, place: str, port: int) -> str | None:
        """Why an address is not connected to; ``None`` where it may be. The door for operators is nobody's upstream."""
        if port == self._admin_port:
            address = ip_address(place)
            address = getattr(address, "ipv4_mapped", None) or address
            if address.is_loopback or place == self._admin_host:
                return f"{place} port {port} is this gateway's own door for operators"
        return self.networks.refuses(place)

    @property
    def tls(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def pool(self, key: Hashable, url: str) -> Pool:
        """The pool of one upstream at one address; that of an address it has left is emptied by the sweep."""
        place = (key, url)
        found = self._pools.get(place)
        if found is None:
            found = self._pools[place] = Pool(self, Address(url))
        return found

    def sweep(self, now: float) -> None:
        self.now = now
        for line in [line for line in self.busy if line.deadline < now]:
            line.expire()
        for key, pool in list(self._pools.items()):
            pool.sweep(now)
            if not pool.in_flight and not pool.idle and pool.used_at < now - FORGET_POOL_SECONDS:
                del self._pools[key]

    def close(self) -> None:
        """Close every idle line and connection attempt; lines in use are their takers' to end."""
        self.closing = True
        for pool in self._pools.values():
            pool.close()

    def reading(self) -> list[dict[str, Any]]:
        """What the metrics show, per upstream authority."""
        return [
            {
                "upstream": pool.address.authority.decode(),
                "in_flight": pool.in_flight,
                "idle": len(pool.idle),
                "connects": pool.connects,
                "failures": pool.failures,
                "retries": pool.retries,
                "refusals": pool.refusals,
                "ejected": int(pool.is_ejected),
            }
            for pool in self._pools.values()
        ]

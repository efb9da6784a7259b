"""One process per site, forked from one parent: ready in seconds, gone together.

Owns processes, sockets and signals. The subtle thing: everything heavy (imports, reading contracts, building the
applications) happens once in the parent, before the fork, and the ports are bound there too, so a taken port is one
clear error before anything starts. A pipe that only the parent writes to tells the children when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from weighbridge.demo.backends.contracts import Served, application, newest
from weighbridge.demo.backends.front import Front
from weighbridge.demo.backends.places import SITES, Site
from weighbridge.demo.backends.settings import Settings
from weighbridge.demo.backends.store import Records, Store
from weighbridge.demo.seeds.seeding import seed

Apps = dict[str, tuple[Served, Any]]
GRACE_SECONDS = 5.0
_STOPPING = (signal.SIGTERM, signal.SIGINT)


class CannotStart(Exception):
    """One line that says what to do."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; 0 after an orderly end, 1 when it could not start or a site died.

    Every port answers ``/healthz`` with 200 once its site is ready, and not before.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("connexion").setLevel(logging.CRITICAL)
    # from here on a signal waits to be collected by `_watch`; children put this back
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOPPING, signal.SIGCHLD))
    try:
        if not settings.specs.is_dir():
            raise CannotStart(f"no contracts at {settings.specs}; name the folder with --specs")
        sockets = {site.site_id: listen(settings.host, settings.base_port + site.port_offset) for site in SITES}
        clock = _clock(settings.starts_at)
        _seed(settings.data, clock().date())
        built = asyncio.run(_build(settings.specs))
    except (CannotStart, LookupError, OSError) as fault:
        print(f"demo backends: {fault}", file=sys.stderr)
        return 1
    reading, writing = os.pipe()
    parent = os.getppid()
    children: dict[int, str] = {}
    for site in SITES:
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            _site_process(settings, site, sockets, built, clock, reading)
        children[pid] = site.site_id
    os.close(reading)
    for listening in sockets.values():
        listening.close()
    return _watch(children, parent if settings.follow_parent else None)


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # asyncio sees to this for its own sockets only; without, a body waits 40 ms for its head to be acknowledged
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((host, port))
    except OSError as fault:
        listening.close()
        raise CannotStart(f"cannot listen on {host}:{port} ({fault.strerror}); choose another --base-port") from None
    listening.listen(256)
    return listening


def _clock(starts_at: datetime | None) -> Callable[[], datetime]:
    """Wall time, or wall time shifted so that it is `starts_at` now."""
    if starts_at is None:
        return lambda: datetime.now(UTC)
    shift = starts_at.astimezone(UTC) - datetime.now(UTC)
    return lambda: datetime.now(UTC) + shift


def _path(data: Path, site: Site) -> Path:
    return data / f"{site.site_id.lower()}.db"


def _seed(data: Path, day: Any) -> None:
    data.mkdir(parents=True, exist_ok=True)
    stores = {site.site_id: Store(_path(data, site)) for site in SITES}
    try:
        seed(stores, day)
    finally:
        # connections must not cross a fork
        for store in stores.values():
            store.close()


async def _build(specs: Path) -> dict[tuple[str, int], Apps]:
    """(contract, minors behind) -> base path -> application; each one warmed up, so that the fork shares its memory."""
    wanted = {(contract, site.minors_behind(contract)) for site in SITES for contract in site.contracts}
    built: dict[tuple[str, int], Apps] = {}
    known: dict[tuple[str, str], tuple[Served, Any]] = {}
    for contract, behind in sorted(wanted):
        apps: Apps = {}
        for served in newest(specs, contract, behind).values():
            key = served.contract, served.number
            if key not in known:
                known[key] = served, application(served)
                await _warm(known[key][1])
            apps[served.base_path] = known[key]
        built[contract, behind] = apps
    return built


async def _warm(app: Any) -> None:
    # connexion reads and validates its specification when the first scope arrives
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed":
            raise CannotStart(str(message.get("message", "a contract cannot be served")).strip().splitlines()[-1])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)


def _apps_of(site: Site, built: dict[tuple[str, int], Apps]) -> Apps:
    return {
        base_path: served_app
        for contract in site.contracts
        for base_path, served_app in built[contract, site.minors_behind(contract)].items()
        if site.offers(contract, served_app[0].major)
    }


def _records(data: Path, site: Site) -> Records:
    others = SITES if site.is_hub else ()
    return Records(
        Store(_path(data, site)), {other.site_id: Store(_path(data, other)) for other in others if not other.is_hub}
    )


def _site_process(
    settings: Settings,
    site: Site,
    sockets: dict[str, socket.socket],
    built: dict[tuple[str, int], Apps],
    clock: Callable[[], datetime],
    parent_pipe: int,
) -> None:
    """The life of one child; never returns."""
    status = 1
    try:
        for site_id, listening in sockets.items():
            if site_id != site.site_id:
                listening.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        front = Front(
            site=site,
            records=_records(settings.data, site),
            apps=_apps_of(site, built),
            clock=clock,
            require_identity=settings.require_identity,
        )
        asyncio.run(_serve_site(front, sockets[site.site_id], parent_pipe))
        status = 0
    except BaseException as fault:
        print(f"demo backend {site.site_id}: {fault!r}", file=sys.stderr)
    finally:
        os._exit(status)


async def _serve_site(front: Front, listening: socket.socket, parent_pipe: int) -> None:
    config = uvicorn.Config(
        front, lifespan="off", log_config=None, log_level="warning", access_log=False, server_header=False
    )
    config.load()
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    loop.add_reader(parent_pipe, stop)
    loop.add_signal_handler(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_STOPPING, signal.SIGCHLD))
    try:
        # the inner coroutine: the outer one would replace our signal handlers and raise the signal again at the end
        await server._serve([listening])
    finally:
        front.records.close()


def _watch(children: dict[int, str], parent: int | None) -> int:
    """Wait for a signal, the death of a child or of the parent; then end what is left."""
    status, stopping_since = 0, None
    while children:
        received = signal.sigtimedwait((*_STOPPING, signal.SIGCHLD), 0.5)
        stopping = received is not None and received.si_signo in _STOPPING
        for pid in list(children):
            ended, code = os.waitpid(pid, os.WNOHANG)
            if ended:
                site_id = children.pop(pid)
                if stopping_since is None and not stopping:
                    print(f"demo backend {site_id} ended by itself ({code}); stopping the others", file=sys.stderr)
                    status, stopping = 1, True
        stopping = stopping or (parent is not None and os.getppid() != parent)
        if stopping and stopping_since is None:
            stopping_since = time.monotonic()
            _tell(children, signal.SIGTERM)
        if stopping_since is not None and time.monotonic() - stopping_since > GRACE_SECONDS:
            _tell(children, signal.SIGKILL)
    return status


def _tell(children: dict[int, str], what: signal.Signals) -> None:
    for pid in children:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass

"""Running the registry in the foreground: ``weighbridge registry``."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import sys
from types import FrameType
from typing import Any

import structlog
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from registry import upkeep
from registry.api import app
from registry.api.desk import PEER, Desk
from registry.errors import RegistryError
from registry.settings import Settings
from registry.store import open_store

DRAIN_SECONDS = 10


def serve(settings: Settings) -> int:
    """Open the database, listen, serve until SIGTERM or SIGINT. Returns the exit code: 0, or 1 when it could not start
    (one line on stderr says why). Call it from the main thread."""
    _log_as(settings.log)
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        return _failed(_why_not(settings, error))
    try:
        store = open_store(settings.database_url)
    except RegistryError as error:
        listener.close()
        return _failed(str(error))
    desk = Desk(store, settings)
    try:
        upkeep.begin(store, settings, desk.keyring, now=desk.now())
        server = _Server(configured(desk), desk)
        host, port = listener.getsockname()[:2]
        structlog.get_logger("registry").info("listening", address=f"http://{host}:{port}")
        server.run(sockets=[listener])
    except RegistryError as error:
        return _failed(str(error))
    finally:
        listener.close()
        store.close()
    return 0


def configured(desk: Desk) -> uvicorn.Config:
    """How the API is served. Left to itself, uvicorn believes whatever address a process on this machine claims to ask
    for, and wrong keys are counted by address. Who really connected is remembered: a proxy is trusted by that."""
    served: Any = app.create(desk)
    if proxies := desk.settings.trusted_proxies:
        served = _remembering_peer(ProxyHeadersMiddleware(served, trusted_hosts=[str(network) for network in proxies]))
    return uvicorn.Config(
        served,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        lifespan="on",
    )


def _remembering_peer(application: Any) -> Any:
    async def called(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope[PEER] = scope["client"]
        await application(scope, receive, send)

    return called


class _Server(uvicorn.Server):
    """Ends in good order: `serve` returns instead of dying of the signal again, which is what uvicorn would have it do,
    and the gateways that wait for a snapshot are answered before it drains: they would hold it up."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._desk.feed.close()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.set_inheritable(False)
    except OSError:
        listener.close()
        raise
    return listener


def _why_not(settings: Settings, error: OSError) -> str:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken; stop what listens there, or set WEIGHBRIDGE_REGISTRY_PORT to another port"
    return f"cannot listen on {where}: {error.strerror or error}"


def _failed(reason: str) -> int:
    sys.stderr.write(f"weighbridge registry: {reason}\n")
    return 1


def _log_as(kind: str) -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    rendering: list[structlog.typing.Processor]
    if kind == "json":
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:  # the default formatter prints local variables, and these may hold keys
        rendering = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

"""The process's own log lines: what happened to it, never what a client sent."""

from __future__ import annotations

from typing import Any

import structlog

from gateway.settings import Settings
from gateway.sink import Sink, encode_text


def configure(settings: Settings, journal: Sink) -> None:
    """Log lines go to standard error, through a sink: a stuck reader must not stop the loop."""

    class Lines:
        def msg(self, message: str) -> None:
            journal.put([message], encode_text)

        debug = info = warning = warn = error = exception = critical = fatal = failure = msg

    renderer: Any = (
        structlog.processors.JSONRenderer() if settings.log == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=lambda *_: Lines(),
        cache_logger_on_first_use=False,
    )

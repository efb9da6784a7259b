"""Start a gateway from a terminal or a container: settings in, exit code out."""

from __future__ import annotations

import sys

from gateway import server
from gateway.settings import Settings


def serve(settings: Settings) -> int:
    """Run in the foreground until SIGTERM or SIGINT. 0: stopped as told; 2: could not start (one line says why)."""
    try:
        return server.serve(settings)
    except server.CannotStart as error:
        print(f"weighbridge gateway: {error}", file=sys.stderr)  # noqa: T201
        return server.CANNOT_START

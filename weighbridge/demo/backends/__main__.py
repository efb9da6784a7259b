"""``python -m weighbridge.demo.backends``: serve until told to stop."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from weighbridge.demo.backends.serving import serve
from weighbridge.demo.backends.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Arguments win over ``WEIGHBRIDGE_DEMO_*``, which win over the defaults."""
    parser = argparse.ArgumentParser(
        prog="python -m weighbridge.demo.backends", description=__doc__, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--base-port", type=int, help="the hub's port; the five sites take the next five (9101)")
    parser.add_argument("--data", type=Path, help="folder of the sites' databases (.weighbridge/backends)")
    parser.add_argument("--specs", type=Path, help="folder of the contracts (specs/services)")
    parser.add_argument("--require-identity", action="store_true", help="refuse calls without identity headers")
    parser.add_argument("--follow-parent", action="store_true", help="end when the starting process dies")
    parser.add_argument("--starts-at", type=datetime.fromisoformat, help="set the demo clock (RFC 3339)")
    return serve(Settings(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    sys.exit(main())

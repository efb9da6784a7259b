"""What gateways do right now: `top`, live in a terminal, or as lines and JSON for scripts."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from typing import Annotated, Any

import typer

from weighbridge.commands import FormatOption
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json

DEFAULT = "http://127.0.0.1:8001"


class Sort(StrEnum):
    """``--sort`` of `top`, and the keys that change it."""

    RATE = "rate"
    ERRORS = "errors"
    LATENCY = "latency"
    NAME = "name"


KEYS = {sort.value[0]: sort for sort in Sort}


def register(app: typer.Typer) -> None:
    app.command()(top)


def top(
    gateways: Annotated[
        list[str] | None,
        typer.Argument(metavar="URL", help=f"Admin addresses of gateways; that of `up`, else {DEFAULT}."),
    ] = None,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.2, max=60)] = 2.0,
    sort: Annotated[Sort, typer.Option(help="What comes first.")] = Sort.RATE,
    once: Annotated[bool, typer.Option("--once", help="Look twice, print what happened in between, and end.")] = False,
    format: FormatOption = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> int:
    """Watch gateways: routes, consumers, limits, upstreams. From /metrics and /readyz; q quits."""
    from weighbridge.client import is_address
    from weighbridge.watching.readings import Watcher

    urls = gateways or [_default()]
    for url in urls:
        if not is_address(url):
            raise CommandError(f"{url!r} is no address of a gateway's admin port, such as {DEFAULT}")
    watcher = Watcher(urls)
    in_json = as_json or format is Format.JSON
    try:
        if once:
            return _once(watcher, interval, sort, in_json)
        return _live(watcher, interval, sort, in_json)
    except KeyboardInterrupt:
        return Exit.OK
    finally:
        watcher.close()


def _default() -> str:
    from weighbridge.settings import ClientSettings, read_private

    return str(read_private(ClientSettings().home / "client.json").get("admin") or DEFAULT)


def _once(watcher: Any, interval: float, sort: Sort, in_json: bool) -> Exit:
    from weighbridge.watching import rates, screen

    before = rates.baseline(watcher.look())
    time.sleep(interval)
    view = rates.compare(before, watcher.look(), sort=sort)
    if in_json:
        say_json(view.to_dict())
    else:
        out.print(screen.draw(view))
    return Exit.UNREACHABLE if all(line.state == "down" for line in view.gateways) else Exit.OK


def _live(watcher: Any, interval: float, sort: Sort, in_json: bool) -> Exit:
    """Until somebody quits. Without a terminal a page, or a line of JSON, for every look."""
    from rich.live import Live

    from weighbridge.watching import rates, screen
    from weighbridge.watching.keyboard import keyboard

    with ExitStack() as stack:
        keys = stack.enter_context(keyboard())
        show: Callable[[Any], None] = out.print
        is_live = out.is_terminal and not in_json
        if is_live:
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # the terminal must be left as it was
            live = stack.enter_context(Live(console=out, screen=True, auto_refresh=False, vertical_overflow="crop"))

            def show(page: Any) -> None:
                live.update(page, refresh=True)

        before: dict[str, Any] = {}
        while True:
            now = watcher.look()
            due = time.monotonic() + interval
            while True:
                view = rates.compare(before, now, sort=sort)
                if in_json:
                    print(json.dumps(view.to_dict(), ensure_ascii=False), flush=True)
                else:
                    height = out.height if is_live else None
                    show(screen.draw(view, height=height, sort=sort, keys=is_live and keys.is_there))
                key = None
                while key not in KEYS and due > time.monotonic():
                    key = keys.pressed(due - time.monotonic())
                    if key == "q":
                        return Exit.OK
                if key not in KEYS:
                    break
                sort = KEYS[key]
            before = rates.baseline(now)

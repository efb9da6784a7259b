"""A view as a page of a terminal: what matters first, no more lines than there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weighbridge.printing import counted
from weighbridge.watching.rates import ConsumerLine, GatewayLine, LimitLine, RouteLine, UpstreamLine, View

STALE_SECONDS = 30
"""A snapshot that the registry has not confirmed for longer is worth a look: polls come every ten."""
LEAST_ROWS = 3
_STATE = {"ready": "green", "not-ready": "yellow", "down": "bold red"}


class _Part(NamedTuple):
    noun: str
    make: Callable[[Any], Table]
    lines: Sequence[Any]
    quiet: int = 0
    """How many more there are that nothing happened to."""


def draw(view: View, *, height: int | None = None, sort: str = "rate", keys: bool = False) -> RenderableType:
    """`height` is how many lines there are; ``None`` for as many as it takes. `keys` says that somebody can press
    some."""
    parts: list[RenderableType] = [*map(_gateway, view.gateways)]
    routes = [line for line in view.routes if line.per_second]
    consumers = [line for line in view.consumers if line.per_second]
    tables = [
        _Part("route", _routes, routes, len(view.routes) - len(routes)),
        _Part("consumer", _consumers, consumers, len(view.consumers) - len(consumers)),
        _Part("limit", _limits, view.limits),
        _Part("upstream", _upstreams, view.upstreams),
    ]
    rows = _shared([len(part.lines) for part in tables], height, taken=len(parts) + keys)
    for part, most in zip(tables, rows, strict=True):
        hidden = len(part.lines) - most
        notes = [f"{hidden} more"] if hidden > 0 else []
        notes += [f"{counted(part.quiet, part.noun)} without calls"] if part.quiet else []
        if part.lines:
            parts.append(part.make(part.lines[:most]))
        elif part.noun == "limit":
            notes.append("nobody is being limited")
        if notes:
            parts.append(Text(", ".join(notes), style="dim", no_wrap=True))
    if keys:
        parts.append(Text(f"sorted by {sort}: r rate, e errors, l latency, n name; q quits", style="dim", no_wrap=True))
    return Group(*parts)


def _shared(wanted: Sequence[int], height: int | None, *, taken: int) -> list[int]:
    """How many rows each table gets: all of them, or a fair part; each needs a heading and maybe a note."""
    if height is None:
        return list(wanted)
    left = max(LEAST_ROWS * len(wanted), height - taken - 3 * len(wanted))
    rows = [min(LEAST_ROWS, number) for number in wanted]
    left -= sum(rows)
    while left > 0 and any(row < number for row, number in zip(rows, wanted, strict=True)):
        for index, number in enumerate(wanted):
            if rows[index] < number and left > 0:
                rows[index] += 1
                left -= 1
    return rows


def _gateway(line: GatewayLine) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(line.url, "bold").append("  ").append(line.state, _STATE[line.state])
    if line.state != "down":
        text.append("  no rate yet" if line.per_second is None else f"  {line.per_second:.1f} req/s")
        text.append(f"  {counted(line.workers, 'worker')}  {counted(line.connections, 'connection')}")
        if line.revision is not None:
            text.append(f"  revision {line.revision}")
        if line.age_seconds is not None:
            stale = line.age_seconds > STALE_SECONDS
            text.append(f"  confirmed {line.age_seconds:.0f} s ago", "yellow" if stale else "")
        if line.counters_lost:
            text.append("  shared counters lost", "bold red")
    if line.why:
        text.append(f"  {line.why}", "yellow")
    return text


def _routes(lines: Iterable[RouteLine]) -> Table:
    table = _table("route", "operation", "req/s", "4xx", "5xx", "p50 ms", "p95", "p99", names=2)
    for line in lines:
        route = f"{line.contract} v{line.major}" if line.contract else "(no route)"
        times = (_time(line.p50), _time(line.p95), _time(line.p99))
        failed = _share(line.failed, "bold red")
        table.add_row(Text(route), Text(line.operation), _rate(line.per_second), _share(line.refused), failed, *times)
    return table


def _consumers(lines: Iterable[ConsumerLine]) -> Table:
    table = _table("consumer", "req/s", "429/s", "403/s", "5xx/s", names=1)
    for line in lines:
        refusals = (_rate(line.limited, "yellow"), _rate(line.forbidden, "yellow"), _rate(line.failed, "bold red"))
        table.add_row(Text(line.application or "(no credentials)"), _rate(line.per_second), *refusals)
    return table


def _limits(lines: Iterable[LimitLine]) -> Table:
    table = _table("limited", "by", "429/s", names=2)
    for line in lines:
        table.add_row(Text(line.application), Text(line.limit), _rate(line.per_second, "yellow"))
    return table


def _upstreams(lines: Iterable[UpstreamLine]) -> Table:
    table = _table("upstream", "in flight", "failures/s", "refused/s", "", names=1)
    for line in lines:
        ejected = Text("ejected", "bold red") if line.ejected else Text("")
        failures = _rate(line.failures, "bold red")
        table.add_row(Text(line.upstream), Text(str(line.in_flight)), failures, _rate(line.refusals, "yellow"), ejected)
    return table


def _table(*headings: str, names: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index < names else "right", no_wrap=True, overflow="ellipsis")
    return table


def _rate(value: float, style: str = "") -> Text:
    return Text(f"{value:.1f}", style) if value else Text("-", "dim")


def _share(value: float, style: str = "yellow") -> Text:
    return Text(f"{value:.1%}", style) if value else Text("-", "dim")


def _time(milliseconds: float | None) -> Text:
    if milliseconds is None:
        return Text("-", "dim")
    return Text("> 30 s", "bold red") if math.isinf(milliseconds) else Text(f"{milliseconds:.1f}")

"""A view as lines."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from tests.unit.weighbridge.watching.made import reading
from tests.unit.weighbridge.watching.test_rates import AFTER, BEFORE
from weighbridge.watching.rates import RouteLine, View, baseline, compare
from weighbridge.watching.readings import Reading
from weighbridge.watching.screen import draw

VIEW = compare(
    baseline([reading(10.0, *BEFORE)]),
    [reading(12.0, *AFTER), Reading(url="http://127.0.0.1:9001", at=12.0, error="refused")],
)


def _lines(view: View, width: int = 120, **more: object) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(draw(view, **more))  # type: ignore[arg-type]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def test_everything_that_happens_has_its_line() -> None:
    assert _lines(VIEW) == [
        "http://127.0.0.1:8001  ready  101.0 req/s  2 workers  9 connections  revision 7  confirmed 3 s ago",
        "http://127.0.0.1:9001  down  refused",
        "route        operation      req/s   4xx    5xx  p50 ms     p95     p99",
        "shipment v1  getShipment    100.0  5.0%  15.0%     5.0    10.0    90.0",
        "shipment v1  listShipments    1.0     -      -  > 30 s  > 30 s  > 30 s",
        "consumer          req/s  429/s  403/s  5xx/s",
        "oakhurst           85.0    3.0    2.0      -",
        "(no credentials)   15.0      -      -   15.0",
        "limited   by                   429/s",
        "oakhurst  rate                   2.0",
        "oakhurst  too-many-concurrent    1.0",
        "upstream  in flight  failures/s  refused/s",
        "dal:80            6        15.0        4.0  ejected",
    ]


def test_what_is_quiet_is_counted_and_not_shown() -> None:
    quiet = compare(baseline([reading(10.0, *AFTER)]), [reading(12.0, *AFTER)])
    assert _lines(quiet)[1:4] == ["2 routes without calls", "2 consumers without calls", "nobody is being limited"]


def test_a_low_terminal_is_not_left_and_says_what_is_missing() -> None:
    route = RouteLine(
        contract="c", major="1", operation="o", per_second=1.0, refused=0, failed=0, p50=None, p95=None, p99=None
    )
    many = replace(VIEW, routes=tuple(replace(route, operation=f"o{index:03}") for index in range(200)))
    for height in (24, 40, 80):
        lines = _lines(many, height=height, keys=True)
        assert len(lines) <= height
        shown = sum(line.startswith("c v1") for line in lines)
        assert f"{200 - shown} more" in lines
        assert lines[-1] == "sorted by rate: r rate, e errors, l latency, n name; q quits"
    assert len(_lines(many, width=40, height=24)) <= 24  # a narrow one cuts, and folds nothing


def test_a_name_is_text_and_no_markup() -> None:
    route = replace(VIEW.routes[0], operation="[red]x[/]", contract="[/]")
    assert any("[/] v1  [red]x[/]" in line for line in _lines(replace(VIEW, routes=(route,))))

"""Who really calls what, as gateways report it: `usage` over days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from weighbridge.commands import FormatOption, split_reference
from weighbridge.commands.contracts import minute
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, say_json, table

UNNAMED = "(no credentials)"


def register(app: typer.Typer) -> None:
    app.command()(usage)


def usage(
    contract: Annotated[
        str | None, typer.Argument(metavar="CONTRACT[@MAJOR]", help="Only calls of it, e.g. shipment or shipment@1.")
    ] = None,
    application: Annotated[str | None, typer.Option(help="Only calls by this application.")] = None,
    days: Annotated[int, typer.Option(help="Of how many days, today (UTC) included.", min=1, max=3660)] = 30,
    daily: Annotated[bool, typer.Option("--daily", help="A line for each day.")] = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Show who called what, how often and when last. As gateways report it, every few seconds."""
    from weighbridge.client import Client

    name, major = split_reference(contract) if contract else (None, None)
    if major is not None and not major.isdecimal():
        raise CommandError(f"usage takes a contract or a major of it, not {contract}: weighbridge usage {name}@1")
    wanted = {"contract": name, "application": application, "days": days, "daily": daily}
    items = list(Client.from_settings().items("/v1/usage", **wanted))
    if major is not None:
        items = [item for item in items if item["major"] == int(major)]
    if format is Format.JSON:
        say_json(items)
        return Exit.OK
    rows = lines(items, today=datetime.now(UTC).date(), daily=daily)
    headings = ("application", "contract", "operation", "calls", "refused", "failed", "a day", "last call")
    table(
        ("day", *headings[:-2], "last call") if daily else headings,
        rows,
        empty=f"nobody called {name or 'anything'} in {days} days, as far as gateways have reported",
    )
    return Exit.OK


def lines(items: Iterable[dict[str, Any]], *, today: date, daily: bool) -> list[tuple[object, ...]]:
    """Items of ``GET /v1/usage`` as rows: outcomes side by side, refused (4xx) and failed (5xx)."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        who = item["application"] or UNNAMED
        day = (item["first_day"],) if daily else ()
        groups[*day, who, f"{item['contract']}@{item['number']}", item["operation"]].append(item)
    rows: list[tuple[object, ...]] = []
    for key, group in sorted(groups.items()):
        of_class = {c: sum(i["calls"] for i in group if i["status_class"] == c) for c in ("4xx", "5xx")}
        calls = sum(item["calls"] for item in group)
        first = min(date.fromisoformat(item["first_day"]) for item in group)
        a_day = () if daily else (f"{calls / max(1, (today - first).days + 1):.1f}",)
        last = minute(max(item["last_at"] for item in group))
        rows.append((*key, calls, of_class["4xx"] or "", of_class["5xx"] or "", *a_day, last))
    return rows

"""Plans and their limits: rates, quotas by the calendar, and what a call costs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from weighbridge.commands import DryRun, FormatOption
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table

Name = Annotated[str, typer.Argument(metavar="PLAN")]

plans = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(plans, name="plans", help="Plans with their limits; lists them without a subcommand.")


@plans.callback()
def _without_command(context: typer.Context, format: FormatOption = Format.TEXT) -> int | None:
    """Plans with their limits; lists them without a subcommand."""
    return list_plans(format) if context.invoked_subcommand is None else None


@plans.command("list")
def list_plans(format: FormatOption = Format.TEXT) -> int:
    """List the plans with their limits."""
    items = list(_client().items("/v1/plans"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("plan", "at once", "counters lost", "limit", "admits", "of"),
            (
                (
                    *((p["name"], p.get("max_concurrent"), p["on_counter_loss"]) if nth == 0 else (" ", " ", " ")),
                    limit["name"],
                    admits(limit, p["time_zone"]),
                    limit.get("operations") or "all calls",
                )
                for p in items
                for nth, limit in enumerate(p["limits"])
            ),
            empty="no plans yet",
        )
    return Exit.OK


@plans.command("show")
def show(plan: Name, format: FormatOption = Format.TEXT) -> int:
    """Show one plan: its limits, and what calls cost of them."""
    held = _client().get(f"/v1/plans/{plan}")
    if format is Format.JSON:
        say_json(held)
        return Exit.OK
    out.print(f"[bold]{held['name']}[/]  {escape(held['title'])}")
    out.print(f"at once        {held['max_concurrent'] or 'any number of calls'}")
    out.print(f"counters lost  {held['on_counter_loss']}")
    out.print(f"time zone      {held['time_zone']}")
    if held["trial_days"]:
        out.print(f"trial          {held['trial_days']} d from approval, then the subscription expires")
    table(
        ("limit", "admits", "of"),
        ((one["name"], admits(one, held["time_zone"]), one["operations"] or "all calls") for one in held["limits"]),
        empty="no limits",
    )
    table(("a call of", "costs", "of"), _weights(held), empty="every call costs one unit")
    return Exit.OK


@plans.command("put")
def put(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="YAML or JSON, as `plans show --format json` prints it; - for standard input."
        ),
    ],
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Create or replace a plan. What applications have used of it stays used."""
    body = _read(file)
    response = _client().request("PUT", f"/v1/plans/{body['name']}", body, params={"dry_run": dry_run or None})
    if format is Format.JSON:
        say_json(response.json())
    else:
        change = response.headers["Weighbridge-Change"]
        told = f"would be {change}" if dry_run and change != "unchanged" else change
        out.print(f"plan [bold]{body['name']}[/]: {told}")
    return Exit.OK


@plans.command("delete")
def delete(plan: Name, dry_run: DryRun = False, format: FormatOption = Format.TEXT) -> int:
    """Delete a plan that nobody is on."""
    _client().delete(f"/v1/plans/{plan}", dry_run=dry_run or None)
    if format is Format.JSON:
        say_json({"plan": plan, "deleted": not dry_run})
    else:
        out.print(f"{'would delete' if dry_run else 'deleted'} plan {plan}")
    return Exit.OK


def admits(limit: dict[str, Any], zone: str) -> str:
    """``5 in 1 s, burst 20``, or ``20000 a month (Europe/Berlin)``."""
    if limit.get("period"):
        return f"{limit['requests']} a{'n' * (limit['period'] == 'hour')} {limit['period']} ({zone})"
    burst = f", burst {limit['burst']}" if limit.get("burst") else ""
    return f"{limit['requests']} in {_span(limit['window'])}{burst}"


def _span(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _weights(plan: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for operation, weight in sorted(plan["weights"].items()):
        yield operation, _cost(weight), "every limit"
    for limit in plan["limits"]:
        for operation, weight in sorted(limit["weights"].items()):
            yield operation, _cost(weight), str(limit["name"])


def _cost(weight: int) -> str:
    return f"{weight} unit{'s' * (weight != 1)}" if weight else "nothing"


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        body = yaml.safe_load(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} is not YAML: {str(error).partition(chr(10))[0]}") from error
    if (
        not isinstance(body, dict)
        or not isinstance(body.get("name"), str)
        or not body["name"].replace("-", "").isalnum()
    ):
        raise CommandError(f"{file} is not a plan: it needs at least a `name` (letters, digits, hyphens) and `limits`")
    return body


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()

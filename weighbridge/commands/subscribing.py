"""Subscriptions as those see them who answer: `weighbridge subscriptions`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from weighbridge.commands import DryRun, FormatOption, major_of
from weighbridge.commands.contracts import minute
from weighbridge.errors import Exit
from weighbridge.printing import Format, out, say_json, table

Application = Annotated[str, typer.Argument(metavar="APPLICATION")]
Line = Annotated[str, typer.Argument(metavar="CONTRACT@MAJOR")]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept, and the consumer reads it.")]
Because = Annotated[str, typer.Option("--reason", help="Why; it is kept, and the consumer reads it.")]

subscriptions = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(
        subscriptions, name="subscriptions", help="Who is subscribed to what; lists them without a subcommand."
    )


@subscriptions.callback()
def _without_command(context: typer.Context, format: FormatOption = Format.TEXT) -> int | None:
    """Who is subscribed to what; lists them without a subcommand."""
    return list_subscriptions(format=format) if context.invoked_subcommand is None else None


@subscriptions.command("list")
def list_subscriptions(
    state: Annotated[
        str | None, typer.Option(help="requested, active, suspended, ended, rejected or withdrawn; else all not over.")
    ] = None,
    contract: Annotated[str | None, typer.Option(help="Only those to this contract.")] = None,
    application: Annotated[str | None, typer.Option(help="Only those of this application.")] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """List the subscriptions that you may see."""
    items = list(_client().items("/v1/subscriptions", state=state, contract=contract, application=application))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("application", "contract", "plan", "state", "sites", "expires", "version", "by", "reason"),
            (
                (
                    s["application"],
                    f"{s['contract']} v{s['major']}",
                    s["plan"],
                    s["state"],
                    s["sites"] or "all",
                    minute(s["expires_at"]),
                    version_of(s) if s["pin"] or s["tryout"] or s["rolled_back"] else "-",
                    s["moved_by"] or s["created_by"],
                    s["reason"],
                )
                for s in items
            ),
            empty="no subscriptions: weighbridge apps request APPLICATION CONTRACT@MAJOR --plan PLAN",
        )
    return Exit.OK


@subscriptions.command("approve")
def approve(
    application: Application,
    contract: Line,
    reason: Reason = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Approve a requested subscription. The trial, if it is one, begins now."""
    return _move(application, contract, "active", reason, dry_run, format)


@subscriptions.command("reject")
def reject(
    application: Application,
    contract: Line,
    reason: Because,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Reject a requested subscription."""
    return _move(application, contract, "rejected", reason, dry_run, format)


@subscriptions.command("withdraw")
def withdraw(
    application: Application,
    contract: Line,
    reason: Reason = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Take a request back."""
    return _move(application, contract, "withdrawn", reason, dry_run, format)


@subscriptions.command("suspend")
def suspend(
    application: Application,
    contract: Line,
    reason: Because,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Let no more calls through, until it is resumed. Gateways refuse them within two seconds."""
    return _move(application, contract, "suspended", reason, dry_run, format)


@subscriptions.command("resume")
def resume(
    application: Application,
    contract: Line,
    reason: Reason = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Let calls through again. A trial goes on to the end that it had."""
    return _move(application, contract, "active", reason, dry_run, format)


@subscriptions.command("end")
def end(
    application: Application,
    contract: Line,
    reason: Reason = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """End a subscription for good: who wants in again asks again."""
    return _move(application, contract, "ended", reason, dry_run, format)


@subscriptions.command("pin")
def pin(
    application: Application,
    contract: Line,
    version: Annotated[str | None, typer.Argument(help="A live version of the major; none lifts the pin.")] = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Serve an application one version of its major. Whatever the others get; ends what it tries."""
    return _choose(application, contract, {"pin": version}, dry_run, format)


@subscriptions.command("try")
def try_(
    application: Application,
    contract: Line,
    version: Annotated[str, typer.Argument(help="A live version: newer than its pin, or in rollout.")],
    share: Annotated[int, typer.Option(help="Percent of its calls, drawn by request.")] = 10,
    minimum: Annotated[int, typer.Option(help="Fewer calls tell nothing.")] = 20,
    window: Annotated[int, typer.Option(help="Seconds over which calls are counted.")] = 60,
    max_percent: Annotated[int | None, typer.Option(help="Roll back when more than that fail.")] = None,
    max_over_base: Annotated[
        int | None, typer.Option(help="Roll back when so many percentage points more fail than of the other calls.")
    ] = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Let an application try a newer version. The gateway takes it away when too many calls fail (5 %)."""
    rule = {"minimum": minimum, "window": window, "max_percent": max_percent, "max_over_base": max_over_base}
    if max_percent is None and max_over_base is None:
        rule["max_percent"] = 5
    tryout = {"version": version, "share": share, "rollback": rule}
    return _choose(application, contract, {"pin": _pin(application, contract), "tryout": tryout}, dry_run, format)


@subscriptions.command("stop-trying")
def stop_trying(
    application: Application, contract: Line, dry_run: DryRun = False, format: FormatOption = Format.TEXT
) -> int:
    """End what an application tries; its pin stays."""
    return _choose(application, contract, {"pin": _pin(application, contract)}, dry_run, format)


def _pin(application: str, contract: str) -> str | None:
    name, major = major_of(contract)
    held = list(_client().items("/v1/subscriptions", application=application, contract=name, major=major))
    return held[0]["pin"] if held else None


def _choose(application: str, contract: str, body: dict[str, Any], dry_run: bool, format: Format) -> int:
    name, major = major_of(contract)
    path = f"/v1/applications/{application}/subscriptions/{name}/{major}/version"
    held = _client().put(path, body, dry_run=dry_run or None)
    if format is Format.JSON:
        say_json(held)
    else:
        would = "would be" if dry_run else "is"
        out.print(f"{application} {would} served of {name} v{major}: [bold]{version_of(held)}[/]")
    return Exit.OK


def version_of(held: dict[str, Any]) -> str:
    """``2.0.0, and 2.1.0 for 10% of its calls``: what it is served of the major."""
    pinned = held["pin"] or "what everybody gets"
    tryout, over = held["tryout"], held["rolled_back"]
    if tryout:
        return f"{pinned}, and {tryout['version']} for {tryout['share']}% of its calls"
    return f"{pinned} ({over['version']} was rolled back: {over['reason']})" if over else pinned


def _move(application: str, contract: str, to: str, reason: str | None, dry_run: bool, format: Format) -> int:
    name, major = major_of(contract)
    path = f"/v1/applications/{application}/subscriptions/{name}/{major}/transitions"
    response = _client().request(
        "POST", path, {"to": to} | ({} if reason is None else {"reason": reason}), params={"dry_run": dry_run or None}
    )
    held = response.json()
    if format is Format.JSON:
        say_json(held)
        return Exit.OK
    if response.headers["Weighbridge-Change"] == "unchanged":
        is_now = "is"
    else:
        is_now = "would be" if dry_run else "is now"
    out.print(f"subscription of {application} to {name} v{major} {is_now} [bold]{held['state']}[/]{terms_of(held)}")
    return Exit.OK


def terms_of(held: dict[str, Any]) -> str:
    """``, at DAL-2 only, until 2027-06-30``: what else was agreed, as long as it holds."""
    if held["state"] not in ("requested", "active", "suspended"):
        return ""
    sites = f", at {escape(', '.join(held['sites']))} only" if held["sites"] else ""
    return sites + (f", until {minute(held['expires_at'])}" if held["expires_at"] else "")


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()

"""Moving a version along its life: deprecate, retire, block, unblock, and the plainer transitions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from weighbridge import judgements
from weighbridge.commands import DryRun, FormatOption, split_reference
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, joined, out, say_json

Reference = Annotated[
    str, typer.Argument(metavar="CONTRACT@VERSION", help="e.g. shipment@1.2.0, or shipment@1 for all of major 1.")
]
Reason = Annotated[str | None, typer.Option(help="Why; goes into the audit log.")]
Force = Annotated[
    bool, typer.Option("--force", help="Admins: go past notice periods and live subscribers; needs --reason.")
]


def register(app: typer.Typer) -> None:
    for command in (submit, deprecate, retire, block, unblock):
        app.command()(command)


def submit(
    reference: Reference, reason: Reason = None, dry_run: DryRun = False, format: FormatOption = Format.TEXT
) -> int:
    """Put a draft up for review: frozen by digest."""
    return _move(reference, "submit", {"reason": reason}, dry_run, format)


def deprecate(
    reference: Reference,
    sunset: Annotated[str, typer.Option(help="Day or instant after which it may be retired, e.g. 2027-06-30.")],
    successor: Annotated[str | None, typer.Option(help="Version or major to move to, e.g. 2.0.0 or 2.")] = None,
    reason: Reason = None,
    force: Force = False,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Announce the end of a major. Replies carry Deprecation, Sunset and Link from now on."""
    body = {"sunset_at": sunset, "successor": successor, "reason": reason, "forced": force}
    return _move(reference, "deprecate", body, dry_run, format)


def retire(
    reference: Reference,
    reason: Reason = None,
    force: Force = False,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """End a deprecated major. Callers get 410 Gone naming the successor, backends are not called any more."""
    return _move(reference, "retire", {"reason": reason, "forced": force}, dry_run, format)


def block(
    reference: Reference,
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log, callers do not read it.")],
    until: Annotated[
        str | None, typer.Option(help="Instant at which it lifts by itself, e.g. 2027-01-31T18:00:00Z.")
    ] = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Switch a version off for now. Callers get 503 with Retry-After."""
    return _move(reference, "block", {"reason": reason, "until": until}, dry_run, format)


def unblock(
    reference: Reference, reason: Reason = None, dry_run: DryRun = False, format: FormatOption = Format.TEXT
) -> int:
    """Switch a blocked version on again."""
    return _move(reference, "unblock", {"reason": reason}, dry_run, format)


def _move(reference: str, action: str, body: dict[str, Any], dry_run: bool, format: Format) -> int:
    from weighbridge.client import Client, Refused

    client = Client.from_settings()
    contract, number = split_reference(reference)
    if number is None:
        raise CommandError(f"{action} needs a version: {contract}@1.2.0, or {contract}@1 for all of major 1")
    if "." not in number:
        number = newest_of_major(client, contract, number)
    request = {
        "action": action,
        "dry_run": dry_run,
        **{name: value for name, value in body.items() if value is not None},
    }
    try:
        moved = client.post(f"/v1/contracts/{contract}/versions/{number}/transitions", request)
    except Refused as refused:
        if format is Format.JSON:
            say_json(dict(refused.problem))
            return int(refused.code)
        judgements.show(refused.problem)
        raise
    if format is Format.JSON:
        say_json(moved)
        return Exit.OK
    judgements.show(moved)
    version = moved["version"]
    stage = f"[bold]{version['stage']}[/]{', blocked' if version.get('block') else ''}"
    if not moved["created"]:
        out.print(f"[dim]unchanged[/] {contract}@{number}: it is {stage}")
        return Exit.OK
    if subscribed := [
        judgements.called(one) for one in (moved.get("impact") or {}).get("touched") or () if one["plan"]
    ]:
        out.print(f"subscribed: {', '.join(subscribed)}", style="dim", markup=False)
    older = f", and with it {joined(moved['also'])}" if moved["also"] else ""
    out.print(f"{contract}@{number}: {'would be ' if dry_run else ''}{stage}{older}")
    return Exit.OK


def newest_of_major(client: Any, contract: str, major: str) -> str:
    """The version that stands for a major: its newest one that is neither draft nor archived."""
    import semver

    numbers: list[str] = [
        version["number"]
        for version in client.items(f"/v1/contracts/{contract}/versions")
        if version["number"].partition(".")[0] == major and version["stage"] not in ("draft", "archived")
    ]
    if not numbers:
        raise CommandError(f"{contract} has no version in major {major}")
    return max(numbers, key=semver.Version.parse)

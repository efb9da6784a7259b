"""The audit log: read it, take it along, prove that nobody changed it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from registry import chain
from weighbridge.commands import FormatOption
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table

ROWS_AT_A_TIME = 1000

audits = typer.Typer(rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(audits, name="audit", help="Who changed what, when and why; is the log whole?")


@audits.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    subject: Annotated[str | None, typer.Option(help="Only rows about it, e.g. contracts/shipment.")] = None,
    last: Annotated[int, typer.Option(help="How many rows, newest first.", min=1, max=200)] = 20,
    format: FormatOption = Format.TEXT,
) -> int:
    """Show who changed what, when and why."""
    if context.invoked_subcommand is not None:
        return Exit.OK
    from weighbridge.client import Client

    rows = Client.from_settings().get("/v1/audit", limit=last, subject=subject)["items"]
    if format is Format.JSON:
        say_json(rows)
    else:
        table(
            ("at", "who", "from", "action", "subject", "revision", "reason"),
            ((*(r[n] for n in ("at", "actor", "source", "action", "subject", "revision")), r["reason"]) for r in rows),
            empty=f"nothing is recorded about {subject}" if subject else "nothing has happened yet",
        )
    return Exit.OK


@audits.command()
def export(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Where to; standard output if left out.")] = None,
) -> int:
    """Write the whole log as JSON Lines. Oldest first, each row with its hash."""
    lines = (line + b"\n" for line in _exported())
    if file is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
        return Exit.OK
    with file.open("xb") as target:  # an older export is evidence
        target.writelines(lines)
    return Exit.OK


@audits.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="An export; the registry's log if left out.", exists=True)
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(help="A head noted earlier, which must still be in the chain. May be repeated.")
    ] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Prove that the log is whole. Every row as it was written, none missing, none added in between.

    Keep the head that is printed somewhere else, and name it next time: nobody can then have cut off or rewritten what
    led to it.
    """
    rows = _read(file.read_bytes().splitlines() if file is not None else _exported())
    verdict = chain.verify(rows, heads=head or ())
    if format is Format.JSON:
        say_json({**asdict(verdict), "is_whole": verdict.is_whole})
    elif verdict.broken is not None:
        out.print(f"[red]broken at row {verdict.broken}[/]: {verdict.why}", highlight=False)
        out.print(f"rows 1 to {verdict.rows} are whole; their head is {verdict.head}", highlight=False)
    else:
        for lost in verdict.missing:
            out.print(f"[red]not in the chain[/]: {lost}", highlight=False, soft_wrap=True)
        if not verdict.missing:
            out.print(f"[green]whole[/]: {verdict.rows} rows", highlight=False)
        out.print(f"head {verdict.head}", highlight=False, soft_wrap=True)
    if not verdict.rows and verdict.broken is None:
        raise CommandError("there are no rows, so nothing was verified", code=Exit.UNDECIDED)
    return Exit.OK if verdict.is_whole else Exit.REFUSED


def _exported() -> Iterator[bytes]:
    from weighbridge.client import Client

    client = Client.from_settings()
    after = 0
    while True:
        answer = client.request("GET", "/v1/audit/export", params={"after": after, "limit": ROWS_AT_A_TIME})
        lines = answer.content.splitlines()
        yield from lines
        if len(lines) < ROWS_AT_A_TIME:
            return
        after = msgspec.json.decode(lines[-1])["seq"]


def _read(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise CommandError(f"line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise CommandError(f"line {number} is not a row of an audit log")
        yield row

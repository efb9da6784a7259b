"""Authorities that are trusted to name clients: `weighbridge anchors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.commands import DryRun, FormatOption
from weighbridge.commands.contracts import day
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table

Anchor = Annotated[str, typer.Argument(metavar="ANCHOR")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Certificates of authorities in PEM form.")]

anchors = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(anchors, name="anchors", help="Authorities that are trusted to name clients (mutual TLS).")


@anchors.command("list")
def list_anchors(format: FormatOption = Format.TEXT) -> int:
    """List the trust anchors with their authorities."""
    items = list(_client().items("/v1/trust-anchors"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("anchor", "valid until", "sha-256", "subject"),
            (
                (item["name"], day(one["valid_until"]), one["fingerprint"][:16], one["subject"])
                for item in items
                for one in item["authorities"]
            ),
            empty="no trust anchors yet: weighbridge anchors put NAME FILE",
        )
    return Exit.OK


@anchors.command("put")
def put(anchor: Anchor, file: File, dry_run: DryRun = False, format: FormatOption = Format.TEXT) -> int:
    """Create or replace a trust anchor. It names nobody yet: `weighbridge apps certificate` does."""
    text = file.read_text("utf-8", "replace")
    if "PRIVATE KEY" in text:
        raise CommandError(f"{file} holds a private key, which never leaves its owner; give the certificates alone")
    body = {"certificates": text}
    held: dict[str, Any] = _client().put(f"/v1/trust-anchors/{anchor}", body, dry_run=dry_run)
    if format is Format.JSON:
        say_json(held)
    else:
        would = "would be" if dry_run else "is"
        subjects = "; ".join(one["subject"] for one in held["authorities"])
        out.print(f"{anchor} {would} trusted to name clients: {subjects}", markup=False)
    return Exit.OK


@anchors.command("delete")
def delete(anchor: Anchor, dry_run: DryRun = False, format: FormatOption = Format.TEXT) -> int:
    """Delete a trust anchor that no live credential names."""
    _client().delete(f"/v1/trust-anchors/{anchor}", dry_run=dry_run)
    if format is Format.JSON:
        say_json({"anchor": anchor, "deleted": not dry_run})
    else:
        out.print(f"{anchor} {'would be' if dry_run else 'is'} deleted")
    return Exit.OK


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()

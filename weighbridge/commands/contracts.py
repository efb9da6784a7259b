"""Contracts and versions: apply a folder, publish a file, list what there is, see who did what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge import judgements
from weighbridge.commands import DryRun, FormatOption, split_reference
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table


def register(app: typer.Typer) -> None:
    app.command()(apply)
    app.command()(publish)
    app.command("contracts")(list_contracts)
    app.command()(versions)


def apply(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A contract's folder, or a folder of such folders.")],
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Make the registry hold what a folder holds. Teams, contracts and every version file; safe to repeat."""
    from weighbridge.applying import apply_folder, print_steps, read_folder
    from weighbridge.client import Client

    steps = apply_folder(Client.from_settings(), read_folder(folder), dry_run=dry_run)
    if format is Format.TEXT:
        return Exit.OK if print_steps(steps, dry_run=dry_run) else Exit.REFUSED
    done = list(steps)
    say_json({"dry_run": dry_run, "steps": [step.to_dict() for step in done]})
    return Exit.REFUSED if any(step.refused for step in done) else Exit.OK


def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OpenAPI 3.0 or 3.1 document, YAML or JSON.")],
    contract: Annotated[
        str | None, typer.Option(help="Contract name; by default that of the contract.yaml beside or above FILE.")
    ] = None,
    number: Annotated[str | None, typer.Option(help="Version number; by default info.version of the document.")] = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Store as a draft: frozen by digest, served to nobody.")
    ] = False,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Publish one version. Says whom it would break, with proof, and refuses when the rules refuse."""
    from weighbridge.applying import contract_of, publish_file
    from weighbridge.client import Client, Refused

    name = contract or contract_of(file)
    try:
        publication = publish_file(
            Client.from_settings(), name, file, number=number, stage="draft" if draft else "published", dry_run=dry_run
        )
    except Refused as refused:
        if format is Format.JSON:
            say_json(dict(refused.problem))
            return int(refused.code)
        if refused.status == 404:
            raise CommandError(
                f"the registry has no contract {name}: `weighbridge apply DIR` registers it first"
            ) from refused
        judgements.show(refused.problem)
        raise
    if format is Format.JSON:
        say_json(publication)
        return Exit.OK
    version = publication.get("version") or {}
    judgements.show(publication)
    reference = f"{name}@{version.get('number', number or '?')}"
    stage = version.get("stage", "published")
    if not publication.get("created"):
        out.print(f"[dim]unchanged[/] {reference}: this very document is already {stage}")
    elif dry_run:
        out.print(f"[green]would be {stage}[/] {reference} (bump {publication.get('bump')}); nothing was changed")
    else:
        out.print(f"[green]{stage}[/] {reference}  {version.get('digest', '')}")
    return Exit.OK


def list_contracts(format: FormatOption = Format.TEXT) -> int:
    """List the contracts."""
    from weighbridge.client import Client

    items = list(Client.from_settings().items("/v1/contracts"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("contract", "owner", "audience", "default", "title"),
            ((c["name"], c["owner"], c["audience"], c.get("default_major"), c["title"]) for c in items),
            empty="no contracts yet: weighbridge apply DIR",
        )
    return Exit.OK


def versions(
    contract: Annotated[str, typer.Argument(metavar="CONTRACT")],
    format: FormatOption = Format.TEXT,
) -> int:
    """List a contract's versions with their stage and dates."""
    from weighbridge.client import Client

    name, number = split_reference(contract)
    if number is not None:
        raise CommandError(f"versions takes a contract, not one version: weighbridge versions {name}")
    items = list(Client.from_settings().items(f"/v1/contracts/{name}/versions"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("version", "stage", "published", "deprecated", "sunset", "successor", "blocked", "digest"),
            (
                (
                    v["number"],
                    v["stage"],
                    day(v.get("published_at")),
                    day(v.get("deprecated_at")),
                    day(v.get("sunset_at")),
                    v.get("successor"),
                    (v.get("block") or {}).get("reason"),
                    v["digest"][:19],
                )
                for v in items
            ),
            empty=f"{name} has no versions yet: weighbridge publish FILE",
        )
    return Exit.OK


def day(instant: Any) -> str | None:
    """Instants come as RFC 3339; a person wants the day."""
    return str(instant)[:10] if instant else None


def minute(instant: Any) -> str | None:
    """For what happened just now: day and minute, in UTC as it came."""
    return str(instant)[:16].replace("T", " ") if instant else None

"""Contracts and versions: apply a folder, publish a file, list what there is, see who did what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.commands import DryRun, FormatOption, split_reference
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, findings, out, say_json, table, verdict


def register(app: typer.Typer) -> None:
    app.command()(apply)
    app.command()(publish)
    app.command("contracts")(list_contracts)
    app.command()(versions)
    app.command()(audit)


def apply(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A contract's folder, or a folder of such folders.")],
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Make the registry hold what DIR holds: teams, contracts and every version file. Safe to repeat."""
    from weighbridge.applying import apply_folder, read_folder
    from weighbridge.client import Client

    steps = list(apply_folder(Client.from_settings(), read_folder(folder), dry_run=dry_run))
    if format is Format.JSON:
        say_json({"dry_run": dry_run, "steps": [step.to_dict() for step in steps]})
    else:
        from weighbridge.applying import print_steps

        print_steps(steps, dry_run=dry_run)
    return Exit.REFUSED if any(step.refused for step in steps) else Exit.OK


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
        if refused.problem.get("reports"):
            print_reports(refused.problem)
        raise
    if format is Format.JSON:
        say_json(publication)
        return Exit.OK
    version = publication.get("version") or {}
    print_reports(publication)
    reference = f"{name}@{version.get('number', number or '?')}"
    if dry_run:
        out.print(f"[green]would publish[/] {reference} (bump {publication.get('bump')}); nothing was changed")
    elif publication.get("created"):
        out.print(f"[green]{version.get('stage', 'published')}[/] {reference}  {version.get('digest', '')}")
    else:
        out.print(f"[dim]unchanged[/] {reference}: this very document is already {version.get('stage', 'there')}")
    return Exit.OK


def print_reports(body: Mapping[str, Any]) -> None:
    """What a publication or a refusal rests on: comparisons with proof, lint errors, gates, and whom it hurts."""
    reports = body.get("reports") or {}
    compared = [*(reports.get("comparisons") or ()), *filter(None, [reports.get("previous")])]
    shown: set[str] = set()
    for comparison in compared:
        # a change that breaks several live versions in the same way is told once
        fresh = [f for f in comparison["findings"] if f["severity"] != "info" and f.get("fingerprint") not in shown]
        shown |= {str(f.get("fingerprint")) for f in fresh}
        number, said = comparison.get("against"), comparison["verdict"]
        out.print(f"compared with {number}: {verdict(said)}, bump {comparison['bump']}")
        findings(fresh)
    for name in ("lint", "gates"):
        report = reports.get(name) or {}
        held = report.get("findings") or ()
        findings(f for f in held if f["severity"] == "error" or (name == "gates" and f["severity"] == "warning"))
        warnings = sum(f["severity"] == "warning" for f in held)
        if name == "lint" and warnings:
            out.print(f"lint: {warnings} warnings, `weighbridge lint FILE` shows them", style="dim")
    for application in (body.get("impact") or {}).get("hurt") or ():
        out.print(f"[bold red]hurts[/] {application}")


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


def audit(
    subject: Annotated[str | None, typer.Option(help="Only rows about this subject.")] = None,
    last: Annotated[int, typer.Option(help="How many rows, newest first.", min=1, max=200)] = 20,
    format: FormatOption = Format.TEXT,
) -> int:
    """Show who changed what, when and why."""
    from weighbridge.client import Client

    rows = Client.from_settings().get("/v1/audit", limit=last, subject=subject)["items"]
    if format is Format.JSON:
        say_json(rows)
    else:
        table(
            ("at", "who", "action", "subject", "revision", "reason"),
            ((r["at"], r["actor"], r["action"], r["subject"], r.get("revision"), r.get("reason")) for r in rows),
            empty="nothing has happened yet",
        )
    return Exit.OK


def day(instant: Any) -> str | None:
    """Instants come as RFC 3339; a person wants the day."""
    return str(instant)[:10] if instant else None

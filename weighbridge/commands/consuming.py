"""What an application may call: its contracts, and each contract's document reduced to what holds for it."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.commands import FormatOption, split_reference
from weighbridge.commands.access import Application, apps
from weighbridge.commands.contracts import day
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, err, say_json, table


class Syntax(StrEnum):
    """How a document is written."""

    YAML = "yaml"
    JSON = "json"


def register(_app: typer.Typer) -> None:
    """The commands hang on `apps`."""


@apps.command("contracts")
def contracts(application: Application, format: FormatOption = Format.TEXT) -> int:
    """List what an application may call. The version it gets of each major, and where."""
    items = list(_client().items(f"/v1/applications/{application}/contracts"))
    if format is Format.JSON:
        say_json(items)
        return Exit.OK
    table(
        ("contract", "version", "stage", "sunset", "plan", "address"),
        (
            (
                f"{item['contract']}@{item['major']}",
                item["version"] or "",
                item["stage"] or "not served",
                day(item["sunset_at"]),
                item["plan"],
                item["address"],
            )
            for item in items
        ),
        empty=f"no subscriptions: weighbridge apps subscribe {application} CONTRACT@MAJOR --plan PLAN",
    )
    return Exit.OK


@apps.command("contract")
def contract(
    application: Application,
    reference: Annotated[str, typer.Argument(metavar="CONTRACT[@MAJOR]")],
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of standard output.")] = None,
    format: Annotated[Syntax | None, typer.Option(help="By default what FILE ends in, else yaml.")] = None,
) -> int:
    """Print a contract as it holds for one application. An OpenAPI document with only what it may call."""
    name, major = split_reference(reference)
    if major is not None and not major.isdecimal():
        raise CommandError(f"{reference!r} is not CONTRACT or CONTRACT@MAJOR, e.g. shipment or shipment@1")
    tree = _client().get(f"/v1/applications/{application}/contracts/{name}/openapi.json", major=major)
    text = _written(tree, format or (Syntax.JSON if out is not None and out.suffix == ".json" else Syntax.YAML))
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, "utf-8")
        count = sum(key in _METHODS for item in tree["paths"].values() for key in item)
        told = f"{name}@{tree['info']['x-weighbridge']['version']} as {application} may call it"
        err.print(f"{out}: {told}, {count} operation{'' if count == 1 else 's'}", markup=False)
    return Exit.OK


_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def _written(tree: Any, syntax: Syntax) -> str:
    if syntax is Syntax.JSON:
        return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    import yaml

    class Dumper(yaml.CSafeDumper):
        """Says everything in its place: an anchor is not for people, nor for every reader."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def prose(dumper: Dumper, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, prose)
    return yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()

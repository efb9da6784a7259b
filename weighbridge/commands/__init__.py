"""The commands, one file per subject, each with a `register` function. Imports that cost time stand in the functions.

A command returns its exit code; anything it cannot do is a `CommandError`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from weighbridge.errors import CommandError
from weighbridge.printing import Format

FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")]


def major_of(reference: str) -> tuple[str, str]:
    """``shipment@1`` -> ``("shipment", "1")``: what is subscribed to is a major."""
    contract, major = split_reference(reference)
    if major is None or not major.isdigit():
        raise CommandError(f"subscriptions are to a major: {contract}@1")
    return contract, major


def split_reference(reference: str) -> tuple[str, str | None]:
    """``shipment@1.1.0`` -> ``("shipment", "1.1.0")``; the version may be a major, or absent."""
    contract, _, number = reference.partition("@")
    if not contract or (not number and "@" in reference):
        raise CommandError(f"{reference!r} is not CONTRACT or CONTRACT@VERSION, e.g. shipment@1.1.0 or shipment@1")
    return contract, number or None

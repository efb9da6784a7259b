"""Credentials beyond keys and secrets: `weighbridge apps certificate` and `weighbridge apps rotate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.commands import FormatOption
from weighbridge.commands.access import Application, Expires, Label, apps
from weighbridge.commands.contracts import day
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, err, out, say_json

Credential = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="Its id, as `apps show` lists it.")]
_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def register(app: typer.Typer) -> None:
    """The commands stand in the group `apps` as soon as this module is imported."""


@apps.command("rotate")
def rotate(
    application: Application,
    credential: Credential,
    overlap: Annotated[str, typer.Option(help="So long the old one stays good: 0, 90min, 12h, 7d.")] = "7d",
    label: Annotated[str | None, typer.Option(help="Label of the new one; by default as before.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="Day or instant of its end; by default it lives as long as the old one did.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it is kept in the audit log.")] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Replace an API key or client secret by a new one. It is shown once; both are good until the overlap is over."""
    from weighbridge.client import Client

    given = {"label": label, "expires_at": expires, "reason": reason}
    body: dict[str, Any] = {"overlap_seconds": span(overlap)}
    body |= {name: value for name, value in given.items() if value is not None}
    made = Client.from_settings().post(f"/v1/applications/{application}/credentials/{credential}/rotation", body)
    if format is Format.JSON:
        say_json(made)
        return Exit.OK
    print(made["secret"])
    new, old = made["credential"], made["replaced"]
    err.print(
        f"{new['kind']} {new['id']} of {application}; this is the only time it is shown\n"
        f"{old['id']} {'has expired' if old['state'] == 'expired' else 'is good until ' + old['expires_at']}"
        + (f"; {new['id']} until {day(new['expires_at'])}" if new["expires_at"] else ""),
        style="dim",
        markup=False,
    )
    return Exit.OK


@apps.command("certificate")
def certificate(
    application: Application,
    file: Annotated[Path | None, typer.Option(help="The client's own certificate in PEM form.")] = None,
    anchor: Annotated[str | None, typer.Option(help="Or the trust anchor that issues it, with one name below.")] = None,
    subject_dn: Annotated[
        str | None, typer.Option(help="Its whole subject, such as CN=edi-bridge,O=Brightwater.")
    ] = None,
    san_dns: Annotated[str | None, typer.Option(help="A DNS name among its alternative names.")] = None,
    san_uri: Annotated[str | None, typer.Option(help="A URI among its alternative names.")] = None,
    label: Label = "",
    expires: Expires = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Let a client certificate speak for the application. This one, or any that an anchor issues for a name."""
    from weighbridge.client import Client

    text = None if file is None else file.read_text("utf-8", "replace")
    if text is not None and "PRIVATE KEY" in text:
        raise CommandError(f"{file} holds a private key, which never leaves its owner; give the certificate alone")
    given = {
        "certificate": text,
        "anchor": anchor,
        "subject_dn": subject_dn,
        "san_dns": san_dns,
        "san_uri": san_uri,
        "expires_at": expires,
    }
    body = {"kind": "certificate", "label": label} | {name: value for name, value in given.items() if value is not None}
    made = Client.from_settings().post(f"/v1/applications/{application}/credentials", body)
    if format is Format.JSON:
        say_json(made)
        return Exit.OK
    held = made["credential"]
    what = f"what {held['anchor']} issues for {held['subject']}" if held["anchor"] else f"sha-256 {held['subject']}"
    until = f", until {day(held['expires_at'])}" if held["expires_at"] else ""
    out.print(f"certificate {held['id']} of {application}: {what}{until}", markup=False)
    return Exit.OK


def span(text: str) -> int:
    """Seconds of ``7d``, ``12h``, ``90min``, ``30s`` or ``0``. Raises `CommandError`."""
    match = re.fullmatch(r"([0-9]{1,9})(s|min|h|d)?", text, re.ASCII)
    if match is None or (match[2] is None and int(match[1])):
        raise CommandError(f"{text!r} is no span of time, such as 7d, 12h, 90min, 30s or 0")
    return int(match[1]) * _UNITS[match[2] or "s"]

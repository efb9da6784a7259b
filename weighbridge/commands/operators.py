"""Who governs: operators, their roles and management keys."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from weighbridge.commands import FormatOption
from weighbridge.commands.contracts import day
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, err, out, say_json, table

operators = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_SPAN = re.compile(r"([1-9][0-9]{0,5})(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def register(app: typer.Typer) -> None:
    app.add_typer(operators, name="operators", help="Who governs: operators, their roles and management keys.")


@operators.command("list")
def list_operators(format: FormatOption = Format.TEXT) -> int:
    """List the operators that you may see, revoked ones included."""
    items = list(_client().items("/v1/operators"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("operator", "name", "role", "of", "created", "expires", "revoked"),
            (
                (o["id"], o["name"], o["role"], _of(o), day(o["created_at"]), o["expires_at"], day(o["revoked_at"]))
                for o in items
            ),
            empty="no operators yet: weighbridge operators create NAME --role ROLE",
        )
    return Exit.OK


@operators.command("show")
def show(
    operator: Annotated[str, typer.Argument(metavar="OPERATOR", help="Its id, as `operators list` says it.")],
    format: FormatOption = Format.TEXT,
) -> int:
    """Show one operator."""
    held = _client().get(f"/v1/operators/{operator}")
    if format is Format.JSON:
        say_json(held)
    else:
        _tell(held)
        for name in ("created_at", "created_by", "expires_at", "revoked_at"):
            out.print(f"{name.replace('_', ' '):<11} {held[name] or '-'}", markup=False)
    return Exit.OK


@operators.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is; it stands in the audit log.")],
    role: Annotated[str, typer.Option(help="What it may: docs/roles.md.")],
    team: Annotated[str | None, typer.Option(help="The team of a maintainer or member.")] = None,
    contract: Annotated[str | None, typer.Option(help="The one contract of a robot.")] = None,
    consumer: Annotated[
        list[str] | None,
        typer.Option(help="The one consumer of a partner; one of a partner manager, who without has all partners."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When the key ends: 30min, 8h, 90d, or a date. A robot needs one, 24h at most.")
    ] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Let somebody in. The management key is shown once: the registry keeps only its digest."""
    given = {"name": name, "role": role, "team": team, "contract": contract, "consumers": consumer or None}
    body = {key: value for key, value in given.items() if value is not None} | _end(expires)
    made = _client().post("/v1/operators", body)
    if format is Format.JSON:
        say_json(made)
        return Exit.OK
    print(made["key"])
    operator = made["operator"]
    until = f" until {operator['expires_at']}" if operator["expires_at"] else ""
    err.print(
        f"key {operator['id']} of {name}, {_told(operator)}{until}; this is the only time it is shown",
        style="dim",
        markup=False,
    )
    return Exit.OK


@operators.command("revoke")
def revoke(
    operator: Annotated[str, typer.Argument(metavar="OPERATOR", help="Its id, as `operators list` says it.")],
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the audit log.")] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Revoke an operator's key: refused from now on."""
    held = _client().request("DELETE", f"/v1/operators/{operator}", params={"reason": reason}).json()
    if format is Format.JSON:
        say_json(held)
    else:
        out.print(f"revoked {held['id']} of {held['name']}", markup=False)
    return Exit.OK


@operators.command("whoami")
def whoami(format: FormatOption = Format.TEXT) -> int:
    """Say whom your management key speaks for."""
    held = _client().get("/v1/whoami")
    if format is Format.JSON:
        say_json(held)
    else:
        _tell(held)
    return Exit.OK


def _tell(operator: dict[str, Any]) -> None:
    out.print(f"{operator['name']} is {_told(operator)}", markup=False)


def _told(operator: dict[str, Any]) -> str:
    article = "an" if operator["role"][0] in "ao" else "a"
    of = _of(operator)
    return f"{article} {operator['role']}" + (f" of {of}" if of else "")


def _of(operator: dict[str, Any]) -> str:
    if operator["role"] == "partner-manager" and operator["consumers"] is None:
        return "all partners"
    return operator["contract"] or ", ".join(operator["consumers"] or ()) or operator["team"] or ""


def _end(expires: str | None) -> dict[str, Any]:
    """A span is counted by the registry's clock, not by ours."""
    if expires is None:
        return {}
    if span := _SPAN.fullmatch(expires):
        return {"expires_in": int(span[1]) * _SECONDS[span[2]]}
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", expires):
        raise CommandError(f"--expires {expires!r} is neither a span such as 30min, 8h or 90d nor a date")
    return {"expires_at": expires}


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()

"""Tokens that were issued: what one is worth now (RFC 7662), and taking one back (RFC 7009)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from weighbridge.commands import FormatOption
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Token = Annotated[str, typer.Argument(metavar="TOKEN", help="The token, or - to read it from standard input.")]


def register(app: typer.Typer) -> None:
    app.add_typer(tokens, name="tokens", help="Tokens that were issued: look at one, take one back.")


@tokens.command("inspect")
def inspect(token: Token, format: FormatOption = Format.TEXT) -> int:
    """Say whether a token is good now, and whose it is. With a management key; exit code 1 when it is not good."""
    from weighbridge.client import Client
    from weighbridge.issuing import ask, by_operator

    client = Client.from_settings()
    answer = ask(client.url, "/oauth/introspect", {"token": _read(token)}, by_operator(client.key)).json()
    if format is Format.JSON:
        say_json(answer)
    elif answer["active"]:
        until = datetime.fromtimestamp(answer["exp"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        out.print(f"active until {until}: {answer['client_id']}, scope {answer.get('scope', '(none)')}")
    else:
        out.print("not active: expired, revoked, its credential gone, or none of ours")
    return Exit.OK if answer["active"] else Exit.REFUSED


@tokens.command("revoke")
def revoke(
    token: Token,
    application: Annotated[str, typer.Option(help="The application that it was issued to.")],
    secret: Annotated[str | None, typer.Option(envvar="WEIGHBRIDGE_CLIENT_SECRET", help="Its client secret.")] = None,
    key: Annotated[Path | None, typer.Option(help="Or its private key (PEM).")] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Take a token back: every gateway refuses it within two seconds. Done by the application itself."""
    from weighbridge.client import registry_address
    from weighbridge.issuing import ask, by_key, by_secret
    from weighbridge.settings import ClientSettings

    url = registry_address(ClientSettings())
    if key is not None:
        proof = by_key(application, key, url)
    elif secret:
        proof = by_secret(application, secret)
    else:
        raise CommandError(f"prove that you are {application}: --secret, or --key FILE")
    ask(url, "/oauth/revoke", {"token": _read(token)}, proof)
    if format is Format.JSON:
        say_json({"application": application, "revoked": True})
    else:
        out.print("revoked")
    return Exit.OK


def _read(token: str) -> str:
    import sys

    return sys.stdin.read().strip() if token == "-" else token  # noqa: S105  # the usual word for standard input

"""The `weighbridge` command. Owns nothing but the list of commands, its order, and the way errors leave the process.

Commands stand in `weighbridge.commands`, one file per subject. Exit codes: `weighbridge.errors.Exit`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from weighbridge.commands import (
    access,
    anchors,
    auditing,
    consuming,
    contracts,
    credentials,
    issuers,
    judging,
    keys,
    lifecycle,
    operators,
    plans,
    running,
    subscribing,
    tokens,
    top,
    usage,
)
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import err

EPILOG = (
    "Exit codes: 0 yes, 1 no (breaking, refused, failed), 2 could not read the question, 3 undecided, "
    "4 the registry did not answer or did not accept the key."
)

READER_GONE = 128 + signal.SIGPIPE
"""As a shell tells of a program that wrote to a closed pipe: neither yes nor no."""


CHAPTERS = (
    ("Run", "up registry gateway backends"),
    ("Judge, without a registry", "lint diff explain"),
    ("Contracts and their life", "contracts versions apply publish verify submit deprecate retire block unblock"),
    ("Who may call", "apps subscriptions plans token tokens keygen issuers anchors signing-keys"),
    ("Who governs, and what happened", "operators audit"),
    ("Watch", "top usage snapshot"),
)
"""How `weighbridge --help` parts its commands. One that no chapter names is listed behind all of them."""


class _Chapters(TyperGroup):
    """Help in chapters: in one long list nobody finds anything."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        listed = {name: self.commands[name] for name in self.list_commands(ctx) if not self.commands[name].hidden}
        broad = max(map(len, listed))
        chapters = [(title, names.split()) for title, names in CHAPTERS]
        told = {name for _, names in chapters for name in names}
        for title, names in [*chapters, ("More", [name for name in listed if name not in told])]:
            rows = [
                (name.ljust(broad), listed[name].get_short_help_str(formatter.width - 6 - broad))
                for name in names
                if name in listed
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _version(asked: bool) -> None:
    if asked:
        print(f"weighbridge {metadata.version('weighbridge')}")
        raise typer.Exit


app = typer.Typer(
    name="weighbridge",
    cls=_Chapters,
    help="A governed API gateway and contract registry.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """A governed API gateway and contract registry."""


for module in (
    running,
    contracts,
    credentials,
    judging,
    lifecycle,
    access,
    anchors,
    auditing,
    consuming,
    issuers,
    keys,
    operators,
    plans,
    subscribing,
    tokens,
    top,
    usage,
):
    module.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, which is what its function returns."""
    command = typer.main.get_command(app)
    given = list(arguments) if arguments is not None else None
    try:
        code: Exit | int | None = command.main(args=given, prog_name="weighbridge", standalone_mode=False)
        sys.stdout.flush()
        return int(code or Exit.OK)
    except typer.TyperException as error:
        return _misused(error)
    except CommandError as error:
        _say(str(error), *error.lines)
        return int(error.code)
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _forget_output()  # rich and typer leave with 1 when nobody reads on (`| head`), which would be our no
        return READER_GONE
    except BrokenPipeError:
        _forget_output()
        return READER_GONE
    except OSError as error:
        if error.filename is None:
            _forget_output()
        _say(f"{error.filename or 'the output cannot be written'}: {error.strerror}")
        return int(Exit.UNREADABLE)
    except Exception:
        traceback.print_exc()
        _say("this is a defect, and no answer; please report the lines above")
        return int(Exit.UNREADABLE)


def _misused(error: typer.TyperException) -> int:
    """A wrong command line in one line; help that nobody asked for goes to standard error."""
    context = getattr(error, "ctx", None)
    told = getattr(error, "format_message", lambda: str(error))()
    if told.startswith("Usage:") or context is None:
        print(told, file=sys.stderr)
    else:
        _say(f"{told.rstrip('.?')}; `{context.command_path} --help` says what there is")
    return int(Exit.UNREADABLE)


def _say(message: str, *lines: str) -> None:
    err.print(f"weighbridge: {message}", style="red", markup=False)
    for line in lines:
        err.print(line, markup=False)


def _forget_output() -> None:
    """What Python still wants to flush has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

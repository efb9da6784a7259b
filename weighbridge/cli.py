"""The `weighbridge` command. Owns nothing but the list of commands and the way errors leave the process.

Commands stand in `weighbridge.commands`, one file per subject. Exit codes: `weighbridge.errors.Exit`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

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


def _version(asked: bool) -> None:
    if asked:
        print(f"weighbridge {metadata.version('weighbridge')}")
        raise typer.Exit


app = typer.Typer(
    name="weighbridge",
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

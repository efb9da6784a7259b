"""The `weighbridge` command. Owns nothing but the list of commands and the way errors leave the process.

Commands stand in `weighbridge.commands`, one file per subject. Exit codes: `weighbridge.errors.Exit`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from weighbridge.commands import access, contracts, judging, lifecycle, running
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import err

EPILOG = (
    "Exit codes: 0 yes, 1 no (breaking, refused, failed), 2 could not read the question, 3 undecided, "
    "4 registry unreachable."
)


def _leave(result: object) -> None:
    """A command's return value is its exit code."""
    raise typer.Exit(int(result) if isinstance(result, int) else int(Exit.OK))


app = typer.Typer(
    name="weighbridge",
    help="A governed API gateway and contract registry.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    result_callback=_leave,
)
for module in (running, contracts, judging, lifecycle, access):
    module.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        typer.main.get_command(app)(args=list(arguments) if arguments is not None else None, prog_name="weighbridge")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(Exit.OK)
    except CommandError as error:
        err.print(f"weighbridge: {error}", style="red", markup=False)
        for line in error.lines:
            err.print(line, markup=False)
        return int(error.code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader went away (`| head`); what Python still wants to flush has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.OK)
    return int(Exit.OK)

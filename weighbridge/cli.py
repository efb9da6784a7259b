"""The `weighbridge` command. Owns nothing but the list of commands and the way errors leave the process.

Commands stand in `weighbridge.commands`, one file per subject. Exit codes: `weighbridge.errors.Exit`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
import typer

from weighbridge.commands import access, contracts, judging, lifecycle, running
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import err

EPILOG = (
    "Exit codes: 0 yes, 1 no (breaking, refused, failed), 2 could not read the question, 3 undecided, "
    "4 registry unreachable."
)

app = typer.Typer(
    name="weighbridge",
    help="A governed API gateway and contract registry.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (running, contracts, judging, lifecycle, access):
    module.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    command = typer.main.get_command(app)
    try:
        result = command.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except CommandError as error:
        err.print(f"weighbridge: {error}", style="red", markup=False)
        for line in error.lines:
            err.print(line, markup=False)
        return int(error.code)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        return int(Exit.OK)
    except click.UsageError as error:
        error.show()
        return int(Exit.UNREADABLE)
    except click.ClickException as error:
        error.show()
        return int(Exit.UNREADABLE)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`| head`): nothing to say to nobody
        return int(Exit.OK)
    return result if isinstance(result, int) else int(Exit.OK)

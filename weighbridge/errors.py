"""What the command line says when it cannot: one line that tells what to do, and a documented exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command, the same everywhere."""

    OK = 0
    REFUSED = 1
    """The answer is no: a breaking change, a refused publish, a failed verification."""
    UNREADABLE = 2
    """The question could not be read: wrong usage, a file that is not a contract, a taken port."""
    UNDECIDED = 3
    """Neither yes nor no: unproven, or not enough was evaluated. Never treat as green."""
    UNREACHABLE = 4
    """The registry did not answer, or did not accept the key."""


class CommandError(Exception):
    """Ends a command with one line on standard error. `lines` are details printed below it."""

    def __init__(self, message: str, *, code: Exit = Exit.UNREADABLE, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.lines = lines

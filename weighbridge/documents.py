"""Version files as they lie on disk: the files they refer to, and what is said of one that cannot be read.

Owns no reading of its own: `registry.documents` is the door, here for the commands that need no registry. What the
registry finds wrong with a file that was sent is told in the same words as what is found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.errors import CommandError

if TYPE_CHECKING:
    from registry.documents import ParsedDocument

_REFERENCE = re.compile(rb"""\$ref["']?\s*:\s*["']?([^"'#\s}][^"'#\s}]*)""")


def read_bytes(file: Path) -> bytes:
    """Raises `CommandError` naming the file."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


def parse_file(file: Path) -> ParsedDocument:
    """Read a file through the safe door. Files it refers to are read from its own folder and below, nowhere else."""
    from registry.documents import InvalidDocument, parse

    data = read_bytes(file)
    try:
        return parse(data, files=bundle_of(file, data), name=file.name)
    except InvalidDocument as error:
        raise unreadable(file, error.faults) from error


def unreadable(file: Path, faults: Iterable[tuple[str, int | None, str]]) -> CommandError:
    """What to say of a file with faults of (pointer, line, detail): a line each, as an editor jumps to it."""
    lines = []
    for pointer, line, detail in faults:
        name, hash_, inside = pointer.rpartition("#")  # in another file of the bundle: parts/money.yaml#/...
        place = file.parent / name if hash_ else file
        lines.append(f"  {place}:{line or 1}: {(inside if hash_ else pointer) or '/'}: {detail}")
    return CommandError(f"{file} is not a contract this can read", lines=tuple(lines))


def bundle_of(file: Path, data: bytes) -> dict[str, bytes]:
    """The files that `file` refers to, by the name used in the reference; only from its folder and below."""
    home = file.parent.resolve()
    found: dict[str, bytes] = {}
    waiting = [(file.name, data)]
    while waiting and len(found) < 100:
        at, content = waiting.pop()
        for match in _REFERENCE.finditer(content):
            name = match.group(1).decode(errors="replace")
            if "://" in name:
                continue
            target = (home / Path(at).parent / name).resolve()
            if not target.is_relative_to(home) or not target.is_file():
                continue
            key = target.relative_to(home).as_posix()
            if key not in found and target != file.resolve():
                found[key] = read_bytes(target)
                waiting.append((key, found[key]))
    return found

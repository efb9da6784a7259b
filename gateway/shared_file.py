"""An SQLite file that all workers of one gateway write: private, on the disk when it says so, patient.

Must not know what is kept. Two subtle things happen only in the first moment: to open the file beside SQLite and close
it again would drop this process's locks on it, so it is made exclusively or not at all; and whoever comes while another
turns on write-ahead logging is turned away at once, whatever its patience is otherwise, and may simply ask again.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

_AGAIN_SECONDS = 0.005


def open_shared(path: Path, schema: str, *, busy_seconds: float) -> sqlite3.Connection:
    """With `schema` in place and transactions left to the caller; usable from any one thread at a time. Raises
    `sqlite3.Error`, `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    file = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        _write_ahead(file, time.monotonic() + busy_seconds)
        file.execute("PRAGMA synchronous = FULL")  # what was promised must outlive a loss of power
        file.executescript(schema)
    except BaseException:
        file.close()
        raise
    return file


def _write_ahead(file: sqlite3.Connection, deadline: float) -> None:
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_SECONDS)

"""Where lines of log go: handed over in batches, written by a thread, dropped and counted when it falls behind.

Must not know: what the lines say. The one subtle thing: neither a full disk nor a reader that stopped reading a pipe
may hold up traffic or fill the memory, so nothing here is ever waited for except, briefly, at the end, and what waits
is bounded by lines: a batch is as long as a quarter of a second is busy.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

MAX_WAITING = 10_000
"""Lines that wait for the thread, or are being written."""

PIECE = 256
"""Lines encoded at a time: the interpreter is held meanwhile, and traffic waits for it."""

Encode = Callable[[list[Any]], bytes]
"""Turns some items into as many lines, each with its end."""


def encode_text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


class Sink:
    """Raises `OSError` when `path` (``-`` is standard output, ``!`` standard error) cannot be opened."""

    def __init__(self, path: str) -> None:
        if path in ("-", "!"):
            self._owned = False
            self._descriptor = (sys.stdout if path == "-" else sys.stderr).fileno()
        else:
            self._owned = True
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self.dropped = 0
        """Lines that were never written."""
        self._waiting = 0
        self._lock = threading.Lock()  # lines come from several threads, and are counted in two
        self._queue: SimpleQueue[tuple[list[Any], Encode] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name=f"sink {path}", daemon=True)
        self._thread.start()

    def put(self, batch: list[Any], encode: Encode) -> None:
        """Hand over a batch, or as much of it as there is room for; `encode` is called in the writing thread."""
        with self._lock:
            room = MAX_WAITING - self._waiting
            if len(batch) > room:
                self.dropped += len(batch) - room
                batch = batch[:room]
            self._waiting += len(batch)
        if batch:
            self._queue.put((batch, encode))

    def close(self, seconds: float = 1.0) -> None:
        """Write what is waiting, but do not wait longer than `seconds` for it."""
        self._queue.put(None)
        self._thread.join(seconds)
        if self._owned and not self._thread.is_alive():
            os.close(self._descriptor)

    def _write(self) -> None:
        while (entry := self._queue.get()) is not None:
            batch, encode = entry
            for start in range(0, len(batch), PIECE):
                piece = batch[start : start + PIECE]
                written = False
                try:
                    data = memoryview(encode(piece))
                    while data:
                        data = data[os.write(self._descriptor, data) :]
                    written = True
                except (OSError, TypeError, ValueError):
                    pass
                with self._lock:
                    self._waiting -= len(piece)
                    if not written:
                        self.dropped += len(piece)

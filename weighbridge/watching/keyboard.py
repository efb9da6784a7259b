"""Single keys from a terminal, without waiting for Enter; from anything else none."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Keyboard:
    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def is_there(self) -> bool:
        return self._descriptor is not None

    def pressed(self, seconds: float) -> str | None:
        """The next key within `seconds`, or ``None``. A terminal that is gone gives none."""
        if self._descriptor is None:
            time.sleep(seconds)
            return None
        if not select.select([self._descriptor], [], [], max(0.0, seconds))[0]:
            return None
        typed = os.read(self._descriptor, 1)
        if not typed:
            self._descriptor = None
        return typed.decode("ascii", "replace").lower() or None


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Standard input as it must be to be read key by key, and afterwards as it was."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        yield Keyboard(None)
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

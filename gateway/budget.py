"""How many bytes of bodies one worker holds at once, over all its exchanges.

Bodies are held to be judged, and each is bounded; this bounds their sum. Small ones are not counted: their sum is
bounded by the number of connections, and counting would cost every request something.
"""

from __future__ import annotations

SMALL = 16_384
"""Bytes of one body that are held without asking."""


class Budget:
    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0
        self.refusals = 0

    def take(self, size: int) -> bool:
        """Hold so many more, or say that it would be too much."""
        if self.held + size > self._most:
            self.refusals += 1
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        self.held -= size

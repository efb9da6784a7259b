"""Everything the registry remembers, in one database: SQLite (a file) or PostgreSQL, with the same behaviour on both.

store = open_store("sqlite:///registry.db")     migrated to the current schema
with store.write() as unit: ...                 one transaction; writers are serial on both databases
with store.read() as unit: ...                  one consistent view; writing in it is an error
store.snapshot() -> SnapshotRow | None          the current one, without a unit
store.wait_for_change(digest, timeout) -> SnapshotRow | None     blocks until the digest differs; None at the end
store.close()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry.store.records import SnapshotRow


class Unit:
    """One transaction."""


class Store:
    """A database, opened."""

    @contextmanager
    def write(self) -> Iterator[Unit]:
        """Commits at the end, rolls back on any exception."""
        raise NotImplementedError

    @contextmanager
    def read(self) -> Iterator[Unit]:
        raise NotImplementedError

    def snapshot(self) -> SnapshotRow | None:
        raise NotImplementedError

    def wait_for_change(self, digest: str | None, timeout: float) -> SnapshotRow | None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def open_store(url: str) -> Store:
    """Open and migrate. Raises `Invalid` for an address that is neither, `StorageError` when it cannot be reached."""
    raise NotImplementedError

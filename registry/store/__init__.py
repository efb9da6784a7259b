"""Everything the registry remembers, in one database: SQLite (a file) or PostgreSQL, with the same behaviour on both.

    store = open_store("sqlite:///registry.db")     migrated to the current schema
    with store.write() as unit: ...                 one transaction; writers are serial on both databases
    with store.read() as unit: ...                  one consistent view; writing in it is an error
    store.snapshot() -> SnapshotRow | None          the current one, without a unit
    store.wait_for_change(digest, timeout) -> SnapshotRow | None     blocks until the digest differs; None at the end
    store.close()

`tables` says what is kept, `records` in which shape it is handed out, `collection` turns one into the other, `unit` is
the transaction, `engine` opens databases. To remember a new thing: a record, a table, a line in `unit`, a migration.
"""

from registry.store.engine import Store, open_store
from registry.store.unit import Unit

__all__ = ["Store", "Unit", "open_store"]

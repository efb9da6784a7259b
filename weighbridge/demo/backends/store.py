"""What a place knows, in one SQLite file: records of a few kinds, answers remembered by idempotency key, the seed day.

Owns the tables and the transaction. Knows no contract: a record is a JSON body with the few columns by which it is
found. The subtle thing is `Records` at the hub: it reads every place's file, and a write goes to the file of the place
that the record belongs to, so a fact has one home.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from weighbridge.demo.backends.values import instant, stamp

SCHEMA_VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS seed (day TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_by_change ON record (kind, changed_at, id);
CREATE TABLE IF NOT EXISTS remembered (
    application TEXT NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (application, operation, key)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """`owner` is the party whose business it is (``CUS-20041``), empty for what belongs to nobody."""

    kind: str
    id: str
    owner: str
    changed_at: datetime
    body: dict[str, Any]


class Store:
    """One file. `isolation_level=None`: transactions begin and end where this class says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        if self._connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            self._connection.executescript(_TABLES)
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested uses join the outer one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def seeded_on(self) -> date | None:
        row = self._connection.execute("SELECT day FROM seed").fetchone()
        return date.fromisoformat(row[0]) if row else None

    def mark_seeded(self, day: date) -> None:
        self._connection.execute("INSERT INTO seed VALUES (?)", (day.isoformat(),))

    def get(self, kind: str, id: str) -> Record | None:
        row = self._connection.execute(
            "SELECT kind, id, owner, changed_at, body FROM record WHERE kind = ? AND id = ?", (kind, id)
        ).fetchone()
        return _record(row) if row else None

    def all(self, kind: str) -> Iterator[Record]:
        """In the order of lists: change time, then id."""
        rows = self._connection.execute(
            "SELECT kind, id, owner, changed_at, body FROM record WHERE kind = ? ORDER BY changed_at, id", (kind,)
        )
        return (_record(row) for row in rows.fetchall())

    def put(self, record: Record) -> None:
        self._connection.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE"
            " SET owner = excluded.owner, changed_at = excluded.changed_at, body = excluded.body",
            (record.kind, record.id, record.owner, stamp(record.changed_at), json.dumps(record.body)),
        )

    def remembered(self, application: str, operation: str, key: str, since: datetime) -> tuple[str, Any] | None:
        """(fingerprint of the request, the answer given), unless forgotten before `since`."""
        row = self._connection.execute(
            "SELECT fingerprint, answer FROM remembered"
            " WHERE application = ? AND operation = ? AND key = ? AND at >= ?",
            (application, operation, key, stamp(since)),
        ).fetchone()
        return (row[0], json.loads(row[1])) if row else None

    def remember(self, application: str, operation: str, key: str, fingerprint: str, answer: Any, at: datetime) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?, ?, ?)",
            (application, operation, key, fingerprint, json.dumps(answer), stamp(at)),
        )


class Records:
    """The records one process may read and write: its own file, and at the hub everybody's."""

    def __init__(self, own: Store, others: Mapping[str, Store]) -> None:
        self.own = own
        self.others = others

    def get(self, kind: str, id: str) -> Record | None:
        for store in (self.own, *self.others.values()):
            if (found := store.get(kind, id)) is not None:
                return found
        return None

    def all(self, kind: str) -> list[Record]:
        """One record per id, in the order of lists."""
        merged: dict[str, Record] = {}
        for store in (self.own, *self.others.values()):
            for record in store.all(kind):
                merged.setdefault(record.id, record)
        return sorted(merged.values(), key=lambda record: (record.changed_at, record.id))

    def put(self, record: Record, site_id: str | None = None) -> None:
        """`site_id` names the home of the record; without it, or where that place is not at hand, it stays here."""
        self.others.get(site_id or "", self.own).put(record)

    def close(self) -> None:
        for store in (self.own, *self.others.values()):
            store.close()


def _record(row: tuple[str, str, str, str, str]) -> Record:
    kind, key, owner, changed_at, body = row
    return Record(kind, key, owner, instant(changed_at), json.loads(body))

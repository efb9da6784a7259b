"""One file, many workers that open it in the same moment."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.shared_file import open_shared

SCHEMA = "CREATE TABLE IF NOT EXISTS things (id INTEGER PRIMARY KEY)"


def test_all_who_come_first_get_it_in_one_piece(tmp_path: Path) -> None:
    for attempt in range(20):
        path = tmp_path / str(attempt) / "things.db"

        def add(number: int, path: Path = path) -> None:
            file = open_shared(path, SCHEMA, busy_seconds=10)
            file.execute("INSERT INTO things VALUES (?)", (number,))
            file.close()

        with ThreadPoolExecutor(8) as workers:
            list(workers.map(add, range(8)))
        assert path.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(path) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert [row[0] for row in database.execute("SELECT id FROM things ORDER BY id")] == list(range(8))
        database.close()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "things.db").write_text("these are not the bytes of a database, and they are many" * 50)
    with pytest.raises(sqlite3.Error):
        open_shared(tmp_path / "things.db", SCHEMA, busy_seconds=0.1)

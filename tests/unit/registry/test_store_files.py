"""What is SQLite's own: its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import StorageError
from registry.store import open_store


def test_the_file_and_its_folder_are_made_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "down" / "registry.db"
    store = open_store(f"sqlite:///{file}")
    with store.write():
        kept = {path.name: oct(path.stat().st_mode & 0o777) for path in file.parent.iterdir()}
    store.close()
    assert set(kept.values()) == {"0o600"}
    assert "registry.db" in kept


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    file.write_text("this is not a database, but it is long enough to be looked at as one" * 10)
    with pytest.raises(StorageError, match=r"/registry\.db cannot be opened: file is not a database; .*DATABASE_URL"):
        open_store(f"sqlite:///{file}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match=r"taken/registry\.db cannot be made"):
        open_store(f"sqlite:///{tmp_path / 'taken' / 'registry.db'}")

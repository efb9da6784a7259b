"""A registry for one test: a migrated SQLite file, seeded with the small world, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.store import Store, Unit, open_store
from tests.unit.registry.world import seed


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("registry") / "seeded.db"
    store = open_store(f"sqlite:///{path}")
    with store.write() as unit:
        seed(unit)
    store.close()
    return path


@pytest.fixture
def store(seeded_file: Path, tmp_path: Path) -> Iterator[Store]:
    """Committed between units, like a running registry."""
    shutil.copy(seeded_file, tmp_path / "registry.db")
    opened = open_store(f"sqlite:///{tmp_path / 'registry.db'}")
    yield opened
    opened.close()


@pytest.fixture
def unit(store: Store) -> Iterator[Unit]:
    """One write unit around the whole test."""
    with store.write() as opened:
        yield opened

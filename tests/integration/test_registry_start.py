"""A registry that cannot keep its keys safe, or cannot read them, says so and does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry import sealing

ROOT = Path(__file__).parent.parent.parent
KEY, OTHER = sealing.new_key(), sealing.new_key()


def start(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start one that must end by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    told = {f"WEIGHBRIDGE_REGISTRY_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "weighbridge", "registry"],
        env={**clean, "PYTHONPATH": str(ROOT), **told, "WEIGHBRIDGE_REGISTRY_PORT": "0"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def prepare(url: str) -> None:
    """What a first start with `KEY` leaves behind."""
    from registry import upkeep
    from registry.settings import Settings
    from registry.store import open_store

    settings = Settings(secrets_key=KEY)  # type: ignore[arg-type]
    store = open_store(url)
    upkeep.begin(store, settings, sealing.keyring(settings, None), now=1_800_000_000)
    store.close()


def test_postgresql_needs_a_key(fresh_postgres: str, tmp_path: Path) -> None:
    done = start(tmp_path, DATABASE_URL=fresh_postgres)
    assert done.returncode == 1
    assert "`weighbridge keygen --secrets` makes one for WEIGHBRIDGE_REGISTRY_SECRETS_KEY" in done.stderr


@pytest.mark.parametrize("settings", [{"SECRETS_KEY": OTHER}, {}])
def test_a_wrong_key_is_told_at_the_start(fresh_sqlite: str, tmp_path: Path, settings: dict[str, str]) -> None:
    prepare(fresh_sqlite)
    done = start(tmp_path, DATABASE_URL=fresh_sqlite, **settings)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("weighbridge registry: the signing key ")
    assert "is sealed by the secrets key" in said
    assert KEY not in done.stderr
    assert OTHER not in done.stderr


def test_a_key_that_is_none_is_told(fresh_sqlite: str, tmp_path: Path) -> None:
    done = start(tmp_path, DATABASE_URL=fresh_sqlite, SECRETS_KEY="not a key")
    assert done.returncode == 1
    assert "key 1 of WEIGHBRIDGE_REGISTRY_SECRETS_KEY is not 32 random bytes in base64" in done.stderr

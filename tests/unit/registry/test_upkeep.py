"""What a registry does by itself, on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from registry import sealing, signing, upkeep
from registry.sealing import Keyring, WrongSecretsKey
from registry.settings import Settings
from registry.store import Store, open_store
from registry.store.records import StoredRevocation, UsedAssertion
from tests.unit.registry.world import DAY, NOW

RING = Keyring([b"k" * 32], "the test")
SETTINGS = Settings()


def begun(url: str, ring: Keyring = RING) -> Store:
    store = open_store(url)
    upkeep.begin(store, SETTINGS, ring, now=NOW)
    return store


def test_of_several_registries_one_makes_the_key(database_url: str) -> None:
    stores = [begun(database_url) for _ in range(3)]
    for day in (0, 90):
        now = NOW + day * DAY
        ready = threading.Barrier(6)

        def tend(number: int, ready: threading.Barrier = ready, now: int = now) -> None:
            ready.wait()
            upkeep.tend(stores[number % 3], SETTINGS, RING, now=now)

        threads = [threading.Thread(target=tend, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with stores[0].read() as unit:
            assert len(signing.keys(unit)) == (2 if day else 1)
    row = stores[0].snapshot()
    assert row is not None
    for store in stores:
        store.close()


def test_the_first_start_makes_one_snapshot_and_the_second_none(database_url: str) -> None:
    for _ in range(2):
        store = begun(database_url)
        row = store.snapshot()
        assert row is not None
        assert row.revision == 1
        store.close()


def test_what_has_expired_is_forgotten(fresh_sqlite: str) -> None:
    store = begun(fresh_sqlite)
    assert upkeep.tend(store, SETTINGS, RING, now=NOW) is False
    with store.write() as unit:
        unit.used_assertions.add(UsedAssertion(id="a", expires_at=NOW + 10))
        unit.revoked_tokens.add(StoredRevocation(jti="a", application="x", expires_at=NOW + 10))
    for now, left in ((NOW + 9, (1, 1)), (NOW + 10, (0, 1)), (NOW + 69, (0, 1)), (NOW + 70, (0, 0))):
        upkeep.tend(store, SETTINGS, RING, now=now)
        with store.read() as unit:
            assert (unit.used_assertions.count(), unit.revoked_tokens.count()) == left, now - NOW
    store.close()


def test_no_private_key_lies_in_the_database(database_url: str) -> None:
    store = begun(database_url)
    assert "PRIVATE KEY" not in everything(store)
    store.close()


def test_a_key_that_lay_open_leaves_no_trace(database_url: str) -> None:
    store = begun(database_url)
    with store.write() as unit:
        key = signing.current(unit, now=NOW)
        bare = RING.open(key.private_pem, f"the signing key {key.kid}")
        unit.signing_keys.put(msgspec.structs.replace(key, private_pem=bare))
    secret = bare.splitlines()[1]
    assert secret in everything(store)
    store.close()
    store = begun(database_url)
    assert secret not in everything(store)
    store.close()
    if store.file is not None:
        files = [file.read_bytes() for file in store.file.parent.glob(f"{store.file.name}*")]
        assert len(files) >= 1
        assert not any(secret.encode() in content or b"PRIVATE KEY" in content for content in files)


def test_a_wrong_key_is_told_at_the_start(database_url: str) -> None:
    begun(database_url).close()
    store = open_store(database_url)
    with pytest.raises(WrongSecretsKey, match="give it that key too"):
        upkeep.begin(store, SETTINGS, Keyring([b"x" * 32], "the test"), now=NOW)
    store.close()


def test_a_database_with_a_file_has_a_key_file(fresh_sqlite: str, fresh_postgres: str) -> None:
    store = open_store(fresh_sqlite)
    assert store.file == Path(fresh_sqlite.removeprefix("sqlite:///"))
    ring = sealing.keyring(SETTINGS, store.file)
    store.close()
    begun(fresh_sqlite, ring).close()
    begun(fresh_sqlite, sealing.keyring(SETTINGS, store.file)).close()
    other = open_store(fresh_postgres)
    assert other.file is None
    other.close()


def everything(store: Store) -> str:
    """Every value of every table, and for SQLite the bytes of its files."""
    from registry.store.tables import metadata

    text = ""
    with store.read() as unit:
        for table in metadata.sorted_tables:
            text += "\n".join(str(tuple(row)) for row in unit._connection.execute(table.select()))
    if store.file is not None:
        for file in store.file.parent.glob(f"{store.file.name}*"):
            text += file.read_bytes().decode("latin-1")
    return text

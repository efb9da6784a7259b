from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from weighbridge.demo.backends.store import Record, Records, Store

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def record(key: str, minutes: int = 0, **body: str) -> Record:
    return Record("order", key, "CUS-20041", NOW + timedelta(minutes=minutes), body)


def test_records_come_back_in_the_order_of_change(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    for entry in (record("c"), record("b", 1), record("a", 1)):
        store.put(entry)
    store.put(record("c", 2, told="again"))
    assert [entry.id for entry in store.all("order")] == ["a", "b", "c"]
    assert store.get("order", "c") == record("c", 2, told="again")
    assert store.get("stock", "c") is None
    store.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    with pytest.raises(RuntimeError), store.transaction(), store.transaction():
        store.put(record("a"))
        raise RuntimeError
    assert store.get("order", "a") is None
    with store.transaction():
        store.put(record("a"))
        store.mark_seeded(date(2026, 3, 31))
    store.close()
    again = Store(tmp_path / "a.db")
    assert again.get("order", "a") == record("a")
    assert again.seeded_on() == date(2026, 3, 31)
    again.close()


def test_the_hub_reads_everybody_and_writes_home(tmp_path: Path) -> None:
    hub, dallas, phoenix = (Store(tmp_path / f"{name}.db") for name in "hdp")
    everybody = Records(hub, {"DAL-2": dallas, "PHX-1": phoenix})
    everybody.put(record("a", 2), "DAL-2")
    everybody.put(record("b", 1), "PHX-1")
    everybody.put(record("c"))
    everybody.put(record("d", 3), "GONE-1")
    assert [entry.id for entry in everybody.all("order")] == ["c", "b", "a", "d"]
    assert [entry.id for entry in Records(dallas, {}).all("order")] == ["a"]
    assert [entry.id for entry in hub.all("order")] == ["c", "d"]
    assert everybody.get("order", "b") == record("b", 1)
    everybody.close()


def test_what_was_answered_is_remembered_for_a_while(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    store.remember("app", "op", "key", "print", {"status": 201}, NOW)
    assert store.remembered("app", "op", "key", NOW - timedelta(hours=1)) == ("print", {"status": 201})
    assert store.remembered("app", "op", "key", NOW + timedelta(seconds=1)) is None
    assert store.remembered("other", "op", "key", NOW - timedelta(hours=1)) is None
    store.close()

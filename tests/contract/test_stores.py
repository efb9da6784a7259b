"""What every store does alike: this suite runs as a whole on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from sqlalchemy import Engine, create_engine, inspect, make_url, text

from policies.model.access import Limit, Plan, TrustAnchor
from policies.model.contract import Contact, Contract, Rollout, SiteParameter, Stage, Upstream
from registry import chain
from registry.errors import Conflict, Invalid, StorageError
from registry.store import Store, Unit, open_store
from registry.store.migrations import migrate
from registry.store.records import (
    AuditEntry,
    Consumer,
    Credential,
    Operator,
    RegisteredApplication,
    SigningKey,
    SnapshotRow,
    StoredEvidence,
    StoredIssuer,
    StoredRevocation,
    StoredSubscription,
    StoredVersion,
    StoredWaiver,
    Team,
    UsedAssertion,
)
from registry.store.scopes import Whose
from registry.store.tables import metadata
from registry.store.unit import SNAPSHOTS_KEPT

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.close()


# -- schema -----------------------------------------------------------------------------------------------------------


def _schema(engine: Engine) -> dict[str, Any]:
    """Everything that can be seen of a schema, in one comparable value."""
    look = inspect(engine)
    return {
        table: {
            "columns": {
                column["name"]: (
                    repr(column["type"]),
                    getattr(column["type"], "collation", None),
                    column["nullable"],
                    column["default"],
                )
                for column in look.get_columns(table)
            },
            "primary": look.get_pk_constraint(table),
            "foreign": sorted(map(repr, look.get_foreign_keys(table))),
            "unique": sorted(map(repr, look.get_unique_constraints(table))),
            "indexes": sorted(map(repr, look.get_indexes(table))),
        }
        for table in look.get_table_names()
        if table != "alembic_version"
    }


def test_migrations_lead_to_exactly_the_tables(
    store: Store, request: pytest.FixtureRequest, tmp_path: Any, database_url: str
) -> None:
    if database_url.startswith("sqlite"):
        made = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
        metadata.create_all(made)
    else:
        admin = request.getfixturevalue("pg_admin_url")
        made = create_engine(make_url(admin), connect_args={"options": "-c search_path=made"})
        with made.begin() as connection:
            connection.execute(text("CREATE SCHEMA made"))
            metadata.create_all(connection)
    migrated = create_engine(make_url(database_url))
    try:
        assert _schema(migrated) == _schema(made)
        assert set(_schema(migrated)) == set(metadata.tables)
    finally:
        if not database_url.startswith("sqlite"):
            with made.begin() as connection:
                connection.execute(text("DROP SCHEMA made CASCADE"))
        made.dispose()
        migrated.dispose()


def test_opening_again_finds_everything(store: Store, database_url: str) -> None:
    with store.write() as unit:
        unit.teams.add(Team(name="stock-team"))
    again = open_store(database_url)
    try:
        with again.read() as unit:
            assert unit.teams.all() == [Team(name="stock-team")]
    finally:
        again.close()


def test_a_database_of_a_newer_build_is_refused(store: Store, database_url: str) -> None:
    engine = create_engine(make_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StorageError, match="newer build"):
        open_store(database_url)


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        open_store(url)


def test_a_server_that_is_not_there_is_a_storage_error_without_the_password() -> None:
    with pytest.raises(StorageError) as caught:
        open_store("postgresql://weighbridge:hunter2@127.0.0.1:1/none")
    assert "hunter2" not in str(caught.value)


def test_the_password_is_not_in_the_repr(database_url: str) -> None:
    opened = open_store(database_url)
    opened.close()
    assert "hunter2" not in repr(Store(create_engine("postgresql+psycopg://u:hunter2@127.0.0.1:1/none")))


# -- records ----------------------------------------------------------------------------------------------------------

TEAM = Team(name="stock-team", title="Lager – “Stock” 📦", contacts=(Contact(name="Mia", email="m@larkfield.example"),))
CONTRACT = Contract(
    name="stock",
    title="Stock",
    owner="stock-team",
    audience="partner",
    default_major=2,
    site=SiteParameter(place="path", name="siteId", aliases={"0142": "DAL-2"}),
    site_by_major={"1": None},
    upstreams={"default": Upstream(url="http://127.0.0.1:9101/stock/v{major}", first_byte_timeout=2.5)},
)
CONSUMER = Consumer(id="oakhurst", name="Oakhurst", audience="partner")
APPLICATION = RegisteredApplication(
    id="oakhurst-procurement", name="P", consumer="oakhurst", sites=("DAL-2",), pins={"stock": 1}
)
PLAN = Plan(name="standard", limits=(Limit(name="per-minute", requests=60, window=60),))
ISSUER = StoredIssuer(name="idp", issuer="https://idp.example", audience="wb", jwks_uri="https://idp.example/jwks")
VERSION = StoredVersion(
    contract="stock",
    number="1.0.0",
    digest=DIGEST,
    stage=Stage.PUBLISHED,
    published_at=5,
    author="mia",
    created_at=4,
    preview_applications=("oakhurst-procurement",),
)

# in the order in which one needs the other
RECORDS: list[tuple[str, Struct, tuple[str | int, ...]]] = [
    ("teams", TEAM, ("stock-team",)),
    (
        "operators",
        Operator(id="0a", name="mia", role="member", team="stock-team", digest="d", created_at=1, created_by="ada"),
        ("0a",),
    ),
    ("contracts", CONTRACT, ("stock",)),
    ("anchors", TrustAnchor(name="oakhurst", certificates=("AAAA", "BBBB")), ("oakhurst",)),
    ("versions", VERSION, ("stock", "1.0.0")),
    (
        "evidence",
        StoredEvidence(
            contract="stock",
            number="1.0.0",
            at=4,
            action="publish",
            ruleset="baseline@1",
            bump="initial",
            lint={"a": 1},
        ),
        ("stock", "1.0.0"),
    ),
    ("rollouts", Rollout(contract="stock", major=1, version="1.0.0", share=5), ("stock", 1)),
    ("consumers", CONSUMER, ("oakhurst",)),
    ("applications", APPLICATION, ("oakhurst-procurement",)),
    ("issuers", ISSUER, ("idp",)),
    (
        "credentials",
        Credential(
            id="1b",
            application="oakhurst-procurement",
            kind="subject",
            issuer="idp",
            subject="svc",
            created_at=1,
            created_by="ada",
        ),
        ("1b",),
    ),
    ("used_assertions", UsedAssertion(id="d" * 64, expires_at=2**40), ("d" * 64,)),
    (
        "revoked_tokens",
        StoredRevocation(jti="ab", application="oakhurst-procurement", expires_at=2**40),
        ("ab",),
    ),
    ("plans", PLAN, ("standard",)),
    (
        "subscriptions",
        StoredSubscription(
            application="oakhurst-procurement",
            contract="stock",
            major=1,
            plan="standard",
            created_at=1,
            created_by="ada",
        ),
        ("oakhurst-procurement", "stock", 1),
    ),
    (
        "waivers",
        StoredWaiver(
            id="2c",
            contract="stock",
            fingerprint="f" * 16,
            rule="lint.x",
            reason="because",
            author="mia",
            created_at=1,
            expires_at=2**40,
        ),
        ("2c",),
    ),
    ("signing_keys", SigningKey(kid="k", private_pem="p", public_jwk={"kty": "EC"}, created_at=1), ("k",)),
]


def _fill(unit: Unit) -> None:
    unit.add_document(DIGEST, {"openapi": "3.1.0"}, "openapi: 3.1.0\n", now=1)
    for name, record, _key in RECORDS:
        getattr(unit, name).add(record)


def test_every_record_comes_back_as_it_was_given(store: Store) -> None:
    with store.write() as unit:
        _fill(unit)
    with store.read() as unit:
        for name, record, key in RECORDS:
            assert getattr(unit, name).get(*key) == record
            assert getattr(unit, name).all() == [record]
            assert getattr(unit, name).count() == 1


def test_there_is_a_sample_of_every_collection() -> None:
    assert {name for name, _record, _key in RECORDS} == set(metadata.tables) - {
        *("documents", "audit", "snapshots"),
        *("usage", "usage_sources", "credential_uses"),
    }


def test_records_are_replaced_and_deleted(store: Store) -> None:
    with store.write() as unit:
        _fill(unit)
        renamed = msgspec.structs.replace(TEAM, title="Other")
        unit.teams.put(renamed)
        assert unit.teams.all() == [renamed]
        for name, _record, key in reversed(RECORDS):
            assert getattr(unit, name).delete(*key) is True
            assert getattr(unit, name).delete(*key) is False
            assert getattr(unit, name).get(*key) is None


@pytest.mark.parametrize("name", ["teams", "contracts", "consumers", "applications", "issuers", "plans"])
def test_what_is_referred_to_cannot_be_deleted(store: Store, name: str) -> None:
    key = next(key for kind, _record, key in RECORDS if kind == name)
    with store.write() as unit:
        _fill(unit)
    with pytest.raises(Conflict), store.write() as unit:
        getattr(unit, name).delete(*key)


def test_a_reference_needs_its_target(store: Store) -> None:
    with pytest.raises(Conflict), store.write() as unit:
        unit.contracts.add(CONTRACT)


def test_a_taken_key_is_a_conflict_that_quotes_no_value(store: Store) -> None:
    operator = Operator(id="0a", name="a", role="admin", digest="the-digest", created_at=1, created_by="ada")
    with store.write() as unit:
        unit.operators.add(operator)
    for twin in (operator, msgspec.structs.replace(operator, id="0b")):
        with pytest.raises(Conflict) as caught, store.write() as unit:
            unit.operators.add(twin)
        assert "the-digest" not in str(caught.value)


def test_collections_are_in_byte_order_and_paged(store: Store) -> None:
    names = ["a", "a-b", "aB", "ab", "b", "é"]
    with store.write() as unit:
        for name in reversed(names):
            unit.consumers.add(Consumer(id=name, name=name, audience="partner"))
    ordered = sorted(names, key=str.encode)
    with store.read() as unit:
        assert [consumer.id for consumer in unit.consumers.all()] == ordered
        assert [consumer.id for consumer in unit.consumers.all(limit=2)] == ordered[:2]
        assert [consumer.id for consumer in unit.consumers.all(after=ordered[1], limit=3)] == ordered[2:5]


def test_columns_select(store: Store) -> None:
    with store.write() as unit:
        _fill(unit)
        assert unit.credentials.all(revoked_at=None, issuer="idp") != []
        assert unit.credentials.all(revoked_at=1) == []
        assert unit.versions.all(contract="stock", major=1, stage=Stage.PUBLISHED) == [VERSION]
        assert unit.versions.count(major=2) == 0


@pytest.mark.parametrize("bad", ["nul\0byte", "lone\ud800surrogate"])
def test_what_one_database_could_not_hold_is_refused_by_both(store: Store, bad: str) -> None:
    with pytest.raises(Invalid), store.write() as unit:
        unit.teams.add(Team(name="a", title=bad))
    with pytest.raises(Invalid), store.write() as unit:
        unit.teams.add(Team(name=bad))
    with store.read() as unit:
        assert unit.teams.get(bad) is None
        assert unit.teams.all(after=bad) == []
        assert unit.teams.count(name=bad) == 0
        assert unit.document(bad) is None
        assert unit.teams.all() == []


def test_integers_over_64_bits_are_refused(store: Store) -> None:
    with store.write() as unit:
        _fill(unit)
    with pytest.raises(Invalid), store.write() as unit:
        unit.rollouts.add(Rollout(contract="stock", major=2**63, version="1.0.0"))
    with store.read() as unit:
        assert unit.rollouts.get("stock", 2**63) is None


def test_documents_stay_as_first_written(store: Store) -> None:
    tree = {"openapi": "3.1.0", "x": "nul\0 in a document is content"}
    with store.write() as unit:
        unit.add_document(DIGEST, tree, "first: é\n", now=1)
        unit.add_document(DIGEST, tree, "second\n", now=2)
    with store.read() as unit:
        found = unit.document(DIGEST)
        assert found is not None
        assert (found.text, found.tree, found.created_at) == ("first: é\n", tree, 1)
        assert unit.document("sha256:none") is None
        assert unit.trees([DIGEST, DIGEST]) == {DIGEST: tree}


# -- transactions -----------------------------------------------------------------------------------------------------


def test_an_exception_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as unit:
        unit.teams.add(TEAM)
        raise ZeroDivisionError
    with store.read() as unit:
        assert unit.teams.all() == []


def test_a_read_unit_does_not_write(store: Store) -> None:
    with store.read() as unit:
        for attempt in (
            lambda: unit.teams.add(TEAM),
            lambda: unit.teams.put(TEAM),
            lambda: unit.teams.delete("a"),
            lambda: unit.append_audit(_entry("x"), lambda unit: None),
        ):
            with pytest.raises(RuntimeError):
                attempt()


def test_a_reader_sees_one_state_and_does_not_wait_for_a_writer(store: Store) -> None:
    with store.read() as reader:
        assert reader.teams.all() == []
        with store.write() as writer:
            writer.teams.add(TEAM)
        assert reader.teams.all() == []
    with store.read() as reader:
        assert reader.teams.all() == [TEAM]


def _count_up(store: Store, times: int) -> None:
    for _ in range(times):
        with store.write() as unit:
            found = unit.teams.get("counter")
            count = int(found.title) if found else 0
            unit.teams.put(Team(name="counter", title=str(count + 1)))


def test_writers_are_serial_between_threads(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(_count_up, store, 10) for _ in range(4)]:
            done.result()
    with store.read() as unit:
        assert unit.teams.all() == [Team(name="counter", title="40")]


def _count_up_elsewhere(url: str, times: int) -> None:
    store = open_store(url)
    _count_up(store, times)
    store.close()


def test_writers_are_serial_between_processes(store: Store, database_url: str) -> None:
    _in_processes(_count_up_elsewhere, [(database_url, 10)] * 2)
    with store.read() as unit:
        assert unit.teams.all() == [Team(name="counter", title="20")]


def _in_processes(target: Callable[..., None], arguments: list[tuple[Any, ...]]) -> None:
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=target, args=args) for args in arguments]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
        assert process.exitcode == 0


# -- audit and snapshots ----------------------------------------------------------------------------------------------


def _entry(subject: str, **more: Any) -> AuditEntry:
    return AuditEntry(
        seq=0, at=1, actor="ada", role="admin", action="test.do", subject=subject, revision=0, after={"a": 1}, **more
    )


def _row(revision: int, data: bytes | None = None) -> SnapshotRow:
    content = data if data is not None else str(revision).encode()
    return SnapshotRow(
        revision=revision, digest=f"digest-{revision}", content=f"c{revision}", compiled_at=revision, data=content
    )


def test_audit_rows_carry_the_revision_they_became_part_of(store: Store) -> None:
    for revision in (1, 2):
        with store.write() as unit:
            unit.append_audit(
                _entry(f"teams/{revision}"), lambda unit, revision=revision: unit.add_snapshot(_row(revision))
            )  # type: ignore[misc]
    with store.write() as unit:
        unit.append_audit(_entry("teams/3", reason="no new snapshot"), lambda unit: None)
    with store.read() as unit:
        found = unit.audit(subject=None, before=None, limit=10)
    assert [(entry.subject, entry.revision, entry.reason) for entry in found] == [
        ("teams/3", 2, "no new snapshot"),
        ("teams/2", 2, None),
        ("teams/1", 1, None),
    ]
    assert found[0].after == {"a": 1}


def test_audit_is_selected_by_subject_and_what_is_below_it(store: Store) -> None:
    subjects = ["contracts/a", "contracts/a/versions/1.0.0", "contracts/ab", "contracts/a_b", "contracts/a%"]
    with store.write() as unit:
        for subject in subjects:
            unit.append_audit(_entry(subject), lambda unit: None)
    with store.read() as unit:

        def found(subject: str) -> list[str]:
            return [entry.subject for entry in unit.audit(subject=subject, before=None, limit=10)]

        assert found("contracts/a") == ["contracts/a/versions/1.0.0", "contracts/a"]
        assert found("contracts") == list(reversed(subjects))
        assert found("contracts/a%") == ["contracts/a%"]
        assert found("contract") == []
        assert found("Contracts") == []
        assert found("contracts/\0") == []


def test_audit_is_narrowed_to_what_a_team_or_a_consumer_has(store: Store) -> None:
    other = Operator(id="0b", name="otto", role="member", team="order-team", digest="e", created_at=1, created_by="ada")
    theirs = [
        "teams/stock-team", "contracts/stock", "contracts/stock/versions/1.0.0", "operators/0a",
        "applications/oakhurst-procurement/subscriptions/stock/1",
    ]  # fmt: skip
    ours = [
        "consumers/oakhurst", "applications/oakhurst-procurement", "applications/oakhurst-procurement/credentials/1b",
        "applications/oakhurst-procurement/subscriptions/stock/1",
    ]  # fmt: skip
    nobodys = [
        "teams/stock-team-2", "contracts/stock-2", "contracts/stock-2/versions/1.0.0", "contracts/gone",
        "operators/0b", "applications/oakhurst-procurement-2", "applications/x/subscriptions/stock-2/1",
        "consumers/oakhurst-2", "consumers/oakhurst/x", "plans/standard", "teams/order-team",
    ]  # fmt: skip
    with store.write() as unit:
        _fill(unit)
        unit.teams.put(Team(name="order-team"))
        unit.operators.put(other)
        for subject in dict.fromkeys([*theirs, *ours, *nobodys]):
            unit.append_audit(_entry(subject), lambda unit: None)
    with store.read() as unit:

        def found(**whose: Any) -> set[str]:
            return {entry.subject for entry in unit.audit(subject=None, before=None, limit=50, whose=Whose(**whose))}

        assert found(team="stock-team") == set(theirs)
        assert found(team="order-team") == {"teams/order-team", "operators/0b"}
        assert found(consumers=("oakhurst",)) == set(ours)
        assert found(consumers=("oakhurst", "oakhurst-2")) == {*ours, "consumers/oakhurst-2"}
        assert found() == found(consumers=("nobody",)) == set()
        page = unit.audit(subject="applications", before=None, limit=2, whose=Whose(consumers=("oakhurst",)))
        assert len(page) == 2


def test_audit_is_paged_by_sequence(store: Store) -> None:
    with store.write() as unit:
        for index in range(5):
            unit.append_audit(_entry(str(index)), lambda unit: None)
    with store.read() as unit:
        first = unit.audit(subject=None, before=None, limit=2)
        second = unit.audit(subject=None, before=first[-1].seq, limit=2)
        assert [entry.subject for entry in first + second] == ["4", "3", "2", "1"]


@pytest.fixture
def empty_database_url(database_url: str) -> str:
    """One without any table yet."""
    if not database_url.startswith("sqlite"):
        engine = create_engine(make_url(database_url))
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
    return database_url


def _rows(store: Store) -> list[dict[str, Any]]:
    with store.read() as unit:
        return [msgspec.to_builtins(entry) for entry in unit.audit_after(0, 100)]


def test_audit_rows_are_a_chain_over_units_and_nothing_lost_leaves_a_gap(store: Store) -> None:
    for number in range(3):
        with store.write() as unit:
            unit.append_audit(_entry(f"teams/{number}"), lambda unit: None)
            unit.append_audit(_entry(f"teams/{number}/more"), lambda unit: None)
        with pytest.raises(RuntimeError), store.write() as unit:
            unit.append_audit(_entry("never"), lambda unit: None)
            unit.finish()
            raise RuntimeError
    rows = _rows(store)
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 6]
    verdict = chain.verify(rows)
    assert (verdict.is_whole, verdict.rows) == (True, 6)
    with store.read() as unit:
        assert unit.audit_head() == (6, verdict.head)


def test_an_audit_row_that_was_edited_in_the_database_is_found(store: Store, database_url: str) -> None:
    with store.write() as unit:
        for number in range(3):
            unit.append_audit(_entry(f"teams/{number}"), lambda unit: None)
    engine = create_engine(make_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE audit SET actor = 'eve' WHERE seq = 2"))
    engine.dispose()
    assert chain.verify(_rows(store)).broken == 2


def test_an_older_audit_log_becomes_a_chain(empty_database_url: str) -> None:
    engine = create_engine(make_url(empty_database_url))
    with engine.begin() as connection:
        migrate(connection, to="0004")
        for seq in (2, 3, 7):
            connection.execute(
                text(
                    "INSERT INTO audit (seq, at, actor, role, action, subject, revision, body)"
                    " VALUES (:seq, :seq, 'ada', 'admin', 'x', 's', 0, :body)"
                ),
                {"seq": seq, "body": '{"before":null,"after":{"a":1},"reason":null}'},
            )
    engine.dispose()
    store = open_store(empty_database_url)
    try:
        rows = _rows(store)
        assert [(row["seq"], row["at"]) for row in rows] == [(1, 2), (2, 3), (3, 7)]
        assert chain.verify(rows).is_whole
    finally:
        store.close()


def test_only_the_newest_snapshots_are_kept(store: Store) -> None:
    assert store.snapshot() is None
    with store.write() as unit:
        for revision in range(1, SNAPSHOTS_KEPT + 4):
            unit.add_snapshot(_row(revision, b"\x00\xff bytes"))
    with store.read() as unit:
        assert unit.snapshot() == _row(SNAPSHOTS_KEPT + 3, b"\x00\xff bytes")
        assert unit.snapshot(3) is None
        assert unit.snapshot(4) == _row(4, b"\x00\xff bytes")
        assert unit.revision() == (SNAPSHOTS_KEPT + 3, f"digest-{SNAPSHOTS_KEPT + 3}", f"c{SNAPSHOTS_KEPT + 3}")


def test_waiting_ends_at_once_when_this_process_changes_something(store: Store) -> None:
    with store.write() as unit:
        unit.add_snapshot(_row(1))
    assert store.wait_for_change(None, 5) == _row(1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.wait_for_change, "digest-1", 30)
        with store.write() as unit:
            unit.add_snapshot(_row(2))
        assert waiting.result(5) == _row(2)


def test_waiting_notices_a_change_of_another_process(store: Store, database_url: str) -> None:
    elsewhere = open_store(database_url)
    try:
        with store.write() as unit:
            unit.add_snapshot(_row(1))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(store.wait_for_change, "digest-1", 30)
            with elsewhere.write() as unit:
                unit.add_snapshot(_row(2))
            started = time.monotonic()
            assert waiting.result(10) == _row(2)
            assert time.monotonic() - started < 2  # polled every quarter of a second; the machine may be busy
    finally:
        elsewhere.close()


def test_waiting_ends_without_a_change(store: Store) -> None:
    with store.write() as unit:
        unit.add_snapshot(_row(1))
    assert store.wait_for_change("digest-1", 0) is None
    assert store.wait_for_change("digest-1", 0.3) is None


def test_closing_wakes_everybody(database_url: str) -> None:
    opened = open_store(database_url)
    with opened.write() as unit:
        unit.add_snapshot(_row(1))
    got: list[SnapshotRow | None] = []
    waiter = threading.Thread(target=lambda: got.append(opened.wait_for_change("digest-1", 30)))
    waiter.start()
    opened.close()
    waiter.join(5)
    assert got == [None]


def test_many_units_at_once(store: Store) -> None:
    together = threading.Barrier(30, timeout=30)

    def look() -> int:
        with store.read() as unit:
            together.wait()  # all of them hold a unit now
            return unit.teams.count()

    with ThreadPoolExecutor(30) as pool:
        assert [done.result() for done in [pool.submit(look) for _ in range(30)]] == [0] * 30


def test_what_is_over_is_deleted_by_its_instant(store: Store) -> None:
    with store.write() as unit:
        for number in range(5):
            unit.used_assertions.add(UsedAssertion(id=str(number), expires_at=100 + number))
        assert unit.used_assertions.delete_until("expires_at", 102) == 3
        assert [used.id for used in unit.used_assertions.all()] == ["3", "4"]
    with store.read() as unit, pytest.raises(RuntimeError):
        unit.used_assertions.delete_until("expires_at", 102)

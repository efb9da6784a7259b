"""What the registry promises, on SQLite and on a real PostgreSQL: idempotence, atomicity, one winner of a race."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from policies.model import snapshot
from policies.model.contract import Stage
from registry import audit, catalogue, compiler, credentials, publishing, signing
from registry.errors import Conflict, Rejected
from registry.sealing import Keyring
from registry.store import Store, open_store
from tests.unit.registry.world import (
    ADMIN,
    APPLICATION,
    CONSUMER,
    CONTRACT,
    DAY,
    MEMBER,
    NOW,
    PLAN,
    deprecate,
    parsed,
    publish,
    seed,
    subscribe,
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    with opened.write() as unit:
        seed(unit)
    yield opened
    opened.close()


def _revision(store: Store) -> int:
    row = store.snapshot()
    assert row is not None
    return row.revision


def _audited(store: Store) -> int:
    with store.read() as unit:
        return len(audit.entries(unit, limit=1000).entries)


def test_a_change_its_audit_row_and_its_snapshot_are_one(store: Store) -> None:
    before = _revision(store)
    with store.write() as unit:
        publish(unit)
    row = store.snapshot()
    assert row is not None
    assert row.revision == before + 1
    seen, digest = snapshot.loads(row.data)
    assert digest == row.digest
    assert seen.revision == row.revision
    assert [(version.number, version.stage) for version in seen.versions] == [("1.0.0", Stage.PUBLISHED)]
    with store.read() as unit:
        newest = audit.entries(unit, limit=1).entries[0]
    assert (newest.actor, newest.action, newest.subject, newest.revision) == (
        "mia",
        "version.publish",
        "contracts/stock/versions/1.0.0",
        row.revision,
    )


def test_doing_everything_again_writes_nothing(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
        subscribe(unit)
    revision, audited = _revision(store), _audited(store)
    with store.write() as unit:
        seed(unit, now=NOW + 1)
        assert publish(unit, now=NOW + 1).created is False
        subscribe(unit, now=NOW + 1)
    assert (_revision(store), _audited(store)) == (revision, audited)


def test_what_no_gateway_sees_makes_no_revision_but_is_audited(store: Store) -> None:
    revision, audited = _revision(store), _audited(store)
    with store.write() as unit:
        publishing.publish(unit, MEMBER, "stock", parsed(), stage="draft", now=NOW)
    assert (_revision(store), _audited(store)) == (revision, audited + 1)


def test_a_refused_publish_changes_nothing(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
        subscribe(unit)
    revision, audited = _revision(store), _audited(store)
    refused = parsed("1.1.0", breaking=True)
    with pytest.raises(Rejected) as caught, store.write() as unit:
        publishing.publish(unit, MEMBER, "stock", refused, now=NOW)
    assert [touched.application for touched in caught.value.publication.impact.hurt] == [APPLICATION.id]  # type: ignore[union-attr]
    assert (_revision(store), _audited(store)) == (revision, audited)
    with store.read() as unit:
        assert unit.document(refused.document.digest) is None
        assert [version.number for version in catalogue.versions(unit, "stock")] == ["1.0.0"]


def test_a_dry_run_judges_and_writes_nothing_even_in_a_read_unit(store: Store) -> None:
    revision, audited = _revision(store), _audited(store)
    with store.read() as unit:
        publication = publishing.publish(unit, MEMBER, "stock", parsed(), dry_run=True, now=NOW)
    assert (publication.created, publication.dry_run, publication.bump) == (True, True, "initial")
    assert (_revision(store), _audited(store)) == (revision, audited)
    with pytest.raises(Rejected), store.read() as unit:
        publishing.publish(unit, MEMBER, "stock", parsed(untidy=True), dry_run=True, now=NOW)


def test_the_other_document_under_a_number_is_a_conflict(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
    with pytest.raises(Conflict, match="next number"), store.write() as unit:
        publish(unit, extra=1)


def _race(store: Store, documents: list[publishing.Parsed]) -> list[str]:
    def one(candidate: publishing.Parsed) -> str:
        try:
            with store.read() as unit:
                publishing.publish(unit, MEMBER, "stock", candidate, dry_run=True, now=NOW)
            with store.write() as unit:
                publication = publishing.publish(unit, MEMBER, "stock", candidate, now=NOW)
        except Conflict:
            return "conflict"
        return "created" if publication.created else "same"

    with ThreadPoolExecutor(len(documents)) as pool:
        return sorted(pool.map(one, documents))


def test_of_two_publishers_of_one_number_one_wins(store: Store) -> None:
    assert _race(store, [parsed(), parsed(extra=1), parsed(extra=2)]) == ["conflict", "conflict", "created"]
    with store.read() as unit:
        assert len(catalogue.versions(unit, "stock")) == 1


def test_two_publishers_of_the_same_document_both_succeed(store: Store) -> None:
    assert _race(store, [parsed(), parsed(), parsed()]) == ["created", "same", "same"]


def _publish_elsewhere(url: str, extra: int, answers: Any) -> None:
    store = open_store(url)
    answers.put(_race(store, [parsed(extra=extra)])[0])
    store.close()


def test_of_two_processes_that_publish_one_number_one_wins(store: Store, database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    running = [context.Process(target=_publish_elsewhere, args=(database_url, extra, answers)) for extra in (1, 2)]
    for process in running:
        process.start()
    got = sorted(answers.get(timeout=60) for _ in running)
    for process in running:
        process.join(30)
        assert process.exitcode == 0
    answers.close()
    answers.join_thread()
    assert got == ["conflict", "created"]


def test_the_whole_life_of_a_major(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
        publish(unit, "1.1.0", extra=1)
        subscribe(unit)
    with store.write() as unit:
        publish(unit, "2.0.0", breaking=True)
    with store.write() as unit:
        moved = deprecate(unit, "1.1.0")
    assert moved.also == ("1.0.0",)
    row = store.snapshot()
    assert row is not None
    seen, _digest = snapshot.loads(row.data)
    assert [(version.number, version.stage, version.successor) for version in seen.versions] == [
        ("1.0.0", Stage.DEPRECATED, "2"),
        ("1.1.0", Stage.DEPRECATED, "2"),
        ("2.0.0", Stage.PUBLISHED, None),
    ]
    assert seen.applications[0].subscriptions[0].major == 1


def test_compiling_twice_gives_the_same_bytes(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
        subscribe(unit)
        credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW)
        credentials.create_client_secret(unit, ADMIN, APPLICATION.id, now=NOW)
    with store.read() as unit:
        first = snapshot.dumps(compiler.compile_snapshot(unit, revision=7, now=NOW))
    with store.read() as unit:
        assert snapshot.dumps(compiler.compile_snapshot(unit, revision=7, now=NOW)) == first


def test_the_snapshot_carries_what_a_gateway_needs_and_no_secret(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
        subscribe(unit)
        signing.rotate(unit, ADMIN, Keyring([b"k" * 32], "the test"), lead=0, now=NOW)
        key = credentials.create_api_key(unit, ADMIN, APPLICATION.id, expires_at=NOW + DAY, now=NOW)
        secret = credentials.create_client_secret(unit, ADMIN, APPLICATION.id, now=NOW)
        gone = credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW)
        credentials.revoke(unit, ADMIN, APPLICATION.id, gone.credential.id, now=NOW)
    row = store.snapshot()
    assert row is not None
    seen, _digest = snapshot.loads(row.data)
    assert seen.contracts == (CONTRACT,)
    assert PLAN in seen.plans
    assert [(k.id, k.application, k.expires_at) for k in seen.api_keys] == [
        (key.credential.id, APPLICATION.id, NOW + DAY)
    ]
    assert [(s.id, s.issuer, s.subject, s.application) for s in seen.subjects] == [
        (secret.credential.id, "http://127.0.0.1:8080", APPLICATION.id, APPLICATION.id)
    ]
    assert [(a.id, a.audience, a.party) for a in seen.applications] == [
        (APPLICATION.id, CONSUMER.audience, APPLICATION.party)
    ]
    issuer = seen.issuers[0]
    assert issuer.jwks is not None
    assert [sorted(jwk) for jwk in issuer.jwks["keys"]] == [["alg", "crv", "kid", "kty", "use", "x", "y"]]
    with store.read() as unit:
        told = repr(audit.entries(unit, limit=1000)).encode()
        stored = b"".join(unit.credentials.get(i.credential.id).digest.encode() for i in (key, secret))  # type: ignore[union-attr]
    for issued in (key, secret, gone):
        assert issued.secret.encode() not in row.data + told + stored
        assert issued.secret not in repr(issued)
        assert issued.credential.digest is not None
        assert issued.credential.digest.encode() not in told
    assert secret.credential.digest is not None
    assert secret.credential.digest.encode() not in row.data
    assert b"PRIVATE KEY" not in row.data + told
    assert b"sealed:" not in row.data + told

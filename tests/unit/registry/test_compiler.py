from __future__ import annotations

import time

import msgspec
import pytest
from sqlalchemy import event

from policies.lifecycle import Action
from policies.model import snapshot
from policies.model.access import Issuer
from policies.model.contract import Stage
from registry import compiler, credentials, issuers, publishing, transitions
from registry.store import Store, Unit
from registry.store.records import Credential, RegisteredApplication, StoredRevocation, StoredSubscription
from tests.unit.registry.world import ADMIN, APPLICATION, DAY, MEMBER, NOW, deprecate, parsed, publish, subscribe


def _compile(unit: Unit) -> snapshot.Snapshot:
    return compiler.compile_snapshot(unit, revision=5, now=NOW)


def test_versions_from_review_to_retirement_are_carried_with_their_documents(unit: Unit) -> None:
    publish(unit)
    publish(unit, "2.0.0", breaking=True)
    deprecate(unit, "1.0.0")
    transitions.move(unit, ADMIN, "stock", "1.0.0", Action.RETIRE, reason="x", forced=True, now=NOW)
    publishing.publish(unit, MEMBER, "stock", parsed("2.1.0", extra=1, breaking=True), stage="draft", now=NOW)
    publishing.publish(unit, MEMBER, "stock", parsed("2.2.0", extra=2, breaking=True), stage="draft", now=NOW)
    transitions.move(unit, MEMBER, "stock", "2.1.0", Action.SUBMIT, now=NOW)
    seen = _compile(unit)
    assert [(version.number, version.stage) for version in seen.versions] == [
        ("1.0.0", Stage.RETIRED),
        ("2.0.0", Stage.PUBLISHED),
        ("2.1.0", Stage.IN_REVIEW),
    ]
    assert sorted(seen.documents) == sorted(version.digest for version in seen.versions)
    assert (seen.revision, seen.compiled_at) == (5, NOW)
    transitions.move(unit, MEMBER, "stock", "1.0.0", Action.ARCHIVE, reason="x", now=NOW)
    assert [version.number for version in _compile(unit).versions] == ["2.0.0", "2.1.0"]


def test_a_document_of_two_versions_is_carried_once(unit: Unit) -> None:
    publish(unit)
    publishing.publish(unit, MEMBER, "stock", parsed(), number="1.0.1", now=NOW)
    seen = _compile(unit)
    assert len(seen.versions) == 2
    assert list(seen.documents) == [seen.versions[0].digest]


def test_what_only_the_registry_knows_does_not_cross(unit: Unit) -> None:
    publish(unit)
    body = snapshot.dumps(_compile(unit))
    for word in (b"author", b"approver", b"created_at", b"created_by", b"submitted_at"):
        assert word not in body


def test_subjects_of_foreign_issuers_and_client_secrets(unit: Unit) -> None:
    idp = Issuer(name="idp", issuer="https://idp.example", audience="wb", jwks_uri="https://idp.example/jwks")
    issuers.put_issuer(unit, ADMIN, idp, now=NOW)
    foreign = credentials.add_subject(unit, ADMIN, APPLICATION.id, issuer="idp", subject="svc-1", now=NOW).record
    secret = credentials.create_client_secret(unit, ADMIN, APPLICATION.id, expires_at=NOW + DAY, now=NOW).credential
    seen = _compile(unit)
    assert {(s.id, s.issuer, s.subject, s.expires_at) for s in seen.subjects} == {
        (foreign.id, "https://idp.example", "svc-1", None),
        (secret.id, "http://127.0.0.1:8080", APPLICATION.id, NOW + DAY),
    }
    assert idp in seen.issuers
    credentials.revoke(unit, ADMIN, APPLICATION.id, foreign.id, now=NOW)
    credentials.revoke(unit, ADMIN, APPLICATION.id, secret.id, now=NOW)
    assert _compile(unit).subjects == ()


def test_facts_that_contradict_each_other_are_never_committed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # foreign keys keep the tables sound; a fault of ours in compiling must still not get out
    sound = compiler.compile_snapshot

    def broken(unit: Unit, **given: int) -> snapshot.Snapshot:
        return msgspec.structs.replace(sound(unit, **given), documents={})

    monkeypatch.setattr(compiler, "compile_snapshot", broken)
    before = store.snapshot()
    with pytest.raises(compiler.ContradictoryFacts, match="no document"), store.write() as unit:
        publish(unit)
    assert store.snapshot() == before
    with store.read() as unit:
        assert unit.versions.all() == []


def test_every_table_is_read_once_however_many_rows_there_are(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
        for index in range(500):
            unit.applications.add(RegisteredApplication(id=f"app-{index}", name="A", consumer="oakhurst"))
            unit.subscriptions.add(
                StoredSubscription(
                    application=f"app-{index}",
                    contract="stock",
                    major=1,
                    plan="standard",
                    created_at=1,
                    created_by="ada",
                )
            )
            unit.credentials.add(
                Credential(
                    id=f"{index:012x}",
                    application=f"app-{index}",
                    kind="api-key",
                    digest=f"{index:064x}",
                    created_at=1,
                    created_by="ada",
                )
            )
    asked: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with store.read() as unit:
        started = time.perf_counter()
        seen = _compile(unit)
        took = time.perf_counter() - started
    assert len(seen.applications) == 501
    assert len([statement for statement in asked if statement.startswith("SELECT")]) <= 12
    assert took < 2


def test_a_snapshot_that_nobody_would_see_differ_is_not_written(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    assert compiler.refresh(unit, now=NOW) is True
    assert compiler.refresh(unit, now=NOW + DAY) is False


def test_revoked_tokens_cross_until_they_are_over(unit: Unit) -> None:
    for jti, expires_at in (("a", NOW + 1), ("b", NOW - 59), ("c", NOW - 60)):
        unit.revoked_tokens.add(StoredRevocation(jti=jti, application=APPLICATION.id, expires_at=expires_at))
    assert [(token.issuer, token.jti) for token in _compile(unit).revoked_tokens] == [
        ("http://127.0.0.1:8080", "a"),
        ("http://127.0.0.1:8080", "b"),
    ]

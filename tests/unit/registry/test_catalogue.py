from __future__ import annotations

import pytest

from policies.model.contract import Stage
from registry import catalogue, publishing
from registry.audit import Actor
from registry.errors import NotFound
from registry.store import Store, Unit, open_store
from tests.unit.registry.world import ADMIN, CONTRACT, MEMBER, NOW, deprecate, document, parsed, publish


def test_versions_are_in_semver_order_and_selected(unit: Unit) -> None:
    publish(unit)
    for minor in range(2, 11, 4):
        publish(unit, f"1.{minor}.0", extra=minor)
    publish(unit, "2.0.0", breaking=True)
    deprecate(unit, "1.2.0")
    publishing.publish(unit, MEMBER, "stock", parsed("1.11.0", extra=20), stage="draft", now=NOW)

    def numbers(**select: object) -> list[str]:
        return [version.number for version in catalogue.versions(unit, "stock", **select)]  # type: ignore[arg-type]

    assert numbers() == ["1.0.0", "1.2.0", "1.6.0", "1.10.0", "1.11.0", "2.0.0"]
    assert numbers(major=2) == ["2.0.0"]
    assert numbers(stage=Stage.DEPRECATED) == ["1.0.0", "1.2.0"]
    assert [version.number for version in catalogue.live(unit, "stock", 1)] == ["1.0.0", "1.2.0", "1.6.0", "1.10.0"]


def test_a_document_is_found_by_digest(unit: Unit) -> None:
    publish(unit)
    assert catalogue.document(unit, document().digest).tree == document().tree
    with pytest.raises(NotFound):
        catalogue.document(unit, "sha256:none")


def test_the_judgement_is_kept_beside_the_version(unit: Unit) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    publishing.publish(unit, MEMBER, "stock", parsed("1.2.0", untidy=True), stage="draft", now=NOW)
    kept = catalogue.evidence(unit, "stock", "1.1.0")
    assert kept is not None
    assert (kept.action, kept.bump, kept.ruleset.partition("@")[0]) == ("publish", "minor", "baseline")
    assert [comparison["against"] for comparison in kept.comparisons] == ["1.0.0"]
    draft = catalogue.evidence(unit, "stock", "1.2.0")
    assert draft is not None
    assert draft.lint is not None
    assert (draft.lint["verdict"], draft.gates) == ("fail", None)


def test_what_is_not_there(unit: Unit) -> None:
    assert catalogue.contracts(unit) == [CONTRACT]
    for attempt in (
        lambda: catalogue.contract(unit, "nothing"),
        lambda: catalogue.versions(unit, "nothing"),
        lambda: catalogue.version(unit, "stock", "1.0.0"),
        lambda: catalogue.evidence(unit, "stock", "1.0.0"),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_the_current_snapshot(store: Store, tmp_path: object) -> None:
    with store.read() as unit:
        assert catalogue.snapshot(unit) == store.snapshot()
    empty = open_store(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(NotFound), empty.read() as unit:
        catalogue.snapshot(unit)
    empty.close()


def test_what_was_not_published_yet_is_seen_by_its_team_and_by_admins(unit: Unit) -> None:
    publish(unit)
    publishing.publish(unit, MEMBER, "stock", parsed("1.1.0", extra=1), stage="draft", now=NOW)
    readers = {
        "admin": ADMIN, "own team": MEMBER, "other team": Actor("tom", "member", "pricing"),
        "reader": Actor("ruth", "reader"), "inside": None,
    }  # fmt: skip
    seen = {name: len(catalogue.versions(unit, "stock", reader=reader)) for name, reader in readers.items()}
    assert seen == {"admin": 2, "own team": 2, "other team": 1, "reader": 1, "inside": 2}
    with pytest.raises(NotFound):
        catalogue.version(unit, "stock", "1.1.0", reader=readers["reader"])

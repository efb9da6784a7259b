from __future__ import annotations

from typing import Any

import pytest

from policies.lifecycle import Action
from policies.model.contract import Block, Rollout, Stage
from registry import audit, catalogue, transitions
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Rejected
from registry.evidence import Publication
from registry.publishing import publish as publish_version
from registry.store import Store, Unit
from tests.unit.registry.world import (
    ADMIN,
    APPLICATION,
    DAY,
    MAINTAINER,
    MEMBER,
    NOW,
    OTHER,
    READER,
    deprecate,
    parsed,
    publish,
    subscribe,
)


def _move(unit: Unit, number: str, action: Action, *, actor: Any = None, now: int = NOW, **given: Any) -> Publication:
    """By the least who may."""
    dangerous = action in (Action.RETIRE, Action.BLOCK, Action.UNBLOCK)
    actor = actor or (MAINTAINER if dangerous else MEMBER)
    return transitions.move(unit, actor, "stock", number, action, now=now, **given)


def _stages(unit: Unit) -> dict[str, str]:
    return {version.number: str(version.stage) for version in catalogue.versions(unit, "stock")}


def _draft(unit: Unit, number: str = "1.0.0", **changes: Any) -> Publication:
    return publish_version(unit, MEMBER, "stock", parsed(number, **changes), stage="draft", now=NOW)


def test_a_draft_goes_through_review_to_published(unit: Unit) -> None:
    _draft(unit)
    submitted = _move(unit, "1.0.0", Action.SUBMIT, now=NOW + 1)
    assert (submitted.version.stage, submitted.version.submitted_at) == (Stage.IN_REVIEW, NOW + 1)
    assert submitted.judged is not None
    transitions.preview(unit, MEMBER, "stock", "1.0.0", (APPLICATION.id,), now=NOW)
    published = _move(unit, "1.0.0", Action.PUBLISH, actor=ADMIN, now=NOW + 2)
    version = published.version
    assert (version.stage, version.author, version.approver) == (Stage.PUBLISHED, "mia", "ada")
    assert (version.published_at, version.preview_applications) == (NOW + 2, ())
    assert published.gates is not None
    assert published.gates.findings == ()


def test_an_untidy_draft_is_kept_and_not_let_into_review(unit: Unit) -> None:
    draft = _draft(unit, untidy=True)
    assert draft.lint is not None
    assert draft.lint.verdict == "fail"
    with pytest.raises(Rejected, match="lint") as caught:
        _move(unit, "1.0.0", Action.SUBMIT)
    assert caught.value.publication.lint is not None
    assert _stages(unit) == {"1.0.0": "draft"}


def test_repeating_a_move_is_success_without_effect(unit: Unit) -> None:
    publish(unit)
    publish(unit, "2.0.0", breaking=True)
    assert _move(unit, "1.0.0", Action.PUBLISH).created is False
    assert deprecate(unit, "1.0.0").created is True
    assert deprecate(unit, "1.0.0").created is False
    block: dict[str, Any] = {"reason": "on fire", "until": NOW + DAY}
    assert _move(unit, "1.0.0", Action.BLOCK, **block).created is True
    assert _move(unit, "1.0.0", Action.BLOCK, **block).created is False
    assert _move(unit, "1.0.0", Action.UNBLOCK, reason="out").created is True
    assert _move(unit, "1.0.0", Action.UNBLOCK, reason="out").created is False
    later = NOW + 201 * DAY
    assert _move(unit, "1.0.0", Action.RETIRE, reason="over", now=later).created is True
    assert _move(unit, "1.0.0", Action.RETIRE, reason="over", now=later).created is False
    assert _move(unit, "1.0.0", Action.ARCHIVE, reason="gone", now=later).created is True
    assert _move(unit, "1.0.0", Action.ARCHIVE, reason="gone", now=later).created is False


def test_what_the_table_does_not_allow_is_a_conflict_that_says_what_is_possible(unit: Unit) -> None:
    _draft(unit)
    with pytest.raises(Conflict, match="is draft; what can be done with it is: submit, publish, archive"):
        _move(unit, "1.0.0", Action.RETIRE, reason="no")


def test_deprecating_names_dates_and_takes_older_versions_along(unit: Unit) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    publish(unit, "2.0.0", breaking=True)
    publication = deprecate(unit, "1.1.0", successor="v2", now=NOW + 5)
    assert publication.also == ("1.0.0",)
    for number in ("1.0.0", "1.1.0"):
        version = catalogue.version(unit, "stock", number)
        assert (version.stage, version.deprecated_at, version.sunset_at, version.successor) == (
            Stage.DEPRECATED,
            NOW + 5,
            NOW + 5 + 200 * DAY,
            "2",
        )
    later = deprecate(unit, "1.1.0", successor="2.0.0", now=NOW + 9)
    assert (later.version.deprecated_at, later.version.successor) == (NOW + 5, "2.0.0")


def test_deprecating_without_a_way_out_is_refused(unit: Unit) -> None:
    publish(unit)
    with pytest.raises(Rejected, match="3 is not a live version"):
        deprecate(unit, "1.0.0", successor="3")
    with pytest.raises(Invalid):
        deprecate(unit, "1.0.0", successor="next")


def test_retiring_waits_for_the_sunset_and_for_subscribers_unless_forced(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    publish(unit, "1.1.0", extra=1)
    publish(unit, "2.0.0", breaking=True)
    deprecate(unit, "1.1.0")
    with pytest.raises(Rejected) as caught:
        _move(unit, "1.1.0", Action.RETIRE, reason="now")
    gates = caught.value.publication.gates
    assert gates is not None
    assert {finding.rule for finding in gates.findings} == {
        "lifecycle.calls-are-observed",
        "lifecycle.nobody-still-subscribes",
        "lifecycle.notice-elapsed",
    }
    with pytest.raises(Forbidden, match="force"):
        _move(unit, "1.1.0", Action.RETIRE, reason="now", forced=True)
    publication = _move(unit, "1.1.0", Action.RETIRE, actor=ADMIN, reason="now", forced=True)
    assert publication.also == ("1.0.0",)
    assert publication.impact is not None
    assert [touched.application for touched in publication.impact.hurt] == [APPLICATION.id]
    assert _stages(unit) == {"1.0.0": "retired", "1.1.0": "retired", "2.0.0": "published"}
    assert catalogue.version(unit, "stock", "1.0.0").retired_at == NOW


def test_retiring_behind_a_newer_version_hurts_nobody(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    publish(unit, "1.1.0", extra=1)
    deprecate(unit, "1.0.0", successor="1.1.0")
    publication = _move(unit, "1.0.0", Action.RETIRE, reason="over", now=NOW + 201 * DAY)
    assert publication.impact is not None
    assert publication.impact.hurt == ()
    assert _stages(unit) == {"1.0.0": "retired", "1.1.0": "published"}


def test_blocking_is_a_switch_beside_the_stage(unit: Unit) -> None:
    publish(unit)
    blocked = _move(unit, "1.0.0", Action.BLOCK, reason="on fire", until=NOW + 60)
    assert (blocked.version.stage, blocked.version.block) == (Stage.PUBLISHED, Block(reason="on fire", until=NOW + 60))
    assert _move(unit, "1.0.0", Action.UNBLOCK, reason="out").version.block is None
    with pytest.raises(Invalid) as caught:
        _move(unit, "1.0.0", Action.BLOCK, reason="on fire", until=NOW)
    assert caught.value.pointer == "/until"
    with pytest.raises(Rejected, match="reason"):
        _move(unit, "1.0.0", Action.BLOCK)


def test_a_dry_run_moves_nothing(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
    with store.read() as unit:
        publication = _move(unit, "1.0.0", Action.BLOCK, reason="on fire", dry_run=True)
        assert (publication.created, publication.dry_run) == (True, True)
        assert catalogue.version(unit, "stock", "1.0.0").block is None


def test_only_the_owner_moves(unit: Unit) -> None:
    publish(unit)
    with pytest.raises(Forbidden):
        _move(unit, "1.0.0", Action.BLOCK, actor=MEMBER, reason="x")
    for actor in (OTHER, READER):
        with pytest.raises(Forbidden):
            _move(unit, "1.0.0", Action.BLOCK, actor=actor, reason="x")
        with pytest.raises(Forbidden):
            transitions.preview(unit, actor, "stock", "1.0.0", (), now=NOW)
        with pytest.raises(Forbidden):
            transitions.put_rollout(unit, actor, Rollout(contract="stock", major=1, version="1.0.0"), now=NOW)
        with pytest.raises(Forbidden):
            transitions.end_rollout(unit, actor, "stock", 1, now=NOW)
    with pytest.raises(NotFound):
        _move(unit, "9.0.0", Action.BLOCK, reason="x")


def test_every_version_that_moves_is_audited(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
        publish(unit, "1.1.0", extra=1)
        publish(unit, "2.0.0", breaking=True)
    with store.write() as unit:
        deprecate(unit, "1.1.0")
    with store.read() as unit:
        first, second = audit.entries(unit, limit=2).entries
    assert [(entry.subject, entry.action, entry.reason) for entry in (second, first)] == [
        ("contracts/stock/versions/1.1.0", "version.deprecate", "old"),
        ("contracts/stock/versions/1.0.0", "version.deprecate", "moves along with 1.1.0"),
    ]
    assert second.before == {"stage": "published", "deprecated_at": None, "sunset_at": None, "successor": None}


def test_only_a_version_in_review_is_previewed(unit: Unit) -> None:
    _draft(unit)
    with pytest.raises(Conflict, match="is draft"):
        transitions.preview(unit, MEMBER, "stock", "1.0.0", (), now=NOW)
    _move(unit, "1.0.0", Action.SUBMIT)
    with pytest.raises(Invalid) as caught:
        transitions.preview(unit, MEMBER, "stock", "1.0.0", (APPLICATION.id, "nobody"), now=NOW)
    assert caught.value.pointer == "/applications/1"
    twice = transitions.preview(unit, MEMBER, "stock", "1.0.0", (APPLICATION.id,) * 2, now=NOW)
    assert twice.preview_applications == (APPLICATION.id,)
    assert transitions.preview(unit, MEMBER, "stock", "1.0.0", (), now=NOW).preview_applications == ()


def test_rollouts(unit: Unit) -> None:
    publish(unit)
    rollout = Rollout(contract="stock", major=1, version="1.0.0", share=10)
    with pytest.raises(Conflict, match="no other version"):
        transitions.put_rollout(unit, MEMBER, rollout, now=NOW)
    publish(unit, "1.1.0", extra=1)
    rollout = Rollout(contract="stock", major=1, version="1.1.0", share=10, upstream="default")
    assert transitions.put_rollout(unit, MEMBER, rollout, dry_run=True, now=NOW).created is True
    assert catalogue.rollouts(unit) == []
    assert transitions.put_rollout(unit, MEMBER, rollout, now=NOW).created is True
    assert transitions.put_rollout(unit, MEMBER, rollout, now=NOW).changed is False
    assert catalogue.rollouts(unit, "stock") == [rollout]
    transitions.end_rollout(unit, MEMBER, "stock", 1, now=NOW)
    with pytest.raises(NotFound):
        transitions.end_rollout(unit, MEMBER, "stock", 1, now=NOW)


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/version", {"major": 2}),
        ("/share", {"share": 101}),
        ("/applications/0", {"applications": ("nobody",)}),
        ("/upstream", {"upstream": "TOR-9"}),
        ("/upstream/url", {"upstream": "ftp://127.0.0.1/x"}),
    ],
)
def test_malformed_rollouts(unit: Unit, pointer: str, changes: dict[str, Any]) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    given: dict[str, Any] = {"contract": "stock", "major": 1, "version": "1.1.0", **changes}
    with pytest.raises(Invalid) as caught:
        transitions.put_rollout(unit, MEMBER, Rollout(**given), now=NOW)
    assert caught.value.pointer == pointer


def test_a_rollout_ends_with_its_version(unit: Unit) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    publish(unit, "2.0.0", breaking=True)
    transitions.put_rollout(unit, MEMBER, Rollout(contract="stock", major=1, version="1.1.0", share=10), now=NOW)
    deprecate(unit, "1.1.0")
    assert len(catalogue.rollouts(unit)) == 1
    _move(unit, "1.1.0", Action.RETIRE, actor=ADMIN, forced=True, reason="over")
    assert catalogue.rollouts(unit) == []

from __future__ import annotations

from typing import Any

import pytest

from policies.lifecycle import Action
from policies.model.contract import Stage
from policies.model.document import Document
from registry import catalogue, publishing, transitions, waivers
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Rejected
from registry.store import Unit
from tests.unit.registry.world import (
    ADMIN,
    APPLICATION,
    DAY,
    MAINTAINER,
    MEMBER,
    NOW,
    OTHER,
    READER,
    Parsed,
    deprecate,
    document,
    parsed,
    publish,
    subscribe,
)


def test_a_first_version(unit: Unit) -> None:
    publication = publish(unit)
    assert (publication.created, publication.bump, publication.comparisons, publication.previous) == (
        True,
        "initial",
        (),
        None,
    )
    version = catalogue.version(unit, "stock", "1.0.0")
    assert version == publication.version
    assert (version.stage, version.author, version.approver, version.published_at) == (
        Stage.PUBLISHED,
        "mia",
        "mia",
        NOW,
    )
    stored = catalogue.document(unit, version.digest)
    assert (stored.tree, stored.text) == (document().tree, "openapi: 3.1.0\n")


def test_every_live_version_of_the_major_is_compared(unit: Unit) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    publication = publish(unit, "1.2.0", extra=2)
    assert [compared.number for compared in publication.comparisons] == ["1.0.0", "1.1.0"]
    assert publication.bump == "minor"


def test_what_comes_back_to_an_older_promise_is_still_judged_against_all(unit: Unit) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    with pytest.raises(Rejected) as caught:
        publish(unit, "1.2.0", breaking=True)
    verdicts = [(c.number, c.change.verdict) for c in caught.value.publication.comparisons]
    assert verdicts == [("1.0.0", "breaking"), ("1.1.0", "breaking")]


def test_a_new_major_is_compared_with_the_newest_before_it(unit: Unit) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    subscribe(unit)
    publication = publish(unit, "2.0.0", breaking=True)
    assert publication.comparisons == ()
    assert publication.previous is not None
    assert (publication.previous.number, publication.bump) == ("1.1.0", "major")
    assert publication.impact is not None
    assert [(touched.application, touched.major, touched.hurt) for touched in publication.impact.touched] == [
        (APPLICATION.id, 1, False)
    ]


def test_a_prerelease_binds_nobody_once_its_major_is_released(unit: Unit) -> None:
    publish(unit, "1.0.0-rc.1")
    publish(unit, "1.0.0", breaking=True)
    after = publish(unit, "1.0.1", breaking=True)
    assert [compared.number for compared in after.comparisons] == ["1.0.0"]
    assert after.bump != "major"


def test_retired_versions_bind_nobody(unit: Unit) -> None:
    publish(unit)
    publish(unit, "2.0.0", breaking=True)
    deprecate(unit, "1.0.0")
    transitions.move(unit, MAINTAINER, "stock", "1.0.0", Action.RETIRE, reason="over", now=NOW + 201 * DAY)
    publication = publish(unit, "3.0.0", now=NOW + 202 * DAY)
    assert publication.previous is not None
    assert publication.previous.number == "2.0.0"


def test_the_number_must_tell_the_truth(unit: Unit) -> None:
    publish(unit)
    with pytest.raises(Rejected, match=r"1\.0\.1"):
        publish(unit, "1.0.1", extra=1)
    assert publish(unit, "1.1.0", extra=1).created is True
    with pytest.raises(Rejected):
        publish(unit, "1.0.5")


@pytest.mark.parametrize("claimed", ["1.0", "latest", "1.0.0+7", ""])
def test_a_malformed_number_names_the_place(unit: Unit, claimed: str) -> None:
    with pytest.raises(Invalid) as caught:
        publish(unit, claimed)
    assert caught.value.pointer == "/info/version"
    assert repr(claimed) in str(caught.value)


def test_a_given_number_wins_over_the_document(unit: Unit) -> None:
    publication = publishing.publish(unit, MEMBER, "stock", parsed("0.0.1"), number="1.0.0", now=NOW)
    assert publication.version.number == "1.0.0"
    with pytest.raises(Invalid) as caught:
        publishing.publish(unit, MEMBER, "stock", parsed(), number="1", now=NOW)
    assert caught.value.pointer == "/number"


def test_drafts_are_replaced_until_they_are_submitted(unit: Unit) -> None:
    def draft(**changes: Any) -> publishing.Publication:
        return publishing.publish(unit, MEMBER, "stock", parsed(**changes), stage="draft", now=NOW)

    first = draft(untidy=True)
    assert (first.created, first.gates, first.version.published_at) == (True, None, None)
    assert first.lint is not None
    assert first.lint.verdict == "fail"
    assert draft(untidy=True).created is False
    assert draft(extra=1).created is True
    assert draft().created is True
    transitions.move(unit, MEMBER, "stock", "1.0.0", Action.SUBMIT, now=NOW)
    assert draft().created is False
    with pytest.raises(Conflict, match="in-review"):
        draft(extra=1)


def test_publishing_a_draft_keeps_its_author(unit: Unit) -> None:
    publishing.publish(unit, MEMBER, "stock", parsed(), stage="draft", now=NOW)
    publication = publish(unit, actor=ADMIN, now=NOW + 5)
    assert (publication.version.author, publication.version.approver) == ("mia", "ada")
    assert (publication.version.created_at, publication.version.published_at) == (NOW, NOW + 5)


def test_publishing_again_is_success_at_every_later_stage(unit: Unit) -> None:
    publish(unit)
    publish(unit, "2.0.0", breaking=True)
    deprecate(unit, "1.0.0")
    again = publish(unit)
    assert (again.created, again.version.stage, again.judged) == (False, Stage.DEPRECATED, None)


def test_what_was_given_up_as_a_draft_is_not_taken_for_published(unit: Unit) -> None:
    publishing.publish(unit, MEMBER, "stock", parsed("1.0.0"), stage="draft", now=NOW)
    transitions.move(unit, MEMBER, "stock", "1.0.0", Action.ARCHIVE, now=NOW)
    with pytest.raises(Conflict, match="given up before it was published"):
        publish(unit)


def test_who_may_publish(unit: Unit) -> None:
    for actor in (OTHER, READER):
        with pytest.raises(Forbidden):
            publish(unit, actor=actor)
    with pytest.raises(NotFound):
        publishing.publish(unit, ADMIN, "nothing", parsed(), now=NOW)


def test_a_document_without_operations_is_not_evaluated_and_not_published(unit: Unit) -> None:
    tree = {**document().tree, "paths": {}}
    with pytest.raises(Rejected, match="no operation"):
        publishing.publish(unit, MEMBER, "stock", Parsed(Document(tree)), now=NOW)


def test_an_approved_waiver_lets_a_finding_pass_and_is_named(unit: Unit) -> None:
    with pytest.raises(Rejected) as caught:
        publish(unit, untidy=True)
    assert caught.value.publication.lint is not None
    (finding,) = [found for found in caught.value.publication.lint.findings if found.severity == "error"]
    asked = waivers.ask(
        unit,
        MEMBER,
        "stock",
        fingerprint=finding.fingerprint,
        rule=finding.rule,
        reason="behind the firewall",
        expires_at=NOW + DAY,
        now=NOW,
    )
    with pytest.raises(Rejected):
        publish(unit, untidy=True)
    waivers.approve(unit, ADMIN, "stock", asked.id, now=NOW)
    with pytest.raises(Rejected):
        publish(unit, untidy=True, now=NOW + DAY)
    publication = publish(unit, untidy=True)
    assert publication.lint is not None
    assert [waiver.id for waiver in publication.lint.waived] == [asked.id]
    assert publication.lint.verdict == "pass"

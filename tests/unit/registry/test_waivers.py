from __future__ import annotations

from typing import Any

import pytest

from registry import waivers
from registry.audit import Actor
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.store import Unit
from registry.store.records import StoredWaiver
from tests.unit.registry.world import ADMIN, DAY, MEMBER, NOW, OTHER, READER

COLLEAGUE = Actor("max", "maintainer", "stock-team")


def _ask(unit: Unit, actor: Actor = MEMBER, **changes: Any) -> StoredWaiver:
    given: dict[str, Any] = {
        "fingerprint": "0123456789abcdef",
        "rule": "lint.operations-declare-security",
        "reason": "behind the firewall",
        "expires_at": NOW + DAY,
        "now": NOW,
        **changes,
    }
    return waivers.ask(unit, actor, "stock", **given)


def test_a_waiver_counts_from_approval_by_somebody_else(unit: Unit) -> None:
    asked = _ask(unit)
    assert waivers.approved(unit, "stock") == ()
    with pytest.raises(Forbidden, match="another operator"):
        waivers.approve(unit, Actor(MEMBER.name, "maintainer", "stock-team"), "stock", asked.id, now=NOW)
    with pytest.raises(Forbidden, match="only admins and maintainers"):
        waivers.approve(unit, Actor("moe", "member", "stock-team"), "stock", asked.id, now=NOW)
    approved = waivers.approve(unit, COLLEAGUE, "stock", asked.id, now=NOW + 1)
    assert (approved.approver, approved.approved_at) == ("max", NOW + 1)
    assert waivers.approve(unit, ADMIN, "stock", asked.id, now=NOW + 2) == approved
    (granted,) = waivers.approved(unit, "stock")
    assert (granted.author, granted.approver, granted.fingerprint) == ("mia", "max", asked.fingerprint)


def test_a_withdrawn_waiver_counts_no_more(unit: Unit) -> None:
    asked = _ask(unit)
    waivers.approve(unit, ADMIN, "stock", asked.id, now=NOW)
    withdrawn = waivers.withdraw(unit, MEMBER, "stock", asked.id, reason="fixed", now=NOW)
    assert waivers.withdraw(unit, MEMBER, "stock", asked.id, now=NOW + 1) == withdrawn
    assert waivers.approved(unit, "stock") == ()
    with pytest.raises(Conflict, match="withdrawn"):
        waivers.approve(unit, ADMIN, "stock", asked.id, now=NOW)
    assert [waiver.id for waiver in waivers.waivers(unit, "stock")] == [asked.id]


def test_an_expired_waiver_is_not_approved(unit: Unit) -> None:
    asked = _ask(unit)
    with pytest.raises(Conflict, match="expired"):
        waivers.approve(unit, ADMIN, "stock", asked.id, now=NOW + DAY)


def test_one_waiver_at_a_time_covers_a_finding(unit: Unit) -> None:
    first = _ask(unit)
    with pytest.raises(Conflict, match=first.id):
        _ask(unit)
    _ask(unit, rule="lint.components-are-used")  # names another rule, so it covers another finding
    assert _ask(unit, now=NOW + DAY, expires_at=NOW + 2 * DAY).id != first.id


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/fingerprint", {"fingerprint": "xyz"}),
        ("/rule", {"rule": "lint.be-nice"}),
        ("/rule", {"rule": "lifecycle.breaking-needs-new-major"}),  # no gate reads one, so it would do nothing
        ("/reason", {"reason": " "}),
        ("/expires_at", {"expires_at": NOW}),
        ("/expires_at", {"expires_at": NOW + 400 * DAY}),
    ],
)
def test_malformed_waivers(unit: Unit, pointer: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        _ask(unit, **changes)
    assert caught.value.pointer == pointer


def test_who_may_ask_and_approve(unit: Unit) -> None:
    asked = _ask(unit)
    for actor in (OTHER, READER):
        with pytest.raises(Forbidden):
            _ask(unit, actor, fingerprint="f" * 16)
        with pytest.raises(Forbidden):
            waivers.approve(unit, actor, "stock", asked.id, now=NOW)
        with pytest.raises(Forbidden):
            waivers.withdraw(unit, actor, "stock", asked.id, now=NOW)
    with pytest.raises(NotFound):
        waivers.waiver(unit, "stock", "nothing")
    with pytest.raises(NotFound):
        waivers.waivers(unit, "nothing")

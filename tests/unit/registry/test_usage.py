"""Observed use: counted once, kept by day, and what is made of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from policies.lifecycle import Action
from policies.model.contract import Stage
from registry import audit, credentials, evidence, subscriptions, transitions, usage
from registry.audit import Actor
from registry.errors import Forbidden, Rejected
from registry.store import Store, Unit
from registry.usage import UNNAMED, Called, Receipt, UsageReport, UsedCredential
from tests.unit.registry.world import (
    ADMIN,
    APPLICATION,
    DAY,
    MEMBER,
    NOW,
    OTHER,
    READER,
    deprecate,
    publish,
    subscribe,
)

GATEWAY = Actor("gate", "gateway")
KEEP = 400
CALL = Called(
    application=APPLICATION.id,
    contract="stock",
    major=1,
    number="1.0.0",
    operation="getItem",
    status_class="2xx",
    calls=3,
    last_at=NOW,
)


def _report(unit: Unit, *uses: Called, sequence: int = 1, now: int = NOW, **more: Any) -> Receipt:
    made = UsageReport(source="a" * 32, sequence=sequence, uses=uses, **more)
    return usage.report(unit, GATEWAY, made, keep_days=KEEP, now=now)


def _call(**changes: Any) -> Called:
    return msgspec.structs.replace(CALL, **changes)


def test_a_report_is_counted_once_and_adds_up(unit: Unit) -> None:
    publish(unit)
    assert _report(unit, CALL) == Receipt(accepted=True)
    assert _report(unit, CALL) == Receipt(accepted=False)
    assert _report(unit, _call(calls=4, last_at=NOW - 9), sequence=2) == Receipt(accepted=True)
    assert _report(unit, CALL, sequence=1) == Receipt(accepted=False)  # late twin of one that was followed by another
    (use,) = usage.usage(unit, now=NOW)
    assert (use.calls, use.last_at, use.first_day) == (7, NOW, "2027-01-15")
    elsewhere = UsageReport(source="b" * 32, sequence=1, uses=(CALL,))
    assert usage.report(unit, GATEWAY, elsewhere, keep_days=KEEP, now=NOW).accepted
    assert usage.usage(unit, now=NOW)[0].calls == 10


def test_what_is_not_registered_is_passed_over(unit: Unit) -> None:
    publish(unit)
    made = _report(
        unit, CALL, _call(number="1.9.0"), _call(contract="nothing"), _call(major=2), _call(last_at=NOW - 401 * DAY)
    )
    assert made == Receipt(accepted=True, ignored=4)
    assert [use.number for use in usage.usage(unit, days=KEEP, now=NOW)] == ["1.0.0"]


def test_a_clock_that_is_ahead_is_set_back(unit: Unit) -> None:
    publish(unit)
    key = credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW).credential.id
    _report(unit, _call(last_at=NOW + 9 * DAY), credentials=(UsedCredential(id=key, last_used_at=NOW + 9 * DAY),))
    assert [(use.first_day, use.last_at) for use in usage.usage(unit, now=NOW)] == [("2027-01-15", NOW)]
    assert usage.last_used(unit, [key]) == {key: NOW}


def test_credentials_remember_their_last_use(unit: Unit) -> None:
    key = credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW).credential.id
    other = credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW).credential.id

    def used(id_: str, at: int) -> UsedCredential:
        return UsedCredential(id=id_, last_used_at=at)

    _report(unit, credentials=(used(key, NOW - 5), used("unknown", NOW)))
    _report(unit, credentials=(used(key, NOW - 60),), sequence=2)
    assert usage.last_used(unit, [key, other, "unknown"]) == {key: NOW - 5}


def test_only_gateways_and_admins_report(unit: Unit) -> None:
    made = UsageReport(source="a" * 32, sequence=1)
    for actor in (MEMBER, OTHER, READER):
        with pytest.raises(Forbidden, match="role gateway"):
            usage.report(unit, actor, made, keep_days=KEEP, now=NOW)
    assert usage.report(unit, ADMIN, made, keep_days=KEEP, now=NOW).accepted


def test_a_report_makes_no_audit_row_and_no_snapshot(store: Store) -> None:
    with store.write() as unit:
        publish(unit)
    before = store.snapshot()
    with store.read() as unit:
        rows = audit.entries(unit, limit=200).entries
    with store.write() as unit:
        _report(unit, CALL)
    after = store.snapshot()
    assert before is not None
    assert after is not None
    assert after.digest == before.digest
    with store.read() as unit:
        assert audit.entries(unit, limit=200).entries == rows


def test_old_days_are_forgotten(unit: Unit) -> None:
    publish(unit)
    _report(unit, CALL)
    later = NOW + (KEEP + 2) * DAY
    _report(unit, _call(last_at=later), sequence=2, now=later)
    assert [use.first_day for use in usage.usage(unit, days=3000, now=later)] == ["2028-02-21"]


def test_the_window_is_of_whole_days_with_today(unit: Unit) -> None:
    publish(unit)
    for sequence, days in enumerate((0, 1, 2), start=1):
        _report(unit, _call(last_at=NOW - days * DAY, operation=f"op{days}"), sequence=sequence)
    seen = {days: [use.operation for use in usage.usage(unit, days=days, now=NOW)] for days in (1, 2, 3)}
    assert seen == {1: ["op0"], 2: ["op0", "op1"], 3: ["op0", "op1", "op2"]}


# -- who is touched ---------------------------------------------------------------------------------------------------


def test_a_refused_publish_says_who_really_calls_and_how_often(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    _report(unit, _call(calls=30, last_at=NOW - 3 * DAY))
    _report(unit, _call(calls=10, last_at=NOW - DAY), sequence=2)
    with pytest.raises(Rejected) as caught:
        publish(unit, "1.1.0", breaking=True)
    (touched,) = caught.value.publication.impact.touched
    assert (touched.hurt, touched.plan, touched.last_called_at) == (True, "standard", NOW - DAY)
    (called,) = touched.calls
    assert (called.operation, called.calls_per_day, called.last_called_at) == ("GET /items/{sku}", 10.0, NOW - DAY)


def test_somebody_who_was_served_is_hurt_without_scope_and_subscription(unit: Unit) -> None:
    publish(unit)
    subscriptions.put_application(unit, ADMIN, msgspec.structs.replace(APPLICATION, scopes=()), now=NOW)
    _report(unit, CALL, _call(application=None), _call(application="long-gone", status_class="4xx"))
    with pytest.raises(Rejected) as caught:
        publish(unit, "1.1.0", breaking=True)
    touched = caught.value.publication.impact.touched
    assert [(t.application, t.consumer, t.plan, t.hurt) for t in touched] == [
        ("", "", "", True),
        (APPLICATION.id, APPLICATION.consumer, "", True),
    ]


def test_use_of_long_ago_touches_nobody(unit: Unit) -> None:
    publish(unit)
    _report(unit, _call(last_at=NOW - (evidence.OBSERVED_DAYS + 1) * DAY))
    assert evidence.touched(unit, "stock", 1, now=NOW).touched == ()


# -- retiring ---------------------------------------------------------------------------------------------------------


def _deprecated(unit: Unit) -> int:
    """1.0.0, deprecated in favour of 2.0.0; when its sunset is past."""
    publish(unit)
    publish(unit, "2.0.0", breaking=True)
    deprecate(unit, "1.0.0")
    return NOW + 201 * DAY


def _retire(unit: Unit, now: int, **more: Any) -> Stage:
    return transitions.move(unit, ADMIN, "stock", "1.0.0", Action.RETIRE, now=now, **more).version.stage


def test_a_version_that_is_called_is_retired_only_with_a_reason(unit: Unit) -> None:
    now = _deprecated(unit)
    _report(unit, _call(last_at=now - 13 * DAY), now=now)
    with pytest.raises(Rejected, match=f"still called by {APPLICATION.id} on 2027-07-22"):
        _retire(unit, now)
    with pytest.raises(Rejected, match="and 1 more"):
        _retire(unit, now, forced=True)
    assert _retire(unit, now, forced=True, reason="they were told three times") is Stage.RETIRED


def test_where_no_gateway_reports_nobody_knows_who_calls(unit: Unit) -> None:
    now = _deprecated(unit)

    def warned(now: int) -> bool:
        made = transitions.move(unit, ADMIN, "stock", "1.0.0", Action.RETIRE, dry_run=True, now=now)
        assert made.gates is not None
        return any("so nobody knows" in finding.message for finding in made.gates.findings)

    assert warned(now)
    _report(unit, now=now)
    assert not warned(now + DAY)
    assert warned(now + DAY + 1)


def test_fourteen_quiet_days_are_enough(unit: Unit) -> None:
    now = _deprecated(unit)
    _report(unit, _call(last_at=now - 14 * DAY), _call(major=2, number="2.0.0", last_at=now), now=now)
    assert _retire(unit, now) is Stage.RETIRED


def test_knocking_at_a_closed_door_holds_up_nothing(unit: Unit) -> None:
    now = _deprecated(unit)
    _report(
        unit, _call(last_at=now, status_class="4xx"), _call(last_at=now, status_class="4xx", application=None), now=now
    )
    assert usage.callers(unit, "stock", 1, frozenset()) == ()
    assert usage.callers(unit, "stock", 1, frozenset({APPLICATION.id})) == ((APPLICATION.id, now),)
    assert _retire(unit, now) is Stage.RETIRED


def test_served_callers_without_a_name_are_named_as_such(unit: Unit) -> None:
    now = _deprecated(unit)
    _report(unit, _call(last_at=now, application=None), now=now)
    with pytest.raises(Rejected, match=f"still called by {UNNAMED} on 2027-08-04"):
        _retire(unit, now)

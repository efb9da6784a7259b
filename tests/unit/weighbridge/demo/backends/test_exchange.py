from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from weighbridge.demo.backends.exchange import INSIDE, Refusal, caller_of, entity_tag, retry_after

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
HEADERS = {
    "weighbridge-application": "oakhurst-procurement",
    "weighbridge-consumer": "oakhurst-mechanical",
    "weighbridge-party": "CUS-20041",
    "weighbridge-audience": "partner",
    "weighbridge-scopes": "inventory:read  orders:read",
    "weighbridge-sites": "DAL-2, PHX-1",
}


def test_the_gateway_says_who_calls() -> None:
    caller = caller_of(HEADERS, require_identity=True)
    assert caller.scopes == {"inventory:read", "orders:read"}
    assert caller.sites == {"DAL-2", "PHX-1"}
    assert not caller.is_internal
    assert caller.may_see("CUS-20041", "SUP-10021")
    assert not caller.may_see("CUS-20042", "")
    everywhere = caller_of(HEADERS | {"weighbridge-sites": "*"}, require_identity=True)
    assert everywhere.sites is None


def test_an_unknown_audience_is_no_inside() -> None:
    assert not caller_of(HEADERS | {"weighbridge-audience": "Internal "}, require_identity=True).is_internal
    nobody = caller_of({"weighbridge-application": "stranger"}, require_identity=True)
    assert (nobody.is_internal, nobody.may_see(""), nobody.scopes) == (False, False, frozenset())


def test_without_the_gateway_one_is_inside_or_refused() -> None:
    assert caller_of({}, require_identity=False) is INSIDE
    with pytest.raises(Refusal) as refused:
        caller_of({"weighbridge-party": "INT-90001"}, require_identity=True)
    assert (refused.value.status, refused.value.code) == (401, "CREDENTIALS_MISSING")


def test_a_problem_has_the_shared_shape() -> None:
    refusal = Refusal(409, "SITE_CLOSED", "x" * 2000, headers={"Retry-After": "5"}, reopensAt="2026-04-01T00:00:00Z")
    problem = refusal.problem("r" * 200, "STJ-1", "c" * 65)
    assert problem == {
        "type": "https://weighbridge.example/problems/site-closed",
        "title": "Site closed",
        "status": 409,
        "detail": "x" * 1000,
        "code": "SITE_CLOSED",
        "requestId": "r" * 128,
        "siteId": "STJ-1",
        "retryable": True,
        "reopensAt": "2026-04-01T00:00:00Z",
    }
    # the hub is no site
    assert "siteId" not in Refusal(404, "ORDER_UNKNOWN", "No such order.").problem("r", "HUB")


def test_tags_follow_the_content_alone() -> None:
    body = {"available": "1", "asOf": "2026-03-31T12:00:00Z"}
    later = body | {"asOf": "2026-03-31T13:00:00Z"}
    ignoring = frozenset({"asOf"})
    assert entity_tag(body, ignoring) == entity_tag(later, ignoring)
    assert entity_tag(body) != entity_tag(later)
    assert entity_tag(body, ignoring) != entity_tag(body | {"available": "2"}, ignoring)


def test_waiting_is_told_in_whole_seconds() -> None:
    assert retry_after(NOW, NOW + timedelta(seconds=90.4)) == {"Retry-After": "90"}
    assert retry_after(NOW, NOW) == {"Retry-After": "1"}

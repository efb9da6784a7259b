"""Subscriptions with terms: who is let through, until when, where, and what a refusal tells."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model.access import Limit, Plan, Terms
from policies.model.contract import Stage
from policies.traffic import Caller, Exchange, Problem
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authorize_subscription import authorize_subscription
from tests.unit.policies.traffic.facts import NOW, application, caller, document, exchange, facts, version

PLAN = Plan(name="plan", limits=(Limit(name="day", requests=10, period="day"),))


def who(of_token: frozenset[str] | None = None, *, own: tuple[str, ...] | None = None, **terms: Any) -> Caller:
    agreed = Terms(contract="orders", major=1, plan="plan", **terms)
    app = application(subscriptions=(), terms=(agreed,), sites=own)
    made = Callers((app,), (PLAN,)).caller("app", "credential", None, NOW + 60, of_token)
    assert made is not None
    return made


def judged(made: Exchange, **of: Any) -> Problem | None:
    bound = authorize_subscription(facts(document({"security": [{"oauth": []}]}), **of))
    assert bound is not None
    outcome = bound.decide(made)
    assert outcome is None or isinstance(outcome, Problem)
    return outcome


@pytest.mark.parametrize(
    ("state", "slug", "detail"),
    [
        ("requested", "not-subscribed", "The subscription to orders v1 was requested and is not approved yet."),
        (
            "suspended",
            "subscription-suspended",
            "The subscription to orders v1 is suspended for now. Ask those who gave you access.",
        ),
    ],
)
def test_what_is_not_active_lets_nobody_through(state: Any, slug: str, detail: str) -> None:
    made = exchange(caller=who(state=state))
    refusal = judged(made)
    assert refusal is not None
    assert (refusal.status, refusal.slug, refusal.detail) == (403, slug, detail)
    assert made.allowance is None


def test_a_trial_ends_at_its_second_and_says_so_until_then_and_after() -> None:
    trial = who(expires_at=int(NOW) + 5)
    made = exchange(caller=trial, now=NOW + 4.9)
    assert judged(made) is None
    assert made.plan == PLAN
    assert made.reply_headers == [(b"Weighbridge-Subscription-Expires", b"@1800000005")]
    late = exchange(caller=trial, now=NOW + 5)
    refusal = judged(late)
    assert refusal is not None
    assert (refusal.status, refusal.slug) == (403, "subscription-expired")
    assert late.reply_headers == made.reply_headers


@pytest.mark.parametrize(
    ("own", "of_token", "kept"),
    [
        (None, None, ("DAL-2", "PHX-1")),
        (("PHX-1", "TOR-1"), None, ("PHX-1",)),
        (None, frozenset({"DAL-2"}), ("DAL-2",)),
        (("TOR-1",), None, ()),
    ],
)
def test_a_site_needs_application_token_and_subscription(
    own: tuple[str, ...] | None, of_token: frozenset[str] | None, kept: tuple[str, ...]
) -> None:
    limited = who(of_token, own=own, sites=("DAL-2", "PHX-1"))
    made = exchange(caller=limited)
    assert judged(made) is None
    assert made.caller is not None
    assert made.caller.application.sites == kept
    again = exchange(caller=limited)
    judged(again)
    assert again.caller is made.caller, "identity is written once per caller"


def test_a_suspended_caller_is_a_stranger_where_no_subscription_is_needed() -> None:
    made = exchange(caller=who(state="suspended"), callers=Callers((), [Plan(name="anonymous")]))
    assert judged(made, version=version(stage=Stage.RETIRED)) is None
    assert made.plan == Plan(name="anonymous")


def test_a_quota_is_the_same_before_and_after_terms() -> None:
    """Suspended and resumed, or on a trial and not, it counts where it counted."""
    plain = caller(application(), plan=PLAN).allowances["orders", 1].charges("op", NOW)[0]
    with_terms = who(state="suspended").terms["orders", 1].allowance.charges("op", NOW)[0]
    assert (with_terms.key, with_terms.pool) == (plain.key, plain.pool)


def test_who_has_no_terms_is_asked_nothing_more() -> None:
    assert caller(plan=PLAN).terms == {}

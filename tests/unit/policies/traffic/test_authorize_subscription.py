"""A subscription is to one major of a contract, and brings the plan."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model.access import Limit, Plan, Subscription
from policies.model.contract import Stage
from policies.traffic import Problem
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authorize_subscription import authorize_subscription
from tests.unit.policies.traffic.facts import NOW, application, caller, document, exchange, facts, version


def test_the_subscription_brings_the_plan() -> None:
    bound = authorize_subscription(facts(document({"security": [{"oauth": []}]})))
    assert bound is not None
    made = exchange(caller=caller(plan=Plan(name="plan", title="Plan")))
    assert bound.decide(made) is None
    assert made.plan is not None
    assert made.plan.title == "Plan"
    assert made.allowance is not None
    assert made.allowance.subject == "app"


def test_a_subscription_is_to_one_major() -> None:
    bound = authorize_subscription(facts(document({"security": [{"oauth": []}]}), version=version("2.0.0")))
    assert bound is not None
    refusal = bound.decide(exchange(caller=caller()))
    assert isinstance(refusal, Problem)
    assert (refusal.status, refusal.slug) == (403, "not-subscribed")
    assert refusal.detail == "This application has no subscription to orders v2."


@pytest.mark.parametrize(
    "of", [facts(document({"security": [{}]})), facts(document({}), version=version(stage=Stage.RETIRED))]
)
def test_where_none_is_needed_the_anonymous_plan_counts(of: Any) -> None:
    bound = authorize_subscription(of)
    assert bound is not None
    stranger = caller(application(subscriptions=()))
    for who, subject in ((None, "peer 192.0.2.7"), (stranger, "app")):
        made = exchange(caller=who, callers=Callers((), [Plan(name="anonymous")]))
        assert bound.decide(made) is None
        assert made.allowance is not None
        assert made.allowance.subject == subject
        assert made.plan == Plan(name="anonymous")
        uncounted = exchange(caller=who)
        assert bound.decide(uncounted) is None
        assert uncounted.allowance is None


def test_two_majors_on_one_plan_share_its_counters() -> None:
    both = (Subscription(contract="orders", major=1, plan="p"), Subscription(contract="prices", major=2, plan="p"))
    who = caller(application(subscriptions=both), plan=Plan(name="p", limits=(Limit(name="l", requests=1, window=1),)))
    one, two = who.allowances["orders", 1], who.allowances["prices", 2]
    assert one.charges("x", NOW)[0].key == two.charges("y", NOW)[0].key == "{app}:p:1"

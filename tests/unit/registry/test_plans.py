from __future__ import annotations

import pytest

from policies.model.access import Limit, Plan
from registry import plans
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.store import Unit
from tests.unit.registry.world import ADMIN, MEMBER, NOW, PLAN, publish, subscribe


def _limit(**changes: object) -> Limit:
    return Limit(**{"name": "a", "requests": 1, "window": 1, **changes})  # type: ignore[arg-type]


def test_a_plan_is_created_changed_and_deleted(unit: Unit) -> None:
    plan = Plan(name="gold", limits=(_limit(), _limit(name="b", burst=0)))
    assert plans.put_plan(unit, ADMIN, plan, dry_run=True, now=NOW).created is True
    with pytest.raises(NotFound):
        plans.plan(unit, "gold")
    assert plans.put_plan(unit, ADMIN, plan, now=NOW).created is True
    assert plans.put_plan(unit, ADMIN, plan, now=NOW).changed is False
    changed = plans.put_plan(unit, ADMIN, Plan(name="gold", max_concurrent=5), now=NOW)
    assert (changed.created, changed.changed) == (False, True)
    assert [found.name for found in plans.plans(unit)] == ["anonymous", "gold", "standard"]
    plans.delete_plan(unit, ADMIN, "gold", now=NOW)
    assert [found.name for found in plans.plans(unit)] == ["anonymous", "standard"]


def test_a_plan_in_use_is_kept(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    with pytest.raises(Conflict, match="1 subscriptions"):
        plans.delete_plan(unit, ADMIN, PLAN.name, now=NOW)
    with pytest.raises(Conflict, match="stays"):
        plans.delete_plan(unit, ADMIN, "anonymous", now=NOW)


def test_only_admins_change_plans(unit: Unit) -> None:
    with pytest.raises(Forbidden):
        plans.put_plan(unit, MEMBER, PLAN, now=NOW)
    with pytest.raises(Forbidden):
        plans.delete_plan(unit, MEMBER, PLAN.name, now=NOW)


@pytest.mark.parametrize(
    ("pointer", "plan"),
    [
        ("/name", Plan(name="Gold")),
        ("/limits/0/name", Plan(name="gold", limits=(_limit(name="per minute"),))),
        ("/limits/1/name", Plan(name="gold", limits=(_limit(), _limit()))),
        ("/limits/0/requests", Plan(name="gold", limits=(_limit(requests=0),))),
        ("/limits/0/window", Plan(name="gold", limits=(_limit(window=0),))),
        ("/limits/0/burst", Plan(name="gold", limits=(_limit(burst=-1),))),
        ("/limits/0/operations/0", Plan(name="gold", limits=(_limit(operations=("get item",)),))),
        ("/max_concurrent", Plan(name="gold", max_concurrent=0)),
        ("/limits/0/window", Plan(name="gold", limits=(_limit(window=None),))),
        ("/limits/0/window", Plan(name="gold", limits=(_limit(period="day"),))),
        ("/limits/0/burst", Plan(name="gold", limits=(_limit(window=None, period="day", burst=1),))),
        ("/limits/0/weights/getItem", Plan(name="gold", limits=(_limit(weights={"getItem": -1}),))),
        ("/limits/0/weights/get~1item", Plan(name="gold", limits=(_limit(weights={"get/item": 2}),))),
        ("/limits/0/weights/b", Plan(name="gold", limits=(_limit(operations=("a",), weights={"b": 1}),))),
        ("/limits/0/weights/a", Plan(name="gold", limits=(_limit(requests=9, burst=2, weights={"a": 3}),))),
        ("/weights/a", Plan(name="gold", limits=(_limit(requests=9),), weights={"a": 10})),
        ("/weights/get item", Plan(name="gold", weights={"get item": 1})),
        ("/time_zone", Plan(name="gold", time_zone="Europe/Atlantis")),
        ("/time_zone", Plan(name="gold", time_zone="Europe")),
        ("/time_zone", Plan(name="gold", time_zone="../../../etc/localtime")),
        ("/time_zone", Plan(name="gold", time_zone="/etc/localtime")),
        ("/time_zone", Plan(name="gold", time_zone="localtime")),
        ("/time_zone", Plan(name="gold", time_zone="UTC\x00")),
        ("/time_zone", Plan(name="gold", time_zone="")),
    ],
)
def test_malformed_plans(unit: Unit, pointer: str, plan: Plan) -> None:
    with pytest.raises(Invalid) as caught:
        plans.put_plan(unit, ADMIN, plan, now=NOW)
    assert caught.value.pointer == pointer


def test_quotas_weights_and_time_zones_are_kept(unit: Unit) -> None:
    plan = Plan(
        name="gold",
        limits=(
            _limit(requests=5, burst=20, weights={"listItems": 20}),
            _limit(name="month", requests=1000, window=None, period="month", weights={"getItem": 0}),
            _limit(name="writes", requests=3, operations=("putItem",)),
        ),
        time_zone="America/Argentina/Buenos_Aires",
        weights={"listItems": 7},
    )
    assert plans.put_plan(unit, ADMIN, plan, now=NOW).created is True
    assert plans.plan(unit, "gold") == plan

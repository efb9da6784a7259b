from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from policies.model.access import Application, Plan
from weighbridge.demo.backends.contracts import newest
from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.settings import SPECS
from weighbridge.demo.scene import GOOD_SKU, REFUSED_FILE, SCENE, TIGHT_PATH, TIGHT_REQUESTS, TIGHT_WINDOW
from weighbridge.demo.seeds.items import catalogue

ROOT = SPECS.parents[1]
CONTRACTS = sorted(path.name for path in SPECS.iterdir() if path.is_dir())


def test_plans_are_plans() -> None:
    plans = {plan["name"]: msgspec.convert(plan, Plan) for plan in SCENE["plans"]}
    assert sorted(plans) == ["demo-tight", "internal", "partner-plus", "partner-plus-pricing", "partner-standard"]
    tight = plans["demo-tight"].limits[0]
    # without burst the promise is strict
    assert (tight.requests, tight.window, tight.burst) == (TIGHT_REQUESTS, TIGHT_WINDOW, None)
    assert plans["partner-plus-pricing"].on_counter_loss == "closed"
    standard = plans["partner-standard"]
    assert [limit.requests for limit in standard.limits if limit.period == "day"] == [20_000]
    assert standard.time_zone == "America/Chicago"


def test_limits_name_operations_that_exist() -> None:
    known = {
        operation.operation_id
        for contract in CONTRACTS
        for served in newest(SPECS, contract).values()
        for operation in served.document.operations
    }
    named = {name for plan in SCENE["plans"] for limit in plan["limits"] for name in limit.get("operations", ())}
    assert named
    assert named <= known


@pytest.mark.parametrize("application", SCENE["applications"], ids=lambda application: application["id"])
def test_applications_hold_together(application: dict[str, Any]) -> None:
    consumers = {consumer["id"]: consumer for consumer in SCENE["consumers"]}
    audience = consumers[application["consumer"]]["audience"]
    held = msgspec.convert(application | {"audience": audience}, Application)
    assert held.sites is None or set(held.sites) <= BY_ID.keys()
    plans = {plan["name"] for plan in SCENE["plans"]}
    scopes: set[str] = set()
    for subscription in held.subscriptions:
        served = newest(SPECS, subscription.contract)
        assert subscription.major in served
        assert subscription.plan in plans
        scopes |= _scopes(served[subscription.major].document.security_schemes)
    assert set(held.scopes) <= scopes
    assert all(held.pins[contract] in newest(SPECS, contract) for contract in held.pins)


def _scopes(schemes: Any) -> set[str]:
    return {
        scope
        for scheme in schemes.values()
        for flow in scheme.get("flows", {}).values()
        for scope in flow.get("scopes", ())
    }


def test_the_lines_to_paste_name_things_that_exist() -> None:
    assert GOOD_SKU in {item.sku for item in catalogue()}
    refused = yaml.safe_load((ROOT / Path(REFUSED_FILE)).read_text(encoding="utf-8"))
    assert refused["info"]["version"] == "2.2.0"
    contract, major, rest = TIGHT_PATH.split("/", 2)
    served = newest(SPECS, contract)[int(major[1:])]
    assert [operation.operation_id for operation in served.operations_at(f"/{rest}")] == ["listPurchaseOrders"]

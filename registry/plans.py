"""How much an application may call: plans and their limits.

    put_plan(unit, actor, plan, *, dry_run, now) -> Saved[Plan]     delete_plan(unit, actor, name, *, now)
    plans(unit, *, reader) -> list[Plan]                            plan(unit, name, *, reader) -> Plan

The plan named ``anonymous`` limits calls without credentials, by peer address.
"""

from __future__ import annotations

from policies.model.access import Plan
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid, NotFound
from registry.names import require_slug, require_text, require_token
from registry.permissions import of_subscription, require, sees
from registry.store import Unit

ANONYMOUS = "anonymous"
_LONGEST_WINDOW = 366 * 86400
_MOST = 1_000_000_000


def put_plan(unit: Unit, actor: Actor, plan: Plan, *, dry_run: bool = False, now: int) -> Saved[Plan]:
    """Create or replace. Admins only. Raises `Invalid` (names, non-positive numbers, two limits of one name)."""
    require(actor, "put_plan", "change plans")
    _require_sound(plan)
    before = unit.plans.get(plan.name)
    if before == plan:
        return Saved(plan, created=False, changed=False)
    if not dry_run:
        unit.plans.put(plan)
        record(unit, actor, "plan.put", f"plans/{plan.name}", before=before, after=plan, now=now)
    return Saved(plan, created=before is None, changed=True)


def delete_plan(unit: Unit, actor: Actor, name: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while a subscription is on it, and for ``anonymous``."""
    require(actor, "delete_plan", "delete plans")
    before = plan(unit, name)
    if name == ANONYMOUS:
        raise Conflict("the plan anonymous limits calls without credentials and stays; change its limits instead")
    if used := unit.subscriptions.count(plan=name):
        raise Conflict(f"{used} subscriptions are on the plan {name}; move them to another plan first")
    if not dry_run:
        unit.plans.delete(name)
        record(unit, actor, "plan.delete", f"plans/{name}", before=before, now=now)


def plans(unit: Unit, *, reader: Actor | None = None) -> list[Plan]:
    """By name. A partner sees those that its applications are on."""
    return [plan for plan in unit.plans.all() if _is_seen(unit, plan.name, reader)]


def _is_seen(unit: Unit, plan: str, reader: Actor | None) -> bool:
    if sees(reader, "list_plans"):
        return True
    subscriptions = unit.subscriptions.all(plan=plan)
    return any(sees(reader, "list_plans", of_subscription(unit, subscription)) for subscription in subscriptions)


def plan(unit: Unit, name: str, *, reader: Actor | None = None) -> Plan:
    found = unit.plans.get(name)
    if found is None or not _is_seen(unit, name, reader):
        raise NotFound(f"there is no plan {name!r}")
    return found


def _require_sound(plan: Plan) -> None:
    require_slug(plan.name, "/name", "the name of a plan")
    require_text(plan.title, "/title", "the title", longest=200, empty=True)
    seen: set[str] = set()
    for index, limit in enumerate(plan.limits):
        at = f"/limits/{index}"
        require_slug(limit.name, f"{at}/name", "the name of a limit")
        if limit.name in seen:
            raise Invalid(f"{at}/name", f"two limits of one plan are called {limit.name}")
        seen.add(limit.name)
        if not 1 <= limit.requests <= _MOST:
            raise Invalid(f"{at}/requests", f"a limit allows 1 to {_MOST} requests")
        if not 1 <= limit.window <= _LONGEST_WINDOW:
            raise Invalid(f"{at}/window", f"a window is 1 to {_LONGEST_WINDOW} seconds long")
        if limit.burst is not None and not 0 <= limit.burst <= _MOST:
            raise Invalid(f"{at}/burst", f"a burst is 0 to {_MOST} requests")
        for place, operation in enumerate(limit.operations):
            require_token(operation, f"{at}/operations/{place}", "an operationId")
    if plan.max_concurrent is not None and not 1 <= plan.max_concurrent <= _MOST:
        raise Invalid("/max_concurrent", f"1 to {_MOST} calls at once")

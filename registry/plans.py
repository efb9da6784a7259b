"""How much an application may call: plans and their limits.

    put_plan(unit, actor, plan, *, dry_run, now) -> Saved[Plan]     delete_plan(unit, actor, name, *, now)
    plans(unit, *, reader) -> list[Plan]                            plan(unit, name, *, reader) -> Plan

The plan named ``anonymous`` limits calls without credentials, by peer address.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.model.access import Limit, Plan
from policies.model.document import escape
from policies.subscribing import OVER
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid, NotFound
from registry.names import require_slug, require_text, require_token
from registry.permissions import of_subscription, require, sees
from registry.store import Unit

ANONYMOUS = "anonymous"
_LONGEST_WINDOW = 366 * 86400
_LONGEST_TRIAL = 366
_MOST = 1_000_000_000
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}")
"""A name of the IANA database; whatever is read for it is a file of that name."""


def put_plan(unit: Unit, actor: Actor, plan: Plan, *, dry_run: bool = False, now: int) -> Saved[Plan]:
    """Create or replace. Admins only. Raises `Invalid` (names, non-positive numbers, two limits of one name)."""
    require(actor, "put_plan", "change plans")
    require_sound(plan)
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
    subscriptions = unit.subscriptions.all(plan=name)
    if used := sum(entry.state not in OVER for entry in subscriptions):
        raise Conflict(f"{used} subscriptions are on the plan {name}; move them to another plan first")
    if not dry_run:
        for over in subscriptions:  # the audit log keeps what they were
            unit.subscriptions.delete(over.application, over.contract, over.major)
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


def require_sound(plan: Plan) -> None:
    """Raises `Invalid` with the pointer to what is wrong."""
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
        _require_length(limit, at)
        for place, operation in enumerate(limit.operations):
            require_token(operation, f"{at}/operations/{place}", "an operationId")
        _require_weights(plan, limit, at)
    for operation, weight in plan.weights.items():
        _require_weight(operation, weight, f"/weights/{escape(operation)}")
    _require_zone(plan.time_zone)
    if plan.trial_days is not None and not 1 <= plan.trial_days <= _LONGEST_TRIAL:
        raise Invalid("/trial_days", f"a trial lasts 1 to {_LONGEST_TRIAL} days")
    if plan.trial_days is not None and plan.name == ANONYMOUS:
        raise Invalid("/trial_days", "nobody subscribes to the plan anonymous, so it has no trials")
    if plan.max_concurrent is not None and not 1 <= plan.max_concurrent <= _MOST:
        raise Invalid("/max_concurrent", f"1 to {_MOST} calls at once")


def _require_length(limit: Limit, at: str) -> None:
    """A window, with or without burst, or a calendar period; never both and never neither."""
    if limit.period is not None:
        if limit.window is not None:
            raise Invalid(f"{at}/window", "a limit has a window in seconds or a calendar period, not both")
        if limit.burst is not None:
            raise Invalid(f"{at}/burst", "a quota has no burst: add a second limit with a window for the rate")
        return
    if limit.window is None:
        raise Invalid(f"{at}/window", "a limit needs a window in seconds, or a period: hour, day, week or month")
    if not 1 <= limit.window <= _LONGEST_WINDOW:
        raise Invalid(f"{at}/window", f"a window is 1 to {_LONGEST_WINDOW} seconds long")
    if limit.burst is not None and not 0 <= limit.burst <= _MOST:
        raise Invalid(f"{at}/burst", f"a burst is 0 to {_MOST} requests")


def _require_weights(plan: Plan, limit: Limit, at: str) -> None:
    """A call that costs more than the limit ever has at once could never be made."""
    for operation, weight in limit.weights.items():
        place = f"{at}/weights/{escape(operation)}"
        _require_weight(operation, weight, place)
        if limit.operations and operation not in limit.operations:
            raise Invalid(place, f"the limit {limit.name} is not for {operation}; add it to operations")
    most = limit.requests if limit.burst is None else max(1, limit.burst)
    for operation, weight in {**plan.weights, **limit.weights}.items():
        if weight > most and (not limit.operations or operation in limit.operations):
            place = (
                f"{at}/weights/{escape(operation)}" if operation in limit.weights else f"/weights/{escape(operation)}"
            )
            raise Invalid(place, f"{weight} units are more than the limit {limit.name} ever has at once ({most})")


def _require_weight(operation: str, weight: int, at: str) -> None:
    require_token(operation, at, "an operationId")
    if not 0 <= weight <= _MOST:
        raise Invalid(at, f"a call costs 0 (nothing) to {_MOST} units")


def _require_zone(name: str) -> None:
    try:
        known = bool(_ZONE.fullmatch(name)) and ZoneInfo(name) is not None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = False
    if not known:
        raise Invalid("/time_zone", f"{name[:60]!r} is no IANA time zone; one is UTC, Europe/Berlin, America/Chicago")

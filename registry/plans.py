"""How much an application may call: plans and their limits.

    put_plan(unit, actor, plan, *, dry_run, now) -> Saved[Plan]     delete_plan(unit, actor, name, *, now)
    plans(unit) -> list[Plan]                                       plan(unit, name) -> Plan

The plan named ``anonymous`` limits calls without credentials, by peer address.
"""

from __future__ import annotations

from policies.model.access import Plan
from registry.audit import Actor, Saved
from registry.store import Unit


def put_plan(unit: Unit, actor: Actor, plan: Plan, *, dry_run: bool = False, now: int) -> Saved[Plan]:
    """Create or replace. Admins only. Raises `Invalid` (names, non-positive numbers, two limits of one name)."""
    raise NotImplementedError


def delete_plan(unit: Unit, actor: Actor, name: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while a subscription is on it, and for ``anonymous``."""
    raise NotImplementedError


def plans(unit: Unit) -> list[Plan]:
    raise NotImplementedError


def plan(unit: Unit, name: str) -> Plan:
    raise NotImplementedError

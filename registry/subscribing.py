"""Asking for a subscription, and what becomes of it.

    request(unit, actor, application, contract, major, plan, *, sites, reason, dry_run, now) -> Saved
    move(unit, actor, application, contract, major, to, *, reason, dry_run, now) -> Saved

Whoever looks after the application asks; the team that owns the contract answers. The table of states is in
`policies.subscribing`, who may take which step in `policies.governance`. Approving without being asked is
`subscriptions.subscribe`.
"""

from __future__ import annotations

import msgspec

from policies import governance
from policies.governance import NOTHING, Reach
from policies.model.access import SubscriptionState
from policies.subscribing import HELD, TABLE, Action, action_to, ends_at, next_state, reachable
from registry import permissions, subscriptions
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid
from registry.names import require_text
from registry.store import Unit
from registry.store.records import StoredSubscription

DOING = {
    Action.APPROVE: "approve subscriptions to {}",
    Action.REJECT: "reject subscriptions to {}",
    Action.WITHDRAW: "withdraw requests for {}",
    Action.SUSPEND: "suspend subscriptions to {}",
    Action.RESUME: "resume subscriptions to {}",
    Action.END: "end subscriptions to {}",
}
_EXPLAINED = frozenset({Action.REJECT, Action.SUSPEND})
"""What the other side cannot understand without a reason."""


def request(
    unit: Unit,
    actor: Actor,
    application: str,
    contract: str,
    major: int,
    plan: str,
    *,
    sites: tuple[str, ...] | None = None,
    reason: str | None = None,
    dry_run: bool = False,
    now: int,
) -> Saved[StoredSubscription]:
    """Ask the owner of the contract. Asking again with other particulars changes the request.

    Raises `NotFound`, `Forbidden`, `Invalid` (plan, sites), `Conflict` (it is subscribed; nothing to subscribe to).
    """
    doing = f"ask for subscriptions to {contract}"
    caller = permissions.application(unit, actor, "request_subscription", doing, application)
    found = unit.contracts.get(contract)
    if found is None or not permissions.sees(actor, "get_contract", permissions.of_contract(found)):
        raise permissions.no_contract(contract)
    subscriptions.require_plan(unit, plan)
    subscriptions.require_sites(caller, sites)
    _require_reason(reason)
    before = unit.subscriptions.get(application, contract, major)
    if before is not None and before.state in HELD:
        raise Conflict(
            f"{application} is subscribed to {contract} v{major} on the plan {before.plan} ({before.state}); "
            f"the team {found.owner} can change that"
        )
    subscriptions.require_open(unit, found, caller, major)
    waiting = before is not None and before.state == "requested"
    if waiting and before is not None and (before.plan, before.sites, before.reason) == (plan, sites, reason):
        return Saved(before, created=False, changed=False)
    after = StoredSubscription(
        application=application,
        contract=contract,
        major=major,
        plan=plan,
        created_at=now,
        created_by=actor.name,
        state="requested",
        sites=sites,
        moved_at=now,
        moved_by=actor.name,
        reason=reason,
    )
    if not dry_run:
        unit.subscriptions.put(after)
        subject = subscriptions.subject_of(after)
        record(unit, actor, "subscription.request", subject, before=before, after=after, reason=reason, now=now)
    return Saved(after, created=not waiting, changed=True)


def move(
    unit: Unit,
    actor: Actor,
    application: str,
    contract: str,
    major: int,
    to: SubscriptionState,
    *,
    reason: str | None = None,
    dry_run: bool = False,
    now: int,
) -> Saved[StoredSubscription]:
    """Bring a subscription into another state; into the one that it has is no change.

    Raises `NotFound`, `Forbidden`, `Conflict` (the table has no such step, or there is nothing left to subscribe to),
    `Invalid` (a step that needs its reason).
    """
    actions = [action for (start, action), end in TABLE.items() if end == to]
    if not actions:
        raise Invalid("/to", "no subscription becomes requested by a transition: ask for it")
    if all(governance.reach(actor.role, f"move_subscription.{action}") is Reach.NONE for action in actions):
        permissions.require(actor, f"move_subscription.{actions[0]}", DOING[actions[0]].format(contract))
    before = unit.subscriptions.get(application, contract, major)
    whose = permissions.of_subscription(unit, before) if before else NOTHING
    if before is None or not permissions.sees(actor, "list_subscriptions", whose):
        raise subscriptions.no_subscription(application, contract, major)
    if before.state == to:
        return Saved(before, created=False, changed=False)
    action = action_to(before.state, to)
    if action is None or next_state(before.state, action) is None:
        ways = " or ".join(reachable(before.state)) or "nothing else: ask for a new one"
        raise Conflict(f"a subscription that is {before.state} does not become {to}; it can become {ways}")
    permissions.require(actor, f"move_subscription.{action}", DOING[action].format(contract), whose)
    _require_reason(reason)
    if action in _EXPLAINED and not reason:
        raise Invalid("/reason", f"say why: {application} reads it")
    after = msgspec.structs.replace(before, state=to, moved_at=now, moved_by=actor.name, reason=reason)
    if action is Action.APPROVE:
        subscriptions.require_second(actor, before, reason)
        owned, caller = unit.contracts.get(contract), unit.applications.get(application)
        assert owned is not None and caller is not None  # foreign keys
        subscriptions.require_open(unit, owned, caller, major)
        plan = subscriptions.require_plan(unit, before.plan)
        after = msgspec.structs.replace(after, expires_at=ends_at(plan, now))
    if not dry_run:
        unit.subscriptions.put(after)
        subject = subscriptions.subject_of(after)
        record(unit, actor, f"subscription.{action}", subject, before=before, after=after, reason=reason, now=now)
    return Saved(after, created=False, changed=True)


def _require_reason(reason: str | None) -> None:
    if reason is not None:
        require_text(reason, "/reason", "the reason", longest=2000, empty=True)

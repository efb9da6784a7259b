"""The life of a subscription: a literal table of transitions, and what a caller may be told of it.

    next_state(state, action) -> State | None       ``None`` when the table does not allow it
    action_to(state, to) -> Action | None           what leads from one state to the other
    ends_at(plan, now) -> int | None                when a subscription that begins now ends by itself

Reads: *from this state, this action leads there*. ``ended``, ``rejected`` and ``withdrawn`` are final: whoever wants in
again asks again. Only ``active`` lets calls through; a trial that is over stays active and past its `expires_at`, since
no clock runs here, and whoever judges a call compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from policies.model.access import Plan, SubscriptionState

DAY = 86_400


class Action(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    SUSPEND = "suspend"
    RESUME = "resume"
    END = "end"


TABLE: Mapping[tuple[SubscriptionState, Action], SubscriptionState] = {
    ("requested", Action.APPROVE): "active",
    ("requested", Action.REJECT): "rejected",
    ("requested", Action.WITHDRAW): "withdrawn",
    ("active", Action.SUSPEND): "suspended",
    ("active", Action.END): "ended",
    ("suspended", Action.RESUME): "active",
    ("suspended", Action.END): "ended",
}

HELD: frozenset[SubscriptionState] = frozenset({"active", "suspended"})
"""In which somebody relies on the contract: a change of it would touch them."""
OVER: frozenset[SubscriptionState] = frozenset({"ended", "rejected", "withdrawn"})
"""Final; kept to be read, and replaced by the next request."""


def next_state(state: SubscriptionState, action: Action) -> SubscriptionState | None:
    return TABLE.get((state, action))


def action_to(state: SubscriptionState, to: SubscriptionState) -> Action | None:
    """The action that leads there from here, if there is one."""
    return next((action for (start, action), end in TABLE.items() if start == state and end == to), None)


def reachable(state: SubscriptionState) -> tuple[SubscriptionState, ...]:
    """Where a subscription in that state can go, in the order of the table."""
    return tuple(end for (start, _), end in TABLE.items() if start == state)


def ends_at(plan: Plan, now: int) -> int | None:
    """Unix seconds at which a subscription that is activated now on that plan ends; ``None``: by itself never."""
    return None if plan.trial_days is None else now + plan.trial_days * DAY

from __future__ import annotations

from itertools import product
from typing import get_args

from policies.model.access import Plan, SubscriptionState
from policies.subscribing import DAY, HELD, OVER, TABLE, Action, action_to, ends_at, next_state, reachable

STATES: tuple[SubscriptionState, ...] = get_args(SubscriptionState)


def test_every_state_can_be_reached_and_what_is_over_stays_over() -> None:
    assert {*TABLE.values(), "requested"} == set(STATES)
    assert {state for state in STATES if not reachable(state)} == OVER
    assert OVER.isdisjoint(HELD)


def test_only_approval_and_resumption_let_calls_through() -> None:
    assert {action for (_, action), end in TABLE.items() if end == "active"} == {Action.APPROVE, Action.RESUME}


def test_one_action_leads_from_a_state_to_another() -> None:
    for state, to in product(STATES, STATES):
        ways = [action for action in Action if next_state(state, action) == to]
        assert action_to(state, to) == (ways[0] if ways else None)
        assert len(ways) <= 1
    assert reachable("requested") == ("active", "rejected", "withdrawn")


def test_only_a_trial_ends_by_itself() -> None:
    assert ends_at(Plan(name="p"), 1000) is None
    assert ends_at(Plan(name="p", trial_days=14), 1000) == 1000 + 14 * DAY

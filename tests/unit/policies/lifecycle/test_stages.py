from __future__ import annotations

from policies.lifecycle import TABLE, Action, actions_from, next_stage
from policies.model.contract import LIVE, Stage


def test_every_stage_can_be_reached_and_only_the_archive_is_an_end() -> None:
    assert {*TABLE.values(), Stage.DRAFT} == set(Stage)
    assert [stage for stage in Stage if not actions_from(stage)] == [Stage.ARCHIVED]


def test_nothing_comes_back() -> None:
    order = list(Stage)
    assert all(order.index(after) >= order.index(before) for (before, _), after in TABLE.items())


def test_a_served_version_stops_being_served_only_by_retiring() -> None:
    leaving = {action for (before, action), after in TABLE.items() if before in LIVE and after not in LIVE}
    assert leaving == {Action.RETIRE}


def test_blocking_leaves_the_stage() -> None:
    assert {stage for stage in Stage if next_stage(stage, Action.BLOCK)} == set(LIVE)
    assert all(next_stage(stage, Action.BLOCK) is stage for stage in LIVE)
    assert all(next_stage(stage, Action.UNBLOCK) is stage for stage in LIVE)


def test_actions_stand_in_the_order_of_a_life() -> None:
    assert actions_from(Stage.DRAFT) == (Action.SUBMIT, Action.PUBLISH, Action.ARCHIVE)
    assert actions_from(Stage.DEPRECATED) == (Action.DEPRECATE, Action.RETIRE, Action.BLOCK, Action.UNBLOCK)

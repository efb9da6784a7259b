"""The stage table. Prose, tests, the registry and the pages all read this one literal.

Reads: *from this stage, this action leads there*. What is not listed cannot be done. A version that exists only as a
request has no stage yet and counts as a draft. ``block`` and ``unblock`` are a switch beside the stage and leave it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from policies.model.contract import Stage


class Action(StrEnum):
    SUBMIT = "submit"
    PUBLISH = "publish"
    DEPRECATE = "deprecate"
    RETIRE = "retire"
    ARCHIVE = "archive"
    BLOCK = "block"
    UNBLOCK = "unblock"


TABLE: Mapping[tuple[Stage, Action], Stage] = {
    (Stage.DRAFT, Action.SUBMIT): Stage.IN_REVIEW,
    (Stage.DRAFT, Action.PUBLISH): Stage.PUBLISHED,
    (Stage.DRAFT, Action.ARCHIVE): Stage.ARCHIVED,
    (Stage.IN_REVIEW, Action.PUBLISH): Stage.PUBLISHED,
    (Stage.IN_REVIEW, Action.ARCHIVE): Stage.ARCHIVED,
    (Stage.PUBLISHED, Action.DEPRECATE): Stage.DEPRECATED,
    (Stage.PUBLISHED, Action.BLOCK): Stage.PUBLISHED,
    (Stage.PUBLISHED, Action.UNBLOCK): Stage.PUBLISHED,
    (Stage.DEPRECATED, Action.DEPRECATE): Stage.DEPRECATED,  # names another sunset or successor
    (Stage.DEPRECATED, Action.RETIRE): Stage.RETIRED,
    (Stage.DEPRECATED, Action.BLOCK): Stage.DEPRECATED,
    (Stage.DEPRECATED, Action.UNBLOCK): Stage.DEPRECATED,
    (Stage.RETIRED, Action.ARCHIVE): Stage.ARCHIVED,
}


def next_stage(stage: Stage, action: Action) -> Stage | None:
    """``None`` when the table does not allow it."""
    return TABLE.get((stage, action))


def actions_from(stage: Stage) -> tuple[Action, ...]:
    """What can be done with a version in that stage, in the order of its life."""
    return tuple(action for action in Action if (stage, action) in TABLE)

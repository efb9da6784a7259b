"""Gates that stand before every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.lifecycle.cases import case
from policies.lifecycle.gate import Refusal, gate
from policies.lifecycle.stages import Action, actions_from, next_stage
from policies.lifecycle.transition import Evidence, Transition
from policies.model.contract import Stage


@gate(
    *Action,
    passes=(case(Action.PUBLISH, stage=Stage.IN_REVIEW), case(Action.ARCHIVE)),
    blocks=(case(Action.PUBLISH, stage=Stage.PUBLISHED), case(Action.ARCHIVE, stage=Stage.PUBLISHED)),
)
def stage_allows_action(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A version moves only along the stage table.

    Consumers rely on the order: nothing is retired that was not deprecated first, nothing comes back once it is gone.
    """
    if next_stage(transition.stage, transition.action) is None:
        possible = ", ".join(actions_from(transition.stage)) or "nothing"
        yield Refusal(
            f"{transition.contract.name} {transition.number} is {transition.stage}: it cannot {transition.action}",
            f"what can be done from {transition.stage}: {possible}",
        )


@gate(
    *Action,
    passes=(
        case(Action.BLOCK, reason="wrong stock at DAL-2"),
        case(Action.DEPRECATE, forced=True, reason="the supplier is gone"),
    ),
    blocks=(
        case(Action.BLOCK, reason=None),
        case(Action.BLOCK, reason="  "),
        case(Action.DEPRECATE, forced=True),
    ),
)
def reason_given(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """Whoever blocks a version or forces a step says why.

    The reason stands in the audit log, and in what subscribers are told. Without one, the next person on duty cannot
    know whether it may be undone.
    """
    if not (transition.forced or transition.action is Action.BLOCK) or (transition.reason or "").strip():
        return
    what = "a forced step" if transition.forced else "blocking a version"
    yield Refusal(f"{what} needs a reason", "give the reason in one sentence")

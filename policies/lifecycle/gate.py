"""What a gate is: a decorated function that guards some actions and yields a `Refusal` for each thing in the way.

`passes` and `blocks` are cases built with `policies.lifecycle.cases.case`; they are the gate's tests and part of its
documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from policies import catalog
from policies.findings import Severity
from policies.lifecycle.stages import Action
from policies.lifecycle.transition import Evidence, Transition


class Refusal(NamedTuple):
    """`message` says what is in the way, `fix` what to do about it."""

    message: str
    fix: str


Judgement = Callable[[Transition, Evidence, Mapping[str, Any]], Iterator[Refusal]]


@dataclass(frozen=True, slots=True)
class Gate:
    entry: catalog.Entry
    actions: frozenset[Action]
    forcible: bool
    judge: Judgement


_gates: dict[str, Gate] = {}


def gate(
    *actions: Action,
    severity: Severity = Severity.ERROR,
    passes: Iterable[Any],
    blocks: Iterable[Any],
    options: Mapping[str, Any] | None = None,
    forcible: bool = False,
) -> Callable[[Judgement], Judgement]:
    """Register a gate for those actions. With `forcible`, an admin's forced word and reason make it a warning."""

    def decorate(function: Judgement) -> Judgement:
        entry = catalog.register(
            "lifecycle",
            function,
            severity=severity,
            examples={"pass": passes, "block": blocks},
            taxonomy={"actions": ", ".join(actions), "forcible": "yes" if forcible else "no"},
            options=options,
        )
        _gates[entry.id] = Gate(entry, frozenset(actions), forcible, function)
        return function

    return decorate


def guarded_by(action: Action) -> tuple[Gate, ...]:
    """The gates that guard an action, sorted by id. The catalog must have been discovered."""
    return tuple(_gates[id_] for id_ in sorted(_gates) if action in _gates[id_].actions)

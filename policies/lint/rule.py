"""What a lint rule is: a decorated function that is handed one kind of subject and yields a `Flaw` per thing wrong.

`good` and `bad` are YAML fragments (see `policies.lint.frame`): a good one leaves the whole of lint silent, a bad one
makes exactly this rule speak. They are the rule's tests, its documentation and what a refused publisher reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from policies import catalog
from policies.findings import Severity
from policies.lint.judging import Judge
from policies.model.document import Document

Target = Literal["document", "path", "operation", "parameter", "body", "response", "schema", "property"]
"""What a rule is handed: `Document`, `Path`, `Operation`, `Parameter`, `Body`, `Response`, `Schema` or `Property`."""


class Flaw(NamedTuple):
    """`pointer` is where the document must change; `fix` is how."""

    pointer: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may know besides its subject."""

    document: Document
    judge: Judge
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    entry: catalog.Entry
    target: Target
    function: Callable[[Any, Context], Iterator[Flaw]]


F = TypeVar("F", bound=Callable[[Any, Context], Iterator[Flaw]])
_rules: dict[str, Rule] = {}


def rule(
    target: Target,
    *,
    severity: Severity,
    good: Iterable[str],
    bad: Iterable[str],
    options: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Register a rule; its id is the function's name. `options` are defaults a ruleset may change."""

    def decorate(function: F) -> F:
        entry = catalog.register(
            "lint",
            function,
            severity=severity,
            examples={"good": good, "bad": bad},
            taxonomy={"target": target},
            options=options,
        )
        _rules[entry.id] = Rule(entry, target, function)
        return function

    return decorate


def rules() -> tuple[Rule, ...]:
    """Every lint rule, sorted by id."""
    catalog.discover("lint")
    return tuple(_rules[id_] for id_ in sorted(_rules))

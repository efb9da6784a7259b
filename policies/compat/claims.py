"""What a compatibility rule is: a decorated function that is handed one pair and says what changed, if anything.

Owns the decorator, the taxonomy and the examples. It must not know how pairs are found (`pairing`) nor how a doubt is
settled (`containment`). The subtle thing: a rule on values never asks for the direction. It says *narrowed* or
*widened*, and the direction decides whether that hurts: requests may only widen, responses may only narrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any, Literal, TypeVar

from policies import catalog
from policies.findings import Severity
from policies.model.document import Document

Effect = Literal["narrowed", "widened", "changed"]
"""What happened to the set of admitted values. ``changed``: some were lost and some gained, or nobody can say."""
Bump = Literal["major", "minor", "patch", "none"]
Kind = Literal[
    "document",
    "operation",
    "security",
    "parameter",
    "body",
    "media",
    "response",
    "header",
    "value",
    "object",
    "member",
    "union",
    "discriminator",
    "link",
    "verdict",
]
"""What pair a rule looks at. ``verdict`` rules look at none: the prover speaks through them."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a rule says. `effect` is for rules on values only. `decides` is false where the rule cannot tell alone and
    the prover must; if it cannot either, the finding is ``compat.unproven``. `old` and `new` override the
    pointers."""

    message: str
    fix: str | None = None
    effect: Effect | None = None
    decides: bool = True
    old: str | None = None
    new: str | None = None
    lost: Any = None
    """A value that was fine before and is not now, where the rule knows one."""


@dataclass(frozen=True, slots=True)
class Rule:
    entry: catalog.Entry
    kind: Kind
    function: Callable[[Any], Iterator[Said]]
    settles: frozenset[str]
    """The facts of a shape (`shapes.Shape.facts`) whose difference this rule accounts for when it speaks."""
    bump: Bump
    """What a harmless occurrence asks for; a harmful one always asks for a major."""


@dataclass(frozen=True, slots=True)
class Case:
    """One example: two YAML fragments, completed by a frame into two documents.

    `frame` is ``request`` or ``response`` (the fragment is a JSON body schema), ``parameter`` (the schema of a query
    parameter), ``operation`` (an operation object) or ``document`` (everything beside ``openapi`` and ``info``).
    `also` names the further ids that rightly speak beside the rule's own.
    """

    frame: Literal["request", "response", "parameter", "operation", "document"]
    old: str
    new: str
    also: tuple[str, ...] = ()
    openapi: tuple[str, str] = ("3.1.0", "3.1.0")

    def documents(self) -> tuple[Document, Document]:
        return _framed(self.frame, self.old, self.openapi[0]), _framed(self.frame, self.new, self.openapi[1])


def request(old: str, new: str, **further: Any) -> Case:
    return Case("request", old, new, **further)


def response(old: str, new: str, **further: Any) -> Case:
    return Case("response", old, new, **further)


def parameter(old: str, new: str, **further: Any) -> Case:
    return Case("parameter", old, new, **further)


def operation(old: str, new: str, **further: Any) -> Case:
    return Case("operation", old, new, **further)


def document(old: str, new: str, **further: Any) -> Case:
    return Case("document", old, new, **further)


_FRAMES = {
    "request": """\
paths:
  /orders:
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema:
{fragment:14}
      responses: {{'204': {{description: taken}}}}
""",
    "response": """\
paths:
  /orders:
    get:
      responses:
        '200':
          description: found
          content:
            application/json:
              schema:
{fragment:16}
""",
    "parameter": """\
paths:
  /orders:
    get:
      parameters:
      - name: filter
        in: query
        schema:
{fragment:10}
      responses: {{'204': {{description: found}}}}
""",
    "operation": """\
paths:
  /orders/{{id}}:
    post:
{fragment:6}
""",
    "document": "{fragment:0}\n",
}


class _Indented(str):
    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return indent(self.strip("\n"), " " * int(spec or 0))


def _framed(frame: str, fragment: str, openapi: str) -> Document:
    # imported here: examples are read by tests and by `explain`, never by a diff
    import yaml

    text = _FRAMES[frame].format(fragment=_Indented(fragment))
    tree = yaml.safe_load(text) or {}
    tree = {"openapi": openapi, "info": {"title": "Orders", "version": "1.0.0"}, **tree}
    if frame == "operation":
        tree["paths"]["/orders/{id}"]["post"].setdefault("responses", {"204": {"description": "done"}})
    return Document(tree)


_INDEX = re.compile(r"/[0-9]+(?=/|$)")

F = TypeVar("F", bound=Callable[[Any], Iterator[Said]])
_DIRECTED = frozenset({"value", "object", "union", "discriminator"})
"""Kinds whose rules say *narrowed* or *widened*: the same change hurts in one direction only. The option ``harmless``
is how severe it is in the other."""
_rules: dict[str, Rule] = {}
_mirrorless: dict[str, str] = {}
_by_kind: dict[Kind, tuple[Rule, ...]] = {}


def rule(
    kind: Kind,
    *,
    severity: Severity = Severity.ERROR,
    direction: Literal["request", "response", "both"] = "both",
    area: str,
    action: str,
    settles: Iterable[str] = (),
    bump: Bump = "minor",
    no_mirror: str = "",
    breaks: Iterable[Case] = (),
    tells: Iterable[Case] = (),
    safe: Iterable[Case] = (),
) -> Callable[[F], F]:
    """Register a rule; its id is the function's name. `breaks` are cases in which it speaks and somebody is hurt,
    `tells` cases in which it only reports, `safe` cases in which nothing breaks. Where nothing speaks of the opposite
    change, `no_mirror` says why."""

    def decorate(function: F) -> F:
        examples = {"breaks": tuple(breaks), "tells": tuple(tells), "safe": tuple(safe)}
        entry = catalog.register(
            "compat",
            function,
            severity=severity,
            examples={name: cases for name, cases in examples.items() if cases},
            taxonomy={"direction": direction, "area": area, "kind": kind, "action": action},
            options={"harmless": "info"} if kind in _DIRECTED else None,
        )
        if no_mirror:
            _mirrorless[entry.id] = no_mirror
        _by_kind.pop(kind, None)
        _rules[entry.id] = Rule(entry, kind, function, frozenset(settles), bump)
        return function

    return decorate


def rules(kind: Kind) -> tuple[Rule, ...]:
    """The rules that look at one kind of pair, sorted by id."""
    if kind not in _by_kind:
        _by_kind[kind] = tuple(_rules[id_] for id_ in sorted(_rules) if _rules[id_].kind == kind)
    return _by_kind[kind]


def mirrorless() -> dict[str, str]:
    """The rules whose opposite change no rule speaks of, with the reason."""
    return dict(_mirrorless)


def rule_of(id_: str) -> Rule:
    return _rules[id_]


@dataclass(slots=True)
class Claim:
    """A rule's saying, placed: where, for whom, and how sure. Becomes a `Finding` when the report is written."""

    rule: Rule
    message: str
    fix: str | None
    hurts: bool
    old: str | None
    new: str | None
    operation: str | None
    direction: Literal["request", "response"] | None
    proof: Literal["proved", "witnessed", "rule", "unproven"] | None = "rule"
    witness: Any = None
    operations: dict[str, None] = field(default_factory=dict)
    """Every operation the change reaches, in the order met."""
    echo: bool = False
    """Another claim tells of the change already; this one is worth telling only if somebody is hurt."""

    used_at: str | None = None
    name: str = ""
    """What people call the place, as the message does: it begins with the operation through which it was met first."""

    @property
    def change(self) -> str:
        """Place and shape of the change, whatever else the documents hold: a shared definition is the same one
        whichever operation reaches it first, and a parameter stands at its name, not at its index."""
        place = self.new or self.old or ""
        shared = place.startswith("/components/")
        way = self.name.rpartition(".")[0]
        said = self.message.replace(way, "", 1) if shared and way else self.message
        return "\n".join((place if shared else f"{self.operation}\n{_INDEX.sub('/', place)}", said))

    @property
    def is_idle(self) -> bool:
        return self.echo and not self.hurts and self.proof != "unproven"

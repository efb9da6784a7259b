"""The one inventory: every rule and gate, found by walking the family folders, known by a unique id.

To add a rule, write one decorated function in its family's folder. The id is the function's name with dashes, in the
namespace of the family (``lint.path-is-kebab-case``); a duplicate or malformed id fails at import. The docstring is
product text: why it hurts a consumer, and the compatible way to get what was wanted.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from inspect import cleandoc
from typing import Any, Literal

from policies.findings import Severity

Family = Literal["lint", "compat", "lifecycle", "traffic"]
FAMILIES: tuple[Family, ...] = ("lint", "compat", "lifecycle", "traffic")
_ID = re.compile(r"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*")


class InvalidCatalog(Exception):
    """Two rules share an id, or an id is malformed: a fault of the build, found at import."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule, gate or policy. `examples` maps a kind (``good``/``bad``, ``breaks``/``safe``, ``pass``/``block``) to
    cases that are its tests, its documentation and part of the answer to a refused publisher. `taxonomy` classifies a
    compat rule (area, kind, action, direction)."""

    id: str
    family: Family
    severity: Severity
    text: str
    function: Callable[..., Any]
    examples: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    taxonomy: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options a ruleset may set, with their defaults."""

    @property
    def summary(self) -> str:
        return self.text.partition("\n")[0]


_entries: dict[str, Entry] = {}


def register(
    family: Family,
    function: Callable[..., Any],
    *,
    severity: Severity,
    examples: Mapping[str, Iterable[Any]] | None = None,
    taxonomy: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Entry:
    """Called by the families' decorators. Raises `InvalidCatalog`."""
    id_ = f"{family}.{function.__name__.replace('_', '-')}"
    if not _ID.fullmatch(id_):
        raise InvalidCatalog(f"{id_} is not <family>.<kebab-case>")
    if id_ in _entries and _origin(_entries[id_].function) != _origin(function):
        raise InvalidCatalog(f"{id_} is defined in {_origin(_entries[id_].function)} and in {_origin(function)}")
    text = function.__doc__ or _written(function)
    if not text:
        raise InvalidCatalog(f"{id_} has no docstring; it is what a refused publisher reads")
    entry = Entry(
        id=id_,
        family=family,
        severity=severity,
        text=cleandoc(text),
        function=function,
        examples={kind: tuple(cases) for kind, cases in (examples or {}).items()},
        taxonomy=dict(taxonomy or {}),
        options=dict(options or {}),
    )
    _entries[id_] = entry
    return entry


def _written(function: Callable[..., Any]) -> str | None:
    """The docstring in the source beside a compiled module (`gateway.native`), which keeps none."""
    package, _, name = function.__module__.rpartition(".")
    source = files(package).joinpath(f"{name}.py")
    if not source.is_file():
        return None
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:
            return ast.get_docstring(node)
    return None


def _origin(function: Callable[..., Any]) -> str:
    """Module and line: a module that is imported again registers its rules again, two rules of one name are a fault.
    A compiled function does not know its line, but then a second of its name cannot be compiled beside it."""
    code = getattr(function, "__code__", None)
    return f"{function.__module__}:{code.co_firstlineno if code else ''}"


def discover(*families: Family) -> None:
    """Import every module below the folders of these families (of all, when none is named) once, in sorted order."""
    for family in families or FAMILIES:
        _discover(family)


@cache
def _discover(family: Family) -> None:
    package = importlib.import_module(f"policies.{family}")
    for module in sorted(info.name for info in pkgutil.walk_packages(package.__path__, f"policies.{family}.")):
        importlib.import_module(module)


def entries(family: Family | None = None) -> tuple[Entry, ...]:
    """Everything in the catalog (of one family), sorted by id."""
    discover(*((family,) if family else ()))
    return tuple(_entries[id_] for id_ in sorted(_entries) if family in (None, _entries[id_].family))


def get(id_: str) -> Entry:
    """Raises `KeyError` for an unknown id."""
    family = id_.partition(".")[0]
    if family not in FAMILIES:
        raise KeyError(id_)
    discover(family)
    return _entries[id_]


def explain(id_: str) -> str:
    """All there is to say about a rule, as markdown: text, severity, options, examples. Raises `KeyError`."""
    entry = get(id_)
    lines = [f"# {entry.id}", "", entry.text, "", f"Severity: {entry.severity} by default."]
    if entry.taxonomy:
        said = "; ".join(f"{key} {value}" for key, value in entry.taxonomy.items() if value)
        lines += ["", f"Kind: {said}."]
    if entry.options:
        lines += ["", "Options and their defaults:", ""]
        lines += [
            f"- `{name}`: `{json.dumps(default)}`{_OPTIONS.get(name, '')}" for name, default in entry.options.items()
        ]
    for kind, cases in entry.examples.items():
        if not cases:
            continue
        lines += ["", f"## {_HEADINGS.get(kind, kind.capitalize())}"]
        for case in cases:
            lines += ["", "```yaml", _shown(case), "```"]
    if entry.family in _LEGENDS and any(entry.examples.values()):
        lines += ["", _LEGENDS[entry.family]]
    return "\n".join(lines) + "\n"


_HEADINGS = {
    "good": "Good",
    "bad": "Bad",
    "breaks": "Breaks somebody",
    "safe": "Safe",
    "tells": "Is told, and breaks nobody",
    "pass": "Passes",
    "block": "Is held up",
}
_OPTIONS = {"harmless": ", how severe the same change is in the direction in which it hurts nobody"}
"""What an option of many rules means; an option of one rule is explained in its text."""
_LEGENDS = {
    "lint": (
        "An example is merged into a document that is otherwise in order. In it, `get`, `post` and `read` are the "
        "operations GET /items, POST /items and GET /items/{itemId}; `parameters` are added to the first; `request` "
        "and `response` are members of what is sent to and answered by them; `null` removes."
    ),
    "compat": (
        "An example stands in the place named in parentheses: it is the schema of a JSON `request` or `response` body "
        "or of a query `parameter`, an `operation`, or a whole `document`."
    ),
}


def _shown(case: Any) -> str:
    """A case is text, or a pair of texts called `old` and `new` in a `frame`, or shows itself."""
    if hasattr(case, "old") and hasattr(case, "new"):
        where = f" ({case.frame})" if getattr(case, "frame", "") else ""
        return f"# before{where}\n{str(case.old).strip()}\n# after{where}\n{str(case.new).strip()}"
    return str(case).strip("\n")

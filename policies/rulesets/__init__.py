"""Rulesets: how severe each rule is, and with which options. Data, checked against the catalog when it is read.

A rule's decorator gives its default severity and options, so a rule is live without a line here; a ruleset only changes
things. ``baseline`` is the catalog as written, ``strict`` is for contracts many partners build on, ``lenient`` for
bringing in what already exists. To add one, add a YAML file to this folder::

    version: 1.0.0
    title: one line on whom it is for
    rules:
      lint.strings-are-bounded: error            # error | warning | info | off
      lifecycle.notice-long-enough:
        severity: error                          # optional
        options: {partner_days: 365}

An unknown rule, severity or option is refused with file and line, all of them at once. Reading package data is the one
thing in ``policies`` that touches a file; it happens once per name and process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from policies import catalog
from policies.findings import RulesetRef, Severity
from policies.rulesets.reading import Change, InvalidRuleset, read

__all__ = ["InvalidRuleset", "Ruleset", "UnknownRuleset", "load", "names", "parse"]


class UnknownRuleset(LookupError):
    """No ruleset of that name is installed. The message lists those that are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no ruleset is called {name!r}; there are {', '.join(names())}")


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A named, versioned set of changes to the catalog's defaults."""

    name: str
    version: str
    title: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def ref(self) -> RulesetRef:
        return RulesetRef(name=self.name, version=self.version)

    def severity(self, rule_id: str) -> Severity | None:
        """``None`` when the rule is off. Raises `KeyError` for a rule the catalog does not know."""
        change = self.changes.get(rule_id)
        if change is None or change.severity is None:
            return catalog.get(rule_id).severity
        return None if change.severity == "off" else Severity(change.severity)

    def options(self, rule_id: str) -> dict[str, Any]:
        """The rule's options, changed where this ruleset says so. Raises `KeyError` for an unknown rule."""
        change = self.changes.get(rule_id)
        return {**catalog.get(rule_id).options, **(change.options if change else {})}


def _installed() -> Iterator[str]:
    for entry in files(__package__).iterdir():
        if entry.name.endswith(".yaml"):
            yield entry.name.removesuffix(".yaml")


@cache
def names() -> tuple[str, ...]:
    """The rulesets in this folder, sorted."""
    return tuple(sorted(_installed()))


@cache
def load(name: str) -> Ruleset:
    """Read an installed ruleset (once). Raises `UnknownRuleset`, `InvalidRuleset`."""
    if name not in names():
        raise UnknownRuleset(name)
    file = f"{name}.yaml"
    return parse((files(__package__) / file).read_text("utf-8"), name=name, file=file)


def parse(text: str, *, name: str, file: str) -> Ruleset:
    """A ruleset from the text of a YAML file; `file` is what errors name. Raises `InvalidRuleset`."""
    content = read(text, file)
    return Ruleset(name, content.version, content.title, content.changes)

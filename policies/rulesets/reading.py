"""How the YAML of a ruleset is read: every fault with its line, all of them at once.

It walks YAML nodes instead of loaded values, because only nodes know their line, and because YAML 1.1 would turn the
severity ``off`` into a boolean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from policies import catalog
from policies.findings import Severity

SEVERITIES = (*(severity.value for severity in Severity), "off")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class InvalidRuleset(ValueError):
    """The ruleset cannot be used. `faults` are (line, detail), lines counted from one, in the file's order."""

    def __init__(self, file: str, faults: tuple[tuple[int, str], ...]) -> None:
        super().__init__("\n".join(f"{file}:{line}: {detail}" for line, detail in faults))
        self.file = file
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Change:
    """What a ruleset changes about one rule. `severity` ``None`` leaves it; ``off`` silences the rule."""

    severity: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    version: str
    title: str
    changes: Mapping[str, Change]


def read(text: str, file: str) -> Content:
    """Raises `InvalidRuleset`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidRuleset(file, ((mark.line + 1 if mark else 1, f"not YAML: {error.problem}"),)) from None
    reader = _Reader()
    content = reader.content(root)
    if reader.faults:
        raise InvalidRuleset(file, tuple(sorted(reader.faults)))
    return content


class _Reader:
    def __init__(self) -> None:
        self.faults: list[tuple[int, str]] = []

    def fault(self, node: yaml.Node | None, detail: str) -> None:
        self.faults.append((node.start_mark.line + 1 if node else 1, detail))

    def members(self, node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """(key, key node, value node) of a mapping; duplicates and other shapes are faults."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"{what} must be a mapping")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                self.fault(key, f"{key.value} stands here twice")
            seen.add(key.value)
            yield key.value, key, value

    def content(self, root: yaml.Node | None) -> Content:
        version, title, changes = "", "", {}
        if root is None:
            self.fault(None, "the file is empty")
            return Content("", "", {})
        for key, key_node, value in self.members(root, "a ruleset"):
            if key == "version":
                version = str(value.value)
            elif key == "title":
                title = str(value.value)
            elif key == "rules":
                changes = self.rules(value)
            else:
                self.fault(key_node, f"unknown member {key}; a ruleset has version, title and rules")
        if not _VERSION.fullmatch(version) and isinstance(root, yaml.MappingNode):
            self.fault(root, "version must be given as MAJOR.MINOR.PATCH")
        return Content(version, title, changes)

    def rules(self, node: yaml.Node) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        for rule, key_node, value in self.members(node, "rules"):
            try:
                entry = catalog.get(rule)
            except KeyError:
                self.fault(key_node, f"unknown rule {rule}")
                continue
            if isinstance(value, yaml.ScalarNode):
                changes[rule] = Change(self.severity(value))
            else:
                changes[rule] = self.change(entry, value)
        return changes

    def severity(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.value not in SEVERITIES:
            given = repr(node.value) if isinstance(node, yaml.ScalarNode) else "(not a word)"
            self.fault(node, f"unknown severity {given}; choose {', '.join(SEVERITIES)}")
            return None
        return str(node.value)

    def change(self, entry: catalog.Entry, node: yaml.Node) -> Change:
        severity, options = None, {}
        for key, key_node, value in self.members(node, entry.id):
            if key == "severity":
                severity = self.severity(value)
            elif key == "options":
                options = self.options(entry, value)
            else:
                self.fault(key_node, f"unknown member {key}; a rule takes severity and options")
        return Change(severity, options)

    def options(self, entry: catalog.Entry, node: yaml.Node) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for name, key_node, value in self.members(node, "options"):
            if name not in entry.options:
                known = ", ".join(sorted(entry.options)) or "none"
                self.fault(key_node, f"unknown option {name} of {entry.id}; it has {known}")
                continue
            default, given = entry.options[name], _plain(value)
            if type(given) is not type(default):
                self.fault(value, f"option {name} of {entry.id} must be a {_KIND[type(default)]}")
            elif default in SEVERITIES and given not in SEVERITIES:
                self.fault(value, f"option {name} of {entry.id} must be one of {', '.join(SEVERITIES)}")
            options[name] = given
        return options


_KIND: Mapping[type, str] = {
    str: "string",
    int: "whole number",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "mapping",
}


def _plain(node: yaml.Node) -> Any:
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_document(node)
    except yaml.YAMLError:
        return None

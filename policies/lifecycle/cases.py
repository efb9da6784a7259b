"""Builds the cases that are a gate's examples: everything is in order except what the case says.

``case(Action.PUBLISH, ...)`` is 1.1.0 published after 1.0.0, lint clean, additive, written by one person and approved
by another; ``DEPRECATE`` and ``RETIRE`` do so to 1.0.0, with 2.0.0 in its place and long notice. Members of
`Transition`, `Evidence`, `Contract` and `Version` are given by name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from policies.findings import Finding, Report, RulesetRef, Severity, Waiver
from policies.lifecycle.stages import Action
from policies.lifecycle.transition import Compared, Evidence, Transition
from policies.model.contract import Contract, Stage, Upstream, Version

NOW = 1_800_000_000
DAY = 86_400
_RULESET = RulesetRef(name="baseline", version="1.0.0")


class Case(NamedTuple):
    """`told` is what the case says, for people."""

    transition: Transition
    evidence: Evidence
    told: str

    def __str__(self) -> str:
        return self.told


@dataclass(frozen=True, slots=True)
class Changed:
    """A comparison as gates see it."""

    verdict: str
    bump: str
    report: Report
    forced_by: Finding | None = None


def linted(*findings: Finding) -> Report:
    return Report(family="lint", ruleset=_RULESET, findings=findings, coverage={"operations": 1})


def since(number: str, verdict: str, bump: str, *findings: Finding) -> Compared:
    """What changed since `number`. The first finding is what forces the bump."""
    report = Report(family="compat", ruleset=_RULESET, findings=findings, coverage={"operations": 1})
    return Compared(number, Changed(verdict, bump, report, findings[0] if findings else None))


MISSING = Finding(rule="lint.operations-declare-security", severity=Severity.ERROR, message="GET /items is open")
REMOVED = Finding(rule="compat.operation-removed", severity=Severity.ERROR, message="GET /items is gone", proof="rule")
UNDECIDED = Finding(rule="compat.unproven", severity=Severity.ERROR, message="nobody knows", proof="unproven")
SECURED = Finding(rule="compat.security-tightened", severity=Severity.ERROR, message="needs a scope", proof="rule")

_CONTRACT: dict[str, Any] = {
    "name": "items",
    "title": "Items",
    "owner": "items-team",
    "audience": "partner",
    "upstreams": {"default": Upstream(url="http://items.larkfield.example/v{major}")},
}
_PUBLISH: dict[str, Any] = {
    "number": "1.1.0",
    "lint": linted(),
    "comparisons": (since("1.0.0", "compatible", "minor"),),
    "live_numbers": ("1.0.0",),
}
_USUAL: dict[Action, dict[str, Any]] = {
    Action.SUBMIT: _PUBLISH,
    Action.PUBLISH: _PUBLISH,
    Action.DEPRECATE: {
        "stage": Stage.PUBLISHED,
        "successor": "2.0.0",
        "sunset_at": NOW + 200 * DAY,
        "live_numbers": ("1.0.0", "2.0.0"),
    },
    Action.RETIRE: {
        "stage": Stage.DEPRECATED,
        "deprecated_at": NOW - 200 * DAY,
        "promised_sunset_at": NOW - DAY,
        "live_numbers": ("1.0.0", "2.0.0"),
        "observed_at": NOW,
    },
    Action.ARCHIVE: {"stage": Stage.RETIRED},
    Action.BLOCK: {"stage": Stage.PUBLISHED, "reason": "wrong stock at DAL-2"},
    Action.UNBLOCK: {"stage": Stage.PUBLISHED},
}


def case(action: Action, **given: Any) -> Case:
    """`stage`, `deprecated_at` and `promised_sunset_at` describe the version; without a stage it does not exist yet."""
    values = {
        "number": "1.0.0", "actor": "ada", "author": "ada", "approver": "grace", "now": NOW,
        **_USUAL[action], **given, "action": action,
    }  # fmt: skip
    contract = Contract(**{**_CONTRACT, **{k: v for k, v in values.items() if k in Contract.__struct_fields__}})
    version = None
    if values.get("stage") is not None:
        version = Version(
            contract=contract.name,
            number=values["number"],
            digest="sha256:0",
            stage=values["stage"],
            deprecated_at=values.get("deprecated_at"),
            sunset_at=values.get("promised_sunset_at"),
        )
    asked = {k: v for k, v in values.items() if k in {f.name for f in fields(Transition)}}
    known = {k: v for k, v in values.items() if k in {f.name for f in fields(Evidence)}}
    told = "\n".join((f"action: {action}", *(f"{key}: {_told(value)}" for key, value in given.items())))
    return Case(Transition(**{**asked, "contract": contract, "version": version}), Evidence(**known), told)


def _told(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        days = (value - NOW) // DAY
        return f"{abs(days)} days {'from now' if days > 0 else 'ago'}" if days else "now"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_told, value))}]"
    if isinstance(value, Compared):
        rules = "".join(f", {finding.rule}" for finding in value.change.report.findings)
        return f"{{{value.number}: {value.change.verdict}, {value.change.bump}{rules}}}"
    if isinstance(value, Report):
        return f"[{', '.join(finding.rule for finding in value.findings)}]"
    if isinstance(value, Waiver):
        return f"{{{value.rule}, expires: {_told(value.expires_at)}}}"
    return str(value) or "''"

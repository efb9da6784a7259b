"""How far along its life a version is, and what must hold before it goes on.

`TABLE` is the whole truth about stages: which action leads from where to where. `gates` guard the transitions: one
decorated function each, judging a `Transition` (what is asked for) over `Evidence` (what the registry knows).
`admit` answers with a Report whose errors block. To add a gate, write one function in a file of
`policies.lifecycle.gates`.

The subtle thing: nothing here reads a clock or a database. Notice periods are measured from instants in the arguments,
all of them unix seconds UTC.
"""

from __future__ import annotations

from policies import catalog
from policies.findings import Finding, Report, Severity, in_order
from policies.lifecycle.gate import guarded_by
from policies.lifecycle.numbers import binding
from policies.lifecycle.stages import TABLE, Action, actions_from, next_stage
from policies.lifecycle.transition import Change, Compared, Evidence, Transition
from policies.rulesets import Ruleset

__all__ = [
    "TABLE",
    "Action",
    "Change",
    "Compared",
    "Evidence",
    "Transition",
    "actions_from",
    "admit",
    "binding",
    "next_stage",
]


def admit(transition: Transition, evidence: Evidence, ruleset: Ruleset) -> Report:
    """Judge one transition by every gate that guards its action; a finding of severity error blocks it.

    `transition.forced` with a reason turns the refusals of forcible gates into warnings. The registry decides who may
    force. The report covers ``{"gates": how many were asked}``.
    """
    findings: list[Finding] = []
    asked = 0
    catalog.discover("lifecycle")
    for gate in guarded_by(transition.action):
        severity = ruleset.severity(gate.entry.id)
        if severity is None:
            continue
        asked += 1
        if gate.forcible and transition.is_forced and severity is Severity.ERROR:
            severity = Severity.WARNING
        findings.extend(
            Finding(rule=gate.entry.id, severity=severity, message=refusal.message, fix=refusal.fix)
            for refusal in gate.judge(transition, evidence, ruleset.options(gate.entry.id))
        )
    return Report(
        family="lifecycle", ruleset=ruleset.ref, findings=in_order(findings), coverage={"gates": asked} if asked else {}
    )

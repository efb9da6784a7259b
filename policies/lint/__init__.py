"""Lint: rules on one document. Does it read well to whoever integrates with it, and can the gateway enforce it?

The document is walked once (`policies.lint.walk`) and every rule is handed the subjects it asked for: the document, a
path, an operation, a parameter, a body, a response, a schema or a property. A definition is judged once, at the place
where it is written, so a shared schema gives one finding and not one per use.

To add a rule, write one function in the file of its topic::

    @rule("operation", severity=Severity.WARNING, good=("get: {summary: Lists items.}",), bad=("get: {summary: null}",))
    def operations_have_a_summary(operation: Operation, context: Context) -> Iterator[Flaw]:
        '''Why it hurts a consumer, and how to get what was wanted.'''

An error blocks publishing under ``baseline``. It is kept for what truly hurts: what cannot be called, cannot be
enforced, or says something untrue. What is merely harder than it need be is a warning, and taste is an info.
"""

from __future__ import annotations

from policies.findings import Finding, Report, in_order
from policies.lint.judging import Judge
from policies.lint.rule import Context, rules
from policies.lint.walk import Walk
from policies.model.document import Document
from policies.rulesets import Ruleset

__all__ = ["check"]


def check(document: Document, ruleset: Ruleset) -> Report:
    """Every finding of every rule that the ruleset leaves on, in an order that does not depend on that of keys.

    `coverage` counts operations, parameters, schemas and examples looked at; a document without any operation covers
    nothing and is *not evaluated*. Raises `UnresolvedReference` for a document that did not come through the safe door.
    """
    walk = Walk(document)
    judge = Judge(document)
    findings: dict[str, Finding] = {}
    for rule in rules():
        severity = ruleset.severity(rule.entry.id)
        if severity is None:
            continue
        context = Context(document, judge, ruleset.options(rule.entry.id))
        found = [
            Finding(
                rule=rule.entry.id,
                severity=severity,
                message=flaw.message,
                pointer=flaw.pointer,
                operation=walk.operation_of(flaw.pointer),
                fix=flaw.fix,
            )
            for subject in walk.subjects[rule.target]
            for flaw in rule.function(subject, context)
        ]
        # one place, one finding: a response shared by several statuses is handed over once for each
        for finding in in_order(found):
            findings.setdefault(finding.fingerprint, finding)
    operations = len(document.operations) + len(document.webhooks)
    coverage = {
        "operations": operations,
        "parameters": len(walk.subjects["parameter"]),
        "schemas": len(walk.subjects["schema"]),
        "examples": judge.judged,
    }
    return Report(
        family="lint",
        ruleset=ruleset.ref,
        findings=in_order(findings.values()),
        coverage=coverage if operations else {},
    )

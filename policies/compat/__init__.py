"""Two documents: what changed, who is hurt, and what number the new one needs.

**What breaking means.** A change breaks when something the old contract allowed is no longer allowed: a call that was
right is refused, or an answer comes that readers were never told of. The *contract* is judged, not a lenient server.
What may be sent must lie within what is admitted: requests may only widen, responses may only narrow. Members nobody
declared are unknown to both sides. Enough people are hurt without any call being refused (a default that changed, an
optional member that vanished), so rules speak there too, as warnings.

**How it is known.** `pairing` walks both documents in step; the rules in `operations`, `parameters`, `payloads`,
`headers`, `security`, `members`, `schemas`, `bounds` and `unions` name what changed; the prover in `containment` (for
the patterns of texts, `patterns`) decides whether it matters. Every finding says how it was established: ``proved`` by
containment, ``witnessed`` by a value that one side admits and the other refuses, by ``rule``, or ``unproven``. What
could be neither proved nor named is ``compat.unproven``, and the verdict is then *unproven* unless something breaks.
Silence means: proved harmless.

To add a rule, write one decorated function in the module of its area; its examples are its tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from policies import catalog
from policies.compat.claims import Bump, Claim
from policies.compat.pairing import Walk
from policies.compat.prose import prose_of
from policies.findings import Finding, Report, RulesetRef, Severity, in_order
from policies.model.document import Document
from policies.model.schema import Direction

if TYPE_CHECKING:
    from policies.rulesets import Ruleset

__all__ = ["Comparison", "Verdict", "check"]

Verdict = Literal["compatible", "breaking", "unproven"]
_RANK: dict[Bump, int] = {"none": 0, "patch": 1, "minor": 2, "major": 3}


class Comparison(Struct, frozen=True, kw_only=True):
    """The verdict on two documents.

    `bump` is the least change of number the new document needs, `forced_by` the finding that asks for it. Both follow
    from the findings as the ruleset ranks them; a waiver lets a finding pass but does not change what it is.
    """

    verdict: Verdict
    bump: Bump
    forced_by: Finding | None
    report: Report

    def to_dict(self) -> dict[str, Any]:
        """The shape ``weighbridge diff --format json`` prints."""
        ruleset: RulesetRef = self.report.ruleset
        return {
            "verdict": self.verdict,
            "bump": self.bump,
            "ruleset": {"name": ruleset.name, "version": ruleset.version},
            "coverage": dict(self.report.coverage),
            "findings": [_printed(finding) for finding in self.report.findings],
        }


def check(old: Document, new: Document, ruleset: Ruleset, *, direction: Direction | None = None) -> Comparison:
    """Judge the change from `old` to `new`; with `direction`, only what callers send or what they receive, and what
    concerns both. Never raises for a document that can be parsed; the same two documents always get the same answer.
    """
    catalog.discover("compat")
    walk = Walk(old, new)
    walk.documents()
    if not walk.ledger.claims and prose_of(old) != prose_of(new):
        walk.words_changed()
    ranked: list[tuple[Finding, Bump]] = []
    unproven = False
    for claim in walk.ledger.claims:
        if claim.is_idle or (direction and claim.direction not in (direction, None)):
            continue
        severity = _severity(claim, ruleset)
        unproven = unproven or claim.proof == "unproven"
        if severity is not None:
            ranked.append((_finding(claim, severity), "major" if severity is Severity.ERROR else claim.rule.bump))
    findings = in_order(finding for finding, _ in ranked)
    bump: Bump = max((bump for _, bump in ranked), key=_RANK.__getitem__, default="none")
    if unproven and _RANK[bump] < _RANK["minor"]:
        bump = "minor"
    forcing = {id(finding) for finding, asked in ranked if asked == bump}
    breaking = any(finding.severity is Severity.ERROR for finding in findings)
    return Comparison(
        verdict="breaking" if breaking else "unproven" if unproven else "compatible",
        bump=bump,
        forced_by=next((finding for finding in findings if id(finding) in forcing), None),
        report=Report(family="compat", ruleset=ruleset.ref, findings=findings, coverage=walk.coverage),
    )


def _severity(claim: Claim, ruleset: Ruleset) -> Severity | None:
    """A rule's severity is for those it hurts; the same change in the harmless direction is an info, or what the
    rule's option ``harmless`` says."""
    severity = ruleset.severity(claim.rule.entry.id)
    if severity is None or claim.hurts or claim.proof == "unproven":
        return severity
    harmless = ruleset.options(claim.rule.entry.id).get("harmless", "info")
    return None if harmless == "off" else Severity(harmless)


def _finding(claim: Claim, severity: Severity) -> Finding:
    message = claim.message
    if len(claim.operations) > 1:
        others = len(claim.operations) - 1
        message += f" (and in {others} further operation{'s' if others > 1 else ''})"
    return Finding(
        rule=claim.rule.entry.id,
        severity=severity,
        message=message,
        pointer=claim.new or "",
        old_pointer=claim.old,
        used_at=claim.used_at,
        operation=claim.operation,
        direction=claim.direction,
        # a change that hurts nobody needs no other way
        fix=claim.fix if severity is not Severity.INFO else None,
        witness=claim.witness,
        proof=claim.proof,
        change=claim.change,
    )


def _printed(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "direction": finding.direction,
        "operation": finding.operation,
        "old": finding.old_pointer,
        "new": finding.pointer or None,
        "message": finding.message,
        "witness": msgspec.to_builtins(finding.witness),
        "proof": finding.proof,
    }

"""Gates on the way to being served: who answers for it, was it judged, and does its number tell the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.findings import Report, Severity, Waiver
from policies.lifecycle.cases import DAY, MISSING, NOW, REMOVED, SECURED, UNDECIDED, case, linted, since
from policies.lifecycle.gate import Refusal, gate
from policies.lifecycle.numbers import RANK, binding, major_of, precedence, raised, step
from policies.lifecycle.stages import Action
from policies.lifecycle.transition import Compared, Evidence, Transition


def _waiver(fingerprint: str, rule: str, expires_at: int = NOW + DAY) -> Waiver:
    return Waiver(
        id="w1", contract="items", fingerprint=fingerprint, rule=rule, reason="agreed with all three partners",
        author="ada", approver="grace", expires_at=expires_at,
    )  # fmt: skip


@gate(
    Action.SUBMIT,
    Action.PUBLISH,
    passes=(case(Action.PUBLISH, owner="items-team"),),
    blocks=(case(Action.PUBLISH, owner=""), case(Action.SUBMIT, owner_exists=False)),
)
def owner_assigned(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A contract that is published is owned by a registered team.

    When it fails at night, somebody must be there to answer, and only that team may change it.
    """
    owner = transition.contract.owner
    if not owner or not evidence.owner_exists:
        said = f"team {owner}, which owns it, is not registered" if owner else "it has no owner"
        yield Refusal(f"{transition.contract.name}: {said}", "register the team and name it as owner of the contract")


@gate(
    Action.PUBLISH,
    severity=Severity.WARNING,
    passes=(case(Action.PUBLISH),),
    blocks=(case(Action.PUBLISH, upstreams={}),),
)
def upstream_assigned(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A contract that is published has at least one upstream.

    Without one the gateway knows the interface and nobody who answers: every call ends in 502.
    """
    if not transition.contract.upstreams:
        yield Refusal(
            f"{transition.contract.name} has no upstream: calls will end in 502", "add upstreams to contract.yaml"
        )


@gate(
    Action.SUBMIT,
    Action.PUBLISH,
    passes=(
        case(Action.PUBLISH, lint=linted()),
        case(
            Action.PUBLISH,
            lint=linted(MISSING),
            waivers=(_waiver(MISSING.fingerprint, MISSING.rule),),
        ),
    ),
    blocks=(
        case(Action.PUBLISH, lint=linted(MISSING)),
        case(Action.PUBLISH, lint=None),
        case(
            Action.SUBMIT,
            lint=linted(MISSING),
            waivers=(_waiver(MISSING.fingerprint, MISSING.rule, expires_at=NOW),),
        ),
    ),
)
def lint_is_clean(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """The document was linted, and no error is left that is not waived.

    What lint calls an error cannot be called, cannot be enforced or is untrue; it would be found by a consumer next.
    """
    if evidence.lint is None:
        yield Refusal("the document was not linted", "lint it; what was not looked at is not clean")
        return
    report = evidence.lint.waive(evidence.waivers, evidence.now)
    if report.verdict == "not-evaluated":
        yield Refusal("the document has no operation, so nothing was linted", "add at least one operation")
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        yield Refusal(
            f"lint: {errors[0].rule} at {errors[0].pointer or '/'}{more}", "correct the errors, or waive them"
        )


@gate(
    Action.SUBMIT,
    Action.PUBLISH,
    passes=(
        case(Action.PUBLISH),
        case(Action.PUBLISH, comparisons=(), live_numbers=()),
        case(Action.PUBLISH, live_numbers=("1.0.0-rc.1", "1.0.0")),
    ),
    blocks=(case(Action.PUBLISH, live_numbers=("1.0.0", "1.0.1")), case(Action.SUBMIT, comparisons=())),
)
def live_versions_were_compared(
    transition: Transition, evidence: Evidence, options: Mapping[str, Any]
) -> Iterator[Refusal]:
    """The document was compared with every live version of its major.

    Its major serves the newest version to everybody, also to those who still hold the oldest contract. A comparison
    that was not made is not a compatible one.
    """
    made = {compared.number for compared in evidence.comparisons}
    missing = [number for number in _siblings(transition, evidence) if number not in made]
    if missing:
        yield Refusal(f"not compared with {', '.join(missing)}", "compare with every live version of the major")


@gate(
    Action.SUBMIT,
    Action.PUBLISH,
    passes=(
        case(Action.PUBLISH, number="1.1.0", comparisons=(since("1.0.0", "compatible", "minor"),)),
        case(Action.PUBLISH, number="1.0.1", comparisons=(since("1.0.0", "compatible", "patch"),)),
        case(
            Action.PUBLISH,
            comparisons=(since("1.0.0", "unproven", "minor", UNDECIDED),),
            waivers=(_waiver(UNDECIDED.fingerprint, UNDECIDED.rule),),
        ),
        case(
            Action.PUBLISH,
            number="1.0.0",
            comparisons=(since("1.0.0-rc.1", "compatible", "minor"),),
            live_numbers=("1.0.0-rc.1",),
        ),
    ),
    blocks=(
        case(Action.PUBLISH, number="1.0.1", comparisons=(since("1.0.0", "compatible", "minor"),)),
        case(Action.PUBLISH, comparisons=(since("1.0.0", "unproven", "minor", UNDECIDED),)),
        case(
            Action.PUBLISH,
            number="1.0.1",
            comparisons=(since("1.0.0", "unproven", "minor", UNDECIDED),),
            waivers=(_waiver(UNDECIDED.fingerprint, UNDECIDED.rule),),
        ),
    ),
)
def semver_admits_change(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """The number claims at least what the change is.

    A consumer reads the number and nothing else: a patch promises that nothing is new, a minor that nothing breaks.
    What could not be proved compatible counts as not compatible until somebody has looked at it and waived it.
    """
    for compared in _of_this_major(transition, evidence):
        change = compared.change
        if change.verdict != "compatible" and not _is_waived(change.report, evidence):
            if change.verdict == "unproven":  # of the rest, breaking_needs_new_major speaks
                cause = f": {change.forced_by.message}" if change.forced_by else ""
                yield Refusal(
                    f"nothing proves {transition.number} compatible with {compared.number}{cause}",
                    "change it so that it can be proved, waive the finding, or publish "
                    f"{raised(transition.number, 'major')}",
                )
            continue
        claimed = step(compared.number, transition.number)
        needed = change.bump if change.verdict == "compatible" else "minor"
        if RANK[needed] > RANK[claimed]:
            yield Refusal(
                f"{transition.number} claims a {claimed} over {compared.number}, but the change is a {needed}",
                f"publish it as {raised(compared.number, needed)}",
            )


@gate(
    Action.SUBMIT,
    Action.PUBLISH,
    passes=(
        case(Action.PUBLISH, number="2.0.0", comparisons=(), previous=since("1.0.0", "breaking", "major", REMOVED)),
        case(
            Action.PUBLISH,
            comparisons=(since("1.0.0", "breaking", "major", REMOVED),),
            waivers=(_waiver(REMOVED.fingerprint, REMOVED.rule),),
        ),
        case(
            Action.PUBLISH,
            number="1.0.0",
            comparisons=(since("1.0.0-rc.1", "breaking", "major", REMOVED),),
            live_numbers=("1.0.0-rc.1",),
        ),
    ),
    blocks=(case(Action.PUBLISH, comparisons=(since("1.0.0", "breaking", "major", REMOVED),)),),
)
def breaking_needs_new_major(
    transition: Transition, evidence: Evidence, options: Mapping[str, Any]
) -> Iterator[Refusal]:
    """A change that breaks somebody is published as a new major.

    The address of a major is stable: whoever calls ``/v1`` gets the newest 1.x without asking. A break there stops
    their business without warning. Under a new major they move when they are ready.
    """
    hurt = []
    cause = ""
    for compared in _of_this_major(transition, evidence):
        change = compared.change
        if change.verdict != "breaking" or _is_waived(change.report, evidence):
            continue
        if step(compared.number, transition.number) == "major":
            continue  # a pre-release has promised nothing
        hurt.append(compared.number)
        cause = cause or (f": {change.forced_by.message}" if change.forced_by else "")
    if hurt:
        yield Refusal(
            f"{transition.number} breaks callers of {', '.join(hurt)}{cause}",
            f"make the change compatible, or publish it as {raised(transition.number, 'major')}",
        )


@gate(
    Action.SUBMIT,
    Action.PUBLISH,
    severity=Severity.INFO,
    passes=(
        case(Action.PUBLISH, number="2.0.0", comparisons=(), previous=since("1.0.0", "breaking", "major", REMOVED)),
    ),
    blocks=(case(Action.PUBLISH, number="2.0.0", comparisons=(), previous=since("1.2.0", "compatible", "minor")),),
)
def new_major_is_needed(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A new major breaks something.

    Every consumer has to subscribe, test and move for it. When nothing breaks, a minor reaches them all at no cost.
    """
    previous = evidence.previous
    if previous is None or major_of(previous.number) >= transition.major or previous.change.verdict != "compatible":
        return
    if previous.change.bump in ("minor", "patch"):
        yield Refusal(
            f"{transition.number} breaks nothing of {previous.number}",
            f"{raised(previous.number, previous.change.bump)} would reach every subscriber without a move",
        )


@gate(
    Action.SUBMIT,
    Action.PUBLISH,
    passes=(
        case(Action.PUBLISH, number="1.10.0", live_numbers=("1.0.0", "1.9.0", "2.0.0"), comparisons=(
            since("1.0.0", "compatible", "minor"), since("1.9.0", "compatible", "minor"))),
    ),
    blocks=(case(Action.PUBLISH, number="1.1.0", live_numbers=("1.0.0", "1.2.0")),),
)  # fmt: skip
def version_is_newest_of_its_line(
    transition: Transition, evidence: Evidence, options: Mapping[str, Any]
) -> Iterator[Refusal]:
    """No version is published behind a newer live one of its major.

    A major serves its newest version, so an older number would be published and never be called.
    """
    own = precedence(transition.number)
    newer = [n for n in evidence.live_numbers if major_of(n) == transition.major and precedence(n) > own]
    if newer:
        newest = max(newer, key=precedence)
        yield Refusal(
            f"{transition.contract.name} {newest} is live already and newer than {transition.number}",
            f"publish it as {raised(newest, 'patch')} or higher",
        )


@gate(
    Action.PUBLISH,
    severity=Severity.WARNING,
    passes=(
        case(Action.PUBLISH, author="ada", approver="grace"),
        case(Action.PUBLISH, author="ada", approver="ada", audience="internal"),
    ),
    blocks=(
        case(Action.PUBLISH, author="ada", approver="ada"),
        case(Action.PUBLISH, author="ada", approver=None),
        case(
            Action.PUBLISH, number="2.0.0", comparisons=(), audience="internal", author="ada", approver="ada",
            previous=since("1.0.0", "breaking", "major", REMOVED),
        ),
        case(
            Action.PUBLISH, number="2.0.0", comparisons=(), audience="internal", author="ada", approver="ada",
            previous=since("1.0.0", "unproven", "major", SECURED),
        ),
    ),
)  # fmt: skip
def approver_is_not_author(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """What partners see, what breaks and what touches security is approved by somebody who did not write it.

    The author knows what was meant; only another reads what is there. Submit it for review and let a colleague publish.
    """
    if evidence.approver is not None and evidence.approver != evidence.author:
        return
    changes = [compared.change for compared in (*evidence.comparisons, evidence.previous) if compared is not None]
    security = any("security" in f.rule or "scope" in f.rule for change in changes for f in change.report.findings)
    reasons = (
        ("partners see it", transition.contract.audience == "partner"),
        ("it breaks callers", any(change.verdict == "breaking" for change in changes)),
        ("it touches security", security),
    )
    because = [reason for reason, holds in reasons if holds]
    if because:
        yield Refusal(f"nobody but the author approved it, and {' and '.join(because)}", "let a colleague publish it")


def _of_this_major(transition: Transition, evidence: Evidence) -> Iterator[Compared]:
    for compared in evidence.comparisons:
        if major_of(compared.number) == transition.major:
            yield compared


def _siblings(transition: Transition, evidence: Evidence) -> list[str]:
    """The older live versions of the same major whose promises bind, oldest first."""
    own = precedence(transition.number)
    live = binding(evidence.live_numbers)
    return [number for number in live if major_of(number) == transition.major and precedence(number) < own]


def _is_waived(report: Report, evidence: Evidence) -> bool:
    """Something was waived, and with it everything that stands in the way."""
    left = report.waive(evidence.waivers, evidence.now)
    return bool(left.waived) and not any(f.severity is Severity.ERROR or f.proof == "unproven" for f in left.findings)

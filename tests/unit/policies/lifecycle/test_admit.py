from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.findings import Finding, Report, Severity
from policies.lifecycle import TABLE, Action, admit
from policies.lifecycle.cases import DAY, MISSING, NOW, REMOVED, UNDECIDED, case, linted, since
from policies.model.contract import Stage
from policies.rulesets import load, parse


def judged(action: Action, ruleset: str = "baseline", **given: object) -> dict[str, Severity]:
    made = case(action, **given)
    return {f.rule: f.severity for f in admit(made.transition, made.evidence, load(ruleset)).findings}


def found(action: Action, **given: object) -> list[Finding]:
    made = case(action, **given)
    return list(admit(made.transition, made.evidence, load("baseline")).findings)


@pytest.mark.parametrize("action", list(Action))
def test_where_everything_is_in_order_every_step_is_admitted_under_strict(action: Action) -> None:
    made = case(action)
    report = admit(made.transition, made.evidence, load("strict"))
    assert report.findings == ()
    assert report.verdict == "pass"


@pytest.mark.parametrize(("stage", "action"), list(product(Stage, Action)))
def test_the_table_is_what_decides_which_steps_there_are(stage: Stage, action: Action) -> None:
    refused = "lifecycle.stage-allows-action" in judged(action, stage=stage)
    assert refused == ((stage, action) not in TABLE)


def test_a_report_names_the_ruleset_and_counts_the_gates_asked() -> None:
    made = case(Action.BLOCK)
    report = admit(made.transition, made.evidence, load("strict"))
    assert (report.family, report.ruleset) == ("lifecycle", load("strict").ref)
    assert report.coverage == {"gates": 2}


def test_with_every_gate_off_nothing_was_evaluated() -> None:
    off = "version: 1.0.0\nrules: {lifecycle.stage-allows-action: off, lifecycle.reason-given: off}"
    made = case(Action.BLOCK, reason=None)
    report = admit(made.transition, made.evidence, parse(off, name="off", file="off.yaml"))
    assert (report.findings, report.verdict) == ((), "not-evaluated")


EARLY = {"promised_sunset_at": NOW + DAY, "subscribers": ("acme",), "callers": (("acme", NOW),)}


def test_retiring_early_is_refused() -> None:
    assert judged(Action.RETIRE, **EARLY) == {
        "lifecycle.notice-elapsed": Severity.ERROR,
        "lifecycle.nobody-still-subscribes": Severity.ERROR,
        "lifecycle.nobody-still-calls": Severity.ERROR,
    }


def test_an_admins_word_with_a_reason_turns_the_refusals_into_warnings() -> None:
    forced = judged(Action.RETIRE, "strict", **EARLY, forced=True, reason="the supplier went out of business")
    assert forced == {
        "lifecycle.notice-elapsed": Severity.WARNING,
        "lifecycle.nobody-still-subscribes": Severity.WARNING,
        "lifecycle.nobody-still-calls": Severity.WARNING,
    }


def test_force_without_a_reason_forces_nothing() -> None:
    assert judged(Action.RETIRE, **EARLY, forced=True, reason=" ") == {
        "lifecycle.notice-elapsed": Severity.ERROR,
        "lifecycle.nobody-still-subscribes": Severity.ERROR,
        "lifecycle.nobody-still-calls": Severity.ERROR,
        "lifecycle.reason-given": Severity.ERROR,
    }


def test_short_notice_is_a_warning_at_first_and_an_error_under_strict_unless_forced() -> None:
    short = {"sunset_at": NOW + 5 * DAY}
    assert judged(Action.DEPRECATE, **short) == {"lifecycle.notice-long-enough": Severity.WARNING}
    assert judged(Action.DEPRECATE, "strict", **short) == {"lifecycle.notice-long-enough": Severity.ERROR}
    assert judged(Action.DEPRECATE, "strict", **short, forced=True, reason="recall") == {
        "lifecycle.notice-long-enough": Severity.WARNING
    }


@pytest.mark.parametrize(
    "given",
    [
        {"comparisons": (since("1.0.0", "breaking", "major", REMOVED),)},
        {"comparisons": (since("1.0.0", "unproven", "minor", UNDECIDED),)},
        {"lint": linted(MISSING)},
        {"lint": None},
    ],
)
def test_nobody_can_force_a_document_through(given: dict[str, object]) -> None:
    forced = judged(Action.PUBLISH, **given, forced=True, reason="we are late")
    assert list(forced.values()) == [Severity.ERROR]


def test_a_single_admin_may_publish_under_baseline_and_not_under_strict() -> None:
    alone = {"author": "ada", "approver": "ada"}
    assert judged(Action.PUBLISH, **alone) == {"lifecycle.approver-is-not-author": Severity.WARNING}
    assert judged(Action.PUBLISH, "strict", **alone) == {"lifecycle.approver-is-not-author": Severity.ERROR}


def test_a_first_version_needs_no_comparison() -> None:
    assert judged(Action.PUBLISH, number="1.0.0", comparisons=(), live_numbers=()) == {}


def test_a_break_of_several_versions_is_one_refusal() -> None:
    broken = (since("1.0.0", "breaking", "major", REMOVED), since("1.2.0", "breaking", "major", REMOVED))
    (finding,) = found(Action.PUBLISH, number="1.3.0", live_numbers=("1.0.0", "1.2.0"), comparisons=broken)
    assert finding.message == "1.3.0 breaks callers of 1.0.0, 1.2.0: GET /items is gone"


def test_every_comparison_is_weighed_and_each_refusal_says_what_to_publish_instead() -> None:
    findings = found(
        Action.PUBLISH,
        number="1.2.1",
        live_numbers=("1.0.0", "1.2.0"),
        comparisons=(since("1.0.0", "breaking", "major", REMOVED), since("1.2.0", "compatible", "minor")),
    )
    assert [(f.rule, f.message, f.fix) for f in findings] == [
        (
            "lifecycle.breaking-needs-new-major",
            "1.2.1 breaks callers of 1.0.0: GET /items is gone",
            "make the change compatible, or publish it as 2.0.0",
        ),
        (
            "lifecycle.semver-admits-change",
            "1.2.1 claims a patch over 1.2.0, but the change is a minor",
            "publish it as 1.3.0",
        ),
    ]


def test_a_document_without_operations_is_not_clean() -> None:
    nothing = Report(family="lint", ruleset=load("baseline").ref)
    assert judged(Action.PUBLISH, lint=nothing) == {"lifecycle.lint-is-clean": Severity.ERROR}


def test_a_deprecation_says_which_successors_there_are() -> None:
    (finding,) = found(Action.DEPRECATE, successor="4", live_numbers=("1.0.0", "1.1.0", "2.0.0", "10.0.0"))
    assert finding.message == "4 is not a live version beside 1.0.0 that stays"
    assert finding.fix == "name one of 2, 10, 1.1.0, 2.0.0, 10.0.0"


def test_many_subscribers_are_counted_and_the_first_are_named() -> None:
    (finding,) = found(Action.RETIRE, subscribers=tuple("gfedcba"))
    assert finding.message == "still subscribed: a, b, c, d, e and 2 more"


def test_notice_is_measured_from_the_first_announcement() -> None:
    (finding,) = found(Action.DEPRECATE, stage=Stage.DEPRECATED, deprecated_at=NOW - 10 * DAY, sunset_at=NOW + 5 * DAY)
    assert finding.message == "15 days of notice are fewer than the 180 promised to partner callers"
    assert finding.fix == "choose a sunset not before 2027-07-04"


NUMBERS = st.sampled_from(["0.1.0", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0", "2.0.0-beta", "2.0.0", "10.2.3"])
INSTANTS = st.none() | st.integers(NOW - 400 * DAY, NOW + 400 * DAY)
CHANGES = st.builds(
    since,
    NUMBERS,
    st.sampled_from(["compatible", "breaking", "unproven"]),
    st.sampled_from(["none", "patch", "minor", "major"]),
    st.sampled_from([REMOVED, UNDECIDED]),
)


@settings(max_examples=300, deadline=None)
@given(
    action=st.sampled_from(list(Action)),
    known=st.fixed_dictionaries(
        {
            "number": NUMBERS,
            "stage": st.none() | st.sampled_from(list(Stage)),
            "live_numbers": st.lists(NUMBERS, unique=True).map(tuple),
            "comparisons": st.lists(CHANGES, max_size=3).map(tuple),
            "previous": st.none() | CHANGES,
            "deprecated_at": INSTANTS,
            "promised_sunset_at": INSTANTS,
            "sunset_at": INSTANTS,
            "callers": st.lists(st.tuples(st.just("acme"), st.integers(NOW - 400 * DAY, NOW + DAY))).map(tuple),
            "successor": st.none() | st.sampled_from(["", "2", "2.0.0", "x"]),
            "reason": st.none() | st.text(max_size=3),
            "forced": st.booleans(),
        }
    ),
)
def test_whatever_is_known_every_refusal_says_what_to_do(action: Action, known: dict[str, object]) -> None:
    findings = found(action, **known)
    assert all(finding.message and finding.fix for finding in findings)


@settings(max_examples=200, deadline=None)
@given(
    action=st.sampled_from([Action.SUBMIT, Action.PUBLISH]),
    number=st.sampled_from(["1.0.1", "1.1.0", "1.7.0"]),
    verdict=st.sampled_from(["breaking", "unproven"]),
    bump=st.sampled_from(["none", "patch", "minor", "major"]),
    forced=st.booleans(),
)
def test_within_a_major_nothing_unproven_or_breaking_ever_goes_live_unwaived(
    action: Action, number: str, verdict: str, bump: str, forced: bool
) -> None:
    cause = REMOVED if verdict == "breaking" else UNDECIDED
    comparisons = (since("1.0.0", verdict, bump, cause),)
    refusals = judged(action, number=number, comparisons=comparisons, forced=forced, reason="because")
    gate = "breaking-needs-new-major" if verdict == "breaking" else "semver-admits-change"
    assert refusals[f"lifecycle.{gate}"] is Severity.ERROR

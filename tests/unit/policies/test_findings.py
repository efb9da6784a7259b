"""Waivers move findings out of a report, and say so."""

import msgspec
import pytest

from policies.findings import Finding, Report, RulesetRef, Severity, Waiver

FOUND = Finding(
    rule="compat.operation-removed", severity=Severity.ERROR, message="GET /items is gone", pointer="/paths"
)
REPORT = Report(
    family="compat",
    ruleset=RulesetRef(name="baseline", version="1.0.0"),
    findings=(FOUND,),
    coverage={"operations": 1},
)
GRANTED = Waiver(
    id="w1", contract="items", fingerprint=FOUND.fingerprint, rule=FOUND.rule, reason="nobody called it",
    author="ada", approver="grace", expires_at=100,
)  # fmt: skip


def test_a_waived_finding_no_longer_counts_and_its_waiver_is_named() -> None:
    report = REPORT.waive([GRANTED], 99)
    assert (report.findings, report.waived, report.verdict) == ((), (GRANTED,), "pass")


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ({}, 100),
        ({"fingerprint": "0" * 16}, 0),
        ({"rule": "lint.components-are-used"}, 0),  # its approver read of something harmless
    ],
)
def test_what_a_waiver_does_not_cover_stays(change: dict[str, str], now: int) -> None:
    assert REPORT.waive([msgspec.structs.replace(GRANTED, **change)], now) == REPORT

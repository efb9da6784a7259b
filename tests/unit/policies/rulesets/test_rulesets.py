from __future__ import annotations

import pytest

from policies import catalog, rulesets
from policies.findings import RulesetRef, Severity


def test_the_installed_rulesets_are_these() -> None:
    assert rulesets.names() == ("baseline", "lenient", "strict")


@pytest.mark.parametrize("name", rulesets.names())
def test_every_installed_ruleset_is_valid(name: str) -> None:
    ruleset = rulesets.load(name)
    assert ruleset.ref == RulesetRef(name=name, version=ruleset.version)
    assert ruleset.title


def test_a_ruleset_is_read_once() -> None:
    assert rulesets.load("strict") is rulesets.load("strict")


def test_an_unknown_ruleset_names_those_that_are() -> None:
    with pytest.raises(
        rulesets.UnknownRuleset, match="no ruleset is called 'harsh'; there are baseline, lenient, strict"
    ):
        rulesets.load("harsh")


def test_baseline_is_the_catalog_as_written() -> None:
    baseline = rulesets.load("baseline")
    for entry in catalog.entries():
        assert baseline.severity(entry.id) is entry.severity
        assert baseline.options(entry.id) == entry.options


def test_strict_is_never_milder_than_baseline_and_lenient_never_stricter() -> None:
    rank = {None: 0, Severity.INFO: 1, Severity.WARNING: 2, Severity.ERROR: 3}
    for entry in catalog.entries():
        assert rank[rulesets.load("strict").severity(entry.id)] >= rank[entry.severity]
        assert rank[rulesets.load("lenient").severity(entry.id)] <= rank[entry.severity]


def test_a_ruleset_changes_severity_and_options_and_leaves_the_rest() -> None:
    ruleset = rulesets.parse(
        "version: 1.0.0\n"
        "rules:\n  lifecycle.notice-long-enough:\n    severity: error\n    options: {partner_days: 365}\n",
        name="ours",
        file="ours.yaml",
    )
    assert ruleset.severity("lifecycle.notice-long-enough") is Severity.ERROR
    assert ruleset.options("lifecycle.notice-long-enough") == {"partner_days": 365, "internal_days": 30}
    assert ruleset.severity("lifecycle.sunset-in-the-future") is Severity.ERROR


def test_options_alone_leave_the_severity() -> None:
    text = "version: 1.0.0\nrules:\n  lifecycle.notice-long-enough: {options: {partner_days: 1}}\n"
    assert rulesets.parse(text, name="o", file="o").severity("lifecycle.notice-long-enough") is Severity.WARNING


@pytest.mark.parametrize("off", ["off", '"off"'])
def test_off_is_a_severity_whether_quoted_or_not(off: str) -> None:
    ruleset = rulesets.parse(f"version: 1.0.0\nrules: {{lint.version-is-semver: {off}}}", name="o", file="o.yaml")
    assert ruleset.severity("lint.version-is-semver") is None


def test_a_rule_nobody_knows_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        rulesets.load("baseline").severity("lint.no-such-rule")

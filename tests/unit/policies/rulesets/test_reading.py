from __future__ import annotations

import pytest

from policies.rulesets import InvalidRuleset, parse


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidRuleset) as caught:
        parse(text, name="ours", file="ours.yaml")
    return str(caught.value).splitlines()


def test_every_fault_is_told_with_file_and_line_in_one_go() -> None:
    text = """\
version: 1.0.0
titel: typo
rules:
  lint.no-such-rule: error
  lint.version-is-semver: fatal
  lifecycle.notice-long-enough:
    severty: error
    options:
      partner_days: many
      customer_days: 3
  lint.operations-have-ids: {options: {x: 1}}
"""
    assert faults(text) == [
        "ours.yaml:2: unknown member titel; a ruleset has version, title and rules",
        "ours.yaml:4: unknown rule lint.no-such-rule",
        "ours.yaml:5: unknown severity 'fatal'; choose error, warning, info, off",
        "ours.yaml:7: unknown member severty; a rule takes severity and options",
        "ours.yaml:9: option partner_days of lifecycle.notice-long-enough must be a whole number",
        "ours.yaml:10: unknown option customer_days of lifecycle.notice-long-enough; "
        "it has internal_days, partner_days",
        "ours.yaml:11: unknown option x of lint.operations-have-ids; it has none",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "ours.yaml:1: the file is empty"),
        ("[]", "ours.yaml:1: a ruleset must be a mapping"),
        ("title: x", "ours.yaml:1: version must be given as MAJOR.MINOR.PATCH"),
        ("version: 1.0", "ours.yaml:1: version must be given as MAJOR.MINOR.PATCH"),
        ("version: 1.0.0\nrules: [a]", "ours.yaml:2: rules must be a mapping"),
        (
            "version: 1.0.0\nrules:\n  lint.version-is-semver: [a]",
            "ours.yaml:3: lint.version-is-semver must be a mapping",
        ),
        ("version: 1.0.0\nversion: 1.0.1", "ours.yaml:2: version stands here twice"),
        (
            "version: 1.0.0\nrules:\n  lint.version-is-semver: error\n  lint.version-is-semver: info",
            "ours.yaml:4: lint.version-is-semver stands here twice",
        ),
        (
            "version: 1.0.0\nrules:\n  lint.version-is-semver: {severity: {a: b}}",
            "ours.yaml:3: unknown severity (not a word); choose error, warning, info, off",
        ),
        ("version: 1.0.0\nrules: {a: [", "ours.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_malformed_ruleset_says_where(text: str, fault: str) -> None:
    assert faults(text) == [fault]


@pytest.mark.parametrize("value", ["yes", "1.5", '"180"', "{}", "null"])
def test_an_option_keeps_the_type_of_its_default(value: str) -> None:
    text = f"version: 1.0.0\nrules:\n  lifecycle.notice-long-enough: {{options: {{partner_days: {value}}}}}"
    assert faults(text) == [
        "ours.yaml:3: option partner_days of lifecycle.notice-long-enough must be a whole number",
    ]

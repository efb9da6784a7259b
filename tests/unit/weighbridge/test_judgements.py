"""A refusal as its publisher reads it: each thing once, with proof, with whom it hurts, with what to do instead."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge import judgements

GONE = {
    "rule": "compat.response-property-removed",
    "severity": "error",
    "direction": "response",
    "operation": "GET /notes",
    "message": "200 body.text always came and is gone",
    "witness": {},
    "fingerprint": "f1",
}


def compared(against: str, *findings: dict[str, Any], verdict: str = "breaking") -> dict[str, Any]:
    bump = "major" if verdict == "breaking" else "none"
    return {"against": against, "verdict": verdict, "bump": bump, "findings": list(findings)}


def shown(capsys: pytest.CaptureFixture[str], *comparisons: dict[str, Any], **impact: Any) -> list[str]:
    judgements.show({"reports": {"comparisons": list(comparisons)}, "impact": impact})
    return capsys.readouterr().out.splitlines()


def test_what_breaks_every_version_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, compared("1.0.0", GONE), compared("1.1.0", GONE)) == [
        "compared with 1.0.0 and 1.1.0: breaking, bump major",
        "error   compat.response-property-removed  GET /notes",
        "        200 body.text always came and is gone",
        "        may now be sent, was never promised: {}",
        "        why: Readers rely on it. Keep sending it, deprecated, until the next major.",
    ]


def test_what_breaks_one_of_several_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    other = {**GONE, "message": "200 body.by always came and is gone"}
    lines = shown(
        capsys, compared("1.0.0", verdict="compatible"), compared("1.1.0", GONE), compared("1.2.0", GONE, other)
    )
    assert lines[:2] == [
        "compared with 1.0.0: compatible, bump none",
        "compared with 1.1.0 and 1.2.0: breaking, bump major",
    ]
    heads = [line for line in lines if line.startswith("error")]
    assert heads == [
        "error   compat.response-property-removed  GET /notes",
        "error   compat.response-property-removed  GET /notes  against 1.2.0",
    ]
    assert sum("why:" in line for line in lines) == 1


def test_who_is_hurt_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    reader = {"application": "reader", "name": "Reader", "consumer": "dock", "hurt": True, "operations": ["GET /notes"]}
    bystander = {**reader, "application": "other", "hurt": False}
    assert shown(capsys, touched=[reader, bystander]) == ["hurts reader (Reader, dock) in GET /notes"]


def test_a_rule_that_a_newer_registry_knows_is_shown_without_its_why(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, compared("1.0.0", {**GONE, "rule": "compat.from-the-future", "witness": None}))
    assert lines[1:] == [
        "error   compat.from-the-future  GET /notes",
        "        200 body.text always came and is gone",
    ]


def test_who_is_hurt_was_seen_calling(capsys: pytest.CaptureFixture[str]) -> None:
    calls = [
        {"operation": f"GET /{name}", "calls_per_day": 12.5 - index, "last_called_at": "2027-01-15T07:59:50Z"}
        for index, name in enumerate(["other", "a", "b", "c", "d", "e", "f"])
    ]
    reader = {"application": "reader", "name": "Reader", "consumer": "dock", "hurt": True, "calls": calls}
    nameless = {**reader, "application": "", "name": "callers without credentials", "consumer": ""}
    lines = shown(
        capsys,
        touched=[{**reader, "operations": ["GET /a", "GET /z"]}, {**nameless, "operations": []}],
    )
    assert lines == [
        "hurts reader (Reader, dock) in GET /a, GET /z",
        "        calls GET /a 11.5 times a day, last on 2027-01-15",
        "hurts callers without credentials",
        *(f"        calls {c['operation']} {c['calls_per_day']:g} times a day, last on 2027-01-15" for c in calls[:5]),
        "        and 2 more operations",
    ]

"""Labelled pairs: what a change is, said before the differ was asked. Every expectation is exact.

``compat/*.yaml`` hold the labels as data. A case names a `frame` (see `policies.compat.claims.Case`) and what is
`judged`, or it is one schema put in several frames: ``request``, ``response``, ``parameter``. A judgement reads
``<verdict> [<bump> [<rule> ...]]``: the rules are all that is found, as often as it is found; where a judgement names
none, those under ``rules`` are meant, and where there are none either, any. ``compatible|unproven`` allows *unproven*
beside the truth: nobody can prove it today, and nobody may say the opposite. `at` is the place of the first rule,
within the schema for schemas.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies import compat
from policies.compat.claims import Case
from policies.model.document import Document
from policies.rulesets import load

RULESET = load("baseline")
FRAMES = ("request", "response", "parameter")
AT = {
    "request": "/paths/~1orders/post/requestBody/content/application~1json/schema",
    "response": "/paths/~1orders/get/responses/200/content/application~1json/schema",
    "parameter": "/paths/~1orders/get/parameters/0/schema",
}


def labelled() -> list[Any]:
    found = []
    for file in sorted((Path(__file__).parent / "compat").glob("*.yaml")):
        for case in yaml.safe_load(file.read_text()):
            frames = ["judged"] if "judged" in case else [frame for frame in FRAMES if frame in case]
            found += [pytest.param(case, frame, id=f"{file.stem}/{case['id']}/{frame}") for frame in frames]
    return found


def documents(case: dict[str, Any], frame: str) -> tuple[Document, Document]:
    named = case["frame"] if frame == "judged" else frame
    openapi = tuple(str(number) for number in case.get("openapi", ("3.1.0", "3.1.0")))
    old, new = (json.dumps(case[side]) for side in ("old", "new"))
    return Case(named, old, new, openapi=openapi).documents()  # type: ignore[arg-type]


@pytest.mark.parametrize(("case", "frame"), labelled())
def test_the_verdict_is_the_label(case: dict[str, Any], frame: str) -> None:
    old, new = documents(case, frame)
    comparison = compat.check(old, new, RULESET)
    verdict, bump, *rules = [*case[frame].split(), "", ""][: max(2, len(case[frame].split()))]
    rules = rules or case.get("rules", [])
    said = [(f.rule, f.pointer, f.message) for f in comparison.report.findings]
    assert comparison.verdict in verdict.split("|"), said
    if comparison.verdict == "unproven":
        return
    assert bump in ("", comparison.bump), said
    if bump == "none":
        assert said == []
    if rules:
        assert sorted(rule for rule, _, _ in said) == sorted(f"compat.{name}" for name in rules), said
        _check_place(case, frame, rules[0], comparison)


def _check_place(case: dict[str, Any], frame: str, rule: str, comparison: compat.Comparison) -> None:
    at = case.get("at", [] if frame == "judged" else "")
    wanted = [AT.get(frame, "") + place for place in ([at, at] if isinstance(at, str) else at)]
    found = next(f for f in comparison.report.findings if f.rule == f"compat.{rule}")
    if "at" in case:
        assert [found.old_pointer, found.pointer][: len(wanted)] == wanted

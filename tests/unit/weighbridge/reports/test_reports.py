"""Every form of a comparison, read back by a reader of that form."""

from __future__ import annotations

import copy
import json
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from policies import compat
from policies.model.document import Document
from policies.rulesets import load
from weighbridge.reports import FORMS, Subject, render

OLD: dict[str, Any] = yaml.safe_load("""
openapi: 3.1.0
info: {title: Orders, version: 1.0.0}
paths:
  /orders/{id}:
    get:
      summary: Read <b>one</b> order | really
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        '200':
          description: found
          content:
            application/json:
              schema:
                type: object
                required: [id]
                properties:
                  id: {type: string}
                  note: {type: string, pattern: '^(?=.*[0-9]).+$'}
""")


def changed(**how: Any) -> dict[str, Any]:
    tree = copy.deepcopy(OLD)
    schema = tree["paths"]["/orders/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    if "required" in how:
        schema["required"] = how["required"]
    schema["properties"].update(how.get("properties", {}))
    return tree


BREAKING = changed(required=[], properties={"<script>\x01": {"type": "string"}})
UNPROVEN = changed(properties={"note": {"type": "string", "pattern": "^(?=.*[0-9]).{3,}$"}})


def subject(new: Any, **further: Any) -> Subject:
    comparison = compat.check(Document(OLD), Document(new), load("baseline"))
    return Subject(comparison, "1.0.0", "1.1.0", **further)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("new", [OLD, BREAKING, UNPROVEN], ids=["same", "breaking", "unproven"])
def test_every_form_names_the_verdict_and_ends_its_last_line(form: str, new: Any) -> None:
    text = render(form, subject(new))
    assert subject(new).comparison.verdict in text
    assert text.endswith("\n")


def test_junit_fails_what_breaks_and_errs_on_what_is_undecided() -> None:
    counts = []
    for new in (OLD, BREAKING, UNPROVEN):
        suite = ElementTree.fromstring(render("junit", subject(new)))
        counts.append(tuple(int(suite.attrib[name]) for name in ("tests", "failures", "errors")))
        assert len(suite) == int(suite.attrib["tests"])
    assert counts == [(1, 0, 0), (3, 2, 0), (2, 0, 2)]


def test_sarif_places_a_finding_in_its_file() -> None:
    log = json.loads(render("sarif", subject(BREAKING, file="orders.yaml", line=lambda pointer: len(pointer))))
    (run,) = log["runs"]
    first = run["results"][0]
    assert (log["version"], run["properties"]["verdict"]) == ("2.1.0", "breaking")
    assert first["ruleId"] == "compat.response-property-became-optional"
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"]
    place = first["locations"][0]
    pointer = place["logicalLocations"][0]["fullyQualifiedName"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "orders.yaml"
    assert place["physicalLocation"]["region"] == {"startLine": len(pointer)}
    assert len(first["partialFingerprints"]["weighbridge/v1"]) == 16


def test_github_commands_stay_on_their_line() -> None:
    odd = changed(required=[], properties={"a,b:c\n::error::forged": {"type": "string"}})
    lines = render("github", subject(odd, file="a,b.yaml")).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("::") for line in lines)
    assert lines[0].startswith("::error file=a%2Cb.yaml,line=1,title=compat.response-property-became-optional::")


def test_a_page_escapes_what_a_document_says() -> None:
    html = render("html", subject(BREAKING))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<script>" not in render("markdown", subject(BREAKING)).replace("\\<", "")


def test_the_changelog_begins_with_what_breaks() -> None:
    page = render("markdown", subject(BREAKING))
    assert page.splitlines()[0] == "# 1.0.0 → 1.1.0: breaking"
    assert page.index("**Breaking** (what you receive)") < page.index("**Also** (what you receive)")
    assert "Instead:* Keep id required." in page
    assert "## GET /orders/\\{id\\}" in page

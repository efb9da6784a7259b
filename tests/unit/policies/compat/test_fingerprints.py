"""A waiver holds on to a change by its fingerprint: through unrelated edits, and no further than the change itself."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from policies import compat
from policies.model.document import Document
from policies.rulesets import load

OLD: dict[str, Any] = yaml.safe_load("""
openapi: 3.1.0
info: {title: Orders, version: 1.0.0}
paths:
  /orders:
    get:
      parameters:
      - {name: state, in: query, schema: {enum: [open, done, lost]}}
      - {name: limit, in: query, schema: {type: integer, maximum: 200}}
      responses:
        '200': {description: found, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
components:
  schemas:
    Order: {type: object, required: [id, state], properties: {id: {type: string}, state: {enum: [open, done]}}}
""")


def fingerprints(old: Any, new: Any) -> set[str]:
    report = compat.check(Document(old), Document(new), load("baseline")).report
    return {finding.fingerprint for finding in report.findings if finding.severity.value == "error"}


def changed(tree: Any, *, state: tuple[str, ...] = ("open", "done", "held"), limit: int = 100) -> Any:
    out = copy.deepcopy(tree)
    out["components"]["schemas"]["Order"]["properties"]["state"]["enum"] = list(state)
    for parameter in out["paths"]["/orders"]["get"]["parameters"]:
        if parameter["name"] == "limit":
            parameter["schema"]["maximum"] = limit
    return out


def edited(tree: Any) -> Any:
    """Unrelated edits: an operation before the others that uses the same definition, a parameter before the others."""
    out = copy.deepcopy(tree)
    first = {"get": {"responses": out["paths"]["/orders"]["get"]["responses"]}}
    out["paths"] = {"/a": first, **out["paths"]}
    out["paths"]["/orders"]["get"]["parameters"].insert(0, {"name": "a", "in": "query", "schema": {"type": "string"}})
    out["info"]["description"] = "Better words."
    return out


def test_unrelated_edits_leave_the_fingerprints_alone() -> None:
    before = fingerprints(OLD, changed(OLD))
    assert len(before) == 2
    assert fingerprints(edited(OLD), changed(edited(OLD))) == before


def test_another_change_in_the_same_place_has_another_fingerprint() -> None:
    before = fingerprints(OLD, changed(OLD))
    assert len(before & fingerprints(OLD, changed(OLD, state=("open", "done", "held", "lost")))) == 1
    assert len(before & fingerprints(OLD, changed(OLD, limit=50))) == 1
    assert before & fingerprints(OLD, changed(OLD, state=("open", "done", "gone"), limit=10)) == set()


def test_members_that_go_from_one_shared_definition_are_told_apart() -> None:
    gone = copy.deepcopy(OLD)
    gone["components"]["schemas"]["Order"] = {"type": "object", "properties": {"note": {"type": "string"}}}
    assert len(fingerprints(OLD, gone)) == 2

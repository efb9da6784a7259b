from __future__ import annotations

import msgspec
import orjson
import pytest

from policies import compat, rulesets
from policies.lifecycle import Compared
from policies.model.document import Document
from registry import catalogue, evidence, subscriptions
from registry.errors import Rejected
from registry.evidence import comparison_dict
from registry.store import Unit
from registry.store.collection import require_storable
from tests.unit.registry.world import ADMIN, APPLICATION, NOW, document, publish, subscribe


def test_a_judgement_is_plain_json_with_fingerprints(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    with pytest.raises(Rejected) as caught:
        publish(unit, "1.1.0", breaking=True)
    plain = orjson.loads(orjson.dumps(caught.value.publication.to_dict()))
    assert sorted(plain) == [
        "action",
        "also",
        "bump",
        "comparisons",
        "created",
        "dry_run",
        "gates",
        "impact",
        "lint",
        "previous",
        "version",
    ]
    assert (plain["bump"], plain["lint"]["verdict"], plain["gates"]["verdict"]) == ("major", "pass", "fail")
    (comparison,) = plain["comparisons"]
    assert (comparison["against"], comparison["verdict"]) == ("1.0.0", "breaking")
    assert all(len(finding["fingerprint"]) == 16 for finding in comparison["findings"])
    assert plain["impact"]["hurt"] == [APPLICATION.id]
    assert plain["impact"]["touched"][0]["operations"] == ["GET /items/{sku}"]


def test_a_comparison_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = document("7.0.0"), document("7.1.0", extra=1)
    ruleset = rulesets.load("baseline")
    first = evidence.compare(old, new, ruleset)
    monkeypatch.setattr(evidence.compat, "check", None)
    assert evidence.compare(old, document("7.1.0", extra=1), ruleset) is first
    with pytest.raises(TypeError):
        evidence.compare(old, new, rulesets.load("strict"))


def test_only_the_least_recently_used_results_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_REMEMBERED", 2)
    evidence._memory.clear()
    for key in ("a", "b", "a", "c"):
        evidence._remember((key,), lambda key=key: key)  # type: ignore[misc]
    assert list(evidence._memory) == [("a",), ("c",)]


def test_nobody_is_touched_where_nobody_subscribes(unit: Unit) -> None:
    publish(unit)
    assert evidence.subscribed(unit, "stock", 1) == []
    subscribe(unit)
    assert [application.id for application in evidence.subscribed(unit, "stock", 1)] == [APPLICATION.id]
    assert evidence.touched(unit, "stock", 2, now=NOW).touched == ()


def test_a_caller_without_the_scope_is_touched_and_not_hurt(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    subscriptions.put_application(unit, ADMIN, msgspec.structs.replace(APPLICATION, scopes=()), now=NOW)
    with pytest.raises(Rejected) as caught:
        publish(unit, "1.1.0", breaking=True)
    impact = caught.value.publication.impact
    assert impact is not None
    assert [(touched.application, touched.hurt) for touched in impact.touched] == [(APPLICATION.id, False)]
    assert catalogue.live(unit, "stock", 1)[0].number == "1.0.0"


def test_a_witness_that_no_database_takes_is_shown_by_signs() -> None:
    def texts(pattern: str) -> Document:
        schema = {"type": "string", "pattern": pattern}
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        paths = {"/a": {"post": {"requestBody": body, "responses": {"204": {"description": "done"}}}}}
        return Document({"openapi": "3.1.0", "info": {"title": "T", "version": "1.0.0"}, "paths": paths})

    made = compat.check(texts(r"^[\x00a]$"), texts("^a$"), rulesets.load("baseline"))
    (finding,) = comparison_dict(Compared("1.0.0", made))["findings"]
    assert (finding["rule"], finding["witness"]) == ("compat.pattern-changed", "\N{SYMBOL FOR NULL}")
    require_storable(finding)

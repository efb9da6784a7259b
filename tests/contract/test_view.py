"""The view of a contract is the very view that the gateway enforces.

For every document that ships with the project and every one of the labelled corpora, and for random scopes and sites:
the reduced document is valid OpenAPI and holds exactly the operations that the gateway, asked, does not answer 403.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace
from openapi_spec_validator import validate

from policies import lint
from policies.model.access import ApiKey, Application, Plan, Subscription, secret_digest
from policies.model.contract import Contract, SiteParameter, Stage, Upstream, Version
from policies.model.document import Document, digest
from policies.model.snapshot import Snapshot, dumps, loads
from policies.rulesets import load
from policies.traffic import Exchange, Problem
from policies.traffic.authorize_site import template_names
from policies.view import View, callable_by, view
from tests.golden.test_compat_truth import documents, labelled
from tests.unit.gateway.snapshots_made import pipeline
from weighbridge.applying import read_contract

KEY = "wbk_key"
NOW = 1_800_000_000
ROOT = Path(__file__).parents[2] / "specs" / "services"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def shipped() -> Iterator[Any]:
    for folder in sorted(ROOT.iterdir()):
        for file in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            if file.stem != "contract":
                yield pytest.param(folder.name, file, id=f"{folder.name}-{file.stem}")


@cache
def tree_of(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(yaml.load(file.read_text(), yaml.CSafeLoader), default=str))
    return loaded


def scopes_of(tree: Any) -> list[str]:
    """Every scope that any alternative asks for."""
    found = set()
    for operation in Document(tree).operations:
        for alternative in operation.security or ():
            for requirement in alternative:
                found.update(requirement.scopes)
    return sorted(found)


def contained(tree: dict[str, Any]) -> set[tuple[str, str]]:
    return {(path, method) for path, item in tree["paths"].items() for method in METHODS if method in item}


def judged(contract: Contract, number: str, tree: dict[str, Any], application: Application) -> set[tuple[str, str]]:
    """Operations that the gateway answers other than 403, and other than that the site is written wrongly."""
    version = Version(contract=contract.name, number=number, digest=digest(tree), stage=Stage.PUBLISHED)
    snapshot = Snapshot(
        revision=1,
        compiled_at=NOW,
        contracts=(contract,),
        versions=(version,),
        documents={version.digest: tree},
        applications=(application,),
        api_keys=(ApiKey(id="k", digest=secret_digest(KEY), application=application.id),),
        plans=(Plan(name="plan"),),
    )
    table = pipeline().build(*loads(dumps(snapshot)))
    site = contract.site_parameter(version.major)
    sites = ["x"] if site is None else [*contract.upstreams, *site.aliases, ""]
    """The last is to name none."""
    found = set()
    for operation in Document(tree).operations:
        for value in sites:
            path, query, headers = operation.path, "", [(b"x-api-key", KEY.encode())]
            if site is not None and value and any(p.name == site.name for p in operation.parameters):
                path = path.replace("{" + site.name + "}", value)
                query = f"{site.name}={value}" if site.place == "query" else ""
                headers += [(site.name.lower().encode(), value.encode())] if site.place == "header" else []
            while "{" in path:
                path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
            address = f"/{contract.name}/v{version.major}{path}"
            exchange = Exchange(operation.method, address, query, headers, "192.0.2.7", NOW)
            exchange.table = table
            outcome = table.open(exchange)
            assert outcome is None or isinstance(outcome, Problem)
            if outcome is None or not (outcome.status == 403 or _of_site(outcome, site)):
                found.add((operation.path, operation.method.lower()))
    return found


def _of_site(problem: Problem, site: SiteParameter | None) -> bool:
    """Refused for the value of the site: it is unknown, or not written as the contract asks."""
    if problem.slug == "site-unknown":
        return True
    return site is not None and any(fault.pointer == f"/{site.place}/{site.name}" for fault in problem.errors)


def application(contract: Contract, major: int, **more: Any) -> Application:
    subscriptions = (Subscription(contract=contract.name, major=major, plan="plan"),)
    fields: dict[str, Any] = {"id": "app", "name": "App", "consumer": "c", "audience": "partner"}
    return Application(**(fields | {"subscriptions": subscriptions} | more))


def seen_by(contract: Contract, number: str, tree: dict[str, Any], of: Application) -> dict[str, Any]:
    version = Version(contract=contract.name, number=number, digest="d", stage=Stage.PUBLISHED)
    facts = View(
        contract=contract,
        version=version,
        document=Document(tree),
        application=of,
        plan=Plan(name="plan"),
        address=f"http://gateway.test/{contract.name}/v{version.major}",
    )
    return view(facts)


def marked(tree: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The same with marks here and there: on operations, parameters and members of schemas."""
    out: dict[str, Any] = json.loads(json.dumps(tree))
    todo: list[Any] = [out["components"], *out["paths"].values()]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            named = "responses" in value or ("in" in value and "schema" in value)
            if named and draw.random() < 0.3:
                value["x-internal"] = True
            for member in (value.get("properties") or {}).values():
                if isinstance(member, dict) and draw.random() < 0.2:
                    member["x-internal"] = True
            todo += [entry for key, entry in value.items() if key not in ("example", "examples", "default")]
        elif isinstance(value, list):
            todo += value
    return out


@pytest.mark.parametrize(("name", "file"), list(shipped()))
def test_what_is_marked_is_in_no_view_of_a_partner_and_its_examples_still_fit(name: str, file: Path) -> None:
    contract = read_contract(ROOT / name / "contract.yaml")
    tree = marked(tree_of(file), random.Random(f"{name} {file.stem}"))
    of = application(contract, int(file.stem.partition(".")[0]), scopes=tuple(scopes_of(tree)))
    seen = seen_by(contract, file.stem, tree, of)
    validate(seen)
    assert contained(seen) == judged(contract, file.stem, tree, of)
    assert contained(seen) == {(p, m) for p, m in contained(tree) if "x-internal" not in tree["paths"][p][m]}
    assert "x-internal" not in json.dumps(seen)
    assert _unfitting(seen) == set()
    whole = seen_by(contract, file.stem, tree, replace(of, audience="internal"))
    assert contained(whole) == contained(tree)


def _unfitting(tree: dict[str, Any]) -> set[str]:
    """Examples that their schema refuses, and where."""
    rules = {
        f"lint.{name}" for name in ("examples-match-their-schema", "parameter-examples-match", "schema-examples-match")
    }
    return {
        f"{f.pointer}: {f.message}" for f in lint.check(Document(tree), load("baseline")).findings if f.rule in rules
    }


@pytest.mark.parametrize(("name", "file"), list(shipped()))
def test_the_view_of_what_ships_is_what_the_gateway_enforces(name: str, file: Path) -> None:
    contract = read_contract(ROOT / name / "contract.yaml")
    tree, number = tree_of(file), file.stem
    major, before = int(number.partition(".")[0]), json.dumps(tree)
    scopes, served = scopes_of(tree), sorted(contract.upstreams.keys() - {"default"})
    draw = random.Random(f"{name} {number}")
    for round_ in range(4):
        of = application(
            contract,
            major,
            scopes=tuple(s for s in scopes if round_ == 0 or draw.random() < 0.6),
            sites=None if round_ == 0 else tuple(s for s in [*served, "NOWHERE"] if draw.random() < 0.5),
        )
        seen = seen_by(contract, number, tree, of)
        validate(seen)
        assert contained(seen) == judged(contract, number, tree, of), of
        if round_ == 0:
            assert contained(seen) == contained(tree)
    assert json.dumps(tree) == before, "the document itself stays as it is"


UNSERVED = {
    *("range-recased", "percent-encoded", "circle-of-references", "exclusive-flag-alone"),  # not valid OpenAPI
    *("lookahead-tightened", "lookahead-same", "dynamic"),  # more than a gateway can judge
}
"""Cases of the differ that no registry would hand to a gateway."""


def completed(tree: dict[str, Any]) -> dict[str, Any]:
    """The labels are about one thing each, and their frames declare no parameter of the path."""
    whole: dict[str, Any] = json.loads(json.dumps(tree))
    for operation in Document(tree).operations:
        declared = {p.name for p in operation.parameters if p.place == "path"}
        raw = Document(whole).at(operation.pointer)
        for name in sorted(set(template_names(operation.path)) - declared):
            added = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            raw["parameters"] = [*raw.get("parameters", ()), added]
    return whole


@pytest.mark.parametrize(("case", "frame"), labelled())
def test_the_view_of_the_corpora_is_what_the_gateway_enforces(case: dict[str, Any], frame: str) -> None:
    contract = Contract(
        name="orders",
        title="Orders",
        owner="desk",
        audience="partner",
        upstreams={"default": Upstream(url="http://hub:1/v{major}")},
    )
    if case["id"] in UNSERVED:
        return
    draw = random.Random(case["id"])
    for document in documents(case, frame):
        tree = completed(document.tree)
        for scopes in {tuple(s for s in scopes_of(tree) if draw.random() < 0.5), tuple(scopes_of(tree))}:
            of = application(contract, 1, scopes=scopes)
            seen = seen_by(contract, "1.0.0", tree, of)
            validate(seen)
            assert contained(seen) == judged(contract, "1.0.0", tree, of)
            assert callable_by(contract, Document(tree), of, 1) == contained(seen)

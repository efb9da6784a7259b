"""The five contracts as text: documents are valid, examples hold, and the shared words are the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from policies import lint, rulesets
from policies.findings import Report
from policies.model.contract import Contract
from policies.model.document import Document, Operation, Payload
from policies.model.schema import Direction, standalone, validator
from weighbridge.demo.backends.places import SITES

SERVICES = Path(__file__).parents[3] / "specs" / "services"
PUBLISHED = {
    "inventory-availability": ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0"],
    "order-status": ["1.0.0", "1.1.0", "2.0.0", "2.1.0"],
    "pricing": ["1.0.0", "1.1.0", "2.0.0"],
    "shipment": ["1.0.0", "1.1.0", "1.2.0", "2.0.0"],
    "supplier-acknowledgement": ["1.0.0", "1.1.0", "2.0.0"],
}
REFUSED = {
    "inventory-availability": ["1.3.0", "2.2.0"],
    "order-status": ["1.1.0-rc", "1.2.0", "2.2.0"],
    "pricing": ["1.2.0"],
    "shipment": ["1.3.0"],
    "supplier-acknowledgement": ["1.1.0-rc"],
}
FILES = sorted(
    [SERVICES / name / f"{number}.yaml" for name, numbers in PUBLISHED.items() for number in numbers]
    + [SERVICES / name / "refused" / f"{number}.yaml" for name, numbers in REFUSED.items() for number in numbers]
)
NEWEST_MAJOR = [file for file in FILES if file.parent.name != "refused" and file.name.startswith("2.")]
SHARED_KINDS = ("schemas", "parameters", "headers", "responses")

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SERVICES)))
every_newest = pytest.mark.parametrize("file", NEWEST_MAJOR, ids=lambda file: str(file.relative_to(SERVICES)))
every_contract = pytest.mark.parametrize("name", PUBLISHED)


@cache
def read(file: Path) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return tree


@cache
def judge(file: Path) -> Report:
    return lint.check(Document(read(file)), rulesets.load("baseline"))


def payloads(operation: Operation) -> Iterator[tuple[Payload, Direction]]:
    for parameter in operation.parameters:
        yield parameter.payload, "request"
    if operation.request_body is not None:
        for payload in operation.request_body.payloads:
            yield payload, "request"
    for response in operation.responses:
        for payload in (*response.payloads, *(header.payload for header in response.headers)):
            yield payload, "response"


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object schema below, the applied conditions of ``allOf`` left out: they only name members."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for keyword, child in schema.items():
            if keyword not in ("allOf", "anyOf", "if", "then"):
                yield from objects(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from objects(child)


def test_the_folders_hold_these_documents_and_no_others() -> None:
    found = sorted(file for file in SERVICES.rglob("*.yaml") if file.name != "contract.yaml")
    assert found == FILES
    assert sorted(path.name for path in SERVICES.iterdir()) == sorted(PUBLISHED)


def test_the_histories_are_told_in_full() -> None:
    page = SERVICES.parent / "README.md"
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert sorted(page.parent / link for link in links) == FILES


@every_file
def test_a_document_is_valid_openapi(file: Path) -> None:
    tree = read(file)
    kind = {"3.0.3": OpenAPIV30SpecValidator, "3.1.0": OpenAPIV31SpecValidator}[tree["openapi"]]
    assert [error.message for error in kind(tree).iter_errors()] == []


@every_file
def test_the_number_and_the_server_say_what_the_file_is_called(file: Path) -> None:
    tree = read(file)
    contract = file.parent.parent.name if file.parent.name == "refused" else file.parent.name
    assert tree["info"]["version"] == file.stem
    assert tree["servers"] == [{"url": f"/{contract}/v{file.stem[0]}"}]
    assert tree["info"]["contact"]["email"].endswith("@larkfield.example")


@every_file
def test_every_example_is_valid_in_its_direction(file: Path) -> None:
    document = Document(read(file))
    faults = []
    judged = 0
    for operation in document.operations:
        for payload, direction in payloads(operation):
            assert payload.schema is not None
            check = validator(standalone(document, payload.schema, direction))
            for pointer, value in payload.examples:
                judged += 1
                faults += [(pointer, str(error)) for error in check.iter_errors(value)]
    assert faults == []
    assert judged >= 17


@every_file
def test_every_operation_shows_its_request_and_its_success(file: Path) -> None:
    for operation in Document(read(file)).operations:
        shown = [*(operation.request_body.payloads if operation.request_body else ())]
        successes = [response for response in operation.responses if response.status.startswith("2")]
        shown += [payload for response in successes for payload in response.payloads]
        assert successes, operation.key
        assert all(payload.examples for payload in shown), operation.key


@every_file
def test_every_operation_asks_for_a_scope_that_exists(file: Path) -> None:
    tree = read(file)
    scopes = tree["components"]["securitySchemes"]["oauth"]["flows"]["clientCredentials"]["scopes"]
    assert tree["components"]["securitySchemes"]["apiKey"]["name"] == "X-API-Key"
    for operation in Document(tree).operations:
        assert operation.security, operation.key
        for alternative in operation.security:
            assert [requirement.kind for requirement in alternative] == ["oauth2"], operation.key
            assert alternative[0].scopes, operation.key
            assert set(alternative[0].scopes) <= scopes.keys(), operation.key


@every_file
def test_every_operation_declares_the_refusals_of_the_gateway(file: Path) -> None:
    for operation in Document(read(file)).operations:
        assert {"400", "401", "403", "429", "503"} <= {r.status for r in operation.responses}, operation.key
        if "{" in operation.path:
            assert "404" in {r.status for r in operation.responses}, operation.key


@every_file
def test_lint_finds_nothing_that_blocks(file: Path) -> None:
    report = judge(file)
    assert [finding for finding in report.findings if finding.severity == "error"] == []
    assert report.verdict == "pass"


@every_newest
def test_lint_finds_nothing_to_warn_of_in_the_newest_major(file: Path) -> None:
    report = judge(file)
    assert [finding for finding in report.findings if finding.severity == "warning"] == []


@every_newest
def test_requests_of_the_newest_major_are_closed_and_responses_open(file: Path) -> None:
    document = Document(read(file))
    value_objects = {"Quantity", "SignedQuantity", "Money", "UnitPrice"}
    complete = [
        document.tree["components"]["schemas"][n] for n in value_objects & document.tree["components"]["schemas"].keys()
    ]
    for operation in document.operations:
        for payload, direction in payloads(operation):
            assert payload.schema is not None
            for schema in objects(standalone(document, payload.schema, direction)):
                closed = schema.get("additionalProperties") is False
                is_value = any(schema["properties"].keys() == whole["properties"].keys() for whole in complete)
                assert closed == (direction == "request" or is_value), (operation.key, schema.get("description"))


@every_newest
def test_no_null_and_no_bare_list_in_the_newest_major(file: Path) -> None:
    document = Document(read(file))
    assert "'null'" not in file.read_text(encoding="utf-8")
    for operation in document.operations:
        for response in operation.responses:
            for payload in response.payloads:
                assert payload.schema is not None
                assert document.resolve(payload.schema.value, "").value["type"] == "object", operation.key
        if operation.operation_id and operation.operation_id.startswith("list"):
            names = {parameter.name for parameter in operation.parameters}
            assert {"limit", "cursor"} <= names, operation.key


@every_newest
def test_creating_posts_of_the_newest_major_take_an_idempotency_key(file: Path) -> None:
    for operation in Document(read(file)).operations:
        creates = any(response.status == "201" for response in operation.responses)
        keys = [p for p in operation.parameters if p.name == "Idempotency-Key"]
        assert [key.required for key in keys] == ([True] if creates else []), operation.key


def test_the_shared_words_are_the_same_in_every_document_of_the_newest_major() -> None:
    vocabulary: dict[tuple[str, str], dict[str, Any]] = {}
    for file in NEWEST_MAJOR:
        text = file.read_text(encoding="utf-8")
        own = set(re.findall(r"^    (\w+):$", text.split("# --- shared vocabulary")[0], re.MULTILINE))
        for kind in SHARED_KINDS:
            for name, component in read(file)["components"].get(kind, {}).items():
                if kind == "schemas" and name in own:
                    continue
                vocabulary.setdefault((kind, name), {})[file.parent.name] = component
    shared = {key: users for key, users in vocabulary.items() if key[0] != "parameters" or key[1] in PAGING}
    for key, users in shared.items():
        assert all(component == next(iter(users.values())) for component in users.values()), key
    everywhere = {name for (kind, name), users in shared.items() if kind == "schemas" and len(users) == len(PUBLISHED)}
    assert everywhere >= {"Sku", "ItemRef", "Quantity", "UnitOfMeasure", "Page", "ExceptionCode", "Problem"}


PAGING = {"Limit", "Cursor", "ChangedSince", "IdempotencyKey", "CorrelationId", "IfNoneMatch"}


@every_contract
def test_an_operation_id_names_the_same_thing_in_every_version(name: str) -> None:
    ids: dict[str, set[str]] = {}
    for number in PUBLISHED[name]:
        for operation in Document(read(SERVICES / name / f"{number}.yaml")).operations:
            assert operation.operation_id is not None
            ids.setdefault(number[0], set()).add(operation.operation_id)
    # what major 2 dropped on purpose: one answer per order became a list of answers
    assert ids["1"] - ids["2"] == ({"getAcknowledgement"} if name == "supplier-acknowledgement" else set())


@every_contract
def test_a_contract_decodes_and_names_what_its_documents_have(name: str) -> None:
    contract = msgspec.convert(read(SERVICES / name / "contract.yaml"), Contract)
    assert (contract.name, contract.audience, contract.ruleset) == (name, "partner", "baseline")
    assert contract.owner and contract.contacts and contract.description
    assert "default" in contract.upstreams
    for site, upstream in contract.upstreams.items():
        variable = "HUB" if site == "default" else site.replace("-", "_")
        address = rf"\$\{{WEIGHBRIDGE_{variable}:-http://127\.0\.0\.1:910[1-6]\}}/{name}/v\{{major\}}"
        assert re.fullmatch(address, upstream.url), site
    for number in PUBLISHED[name]:
        site_parameter = contract.site_parameter(int(number[0]))
        if site_parameter is not None:
            document = Document(read(SERVICES / name / f"{number}.yaml"))
            carriers = {p.place for op in document.operations for p in op.parameters if p.name == site_parameter.name}
            assert site_parameter.place in carriers
            assert set(site_parameter.aliases.values()) <= contract.upstreams.keys()


def test_sites_stand_in_a_different_place_in_each_contract() -> None:
    contracts = {name: msgspec.convert(read(SERVICES / name / "contract.yaml"), Contract) for name in PUBLISHED}
    places = {
        (name, major): (site.place, site.name) if (site := contract.site_parameter(major)) else None
        for name, contract in contracts.items()
        for major in (1, 2)
    }
    assert places == {
        ("inventory-availability", 1): ("path", "siteCode"),
        ("inventory-availability", 2): ("path", "siteId"),
        ("order-status", 1): ("query", "siteId"),
        ("order-status", 2): ("query", "siteId"),
        ("pricing", 1): None,
        ("pricing", 2): None,
        ("shipment", 1): ("header", "Site-Id"),
        ("shipment", 2): ("header", "Site-Id"),
        ("supplier-acknowledgement", 1): None,
        ("supplier-acknowledgement", 2): ("path", "siteId"),
    }
    assert {name: contract.default_major for name, contract in contracts.items()} == {
        "inventory-availability": 2, "order-status": 2, "pricing": 1, "shipment": 1, "supplier-acknowledgement": 2,
    }  # fmt: skip
    # every site is asked for what it really serves: order lines name St. John's, so its orders can be asked for
    for name, contract in contracts.items():
        served = {"default" if site.is_hub else site.site_id for site in SITES if name in site.contracts}
        assert contract.upstreams.keys() == served, name


@every_file
def test_what_the_gateway_refuses_is_declared_as_the_gateway_writes_it(file: Path) -> None:
    """Callers meet these answers without the backend, so an older shape of its errors has no say in them."""
    for operation in Document(read(file)).operations:
        for response in operation.responses:
            types = {payload.media_type for payload in response.payloads}
            if response.status in {"401", "403", "429"}:
                assert types == {"application/problem+json"}, (operation.key, response.status)
            elif response.status in {"400", "503"}:
                assert "application/problem+json" in types, (operation.key, response.status)

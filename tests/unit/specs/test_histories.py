"""The histories as promises: minors are compatible, new majors break where they say, candidates are refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from policies import compat, rulesets
from policies.compat import Comparison
from policies.model.document import Document

SERVICES = Path(__file__).parents[3] / "specs" / "services"
MINORS = [
    ("inventory-availability", "1.0.0", "1.1.0"),
    ("inventory-availability", "1.1.0", "1.2.0"),
    ("inventory-availability", "1.0.0", "1.2.0"),
    ("inventory-availability", "2.0.0", "2.1.0"),
    ("order-status", "1.0.0", "1.1.0"),
    ("order-status", "2.0.0", "2.1.0"),
    ("pricing", "1.0.0", "1.1.0"),
    ("shipment", "1.0.0", "1.1.0"),
    ("shipment", "1.1.0", "1.2.0"),
    ("shipment", "1.0.0", "1.2.0"),
    # written anew in OpenAPI 3.1, which alone is no change
    ("supplier-acknowledgement", "1.0.0", "1.1.0"),
]
# what forces each new major: some of the findings, as (rule, direction, part of the message)
MAJORS = {
    ("inventory-availability", "1.2.0", "2.0.0"): [
        ("compat.pattern-changed", "request", "path parameter siteId"),
        ("compat.type-changed", "response", "200 body was array"),
        ("compat.response-property-removed", "response", "nextReceiptDate"),
        ("compat.object-closed", "request", "body.lines[]"),
    ],
    ("order-status", "1.1.0", "2.0.0"): [
        ("compat.enum-lifted", "response", "status"),
        ("compat.parameter-removed", "request", "customerNumber"),
        ("compat.parameter-removed", "request", "updatedSince"),
        # it never had to come, so its loss is a warning
        ("compat.response-optional-property-removed", "response", "promiseDate"),
    ],
    ("pricing", "1.1.0", "2.0.0"): [
        ("compat.response-property-removed", "response", "unitPrice"),
        ("compat.parameter-removed", "request", "customerId"),
        ("compat.parameter-removed", "request", "offset"),
        ("compat.range-narrowed", "request", "1000 to 200"),
        ("compat.response-property-became-optional", "response", "validTo"),
    ],
    ("shipment", "1.2.0", "2.0.0"): [
        ("compat.request-property-became-required", "request", "sscc"),
        ("compat.format-changed", "request", "eta"),
        ("compat.format-changed", "response", "eta"),
        ("compat.security-scope-added", "request", "shipments:announce"),
        ("compat.security-scope-added", "request", "shipments:track"),
        ("compat.length-narrowed", "request", "from 500 to 80"),
        ("compat.parameter-became-required", "request", "Site-Id"),
        ("compat.parameter-became-required", "request", "Idempotency-Key"),
    ],
    ("supplier-acknowledgement", "1.1.0", "2.0.0"): [
        ("compat.operation-removed", None, "PUT /purchase-orders/{poNumber}/acknowledgement"),
    ],
}
# candidates, the newest version they were held against, and every rule that refuses them
REFUSED = {
    ("inventory-availability", "1.2.0", "1.3.0"): {"compat.range-widened"},
    ("inventory-availability", "2.1.0", "2.2.0"): {"compat.response-property-became-optional"},
    ("order-status", "1.0.0", "1.1.0-rc"): {"compat.enum-value-added"},
    ("order-status", "1.1.0", "1.2.0"): {"compat.response-success-added-without-body"},
    ("order-status", "2.1.0", "2.2.0"): {"compat.enum-value-added"},
    ("pricing", "1.1.0", "1.2.0"): {"compat.multiple-changed"},
    ("shipment", "1.2.0", "1.3.0"): {"compat.response-property-became-optional"},
    ("supplier-acknowledgement", "1.0.0", "1.1.0-rc"): {"compat.enum-value-added"},
}


@cache
def read(file: Path) -> Document:
    return Document(yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader))


@cache
def compare(old: Path, new: Path) -> Comparison:
    return compat.check(read(old), read(new), rulesets.load("baseline"))


def published(contract: str, number: str) -> Path:
    return SERVICES / contract / f"{number}.yaml"


def refused(contract: str, number: str) -> Path:
    return SERVICES / contract / "refused" / f"{number}.yaml"


@pytest.mark.parametrize(("contract", "old", "new"), MINORS)
def test_a_minor_is_compatible_and_adds_something(contract: str, old: str, new: str) -> None:
    comparison = compare(published(contract, old), published(contract, new))
    assert (comparison.verdict, comparison.bump) == ("compatible", "minor")
    assert [f for f in comparison.report.findings if f.severity != "info"] == []


@pytest.mark.parametrize(("contract", "old", "new"), MAJORS)
def test_a_new_major_breaks_where_it_says(contract: str, old: str, new: str) -> None:
    comparison = compare(published(contract, old), published(contract, new))
    assert (comparison.verdict, comparison.bump) == ("breaking", "major")
    found = [f for f in comparison.report.findings if f.severity != "info"]
    for rule, direction, part in MAJORS[contract, old, new]:
        assert [f for f in found if (f.rule, f.direction) == (rule, direction) and part in f.message], (rule, part)


@pytest.mark.parametrize(("contract", "old", "new"), REFUSED)
def test_a_candidate_is_refused_for_one_reason(contract: str, old: str, new: str) -> None:
    comparison = compare(published(contract, old), refused(contract, new))
    assert (comparison.verdict, comparison.bump) == ("breaking", "major")
    errors = [f for f in comparison.report.findings if f.severity == "error"]
    assert {f.rule for f in errors} == REFUSED[contract, old, new]
    assert {f.direction for f in errors} == {"response"}


def test_one_edit_of_a_shared_component_has_two_verdicts() -> None:
    old, new = published("supplier-acknowledgement", "1.0.0"), refused("supplier-acknowledgement", "1.1.0-rc")
    findings = [f for f in compare(old, new).report.findings if f.rule == "compat.enum-value-added"]
    assert {(f.direction, f.severity.value) for f in findings} == {("request", "info"), ("response", "error")}


def test_the_wish_refused_in_a_closed_code_is_a_minor_in_an_open_one() -> None:
    closed = compare(published("order-status", "1.0.0"), refused("order-status", "1.1.0-rc"))
    opened = compare(published("order-status", "2.0.0"), published("order-status", "2.1.0"))
    assert (closed.verdict, opened.verdict) == ("breaking", "compatible")


@pytest.mark.parametrize("file", sorted(SERVICES.glob("*/*.*.*.yaml")), ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_a_document_does_not_differ_from_itself(file: Path) -> None:
    comparison = compare(file, file)
    assert (comparison.verdict, comparison.bump, comparison.report.findings) == ("compatible", "none", ())

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import catalog, lint
from policies.findings import Severity
from policies.lint.frame import complete
from policies.model.document import Document
from policies.rulesets import load, parse

BASELINE = load("baseline")


def found(tree: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f.rule, f.pointer) for f in lint.check(Document(tree), BASELINE).findings]


def minimal(**members: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1.0.0", "contact": {"email": "a@b.example"}},
        **members,
    }


def test_coverage_counts_what_was_looked_at() -> None:
    report = lint.check(Document(complete("")), BASELINE)
    assert report.coverage == {"operations": 3, "parameters": 4, "schemas": 23, "examples": 4}
    assert (report.family, report.verdict, report.ruleset) == ("lint", "pass", BASELINE.ref)


def test_a_document_without_operations_is_not_evaluated() -> None:
    report = lint.check(Document(minimal()), BASELINE)
    assert report.coverage == {}
    assert report.verdict == "not-evaluated"


def test_a_rule_that_is_off_says_nothing_and_options_reach_the_rule() -> None:
    text = (
        "version: 1.0.0\nrules:\n  lint.money-carries-currency: off\n"
        "  lint.quantities-carry-units: {severity: info, options: {words: [heap]}}"
    )
    tree = complete("response: {price: {type: number}, quantity: {type: number}, heap: {type: number}}")
    report = lint.check(Document(tree), parse(text, name="ours", file="ours.yaml"))
    assert [(f.rule, f.severity, f.pointer) for f in report.findings] == [
        ("lint.quantities-carry-units", Severity.INFO, "/components/schemas/Item/properties/heap")
    ]


def test_a_shared_definition_is_found_once_and_belongs_to_no_operation() -> None:
    report = lint.check(Document(complete("response: {note: {type: string}}")), BASELINE)
    assert [(f.pointer, f.operation) for f in report.findings] == [("/components/schemas/Item/properties/note", None)]


def test_what_stands_in_an_operation_names_it() -> None:
    tree = complete("parameters: [{name: Note, in: query, description: d, schema: {type: boolean}}]")
    report = lint.check(Document(tree), BASELINE)
    assert [(f.pointer, f.operation) for f in report.findings] == [("/paths/~1items/get/parameters/2", "GET /items")]


def test_a_recursive_schema_is_visited_once() -> None:
    tree = complete(
        "components: {schemas: {Item: {properties: {parts: {type: array, items: {$ref: '#/components/schemas/Item'}},"
        " note: {type: string}}}}}"
    )
    assert found(tree) == [("lint.strings-are-bounded", "/components/schemas/Item/properties/note")]


def test_a_read_only_member_is_no_part_of_a_request() -> None:
    assert found(complete("request: {revision: {type: integer, readOnly: true}}")) == []
    assert found(complete("request: {revision: {type: integer}}")) == [
        ("lint.request-integers-are-bounded", "/components/schemas/NewItem/properties/revision")
    ]


def test_what_a_webhook_sends_is_read_by_the_consumer() -> None:
    hook = {
        "post": {
            "requestBody": {"content": {"application/json": {"schema": {"type": ["object", "null"]}}}},
            "responses": {
                "200": {"description": "d", "content": {"application/json": {"schema": {"type": "integer"}}}}
            },
        }
    }
    pointer = "/webhooks/moved/post"
    assert found({**complete(""), "webhooks": {"moved": hook}}) == [
        ("lint.responses-send-no-null", f"{pointer}/requestBody/content/application~1json/schema"),
        ("lint.bodies-are-objects", f"{pointer}/responses/200/content/application~1json"),
        ("lint.request-integers-are-bounded", f"{pointer}/responses/200/content/application~1json/schema"),
    ]


ODD: dict[str, dict[str, Any]] = {
    "no paths": minimal(),
    "empty paths": minimal(paths={}),
    "null members": minimal(paths=None, components=None, webhooks=None, servers=None),
    "an extension among the paths": minimal(paths={"x-note": {"get": {}}, "/a": {"x-more": 1}}),
    "an operation without anything": minimal(paths={"/a": {"get": {}}}),
    "responses without anything": minimal(paths={"/a": {"get": {"responses": {}}}}),
    "only a default response": minimal(paths={"/a": {"get": {"responses": {"default": {"description": "d"}}}}}),
    "a path-level parameter": minimal(
        paths={"/a/{b}": {"parameters": [{"name": "b", "in": "path", "required": True, "schema": True}], "get": {}}}
    ),
    "boolean schemas": minimal(
        paths={
            "/a": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": True, "example": 1}}},
                    "responses": {
                        "200": {"description": "d", "content": {"application/json": {"schema": False, "example": 1}}},
                        "201": {"description": "d", "content": {"application/json": {}}},
                        "2XX": {
                            "description": "d",
                            "content": {
                                "application/json": {
                                    "schema": {
                                        "properties": {"a": True, "b": False},
                                        "items": False,
                                        "additionalProperties": True,
                                        "allOf": [True],
                                        "anyOf": [],
                                        "not": True,
                                    }
                                }
                            },
                        },
                    },
                }
            }
        }
    ),
    "a parameter with content": minimal(
        paths={
            "/a": {
                "get": {
                    "parameters": [
                        {
                            "name": "f",
                            "in": "query",
                            "content": {"application/json": {"schema": {"type": "object"}, "example": 3}},
                        }
                    ],
                    "responses": {"200": {"description": "d", "headers": {"Link": {"schema": {"type": "string"}}}}},
                }
            }
        }
    ),
    "security of every kind": minimal(
        security=[],
        components={
            "securitySchemes": {"a": {}, "b": {"type": "oauth2"}, "c": {"type": "http"}, "d": {"type": "mutualTLS"}}
        },
        paths={"/a": {"get": {"security": [{"a": [], "b": ["x"]}, {"c": []}, {}], "responses": {"200": {}}}}},
    ),
    "odd servers": minimal(servers=[{"url": "{scheme}://h:{port}/v1"}, {"url": "http://[::1"}, {}, {"url": 3}]),
    "a schema only a validator can refuse": minimal(
        paths={"/a": {"get": {"responses": {"200": {"description": "d", "content": {"application/json": {
            "schema": {"type": "nothing", "enum": 3, "required": "a", "properties": {"a": {"pattern": "("}}},
            "example": {}}}}}}}}
    ),
    "an example that is nothing": minimal(
        paths={"/a": {"get": {"responses": {"200": {"description": "d", "content": {"application/json": {
            "schema": {"type": "string", "example": None, "examples": {"not": "a list"}, "default": None},
            "examples": {"far": {"externalValue": "https://example.com/a"}}}}}}}}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_document_is_judged_and_not_fatal(name: str) -> None:
    report = lint.check(Document(ODD[name]), BASELINE)
    assert all(finding.message and finding.fix for finding in report.findings)


def test_a_plain_document_of_a_newcomer_is_held_up_by_little() -> None:
    tree = {
        "openapi": "3.0.3",
        "info": {"title": "Bins", "version": "1.0.0"},
        "security": [{"key": []}],
        "paths": {
            "/bins": {
                "get": {
                    "summary": "Lists bins",
                    "responses": {
                        "200": {
                            "description": "Bins",
                            "content": {
                                "application/json": {
                                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Bin"}}
                                }
                            },
                        }
                    },
                }
            }
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            "schemas": {
                "Bin": {"type": "object", "properties": {"id": {"type": "integer"}, "label": {"type": "string"}}}
            },
        },
    }
    findings = lint.check(Document(tree), BASELINE).findings
    assert [f.rule for f in findings if f.severity is Severity.ERROR] == ["lint.operations-have-ids"]
    assert [f.rule for f in findings if f.severity is Severity.WARNING] == [
        "lint.identifiers-are-strings",
        "lint.strings-are-bounded",
        "lint.contact-is-given",
        "lint.lists-are-paginated",
        "lint.refusals-are-declared",
        "lint.bodies-are-objects",
        "lint.bodies-have-examples",
    ]


def shuffled(tree: Any, chance: random.Random) -> Any:
    if isinstance(tree, dict):
        keys = list(tree)
        chance.shuffle(keys)
        return {key: shuffled(tree[key], chance) for key in keys}
    return [shuffled(entry, chance) for entry in tree] if isinstance(tree, list) else tree


FRAGMENTS = [case for entry in catalog.entries("lint") for case in entry.examples["bad"]]


@settings(max_examples=60, deadline=None)
@given(fragments=st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_the_order_of_keys_is_irrelevant(fragments: list[str], seed: int) -> None:
    for fragment in fragments:
        tree = complete(fragment)
        again = shuffled(tree, random.Random(seed))
        assert lint.check(Document(again), BASELINE) == lint.check(Document(tree), BASELINE)


WORDS = (
    "type properties items enum required allOf anyOf pattern patternProperties format default example examples priceAt "
    "readOnly description nullable $defs const maxLength"
).split()
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["string", "object", "^a", "(", "#/components", "#/components/schemas/Item", "date-time", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from("type properties items enum required allOf pattern format default".split()), inner
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(schema=JUNK)
def test_no_schema_whatever_is_fatal(schema: Any) -> None:
    tree = complete("")
    tree["components"]["schemas"]["Item"]["properties"]["odd"] = schema
    tree["components"]["schemas"]["NewItem"]["properties"]["odd"] = schema
    tree["components"]["schemas"]["Page"] = {"allOf": [schema], "properties": {"items": schema}}
    tree["paths"]["/items"]["get"]["responses"]["203"] = {"content": {"application/json": {"schema": schema}}}
    tree["paths"]["/items"]["get"]["parameters"].append({"name": "odd", "in": "query", "schema": schema})
    report = lint.check(Document(tree), BASELINE)
    assert report.coverage["operations"] == 3


def test_a_document_of_five_hundred_operations_is_linted_in_seconds() -> None:
    tree = complete("")
    item = tree["paths"].pop("/items/{itemId}")
    members = {f"member{index}": {"type": "string", "maxLength": 9} for index in range(30)}
    for index in range(500):
        answer = {"type": "object", "properties": {**members, "item": {"$ref": "#/components/schemas/Item"}}}
        get = {**item["get"], "operationId": f"getItem{'abcdefghij'[index % 10]}"}
        get["responses"] = {
            **get["responses"],
            "200": {"description": "d", "content": {"application/json": {"schema": answer, "example": {}}}},
        }
        tree["paths"][f"/items-{index}/{{itemId}}"] = {**item, "get": get}
    began = time.process_time()
    report = lint.check(Document(tree), BASELINE)
    assert report.coverage["operations"] == 502
    assert {finding.rule for finding in report.findings} == {
        "lint.collections-are-plural",
        "lint.operation-ids-are-unique",
    }
    assert time.process_time() - began < 8  # seconds of processor time; about 1.5 on a quiet machine


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("has_more", "hasMore"),
        ("site-id", "siteId"),
        ("SiteName", "siteName"),
        ("URL", "url"),
        ("SKU_code", "skuCode"),
        ("HTTPStatus", "httpStatus"),
        ("address line 2", "addressLine2"),
        ("filter[name]", "filterName"),
        ("2nd", "2nd"),
        ("_", "_"),
    ],
)
def test_a_name_that_is_not_camel_case_comes_with_the_one_that_would_be(name: str, better: str) -> None:
    parameter = {"name": name, "in": "query", "description": "d", "schema": {"type": "boolean"}}
    tree = complete("")
    operation = next(iter(next(iter(tree["paths"].values())).values()))
    operation["operationId"] = name
    operation["parameters"] = [*operation.get("parameters", []), parameter]
    tree["components"]["schemas"]["Item"]["properties"][name] = {"type": "boolean"}
    fixes = {f.rule: f.fix for f in lint.check(Document(tree), BASELINE).findings if f.rule.endswith("-camel-case")}
    wanted = f"write it as {better}" if better != name else "write it like siteId"
    assert fixes == {
        "lint.operation-ids-are-camel-case": wanted,
        "lint.parameters-are-camel-case": wanted,
        "lint.properties-are-camel-case": wanted,
    }


def test_a_list_without_paging_is_told_what_it_lacks_in_a_sentence() -> None:
    tree = complete(
        "get: {parameters: []}\ncomponents: {parameters: {Limit: null, Cursor: null},"
        " schemas: {Page: {required: [items], properties: {page: null}}}}"
    )
    (message,) = [
        f.message for f in lint.check(Document(tree), BASELINE).findings if f.rule == "lint.lists-are-paginated"
    ]
    assert message.endswith("a list without a parameter like limit, a parameter like cursor and a member like page")

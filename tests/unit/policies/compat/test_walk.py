"""What the walk pairs, and that nothing it does not understand is passed over in silence."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from policies import compat
from policies.model.document import Document
from policies.rulesets import load

BASELINE = load("baseline")


def document(text: str, openapi: str = "3.1.0") -> Document:
    return Document({"openapi": openapi, "info": {"title": "Orders", "version": "1.0.0"}, **yaml.safe_load(text)})


def said(old: str, new: str, ruleset: Any = BASELINE) -> tuple[str, str, list[str]]:
    comparison = compat.check(document(old), document(new), ruleset)
    return comparison.verdict, comparison.bump, [finding.rule for finding in comparison.report.findings]


SERVED = "paths:\n  /a:\n    servers: [{url: %s}]\n    get: {responses: {'204': {description: done}}}\n"


def test_the_servers_of_a_path_are_looked_at() -> None:
    assert said(SERVED % "/one", SERVED % "/two") == ("compatible", "minor", ["compat.server-removed"])


def test_a_path_that_repeats_the_servers_of_the_document_changes_nothing() -> None:
    shared = "servers: [{url: /one}]\npaths:\n  /a:\n    get: {responses: {'204': {description: done}}}\n"
    assert said(shared, "servers: [{url: /one}]\n" + SERVED % "/one") == ("compatible", "none", [])


CALLED_BACK = """\
paths:
  /subscriptions:
    post:
      responses: {'204': {description: taken}}
      callbacks:
        shipped:
          '%s':
            post:
              requestBody:
                content: {application/json: {schema: {type: object, properties: {eta: {type: [%s]}}}}}
              responses: {'%s': {description: read}}
"""
WHERE = "{$request.body#/url}"


def test_a_callback_is_what_the_service_sends() -> None:
    old, new = CALLED_BACK % (WHERE, "string", "204"), CALLED_BACK % (WHERE, "string, 'null'", "204")
    assert said(old, new) == ("breaking", "major", ["compat.null-admitted"])
    assert said(new, old)[0] == "compatible"


def test_what_a_callback_answers_is_what_the_subscriber_sends() -> None:
    old, new = CALLED_BACK % (WHERE, "string", "2XX"), CALLED_BACK % (WHERE, "string", "204")
    assert said(old, new)[0] != "unproven"


def test_a_callback_to_another_address_no_longer_comes_to_the_old_one() -> None:
    old, new = CALLED_BACK % (WHERE, "string", "204"), CALLED_BACK % ("{$request.body#/address}", "string", "204")
    verdict, bump, rules = said(old, new)
    assert (verdict, bump) == ("breaking", "major")
    assert set(rules) == {"compat.operation-removed", "compat.operation-added"}


SCHEMA = """\
paths:
  /a:
    get:
      responses: {'200': {description: found, content: {application/json: {schema: %s}}}}
components:
  schemas:
    Tree: {$dynamicAnchor: node, type: object, properties: {weight: {type: %s}}}
"""


def test_a_dynamic_reference_is_never_taken_for_the_same_where_definitions_differ() -> None:
    schema = "{type: object, properties: {root: {$dynamicRef: '#node'}}}"
    assert said(SCHEMA % (schema, "string"), SCHEMA % (schema, "string")) == ("compatible", "none", [])
    assert said(SCHEMA % (schema, "string"), SCHEMA % (schema, "integer"))[0] == "unproven"


def test_a_reference_to_an_anchor_is_not_a_reference_to_the_whole_document() -> None:
    with pytest.raises(LookupError):
        document("paths: {}").at("#node")
    schema = "{$ref: '#node'}"
    assert said(SCHEMA % (schema, "string"), SCHEMA % ("{type: string}", "string"))[0] == "unproven"


BODY = (
    "paths:\n  /a:\n    get:\n      responses: {'200': {description: x, content: {application/json: {schema: %s}}}}\n"
)


def test_a_new_member_is_told_once() -> None:
    old = BODY % "{type: object, properties: {sku: {type: string}}}"
    lots = "{type: array, items: {type: object, required: [lot], properties: {lot: {type: string}}}}"
    new = BODY % f"{{type: object, properties: {{sku: {{type: string}}, lots: {lots}}}}}"
    assert said(old, new) == ("compatible", "minor", ["compat.response-property-added"])


def test_the_default_of_a_union_is_looked_at() -> None:
    union = "anyOf: [{type: string}, {type: integer}], default: %s"
    old, new = (
        BODY.replace("responses", "parameters: [{name: q, in: query, schema: {%s}}]\n      responses" % (union % value))
        % "{type: string}"
        for value in ("a", "b")
    )
    assert said(old, new)[2] == ["compat.default-changed"]


def test_a_bound_tightened_on_a_response_is_what_the_ruleset_makes_of_it() -> None:
    old, new = BODY % "{type: integer, minimum: 0}", BODY % "{type: integer, minimum: 1}"
    severities = {
        name: [f.severity.value for f in compat.check(document(old), document(new), load(name)).report.findings]
        for name in ("baseline", "strict", "lenient")
    }
    assert severities == {"baseline": ["info"], "strict": ["warning"], "lenient": ["info"]}


SECURED_HOOK = """\
webhooks:
  shipped:
    post:
      security: [{%s: []}]
      responses: {'204': {description: read}}
components: {securitySchemes: {key: {type: apiKey, in: header, name: X-Key}, basic: {type: http, scheme: basic}}}
"""


def test_what_a_webhook_authenticates_with_is_not_passed_over() -> None:
    assert said(SECURED_HOOK % "key", SECURED_HOOK % "basic")[0] == "unproven"


def test_a_change_behind_a_reference_names_the_definition_and_its_use() -> None:
    shared = BODY + "components:\n  schemas:\n    Item: {type: object, properties: {sku: {type: %s}}}\n"
    old, new = (
        shared % ("{type: array, items: {$ref: '#/components/schemas/Item'}}", kind) for kind in ("string", "integer")
    )
    (finding,) = compat.check(document(old), document(new), BASELINE).report.findings
    assert finding.pointer == "/components/schemas/Item/properties/sku"
    assert finding.used_at == "/paths/~1a/get/responses/200/content/application~1json/schema/items"
    (plain,) = compat.check(
        document(BODY % "{type: string}"), document(BODY % "{type: integer}"), BASELINE
    ).report.findings
    assert plain.used_at is None

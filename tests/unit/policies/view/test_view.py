"""A document reduced to what one application may call: what stays, what goes, and that it stays valid."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from openapi_spec_validator import validate

from policies.model.access import Application, Limit, Plan
from policies.model.contract import Block, Contract, SiteParameter, Stage, Upstream, Version
from policies.model.document import Document
from policies.view import View, view

OK: dict[str, Any] = {"200": {"description": "ok"}}
READ, WRITE = [{"oauth": ["read"]}], [{"oauth": ["write"]}]


def answering(schema: Any) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


def ref(name: str, section: str = "schemas") -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def document(paths: dict[str, Any], openapi: str = "3.1.0", **more: Any) -> dict[str, Any]:
    flows = {"clientCredentials": {"tokenUrl": "https://t.example/token", "scopes": {"read": "Read", "write": "Write"}}}
    schemes = {
        "oauth": {"type": "oauth2", "flows": flows},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    components = {"securitySchemes": schemes, **more.pop("components", {})}
    info = {"title": "T", "version": "1.2.0", **more.pop("info", {})}
    return {"openapi": openapi, "info": info, "paths": paths, "components": components, **more}


def seen(
    tree: dict[str, Any],
    contract: dict[str, Any] | None = None,
    version: dict[str, Any] | None = None,
    **application: Any,
) -> dict[str, Any]:
    """The view of an application that may read."""
    before = deepcopy(tree)
    fields: dict[str, Any] = {"id": "app", "name": "App", "consumer": "oak", "audience": "partner", "scopes": ("read",)}
    limits = (
        Limit(name="all", requests=10, window=1),
        Limit(name="some", requests=5, window=1, operations=("a", "b")),
        Limit(name="gone", requests=5, window=1, operations=("b",)),
    )
    shown = view(
        View(
            contract=Contract(
                **{"name": "things", "title": "T", "owner": "o", "audience": "partner", **(contract or {})}
            ),
            version=Version(
                **{"contract": "things", "number": "1.2.0", "digest": "d", "stage": Stage.PUBLISHED, **(version or {})}
            ),
            document=Document(tree),
            application=Application(**(fields | application)),
            plan=Plan(name="gold", limits=limits, max_concurrent=3),
            address="https://gateway.example/things/v1",
            successor=2 if version else None,
        )
    )
    validate(shown)
    assert tree == before, "the document itself stays as it is"
    return shown


def operation(**more: Any) -> dict[str, Any]:
    return {"security": READ, "responses": OK, **more}


def test_what_may_not_be_called_goes_with_all_that_only_it_used() -> None:
    tree = document(
        {
            "/a": {
                "parameters": [ref("Shared", "parameters")],
                "servers": [{"url": "https://internal.example"}],
                "get": operation(operationId="a", tags=["one"], responses=answering(ref("A"))),
                "post": operation(operationId="b", security=WRITE, tags=["two"], responses=answering(ref("B"))),
            },
            "/b": {"get": operation(operationId="c", security=WRITE, responses={"200": ref("Gone", "responses")})},
        },
        servers=[{"url": "https://inventory.internal.example"}],
        tags=[{"name": "one"}, {"name": "two"}, {"name": "three"}],
        **{"x-tagGroups": [{"name": "g", "tags": ["one", "two"]}, {"name": "h", "tags": ["two"]}]},
        components={
            "parameters": {"Shared": {"name": "p", "in": "query", "schema": ref("P")}},
            "responses": {"Gone": {"description": "gone"}},
            "schemas": {
                "B": {"properties": {"c": ref("C")}},
                "C": {"type": "string"},
                "A": {"properties": {"a": ref("A"), "c": ref("C")}},
                "P": {"type": "string"},
                "Unused": {"type": "string"},
            },
        },
    )
    shown = seen(tree)
    assert list(shown["paths"]) == ["/a"]
    assert list(shown["paths"]["/a"]) == ["parameters", "get"]
    assert list(shown["components"]["schemas"]) == ["C", "A", "P"]
    assert set(shown["components"]) == {"securitySchemes", "parameters", "schemas"}
    assert shown["tags"] == [{"name": "one"}]
    assert shown["x-tagGroups"] == [{"name": "g", "tags": ["one"]}]
    assert list(shown["components"]["securitySchemes"]) == ["oauth"]
    assert shown["components"]["securitySchemes"]["oauth"]["flows"]["clientCredentials"]["scopes"] == {"read": "Read"}
    assert shown["servers"] == [{"url": "https://gateway.example/things/v1"}]
    assert list(shown)[:3] == ["openapi", "info", "servers"]


def test_nothing_is_left_of_a_document_of_which_nothing_may_be_called() -> None:
    shown = seen(
        document({"/a": {"get": operation(responses=answering(ref("A")))}}, components={"schemas": {"A": {}}}),
        scopes=(),
    )
    assert shown["paths"] == {}
    assert "components" not in shown
    assert "security" not in shown


def test_only_alternatives_that_the_application_satisfies_are_left() -> None:
    tree = document(
        {
            "/a": {"get": {"responses": OK}},
            "/b": {"get": operation(security=[*WRITE, {"key": []}, {"oauth": ["read"], "key": []}])},
            "/c": {"get": operation(security=[])},
            "/d": {"get": operation(security=[*WRITE, {}])},
        },
        security=[*WRITE, *READ],
    )
    shown = seen(tree)
    assert shown["security"] == READ
    assert [shown["paths"][path]["get"].get("security") for path in "/a /b /c /d".split()] == [
        None, [{"key": []}, {"oauth": ["read"], "key": []}], [], [{}],
    ]  # fmt: skip


def test_security_that_nobody_inherits_is_not_left_as_an_empty_list() -> None:
    """Which would say that everybody may."""
    tree = document({"/a": {"get": {"responses": OK}}, "/b": {"get": operation()}}, security=WRITE)
    shown = seen(tree)
    assert list(shown["paths"]) == ["/b"]
    assert "security" not in shown


def test_the_application_is_told_what_holds_for_it() -> None:
    paths = {"/a": {"get": operation(operationId="a"), "post": operation(operationId="b", security=WRITE)}}
    version = {"stage": Stage.DEPRECATED, "deprecated_at": 5, "sunset_at": 9, "block": Block(reason="secret reason")}
    shown = seen(document(paths), version=version, sites=("DAL-2",))
    assert shown["info"]["x-weighbridge"].pop("limits") == [
        {"name": "all", "requests": 10, "window": 1},
        {"name": "some", "requests": 5, "window": 1, "operations": ["a"]},
    ]
    assert shown["info"]["x-weighbridge"] == {
        "application": "app", "consumer": "oak", "contract": "things", "major": 1, "version": "1.2.0",
        "stage": "deprecated", "plan": "gold", "max_concurrent": 3, "sites": ["DAL-2"], "deprecated_at": 5,
        "sunset_at": 9, "successor": "/things/v2", "blocked": True,
    }  # fmt: skip


@pytest.mark.parametrize("openapi", ["3.0.3", "3.1.0"])
def test_references_into_what_is_gone_lead_to_a_component_of_their_own(openapi: str) -> None:
    lost = "#/paths/~1gone/get/responses/200/content/application~1json/schema"
    node = {"type": "object", "properties": {"next": {"$ref": lost}, "leaf": ref("Leaf")}}
    tree = document(
        {
            "/gone": {"get": operation(security=WRITE, responses=answering(node))},
            "/a": {
                "get": operation(responses=answering({"type": "array", "items": {"$ref": lost}})),
                "post": operation(responses=answering({"$ref": "#/components/schemas/Leaf/properties/x"})),
            },
        },
        openapi,
        components={
            "schemas": {
                "Leaf": {"type": "object", "properties": {"x": {"type": "string"}}},
                "Shared1": {"type": "string"},
            }
        },
    )
    shown = seen(tree)
    schemas = shown["components"]["schemas"]
    items = shown["paths"]["/a"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"]
    deep = shown["paths"]["/a"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert (items, deep) == (ref("Shared2"), ref("Shared3"))
    assert schemas["Shared2"] == {"type": "object", "properties": {"next": ref("Shared2"), "leaf": ref("Leaf")}}
    assert schemas["Shared3"] == {"type": "string"}
    assert "Shared1" not in schemas


def test_a_path_that_is_a_reference_stands_on_its_own() -> None:
    item = {"get": operation(responses=answering(ref("A"))), "post": operation(security=WRITE)}
    tree = document(
        {"/a": {"$ref": "#/components/pathItems/Item"}, "/b": {"$ref": "#/paths/~1a"}},
        components={"pathItems": {"Item": item}, "schemas": {"A": {"type": "string"}}},
    )
    shown = seen(tree)
    assert [sorted(shown["paths"][path]) for path in ("/a", "/b")] == [["get"], ["get"]]
    assert "pathItems" not in shown["components"]


@pytest.mark.parametrize("openapi", ["3.0.3", "3.1.0"])
def test_subtypes_of_a_discriminator_stay_with_it(openapi: str) -> None:
    base = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
    schemas = {
        "Implied": {**base, "discriminator": {"propertyName": "kind"}},
        "Sub": {"allOf": [ref("Implied"), {"properties": {"leaf": ref("Leaf")}}]},
        "Leaf": {"type": "string"},
        "Mapped": {
            **base,
            "discriminator": {"propertyName": "kind", "mapping": {"x": "X", "y": "#/components/schemas/Y"}},
        },
        "X": {"type": "object"},
        "Y": {"type": "object"},
        "Z": {"type": "object"},
    }
    tree = document(
        {"/a": {"get": operation(responses=answering({"anyOf": [ref("Implied"), ref("Mapped")]}))}},
        openapi,
        components={"schemas": schemas},
    )
    shown = seen(tree)["components"]["schemas"]
    assert sorted(shown) == ["Implied", "Leaf", "Mapped", "Sub", "X", "Y"]
    assert shown["Mapped"]["discriminator"]["mapping"] == {"x": "#/components/schemas/X", "y": "#/components/schemas/Y"}


def test_links_lead_only_to_what_is_left() -> None:
    links = {
        "kept": {"operationId": "a"},
        "gone": {"operationId": "b"},
        "keptRef": {"operationRef": "#/paths/~1a/get"},
        "goneRef": {"operationRef": "#/paths/~1a/post"},
        "shared": ref("Gone", "links"),
        "elsewhere": {"operationRef": "https://other.example/openapi.json#/paths/~1x/get"},
    }
    tree = document(
        {
            "/a": {
                "get": operation(operationId="a", responses={"200": {"description": "ok", "links": links}}),
                "post": operation(
                    operationId="b", security=WRITE, responses={"200": {"description": "ok", "links": links}}
                ),
                "put": operation(
                    operationId="c", responses={"200": {"description": "ok", "links": {"gone": links["gone"]}}}
                ),
            }
        },
        components={"links": {"Gone": {"operationId": "b"}}},
    )
    shown = seen(tree)
    assert sorted(shown["paths"]["/a"]["get"]["responses"]["200"]["links"]) == ["elsewhere", "kept", "keptRef"]
    assert "links" not in shown["paths"]["/a"]["put"]["responses"]["200"]
    assert "links" not in shown["components"]


def test_callbacks_go_with_their_operation_and_webhooks_stay() -> None:
    def callback(name: str) -> dict[str, Any]:
        body = {"content": {"application/json": {"schema": ref(name)}}}
        return {
            "done": {
                "{$request.body#/url}": {"post": {"requestBody": body, "responses": OK, "security": [{"key": []}]}}
            }
        }

    tree = document(
        {
            "/a": {
                "get": operation(callbacks=callback("Kept")),
                "post": operation(security=WRITE, callbacks=callback("Gone")),
            }
        },
        webhooks={
            "shipped": {
                "post": {"requestBody": {"content": {"application/json": {"schema": ref("Hook")}}}, "responses": OK}
            },
            "private": {"x-internal": True, "post": {"responses": answering(ref("Gone"))}},
        },
        components={"schemas": {"Kept": {}, "Gone": {}, "Hook": {}}},
    )
    shown = seen(tree)
    assert sorted(shown["components"]["schemas"]) == ["Hook", "Kept"]
    assert sorted(shown["components"]["securitySchemes"]) == ["key", "oauth"]
    assert list(shown["webhooks"]) == ["shipped"]
    assert list(seen(tree, audience="internal")["webhooks"]) == ["shipped", "private"]


def test_dynamic_references_and_anchors_are_followed() -> None:
    schemas = {
        "Tree": {"$dynamicAnchor": "node", "type": "object", "properties": {"children": {"$dynamicRef": "#node"}}},
        "Strict": {"$dynamicAnchor": "node", "$ref": "#/components/schemas/Tree", "required": ["children"]},
        "Named": {"$anchor": "named", "type": "string"},
        "Holder": {"$defs": {"inner": {"$anchor": "inner", "type": "integer"}}},
    }
    answer = {"properties": {"a": ref("Tree"), "b": {"$ref": "#named"}, "c": {"$ref": "#inner"}}}
    shown = seen(document({"/a": {"get": operation(responses=answering(answer))}}, components={"schemas": schemas}))
    members = shown["paths"]["/a"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert members == {"a": ref("Tree"), "b": ref("Named"), "c": ref("Shared1")}
    assert shown["components"]["schemas"] == {
        "Tree": schemas["Tree"], "Strict": schemas["Strict"],
        "Named": {"type": "string"}, "Shared1": {"type": "integer"},
    }  # fmt: skip


def test_data_is_not_taken_for_schema() -> None:
    odd = {"$ref": "#/nowhere", "x-internal": True, "security": []}
    media = {
        "schema": {"type": "object", "default": {"security": []}, "properties": {"$ref": {"type": "string"}}},
        "example": odd,
    }
    tree = document({"/a": {"get": operation(responses={"200": {"description": "ok", "content": {"a/b": media}}})}})
    shown = seen(tree, audience="internal")
    assert shown["paths"]["/a"]["get"]["responses"]["200"]["content"]["a/b"] == media


def test_what_no_rule_of_openapi_holds_to_a_shape_is_taken_as_it_comes() -> None:
    dangling = {"x": "#/components/schemas/Nowhere", "y": "other.yaml#/Y", "z": "Nowhere"}
    tree = document(
        {"/a": {"get": operation(tags=["one"], responses=answering(ref("A")))}},
        tags=[{"name": "one"}],
        components={
            "x-order": 5,
            "schemas": {"A": {"type": "object", "discriminator": {"propertyName": "k", "mapping": dangling}}},
        },
        **{"x-tagGroups": [5, {"name": "g"}, {"tags": [[], "one"]}, {"tags": "one"}]},
    )
    shown = seen(tree)
    assert shown["components"]["schemas"]["A"]["discriminator"]["mapping"] == dangling
    assert shown["components"]["x-order"] == 5
    assert shown["x-tagGroups"] == [{"tags": ["one"]}]


# -- sites ------------------------------------------------------------------------------------------------------------

SITE = {
    "site": SiteParameter(place="path", name="siteId", aliases={"0142": "DAL-2", "0155": "PHX-1", "TOR-1": "ATL-1"})
}
SITES = {
    **SITE,
    "upstreams": {name: Upstream(url="http://x:1") for name in ("default", "DAL-2", "PHX-1", "TOR-1", "ATL-1")},
}


def located(parameter: dict[str, Any]) -> dict[str, Any]:
    """One operation that is served per site, and one that is not."""
    raw = {"name": "siteId", "in": "path", "required": True, **parameter}
    return document({"/s/{siteId}": {"parameters": [raw], "get": operation()}, "/all": {"get": operation()}})


@pytest.mark.parametrize(
    ("schema", "sites", "values"),
    [
        ({"type": "string"}, ("DAL-2",), ["DAL-2", "0142"]),
        ({"type": "string", "pattern": "^[0-9]{4}$"}, ("DAL-2", "PHX-1"), ["0142", "0155"]),
        ({"type": "string", "enum": ["DAL-2", "PHX-1"]}, ("DAL-2", "NOWHERE"), ["DAL-2"]),
        ({"type": "string"}, ("TOR-1", "ATL-1"), ["ATL-1", "TOR-1"]),
        ({"type": "string"}, None, None),
        ({"type": "integer"}, ("DAL-2",), None),
    ],
    ids=[
        "an alias as well",
        "only as it is written",
        "what is offered",
        "an alias hides a site",
        "all sites",
        "no string",
    ],
)
def test_the_site_is_narrowed_to_what_the_gateway_accepts(schema: Any, sites: Any, values: list[str] | None) -> None:
    shown = seen(located({"schema": schema}), SITES, sites=sites)["paths"]["/s/{siteId}"]["parameters"][0]["schema"]
    assert shown.get("enum") == (values if values is not None else schema.get("enum"))


def test_a_shared_site_parameter_is_narrowed_where_it_stands_with_its_examples() -> None:
    tree = document(
        {"/s/{siteId}": {"get": operation(parameters=[ref("Site", "parameters")])}},
        components={
            "parameters": {
                "Site": {"name": "siteId", "in": "path", "required": True, "schema": ref("Site"), "example": "PHX-1"}
            },
            "schemas": {"Site": {"type": "string", "example": "PHX-1"}},
        },
    )
    shown = seen(tree, SITES, sites=("DAL-2",))
    assert shown["components"]["parameters"]["Site"] == {
        "name": "siteId", "in": "path", "required": True, "example": "DAL-2",
        "schema": {"type": "string", "allOf": [ref("Site")], "enum": ["DAL-2", "0142"]},
    }  # fmt: skip


def test_an_operation_for_which_no_site_is_granted_goes_and_an_optional_site_too() -> None:
    assert list(seen(located({"schema": {"type": "string"}}), SITES, sites=())["paths"]) == ["/all"]
    contract = {**SITES, "site": SiteParameter(place="query", name="siteId")}
    optional = {"name": "siteId", "in": "query", "schema": {"type": "string"}}
    other = {"name": "q", "in": "query", "schema": {"type": "string"}}
    tree = document({"/a": {"get": operation(parameters=[optional, other])}})
    assert seen(tree, contract, sites=())["paths"]["/a"]["get"]["parameters"] == [other]


# -- what is internal -------------------------------------------------------------------------------------------------


def internal() -> dict[str, Any]:
    order = {
        "type": "object",
        "required": ["id", "margin"],
        "additionalProperties": False,
        "properties": {"id": {"type": "string"}, "margin": {"type": "number", "x-internal": True}, "cost": ref("Cost")},
        "example": {"id": "1", "margin": 2, "cost": 3},
    }
    content = {"schema": {"type": "array", "items": ref("Order")}, "examples": {"e": ref("E", "examples")}}
    hidden = {"name": "trace", "in": "query", "x-internal": True, "schema": {"type": "string"}}
    needed = {"name": "q", "in": "query", "x-internal": True, "required": True, "schema": {"type": "string"}}
    answer = {"200": {"description": "ok", "content": {"application/json": content}}}
    return document(
        {
            "/a": {
                "x-runbook": "wiki/a",
                "get": operation(parameters=[hidden, needed], responses=answer, **{"x-audience": "partner"}),
                "post": operation(**{"x-internal": True}),
            },
            "/b": {"x-audience": "internal", "get": operation(responses=answering(ref("Gone")))},
        },
        components={
            "schemas": {"Order": order, "Cost": {"type": "number", "x-internal": True}, "Gone": {}},
            "examples": {"E": {"value": [{"id": "1", "margin": 2, "cost": 3}]}},
        },
    )


def test_partners_do_not_see_what_is_marked() -> None:
    shown = seen(internal(), {"internal_extensions": ("x-runbook",)})
    assert {path: sorted(item) for path, item in shown["paths"].items()} == {"/a": ["get"]}
    get = shown["paths"]["/a"]["get"]
    assert [parameter["name"] for parameter in get["parameters"]] == ["q"], "what a call needs is not hidden"
    assert shown["components"]["schemas"] == {
        "Order": {
            "type": "object",
            "required": ["id"],
            "properties": {"id": {"type": "string"}},
            "example": {"id": "1"},
        }
    }
    assert get["responses"]["200"]["content"]["application/json"]["examples"] == {"e": {"value": [{"id": "1"}]}}
    for word in ("margin", "cost", "x-internal", "x-audience", "runbook"):
        assert word not in str(shown)


def test_nothing_asks_for_a_member_that_is_hidden() -> None:
    thing = {
        "type": "object",
        "minProperties": 1,
        "properties": {"a": {"x-internal": True}, "b": {}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        "allOf": [{"required": ["a", "b"]}],
    }
    shown = seen(document({"/a": {"get": operation(responses=answering(thing))}}))
    assert shown["paths"]["/a"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] == {
        "type": "object", "properties": {"b": {}}, "anyOf": [{}, {"required": ["b"]}], "allOf": [{"required": ["b"]}],
    }  # fmt: skip


def test_internal_applications_see_everything() -> None:
    tree = internal()
    shown = seen(tree, {"internal_extensions": ("x-runbook",), "audience": "internal"}, audience="internal")
    assert shown["paths"]["/b"] == tree["paths"]["/b"]
    assert shown["paths"]["/a"]["x-runbook"] == "wiki/a"
    assert shown["components"]["schemas"] == tree["components"]["schemas"]


def test_of_an_internal_contract_partners_see_no_operation() -> None:
    assert seen(document({"/a": {"get": operation()}}), {"audience": "internal"})["paths"] == {}

from __future__ import annotations

from policies.lint.frame import complete
from policies.lint.subjects import Schema
from policies.lint.walk import Walk, is_error
from policies.model.document import Document

SCHEMAS = "/components/schemas"


def schemas(fragment: str) -> dict[str, Schema]:
    found = Walk(Document(complete(fragment))).subjects["schema"]
    assert len({schema.pointer for schema in found}) == len(found)
    return {schema.pointer: schema for schema in found}


def test_a_definition_gathers_the_lanes_and_roles_of_all_its_uses() -> None:
    found = schemas(
        "request: {part: {$ref: '#/components/schemas/Part'}}\n"
        "response: {part: {$ref: '#/components/schemas/Part'}}\n"
        "components: {schemas: {Part: {type: object, properties: {inner: {type: boolean}}},"
        " Problem: {properties: {part: {items: {$ref: '#/components/schemas/Part'}}}}}}"
    )
    assert found[f"{SCHEMAS}/Part"].lanes == {"request", "response", "error"}
    assert found[f"{SCHEMAS}/Part"].roles == {"property", "item"}
    assert found[f"{SCHEMAS}/Part/properties/inner"].lanes == {"request", "response", "error"}
    assert found[f"{SCHEMAS}/NewItem"].lanes == {"request"}
    assert found[f"{SCHEMAS}/Item"].lanes == {"response"}
    assert found[f"{SCHEMAS}/Problem"].lanes == {"error"}
    assert found["/components/parameters/Limit/schema"].roles == {"parameter"}


def test_what_nothing_reaches_is_not_visited() -> None:
    assert f"{SCHEMAS}/Lost" not in schemas("components: {schemas: {Lost: {type: string}}}")


def test_write_only_and_read_only_members_end_a_lane_also_behind_a_reference() -> None:
    found = schemas(
        "components: {schemas: {Secret: {type: boolean, writeOnly: true}, Stamp: {type: boolean, readOnly: true}}}\n"
        "request: {secret: {$ref: '#/components/schemas/Secret'}, stamp: {$ref: '#/components/schemas/Stamp'}}\n"
        "response: {secret: {$ref: '#/components/schemas/Secret'}, stamp: {$ref: '#/components/schemas/Stamp'}}"
    )
    assert found[f"{SCHEMAS}/Secret"].lanes == {"request"}
    assert found[f"{SCHEMAS}/Stamp"].lanes == {"response"}


def test_a_30_reference_hides_what_stands_beside_it_and_a_31_reference_does_not() -> None:
    beside = "response: {part: {$ref: '#/components/schemas/Item', properties: {more: {type: boolean}}}}"
    more = f"{SCHEMAS}/Item/properties/part/properties/more"
    assert more in schemas(beside)
    assert more not in schemas(f"openapi: 3.0.3\n{beside}")


def test_a_property_is_seen_through_its_reference_and_a_lone_all_of() -> None:
    fragment = (
        "openapi: 3.0.3\ncomponents: {schemas: {Code: {type: string, maxLength: 3}}}\n"
        "response: {code: {nullable: true, allOf: [{$ref: '#/components/schemas/Code'}]}}"
    )
    members = Walk(Document(complete(fragment))).subjects["property"]
    (code,) = [member for member in members if member.name == "code"]
    assert code.schema == {"type": "string", "maxLength": 3}
    assert code.pointer == f"{SCHEMAS}/Item/properties/code"
    assert code.types == {"string"}


def test_a_property_that_may_be_null_is_seen_through_its_other_branch() -> None:
    fragment = "response: {size: {anyOf: [{type: number}, {type: 'null'}]}, kind: {oneOf: [{type: number}, {}]}}"
    members = {m.name: m.types for m in Walk(Document(complete(fragment))).subjects["property"]}
    assert members["size"] == {"number"}
    assert members["kind"] == set()


def test_a_shared_response_is_handed_over_once_for_each_status() -> None:
    responses = Walk(Document(complete(""))).subjects["response"]
    shared = [response.status for response in responses if response.pointer == "/components/responses/Problem"]
    assert sorted(shared) == ["400", "401", "403", "404", "429"]


def test_a_pointer_belongs_to_the_operation_that_holds_it() -> None:
    walk = Walk(Document(complete("")))
    assert walk.operation_of("/paths/~1items/get") == "GET /items"
    assert walk.operation_of("/paths/~1items/get/responses/200") == "GET /items"
    assert walk.operation_of("/paths/~1items") is None
    assert walk.operation_of(f"{SCHEMAS}/Item") is None
    assert walk.operation_of("") is None


def test_what_counts_as_an_error() -> None:
    assert [status for status in ("200", "2XX", "304", "404", "4XX", "503", "default") if is_error(status)] == [
        "404",
        "4XX",
        "503",
        "default",
    ]

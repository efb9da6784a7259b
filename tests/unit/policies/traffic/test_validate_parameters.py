"""Parameters: every style, every place, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from policies.traffic import Exchange
from policies.traffic.validate_parameters import validate_parameters
from tests.unit.policies.traffic.facts import (
    codes,
    contract,
    document,
    exchange,
    facts,
    noted,
    version,
)

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
INTEGERS = {"type": "array", "items": INTEGER}
POINT = {
    "type": "object",
    "properties": {"x": INTEGER, "y": INTEGER, "name": STRING},
    "required": ["x"],
    "additionalProperties": False,
}


def parameter(place: str, schema: Any = None, name: str = "p", **more: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "in": place, "required": place == "path"}
    return entry | ({} if schema is None else {"schema": schema}) | more


def bound(*parameters: dict[str, Any], number: str = "2.0.0", openapi: str = "3.1.0", **more: Any) -> Any:
    path = "/things/{p}" if any(entry["in"] == "path" for entry in parameters) else "/things"
    of = document({"parameters": list(parameters)}, path=path, openapi=openapi)
    return validate_parameters(facts(of, version=version(number), **more))


def found(policy: Any, made: Exchange) -> list[tuple[str, str]]:
    decision = policy.decide(made)
    return [] if decision is None else codes(decision)


def by_query(*parameters: dict[str, Any], query: str, **more: Any) -> list[tuple[str, str]]:
    return found(bound(*parameters, **more), exchange(query=query))


# -- query ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "query", "expected"),
    [
        (INTEGER, "p=7", []),
        (INTEGER, "p=-7", []),
        (INTEGER, "p=7.5", [("/query/p", "TYPE")]),
        (INTEGER, "p=007", [("/query/p", "TYPE")]),
        (INTEGER, "p=+7", [("/query/p", "TYPE")]),
        (INTEGER, "p=1e3", [("/query/p", "TYPE")]),
        (INTEGER, "p=", [("/query/p", "TYPE")]),
        (INTEGER, "p", [("/query/p", "TYPE")]),
        (INTEGER, "p=x", [("/query/p", "TYPE")]),
        (INTEGER, "p=%37", []),
        (INTEGER | {"maximum": 200}, "p=201", [("/query/p", "MAXIMUM")]),
        ({"type": "number"}, "p=7.25", []),
        ({"type": "number"}, "p=1e3", []),
        ({"type": "number"}, "p=NaN", [("/query/p", "TYPE")]),
        ({"type": "boolean"}, "p=true", []),
        ({"type": "boolean"}, "p=1", [("/query/p", "TYPE")]),
        ({"type": ["integer", "null"]}, "p=null", []),
        ({"type": ["integer", "null"]}, "p=", []),
        ({"type": ["string", "null"], "minLength": 1}, "p=", [("/query/p", "MIN_LENGTH")]),
        (STRING, "p=7", []),
        (STRING | {"maxLength": 2}, "p=%C3%A4%C3%B6", []),
        (STRING | {"const": "a b"}, "p=a+b", []),
        (STRING | {"const": "a+b"}, "p=a%2Bb", []),
        (STRING | {"enum": ["A", "B"]}, "p=C", [("/query/p", "ENUM")]),
        ({"enum": [1, 2]}, "p=2", []),
        ({"enum": [1, 2]}, "p=3", [("/query/p", "ENUM")]),
        (STRING | {"pattern": "^[A-Z]{3}$"}, "p=AB1", [("/query/p", "PATTERN")]),
        (STRING | {"format": "date"}, "p=2026-02-30", [("/query/p", "FORMAT")]),
        (STRING | {"format": "date-time"}, "p=2026-02-28T10:00:00%2B02:00", []),
        ({"type": ["integer", "string"], "maxLength": 3}, "p=12345", []),
        ({"anyOf": [INTEGER, {"const": "all"}]}, "p=all", []),
        ({"anyOf": [INTEGER, {"const": "all"}]}, "p=5", []),
        ({"oneOf": [{"type": "string", "pattern": "^0[0-9]+$"}, INTEGER]}, "p=0142", []),
        ({"allOf": [INTEGER, {"minimum": 5}]}, "p=4", [("/query/p", "MINIMUM")]),
        ({"type": "number", "multipleOf": 2}, "p=" + "9" * 200, [("/query/p", "MULTIPLE_OF")]),
        ({}, "p=anything", []),
    ],
)
def test_a_scalar_in_the_query(schema: dict[str, Any], query: str, expected: list[tuple[str, str]]) -> None:
    assert by_query(parameter("query", schema), query=query) == expected


@pytest.mark.parametrize(
    ("style", "explode", "query", "expected"),
    [
        ("form", True, "p=1&p=2", []),
        ("form", True, "p=1", []),
        ("form", True, "p=1,2", [("/query/p/0", "TYPE")]),
        ("form", False, "p=1,2,3", []),
        ("form", False, "p=1%2C2", []),
        ("form", False, "p=1,2&p=3", [("/query/p", "REPEATED")]),
        ("form", False, "p=", []),
        ("spaceDelimited", False, "p=1%202+3", []),
        ("spaceDelimited", False, "p=1,2", [("/query/p/0", "TYPE")]),
        ("spaceDelimited", True, "p=1&p=x", [("/query/p/1", "TYPE")]),
        ("pipeDelimited", False, "p=1|2", []),
        ("pipeDelimited", False, "p=1%7C2%7c3", []),
    ],
)
def test_an_array_in_the_query(style: str, explode: bool, query: str, expected: list[tuple[str, str]]) -> None:
    assert by_query(parameter("query", INTEGERS, style=style, explode=explode), query=query) == expected


def test_an_encoded_delimiter_is_data_beside_plain_ones() -> None:
    commas = {"type": "array", "items": {"enum": ["a,b", "c"]}}
    assert by_query(parameter("query", commas, explode=False), query="p=a%2Cb,c") == []


def test_bounds_of_arrays() -> None:
    few = {"type": "array", "items": STRING, "minItems": 1, "maxItems": 2, "uniqueItems": True}
    assert by_query(parameter("query", few), query="p=a&p=b&p=c") == [("/query/p", "MAX_ITEMS")]
    assert by_query(parameter("query", few), query="p=a&p=a") == [("/query/p", "UNIQUE_ITEMS")]
    assert by_query(parameter("query", few, explode=False), query="p=") == [("/query/p", "MIN_ITEMS")]


@pytest.mark.parametrize(
    ("style", "explode", "query", "expected"),
    [
        ("form", False, "p=x,1,y,2", []),
        ("form", False, "p=x,1,y", [("/query/p", "STYLE")]),
        ("form", False, "p=y,2", [("/query/p", "REQUIRED")]),
        ("form", True, "x=1&y=2", []),
        ("form", True, "x=one", [("/query/p/x", "TYPE")]),
        ("form", True, "x=1&x=2", [("/query/p/x", "REPEATED")]),
        ("form", True, "x=1&z=2", [("/query/z", "UNDECLARED")]),
        ("deepObject", True, "p[x]=1&p[name]=a+b", []),
        ("deepObject", True, "p%5Bx%5D=1", []),
        ("deepObject", True, "p[x]=1&p[z]=2", [("/query/p", "ADDITIONAL_PROPERTIES")]),
        ("deepObject", True, "p[y]=2", [("/query/p", "REQUIRED")]),
        ("deepObject", True, "p[x]=%zz", [("/query/p/x", "ENCODING")]),
        ("deepObject", True, "", []),
        ("deepObject", True, "q[x]=1", [("/query/q[x]", "UNDECLARED")]),
    ],
)
def test_an_object_in_the_query(style: str, explode: bool, query: str, expected: list[tuple[str, str]]) -> None:
    assert by_query(parameter("query", POINT, style=style, explode=explode), query=query) == expected


def test_a_required_object_spread_over_names() -> None:
    needed = parameter("query", POINT, style="deepObject", required=True)
    assert by_query(needed, query="") == [("/query/p", "REQUIRED")]
    assert by_query(needed, query="p[x]=1") == []


def test_lists_inside_deep_objects() -> None:
    filters = {"type": "object", "properties": {"status": INTEGERS}}
    deep = parameter("query", filters, style="deepObject")
    assert by_query(deep, query="p[status]=1&p[status]=2") == []
    assert by_query(deep, query="p[status]=x") == [("/query/p/status/0", "TYPE")]


def test_an_open_exploded_object_takes_what_nobody_declared() -> None:
    anything = {"type": "object", "additionalProperties": STRING}
    assert by_query(parameter("query", anything), parameter("query", INTEGER, name="n"), query="n=1&a=b") == []


def test_a_parameter_that_holds_a_document() -> None:
    content = parameter("query", content={"application/json": {"schema": POINT}})
    assert by_query(content, query="p=%7B%22x%22%3A1%7D") == []
    assert by_query(content, query='p={"x":"1"}') == [("/query/p/x", "TYPE")]
    assert by_query(content, query="p={") == [("/query/p", "JSON")]
    text = parameter("query", content={"text/plain": {"schema": STRING | {"maxLength": 1}}})
    assert by_query(text, query="p=ab") == [("/query/p", "MAX_LENGTH")]


@pytest.mark.parametrize("query", ["p=1&p=2", "p=1&p=1", "p=1&%70=2"])
def test_a_scalar_given_twice_is_refused(query: str) -> None:
    assert by_query(parameter("query", INTEGER), query=query) == [("/query/p", "REPEATED")]


@pytest.mark.parametrize("value", ["%", "%4", "%zz", "%ff", "%C3"])
def test_malformed_escapes_are_refused(value: str) -> None:
    assert by_query(parameter("query", STRING), query=f"p={value}") == [("/query/p", "ENCODING")]


def test_a_malformed_name_is_refused() -> None:
    assert by_query(parameter("query", STRING), query="%ff=1") == [("/query", "ENCODING")]


def test_missing_and_undeclared() -> None:
    needed = parameter("query", INTEGER, required=True)
    assert by_query(needed, query="") == [("/query/p", "REQUIRED")]
    assert by_query(needed, query="a/b=1&P=1") == [
        ("/query/p", "REQUIRED"),
        ("/query/a~1b", "UNDECLARED"),
        ("/query/P", "UNDECLARED"),
    ]
    assert by_query(needed, query="p=1&more=2", number="1.4.0") == []


def test_an_empty_value_may_be_allowed() -> None:
    flag = parameter("query", INTEGER, allowEmptyValue=True)
    assert by_query(flag, query="p") == []
    assert by_query(flag, query="p=x") == [("/query/p", "TYPE")]


def test_many_faults_are_told_at_once() -> None:
    policy = bound(parameter("query", INTEGER), parameter("query", INTEGER, name="q"))
    decision = policy.decide(exchange(query="p=secret&q=secret"))
    assert codes(decision) == [("/query/p", "TYPE"), ("/query/q", "TYPE")]
    assert (decision.status, decision.slug) == (400, "validation-failed")
    assert decision.detail == '/query/p: The value is not of type "integer" (1 more in errors)'
    assert "secret" not in repr(decision)


# -- path -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "explode", "schema", "segment", "expected"),
    [
        ("simple", False, INTEGER, "7", []),
        ("simple", False, INTEGER, "x", [("/path/p", "TYPE")]),
        ("simple", False, STRING | {"const": "a/b"}, "a%2Fb", []),
        ("simple", False, STRING | {"const": "a+b"}, "a+b", []),
        ("simple", False, INTEGERS, "1,2,3", []),
        ("simple", True, INTEGERS, "1,2,x", [("/path/p/2", "TYPE")]),
        ("simple", False, POINT, "x,1,y,2", []),
        ("simple", True, POINT, "x=1,y=2", []),
        ("simple", True, POINT, "x,1", [("/path/p", "STYLE")]),
        ("label", False, INTEGER, ".7", []),
        ("label", False, INTEGER, "7", [("/path/p", "STYLE")]),
        ("label", False, INTEGERS, ".1,2", []),
        ("label", True, INTEGERS, ".1.2", []),
        ("label", True, POINT, ".x=1.y=2", []),
        ("label", False, POINT, ".x,1,y,2", []),
        ("matrix", False, INTEGER, ";p=7", []),
        ("matrix", False, INTEGER, ";q=7", [("/path/p", "STYLE")]),
        ("matrix", False, INTEGERS, ";p=1,2", []),
        ("matrix", True, INTEGERS, ";p=1;p=2", []),
        ("matrix", True, INTEGERS, "p=1", [("/path/p", "STYLE")]),
        ("matrix", True, POINT, ";x=1;y=2", []),
        ("matrix", False, POINT, ";p=x,1,y,2", []),
        ("simple", False, STRING, "%ff", [("/path/p", "ENCODING")]),
    ],
)
def test_parameters_in_the_path(
    style: str, explode: bool, schema: dict[str, Any], segment: str, expected: list[tuple[str, str]]
) -> None:
    policy = bound(parameter("path", schema, style=style, explode=explode))
    assert found(policy, exchange(parameters=(segment,))) == expected


# -- headers and cookies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "headers", "expected"),
    [
        (INTEGER, [b"7"], []),
        (INTEGER, [b" 7 "], []),
        (INTEGER, [b"7", b"8"], [("/header/Site-Id", "REPEATED")]),
        (INTEGER, [], [("/header/Site-Id", "REQUIRED")]),
        (INTEGERS, [b"1, 2", b"3"], []),
        (INTEGERS, [b"1, x"], [("/header/Site-Id/1", "TYPE")]),
        (POINT, [b"x,1,y,2"], []),
        (STRING | {"maxLength": 1}, ["ä".encode()], []),
        (STRING | {"maxLength": 1}, [b"\xe4"], []),
    ],
)
def test_parameters_in_headers(schema: dict[str, Any], headers: list[bytes], expected: list[tuple[str, str]]) -> None:
    policy = bound(parameter("header", schema, name="Site-Id", required=True))
    assert found(policy, exchange(headers=[(b"site-id", value) for value in headers])) == expected


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Authorization"])
def test_headers_that_are_no_parameters(name: str) -> None:
    assert found(bound(parameter("header", INTEGER, name=name, required=True)), exchange()) == []


@pytest.mark.parametrize(
    ("cookies", "expected"),
    [
        ([b"a=b; p=7"], []),
        ([b"p=x"], [("/cookie/p", "TYPE")]),
        ([b"p=7; p=8"], [("/cookie/p", "REPEATED")]),
        ([b"p=7", b"p=8"], [("/cookie/p", "REPEATED")]),
        ([b"P=7"], [("/cookie/p", "REQUIRED")]),
        ([], [("/cookie/p", "REQUIRED")]),
    ],
)
def test_parameters_in_cookies(cookies: list[bytes], expected: list[tuple[str, str]]) -> None:
    policy = bound(parameter("cookie", INTEGER, required=True))
    assert found(policy, exchange(headers=[(b"cookie", value) for value in cookies])) == expected


# -- modes, dialects --------------------------------------------------------------------------------------------------


def test_report_notes_and_lets_pass() -> None:
    policy = bound(parameter("query", INTEGER), contract=contract(request_validation="report"))
    made = exchange(query="p=x")
    assert policy.decide(made) is None
    assert noted(made.request_faults) == [("/query/p", "TYPE")]


def test_off_binds_nothing() -> None:
    assert bound(parameter("query", INTEGER), contract=contract(request_validation="off")) is None


def test_openapi_30_schemas_mean_the_same() -> None:
    nullable = parameter("query", {"type": "integer", "nullable": True, "minimum": 0, "exclusiveMinimum": True})
    assert by_query(nullable, query="p=null", openapi="3.0.3") == []
    assert by_query(nullable, query="p=0", openapi="3.0.3") == [("/query/p", "EXCLUSIVE_MINIMUM")]


def test_referenced_schemas_are_followed() -> None:
    of = document({"parameters": [parameter("query", {"$ref": "#/components/schemas/Ids"})]}, schemas={
        "Ids": {"type": "array", "items": {"$ref": "#/components/schemas/Id"}}, "Id": INTEGER,
    })  # fmt: skip
    policy: Any = validate_parameters(facts(of))
    assert found(policy, exchange(query="p=1&p=2")) == []
    assert found(policy, exchange(query="p=1&p=x")) == [("/query/p/1", "TYPE")]


def test_a_key_scheme_in_the_query_is_declared() -> None:
    of = document({}, securitySchemes={"q": {"type": "apiKey", "in": "query", "name": "api_key"}})
    policy: Any = validate_parameters(facts(of, version=version("2.0.0")))
    assert found(policy, exchange(query="api_key=x")) == []

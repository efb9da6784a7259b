"""What is refused before the validator sees it, each with the pointer of the culprit."""

import pytest

from registry.documents.screening import patterns, screen


def tree(**changes: object) -> dict[str, object]:
    operation = {"responses": {"200": {"description": "ok"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1.0.0"},
        "paths": {"/a": {"get": operation}},
        **changes,
    }


def schemas(**named: object) -> dict[str, object]:
    return tree(components={"schemas": named})


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_a_plain_document_passes() -> None:
    assert screen(tree()) == []


def test_recursive_schemas_are_fine() -> None:
    node = {"type": "object", "properties": {"next": ref("Node"), "many": {"type": "array", "items": ref("Node")}}}
    assert screen(schemas(Node=node, Other={"allOf": [ref("Node")], "additionalProperties": ref("Other")})) == []


@pytest.mark.parametrize(
    ("named", "pointer"),
    [
        ({"A": ref("A")}, "A"),
        ({"A": ref("B"), "B": ref("C"), "C": ref("A")}, "A"),
        ({"A": {"allOf": [ref("A")]}}, "A"),
        ({"A": {"anyOf": [{"type": "string"}, {"not": ref("A")}]}}, "A"),
        ({"A": {"type": "object", "dependentSchemas": {"x": ref("A")}}}, "A"),
        ({"A": {"if": {"$ref": "#/components/schemas/A"}, "then": True}}, "A"),
    ],
)
def test_circles_that_never_end(named: dict[str, object], pointer: str) -> None:
    ((at, detail),) = screen(schemas(**named))
    assert at == f"/components/schemas/{pointer}"
    assert detail.startswith("the references run in a circle without end: ")


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_what_unfolds_without_measure(keyword: str) -> None:
    named: dict[str, object] = {f"S{n}": {keyword: [ref(f"S{n + 1}"), ref(f"S{n + 1}")]} for n in range(40)}
    faults = screen(schemas(**named, S40={"type": "string"}))
    assert {detail for _, detail in faults} == {"this unfolds into more than 5000 schemas that judge the same value"}
    assert faults[0][0] == "/components/schemas/S29"


def test_what_is_shared_but_lies_deeper_in_the_value_does_not_unfold() -> None:
    named: dict[str, object] = {
        f"S{n}": {"properties": {"a": ref(f"S{n + 1}"), "b": ref(f"S{n + 1}")}} for n in range(40)
    }
    assert screen(schemas(**named, S40={"type": "string"})) == []


def test_a_circle_of_responses() -> None:
    components = {"responses": {"A": {"$ref": "#/components/responses/B"}, "B": {"$ref": "#/components/responses/A"}}}
    assert [at for at, _ in screen(tree(components=components))] == ["/components/responses/A"]


def test_a_chain_of_thousands_needs_no_recursion() -> None:
    named: dict[str, object] = {f"S{n}": {"allOf": [ref(f"S{n + 1}")]} for n in range(2000)}
    assert screen(schemas(**named, S2000={"type": "string"})) == []


@pytest.mark.parametrize("keyword", ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef"])
def test_keywords_that_change_what_references_mean(keyword: str) -> None:
    ((at, _),) = screen(schemas(A={"type": "object", "properties": {"b": {keyword: "x"}}}))
    assert at == f"/components/schemas/A/properties/b/{keyword}"


def test_other_dialects() -> None:
    assert [at for at, _ in screen(schemas(A={"$schema": "http://json-schema.org/draft-04/schema#"}))] == [
        "/components/schemas/A/$schema"
    ]
    assert [at for at, _ in screen(tree(jsonSchemaDialect="https://example.com/mine"))] == ["/jsonSchemaDialect"]
    assert screen(tree(jsonSchemaDialect="https://json-schema.org/draft/2020-12/schema")) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"paths": {"/a": {"get": {"operationId": "x"}, "put": {"operationId": "x"}}}},
            [("/paths/~1a/put/operationId", "the operationId 'x' is already that of GET /a")],
        ),
        (
            {"paths": {"/a/{id}": {"get": {}}}},
            [
                (
                    "/paths/~1a~1{id}/get",
                    "the path has the variable {id}, and no path parameter of that name is declared",
                )
            ],
        ),
        (
            {"paths": {"/a": {"parameters": [{"name": "id", "in": "path"}], "get": {}}}},
            [("/paths/~1a/parameters/0", "the path parameter 'id' does not occur in the path /a")],
        ),
        (
            {"paths": {"/a": {"get": {"parameters": [{"name": "q", "in": "query"}] * 2}}}},
            [("/paths/~1a/get/parameters/1", "the query parameter 'q' is declared twice")],
        ),
        (
            {"paths": {"/a/{x}": {}, "/a/{y}": {}}},
            [("/paths/~1a~1{y}", "this path cannot be told from '/a/{x}'")],
        ),
        (
            {"paths": {"/a": {"get": {"security": [{"nope": []}]}}}},
            [("/paths/~1a/get/security/0/nope", "components/securitySchemes defines no scheme 'nope'")],
        ),
        ({"security": [{"gone": []}]}, [("/security/0/gone", "components/securitySchemes defines no scheme 'gone'")]),
        ({"tags": [{"name": "a"}, {"name": "a"}]}, [("/tags/1/name", "the tag 'a' is declared twice")]),
    ],
)
def test_names_that_do_not_fit(changes: dict[str, object], expected: list[tuple[str, str]]) -> None:
    assert screen(tree(**changes)) == expected


def test_shared_path_parameters_count() -> None:
    components = {"parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}}}
    paths = {"/a/{id}": {"parameters": [{"$ref": "#/components/parameters/Id"}], "get": {}}}
    assert screen(tree(paths=paths, components=components)) == []


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"info": {"title": "{{ cycler.__init__.__globals__.os.system('id') }}", "version": "1.0.0"}}, "/info/title"),
        ({"info": {"title": "{% for x in y %}", "version": "1.0.0"}}, "/info/title"),
        ({"paths": {"/{{ site }}/a": {}}}, "/paths/~1{{ site }}~1a"),
    ],
)
def test_templates_are_not_rendered_but_refused(changes: dict[str, object], at: str) -> None:
    assert at in [pointer for pointer, _ in screen(tree(**changes))]


def test_braces_in_prose_and_data_are_text() -> None:
    info = {"title": "T", "version": "1.0.0", "description": "Write {{ name }} in your template."}
    schema = {
        "type": "string",
        "pattern": "^\\{\\{.*\\}\\}$",
        "example": "{{ x }}",
        "enum": ["{% a %}"],
        "x-note": "{{ }}",
    }
    assert screen(tree(info=info, components={"schemas": {"A": schema}})) == []


def test_patterns_are_found_wherever_a_validator_would_run_them() -> None:
    named = {
        "A": {"pattern": "a", "example": {"pattern": "not one"}},
        "B": {"patternProperties": {"b/": {"items": {"pattern": "c"}}}, "properties": {"pattern": {"type": "string"}}},
    }
    assert sorted(patterns(schemas(**named))) == [
        ("/components/schemas/A/pattern", "a"),
        ("/components/schemas/B/patternProperties/b~1", "b/"),
        ("/components/schemas/B/patternProperties/b~1/items/pattern", "c"),
    ]

"""Several files become one document, and faults still name the file and line that the publisher knows."""

import pytest

from registry.documents import InvalidDocument, parse

HEAD = """\
openapi: 3.1.0
info: {title: Stock, version: 1.0.0}
paths:
  /stock:
    get:
      responses:
        200:
          description: ok
          content:
            application/json:
              schema: {$ref: %s}
"""


def document(reference: str, tail: str = "") -> bytes:
    return (HEAD % f"'{reference}'" + tail).encode()


def refused(data: bytes, files: dict[str, bytes] | None = None) -> list[tuple[str, int | None, str]]:
    with pytest.raises(InvalidDocument) as caught:
        parse(data, files=files or {}, name="openapi.yaml")
    return [tuple(fault) for fault in caught.value.faults]  # type: ignore[misc]


AT = "/paths/~1stock/get/responses/200/content/application~1json/schema"


def test_a_file_of_the_bundle_is_hoisted_with_all_it_needs() -> None:
    common = b"Sku: {type: string, maxLength: 20}\nLine: {type: object, properties: {sku: {$ref: '#/Sku'}}}\n"
    tree = parse(document("common/lines.yaml#/Line"), files={"common/lines.yaml": common}).document.tree
    assert tree["components"]["schemas"] == {
        "Line": {"type": "object", "properties": {"sku": {"$ref": "#/components/schemas/Sku"}}},
        "Sku": {"type": "string", "maxLength": 20},
    }
    schema = tree["paths"]["/stock"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Line"}


def test_names_do_not_collide_and_recursion_through_files_ends() -> None:
    main = document("a.yaml#/Node", "components: {schemas: {Node: {type: string}}}\n")
    files = {
        "a.yaml": b"Node: {type: object, properties: {b: {$ref: b.yaml}, "
        b"own: {$ref: 'openapi.yaml#/components/schemas/Node'}}}",
        "b.yaml": b"type: object\nproperties: {back: {$ref: 'a.yaml#/Node'}}\n",
    }
    tree = parse(main, files=files, name="openapi.yaml").document.tree
    assert tree["components"]["schemas"] == {
        "Node": {"type": "string"},
        "Node_2": {
            "type": "object",
            "properties": {"b": {"$ref": "#/components/schemas/b"}, "own": {"$ref": "#/components/schemas/Node"}},
        },
        "b": {"type": "object", "properties": {"back": {"$ref": "#/components/schemas/Node_2"}}},
    }


def test_path_items_are_put_in_place_and_parameters_go_to_their_section() -> None:
    main = b"openapi: 3.0.3\ninfo: {title: S, version: 1.0.0}\npaths:\n  /stock/{sku}: {$ref: ./paths/stock.yaml}\n"
    files = {
        "paths/stock.yaml": b"parameters: [{$ref: '../parts.yaml#/Sku'}]\n"
        b"get: {responses: {200: {$ref: '../parts.yaml#/Ok'}}}\n",
        "parts.yaml": b"Sku: {name: sku, in: path, required: true, schema: {type: string}}\nOk: {description: fine}\n",
    }
    tree = parse(main, files=files).document.tree
    assert tree["paths"]["/stock/{sku}"] == {
        "parameters": [{"$ref": "#/components/parameters/Sku"}],
        "get": {"responses": {"200": {"$ref": "#/components/responses/Ok"}}},
    }
    assert tree["components"] == {
        "parameters": {"Sku": {"name": "sku", "in": "path", "required": True, "schema": {"type": "string"}}},
        "responses": {"Ok": {"description": "fine"}},
    }


def test_discriminator_mappings_are_rewritten() -> None:
    files = {
        "pets.yaml": b"Cat: {type: object}\nPet: {oneOf: [{$ref: '#/Cat'}], "
        b"discriminator: {propertyName: k, mapping: {cat: '#/Cat'}}}\n"
    }
    tree = parse(document("pets.yaml#/Pet"), files=files).document.tree
    assert tree["components"]["schemas"]["Pet"]["discriminator"]["mapping"] == {"cat": "#/components/schemas/Cat"}


def test_data_that_looks_like_a_reference_is_left_alone() -> None:
    tail = "components: {schemas: {A: {type: object, example: {$ref: 'http://example.com/x'}}}}\n"
    schema = parse(document("#/components/schemas/A", tail)).document.tree["components"]["schemas"]["A"]
    assert schema["example"] == {"$ref": "http://example.com/x"}


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:9/x.yaml",
        "HTTPS://example.com/a#/b",
        "file:///etc/passwd",
        "//host/x",
        "/etc/passwd",
        "data:,x",
    ],
)
def test_nothing_is_fetched(reference: str) -> None:
    assert refused(document(reference)) == [
        (
            f"{AT}/$ref",
            11,
            f"the reference {reference!r} leaves the document; nothing is fetched: "
            "refer to #/... or to a file supplied with the document",
        )
    ]


@pytest.mark.parametrize(
    "reference", ["common.yaml#/A", "../openapi.yaml#/A", "..%2f..%2fetc/passwd", "a/../../x.yaml"]
)
def test_only_supplied_files_are_read(reference: str) -> None:
    ((pointer, line, detail),) = refused(document(reference))
    assert (pointer, line) == (f"{AT}/$ref", 11)
    assert "which was not supplied with the document" in detail


def test_faults_in_another_file_name_that_file() -> None:
    files = {"common.yaml": b"A:\n  type: object\n  properties:\n    b: {$ref: '#/Gone'}\n"}
    assert refused(document("common.yaml#/A"), files) == [
        ("common.yaml#/A/properties/b/$ref", 4, "nothing stands at common.yaml#/Gone")
    ]
    files = {"common.yaml": b"A:\n  type: string\n  pattern: '(?=x)'\n"}
    ((pointer, line, detail),) = refused(document("common.yaml#/A"), files)
    assert (pointer, line) == ("common.yaml#/A/pattern", 3)
    assert detail.startswith("this regular expression is not accepted")
    files = {"common.yaml": b"A: {b: 1, b: 2}\n"}
    ((pointer, line, _),) = refused(document("common.yaml#/A"), files)
    assert (pointer, line) == ("common.yaml#/A/b", 1)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("#anchor", "the reference '#anchor' names an anchor; only #/... is understood"),
        ("#", "the reference '#' means the whole document"),
        ("openapi.yaml", "the reference 'openapi.yaml' means the whole document"),
        ("#/components/schemas/Gone", "the reference '#/components/schemas/Gone' leads to no schema"),
        ("#/info/title", "the reference '#/info/title' leads to no schema"),
    ],
)
def test_references_that_mean_nothing(reference: str, reason: str) -> None:
    assert refused(document(reference)) == [(f"{AT}/$ref", 11, reason)]


def test_a_path_item_that_refers_to_itself_through_files() -> None:
    main = b"openapi: 3.0.3\ninfo: {title: S, version: 1.0.0}\npaths: {/a: {$ref: p.yaml}}\n"
    assert refused(main, {"p.yaml": b"$ref: p.yaml\n"}) == [("p.yaml#/$ref", 1, "this path item refers to itself")]

"""Bytes to tree: what is read, how, and what is refused before it is a tree."""

import time

import pytest

from registry.documents.reading import InvalidDocument, Limits, read


def tree(text: str | bytes) -> object:
    return read(text.encode() if isinstance(text, str) else text, Limits()).tree


def refusal(data: str | bytes, limits: Limits | None = None) -> tuple[str, int | None, str]:
    started = time.perf_counter()
    with pytest.raises(InvalidDocument) as caught:
        read(data.encode() if isinstance(data, str) else data, limits or Limits())
    assert time.perf_counter() - started < 2, "refused, but far too slowly"
    assert len(caught.value.faults) == 1
    return tuple(caught.value.faults[0])  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("012", "012"),
        ("0o14", "0o14"),
        ("0x1f", "0x1f"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("1.1.0", "1.1.0"),
        ("'1'", "1"),
        ("12", 12),
        ("-0", 0),
        ("+7", 7),
        ("1.50", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("'{{ not rendered }}'", "{{ not rendered }}"),
    ],
)
def test_scalars_are_those_of_json(scalar: str, value: object) -> None:
    read_value = tree(f"a: {scalar}\n")
    assert read_value == {"a": value}
    assert type(read_value["a"]) is type(value)  # type: ignore[index]


def test_keys_are_text_as_written() -> None:
    assert tree("200: a\ntrue: b\n~: c\n1.0: d\non: e\n") == {"200": "a", "true": "b", "~": "c", "1.0": "d", "on": "e"}


def test_aliases_and_merges_are_expanded() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 9, z: 3}\none: {<<: *b, y: 5}\nmany: {<<: [*b, *m]}\nsame: *b\n"
    assert tree(text) == {
        "base": {"x": 1, "y": 2},
        "more": {"y": 9, "z": 3},
        "one": {"x": 1, "y": 5},
        "many": {"x": 1, "y": 2, "z": 3},
        "same": {"x": 1, "y": 2},
    }


def test_json_is_read_as_json() -> None:
    assert tree('\ufeff{"a": "\\ud83d\\ude00", "b": [1, 2.5, null, true], "c": "\\/"}') == {
        "a": "\U0001f600",
        "b": [1, 2.5, None, True],
        "c": "/",
    }


def test_lines_of_yaml_and_of_json() -> None:
    yaml = read(b"a:\n  - x\n  - b/c:\n      d: 1\n", Limits())
    assert [yaml.line(p) for p in ("", "/a", "/a/1", "/a/1/b~1c", "/a/1/b~1c/d", "/a/9", "/nope")] == [
        1,
        1,
        3,
        3,
        4,
        1,
        1,
    ]
    json = read(b'{\n "a": [\n  1,\n  {"b": 2}\n ]\n}', Limits())
    assert [json.line(p) for p in ("/a", "/a/0", "/a/1/b")] == [2, 3, 4]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("a:\n  b: 1\n  'b': 2\n", ("/a/b", 3, "the key 'b' stands here twice (first on line 2)")),
        ("200: a\n'200': b\n", ("/200", 2, "the key '200' stands here twice (first on line 1)")),
        ('{"a": {"b": 1,\n"b": 2}}', ("/a/b", 2, "the key 'b' stands here twice (first on line 1)")),
        ("a: [1, .nan]", ("/a/1", 1, ".nan is no JSON number; quote it if it is text")),
        ("a: -.inf", ("/a", 1, "-.inf is no JSON number; quote it if it is text")),
        ('{"a": NaN}', ("/a", 1, "NaN is no JSON number; quote it if it is text")),
        ('{"a": -Infinity}', ("/a", 1, "-Infinity is no JSON number; quote it if it is text")),
        ("a: 1e999", ("/a", 1, "the number 1e999 does not fit 64 bits; quote it if it is text")),
        (f"a: {2**64}", ("/a", 1, f"the number {2**64} does not fit 64 bits; quote it if it is text")),
        ("a: " + "9" * 5000, ("/a", 1, "the number " + "9" * 40 + " does not fit 64 bits; quote it if it is text")),
        (
            "a: !!python/object/apply:os.system [id]",
            ("/a", 1, "the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not accepted"),
        ),
        ("a: !!timestamp 2026-01-01", ("/a", 1, "the tag 'tag:yaml.org,2002:timestamp' is not accepted")),
        ("a: {{ x }}", ("/a", 1, "a key must be a plain value (an unquoted {{ }} reads as one that is not)")),
        ("? [a, b]\n: 1", ("", 1, "a key must be a plain value (an unquoted {{ }} reads as one that is not)")),
        ("a: &x [*x]", ("/a/0", 1, "the alias *x stands inside its own anchor")),
        ("a: *x", ("/a", 1, "the alias *x has no anchor before it")),
        ("a: &x [1]\n*x : 2", ("", 2, "the alias *x is used as a key but is not a string")),
        ("a: {<<: 3}", ("/a", 1, "<< merges mappings only")),
        ("a: 1\n---\nb: 2\n", ("", 2, "more than one YAML document; one file holds one OpenAPI document")),
        ("", ("", None, "the document is empty")),
        (b"a: 1\nb: \xff", ("", 2, "not UTF-8: byte 8 starts no character")),
        ('{"a": "\\ud800"}', ("", None, "a \\u escape is half of a surrogate pair")),
    ],
)
def test_refused_with_place_and_reason(data: str | bytes, fault: tuple[str, int | None, str]) -> None:
    assert refusal(data) == fault


@pytest.mark.parametrize("data", ["a: [1", "a: 'x", "\tb: 1", "a: \x00", '{"a": "\\x"}', "a: b: c", "{% if x %}\na: 1"])
def test_what_is_no_yaml_is_refused(data: str) -> None:
    assert refusal(data)[2].startswith("not YAML: ")


def test_too_large() -> None:
    assert refusal(b"a" * 101, Limits(size=100)) == ("", None, "101 bytes; at most 100 are accepted")


@pytest.mark.parametrize("data", ["[" * 100_000, '{"a":' * 100_000, "- " * 100_000, "{a: " * 50_000])
def test_too_deep(data: str) -> None:
    assert refusal(data)[2] == "nested more than 100 levels deep"


def test_depth_counts_exactly() -> None:
    limits = Limits(depth=3)
    assert read(b"[[[1]]]", limits).tree == [[[1]]]
    assert refusal("[[[[1]]]]", limits)[2] == "nested more than 3 levels deep"
    assert read(b'{"a":{"b":{"c":1}}}', limits).tree == {"a": {"b": {"c": 1}}}
    assert refusal('{"a":{"b":{"c":{}}}}', limits)[2] == "nested more than 3 levels deep"


def test_an_alias_bomb_is_counted_before_it_is_expanded() -> None:
    lines = ["a0: &a0 [" + ", ".join("x" * 9) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 10)]
    pointer, line, detail = refusal("\n".join(lines))
    assert (pointer, line, detail) == ("/a5/1", 6, "more than 150000 values, with aliases expanded")


def test_many_aliases() -> None:
    assert refusal("a: &a x\nb: [" + "*a, " * 1001 + "]")[2] == "more than 1000 aliases"


@pytest.mark.parametrize(
    "data", [b"[" + b"a," * 1_000_000 + b"]", b"- a\n" * 1_000_000, b"{" + b'"a":1,' * 700_000 + b"}"]
)
def test_too_many_values(data: bytes) -> None:
    assert refusal(data)[2] in ("far more than 150000 values", "more than 150000 values, with aliases expanded")


def test_tag_directives_cost_libyaml_the_square_of_their_number() -> None:
    assert refusal("".join(f"%TAG !a{n}! tag:x\n" for n in range(50_000)))[2] == "%TAG directives are not accepted"


@pytest.mark.parametrize(
    "data", ["é: é\na: \x00", "é: é\na: \x01", 'b: 1\na: "x\\0y"', 'b: 1\n"a\\u0000": 1', '{"b": 1,\n"a": "x\\u0000y"}']
)
def test_control_characters_are_refused_where_they_stand(data: str) -> None:
    assert refusal(data)[1] == 2


def test_details_stay_short_however_long_the_name_is() -> None:
    for data in ("!" + "x" * 1_000_000, "a: *" + "x" * 1_000_000):
        assert len(refusal(data)[2]) < 500
    twice = refusal(f"? {'k' * 1000}\n: 1\n? {'k' * 1000}\n: 2\n")
    assert len(twice[2]) < 500

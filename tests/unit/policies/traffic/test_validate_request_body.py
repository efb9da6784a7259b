"""Request bodies: media types before they are read, JSON once they are whole."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.traffic import Problem
from policies.traffic.validate_json_bounds import JsonBounds
from policies.traffic.validate_request_body import (
    ValidateRequestBody,
    _names_are_single,
    validate_request_body,
)
from tests.unit.policies.traffic.facts import codes, contract, document, exchange, facts, noted, slug, version

ORDER = {
    "type": "object",
    "required": ["lines"],
    "properties": {
        "lines": {
            "type": "array",
            "maxItems": 100,
            "items": {"type": "object", "required": ["quantity"], "properties": {"quantity": {"type": "integer"}}},
        },
        "note": {"type": "string", "readOnly": True},
    },
    "additionalProperties": False,
}
JSON = {"application/json": {"schema": ORDER}}


def bound(
    content: dict[str, Any] | None = None,
    *,
    required: bool = True,
    mode: str = "block",
    number: str = "1.0.0",
    bounds: JsonBounds | None = None,
) -> ValidateRequestBody:
    operation = {"requestBody": {"required": required, "content": JSON if content is None else content}}
    of = facts(document(operation, method="post"), contract=contract(request_validation=mode), version=version(number))
    policy = validate_request_body(replace(of, bounds=bounds))
    assert isinstance(policy, ValidateRequestBody)
    return policy


def sent(
    policy: ValidateRequestBody, body: bytes, content_type: bytes | None = b"application/json", **more: bytes
) -> Any:
    headers = [(b"content-length", str(len(body)).encode())]
    if content_type is not None:
        headers.append((b"content-type", content_type))
    headers.extend((name.encode(), value) for name, value in more.items())
    made = exchange("POST", headers=headers, body=body)
    return policy.decide(made) or policy.check(made)


GOOD = orjson.dumps({"lines": [{"quantity": 3}]})


@pytest.mark.parametrize(
    "content_type",
    [b"application/json", b"Application/JSON", b"application/json; charset=utf-8", b'application/json;charset="UTF-8"'],
)
def test_a_good_body_passes(content_type: bytes) -> None:
    assert sent(bound(), GOOD, content_type) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", [("/body", "REQUIRED")]),
        (b'{"lines": [{"quantity": "3"}, {}]}', [("/body/lines/0/quantity", "TYPE"), ("/body/lines/1", "REQUIRED")]),
        (b'{"lines": [], "secret": 1}', [("/body", "ADDITIONAL_PROPERTIES")]),
        (b"[]", [("/body", "TYPE")]),
        (b'{"lines": [}', [("/body", "JSON")]),
        (b"\xef\xbb\xbf{}", [("/body", "JSON")]),
        (b'{"lines": NaN}', [("/body", "JSON")]),
        (b'"\xff"', [("/body", "JSON")]),
        (b'{"lines": [{"quantity": 0, "quantity": 1}]}', [("/body", "DUPLICATE_MEMBER")]),
        (b'{"lines": [], "l\\u0069nes": []}', [("/body", "DUPLICATE_MEMBER")]),
        (b"[" * 100_000, [("/body", "DEPTH")]),
        (b"", [("/body", "REQUIRED")]),
    ],
)
def test_a_body_that_breaks_the_contract_is_told_where(body: bytes, expected: list[tuple[str, str]]) -> None:
    refusal = sent(bound(), body)
    assert (refusal.status, refusal.slug) == (400, "validation-failed")
    assert codes(refusal) == expected


NAMES = st.sampled_from(["a", "b", ":", "a:", '":', "\\u003a", "é"])
TEXTS = NAMES | st.sampled_from(["12:30", '"a":1', "{", "x"])
WRITTEN = st.sampled_from([json.dumps, lambda text: orjson.dumps(text).decode(), lambda text: _escaped(text)])


def _escaped(text: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


def _object(members: list[tuple[str, Any, str]]) -> str:
    return "{" + ",".join(f"{write(name)} : {value}" for name, write, value in members) + "}"


TREES = st.recursive(
    st.builds(lambda text, write: write(text), TEXTS, WRITTEN) | st.sampled_from(["1", "true", "null", "[]", "1e999"]),
    lambda inner: (
        st.lists(st.tuples(NAMES, WRITTEN, inner), max_size=4).map(_object)
        | st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(TREES)
@example('{"a": {"b": 1}, "a": ":"}')
@example('{"a": "\\u003a", "a": 1}')
@example('{"a": 1, "a": "\\u003A:"}')
def test_names_that_look_single_are(text: str) -> None:
    doubled = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        doubled |= len(dict(pairs)) != len(pairs)
        return dict(pairs)

    json.loads(text, object_pairs_hook=members)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    single = _names_are_single(text.encode(), value)
    assert not (single and doubled)
    if "u003" not in text:
        assert single is not doubled


def test_a_body_that_is_nested_deeply_is_judged_to_its_end() -> None:
    depth = 300  # more than orjson writes, and more than the validator explains
    wide = bound(bounds=JsonBounds(depth=1000))
    assert codes(sent(wide, b'{"a":' * depth + b"1" + b"}" * depth)) == [("/body", "DEPTH")]
    doubled = b'{"a":' * depth + b'{"b": 1, "b": 2}' + b"}" * depth
    assert codes(sent(wide, doubled)) == [("/body", "DUPLICATE_MEMBER")]


def test_bounds_are_looked_at_before_anything_is_parsed() -> None:
    tight = bound(bounds=JsonBounds(depth=2, number=16))
    assert sent(tight, b'{"lines": []}') is None
    assert codes(sent(tight, b'{"lines": [[')) == [("/body", "DEPTH")]
    assert codes(sent(tight, b'{"lines": 12345678901234567')) == [("/body", "NUMBER_LENGTH")]
    assert codes(sent(tight, gzip.compress(b'{"lines": [[]]}'), **{"content-encoding": b"gzip"})) == [
        ("/body", "DEPTH")
    ]


def test_the_same_name_in_other_objects_is_no_duplicate() -> None:
    assert sent(bound(), b'{"lines": [{"quantity": 1}, {"quantity": 2}]}') is None


def test_values_are_never_repeated() -> None:
    refusal = sent(bound(), b'{"lines": [{"quantity": "hunter2"}]}')
    assert "hunter2" not in repr(refusal)


def test_faults_are_bounded() -> None:
    refusal = sent(bound(), orjson.dumps({"lines": [{}] * 90}))
    assert len(refusal.errors) == 20


@pytest.mark.parametrize(
    "content_type", [None, b"text/plain", b"application/xml", b"", b"json", b"application/json; charset=utf-16"]
)
def test_a_media_type_that_is_not_declared(content_type: bytes | None) -> None:
    refusal = sent(bound(), GOOD, content_type)
    assert isinstance(refusal, Problem)
    assert (refusal.status, refusal.slug) == (415, "unsupported-media-type")
    assert refusal.headers == (("Accept", "application/json"),)


def test_a_media_type_said_twice_is_ambiguous() -> None:
    made = exchange("POST", headers=[(b"content-length", b"2"), *[(b"content-type", b"application/json")] * 2])
    assert slug(bound().decide(made)) == "bad-request"


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b"identity, gzip", b"", b"gzip;q=1"])
def test_a_body_in_another_coding_cannot_be_judged(coding: bytes) -> None:
    refusal = sent(bound(), GOOD, **{"content-encoding": coding})
    assert isinstance(refusal, Problem)
    assert (refusal.status, refusal.headers) == (415, (("Accept-Encoding", "gzip, deflate"),))


def test_codings_in_two_fields_are_a_list() -> None:
    head = [(b"content-length", b"2"), (b"content-type", b"application/json")]
    made = exchange("POST", headers=[*head, (b"content-encoding", b"identity"), (b"content-encoding", b"gzip")])
    assert slug(bound().decide(made)) == "unsupported-media-type"


PACKINGS = [(b"gzip", gzip.compress), (b"X-GZIP", gzip.compress), (b"deflate", zlib.compress)]


@pytest.mark.parametrize(("coding", "pack"), PACKINGS)
def test_a_packed_body_is_judged_unpacked(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    assert sent(bound(), pack(GOOD), **{"content-encoding": coding}) is None
    bad = sent(bound(), pack(b'{"lines": [{}]}'), **{"content-encoding": coding})
    assert codes(bad) == [("/body/lines/0", "REQUIRED")]
    plain = sent(bound(), GOOD, **{"content-encoding": b"identity"})
    assert plain is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (GOOD, "not packed"),
        (gzip.compress(GOOD)[:-1], "cut off"),
        (gzip.compress(GOOD)[:-4] + b"abcd", "checksum"),
        (gzip.compress(GOOD) + gzip.compress(b'{"lines": 1}'), "a second member that nobody would have judged"),
        (gzip.compress(GOOD) + b"x", "something behind it"),
        (zlib.compress(GOOD), "another coding"),
    ],
)
def test_what_is_not_packed_as_it_says_is_refused(body: bytes, why: str) -> None:
    assert codes(sent(bound(), body, **{"content-encoding": b"gzip"})) == [("/body", "CONTENT_ENCODING")], why


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    assert len(bomb) < 100_000
    refusal = sent(bound(), bomb, **{"content-encoding": b"gzip"})
    assert (refusal.status, refusal.slug) == (413, "payload-too-large")
    over = gzip.compress(b'{"lines": []}' + b" " * 1_048_576)
    assert sent(bound(), over, **{"content-encoding": b"gzip"}).status == 413
    steep = gzip.compress(b'{"lines": []}' + b" " * 500_000)  # within the contract's cap, and packed a thousandfold
    assert sent(bound(), steep, **{"content-encoding": b"gzip"}).status == 413


def test_what_cannot_be_unpacked_is_noted_in_report_mode() -> None:
    policy = bound(mode="report")
    head = [(b"content-length", b"2"), (b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
    made = exchange("POST", headers=head, body=gzip.compress(b" " * 10_000_000))
    assert (policy.decide(made), policy.check(made)) == (None, None)
    assert noted(made.request_faults) == [("/body", "CONTENT_ENCODING")]


def test_the_most_specific_media_type_judges() -> None:
    policy = bound(
        {
            "application/vnd.order+json": {"schema": {"type": "object"}},
            "application/*": {"schema": {"type": "array"}},
            "*/*": {},
        }
    )
    assert sent(policy, b"{}", b"application/vnd.order+json") is None
    assert codes(sent(policy, b"[]", b"application/vnd.order+json")) == [("/body", "TYPE")]
    assert sent(policy, b"[]", b"application/json") is None
    assert codes(sent(policy, b"{}", b"application/json")) == [("/body", "TYPE")]
    assert sent(policy, b"<a/>", b"application/xml") is None
    assert sent(policy, b"anything", b"text/plain") is None


def test_other_media_types_pass_unjudged() -> None:
    policy = bound({"text/csv": {"schema": {"type": "integer"}}})
    assert sent(policy, b"a,b", b"text/csv") is None
    assert policy.needs_body
    assert not bound({"text/csv": {}}, required=False).needs_body
    assert bound(required=False).needs_body


def test_an_optional_body_may_be_left_out() -> None:
    assert sent(bound(required=False), b"", None) is None


def test_a_chunked_body_has_a_type_too() -> None:
    made = exchange("POST", headers=[(b"transfer-encoding", b"chunked"), (b"content-type", b"text/plain")])
    assert slug(bound().decide(made)) == "unsupported-media-type"


def test_a_body_nobody_declared() -> None:
    def judged(number: str) -> Any:
        policy = validate_request_body(facts(document({}, method="post"), version=version(number)))
        assert isinstance(policy, ValidateRequestBody)
        assert not policy.needs_body
        assert policy.decide(exchange("POST", headers=[(b"content-length", b"0")])) is None
        return policy.decide(exchange("POST", headers=[(b"content-length", b"2"), (b"content-type", b"a/b")]))

    assert judged("1.9.0") is None
    assert codes(judged("2.0.0")) == [("/body", "UNDECLARED")]


def test_report_notes_and_lets_pass() -> None:
    policy = bound(mode="report")
    for body, content_type, expected in [
        (b"{}", b"application/json", ("/body", "REQUIRED")),
        (b"{", b"application/json", ("/body", "JSON")),
        (b"", None, ("/body", "REQUIRED")),
        (b"x", b"text/plain", ("/header/Content-Type", "CONTENT_TYPE")),
    ]:
        headers = [(b"content-length", str(len(body)).encode())]
        made = exchange(
            "POST", headers=headers + ([(b"content-type", content_type)] if content_type else []), body=body
        )
        assert policy.decide(made) is None
        assert policy.check(made) is None
        assert noted(made.request_faults) == [expected]


def test_off_binds_nothing() -> None:
    off = facts(document({}, method="post"), contract=contract(request_validation="off"))
    assert validate_request_body(off) is None

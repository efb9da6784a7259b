"""What backends answer: noted in report mode, withheld in block mode."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from policies.traffic import Problem
from policies.traffic.validate_response import ResponseJudge, validate_response
from tests.unit.policies.traffic.facts import contract, document, exchange, facts, noted

ITEM = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "integer"}, "secret": {"type": "string", "writeOnly": True}},
}
RESPONSES = {
    "200": {
        "description": "ok",
        "content": {"application/json": {"schema": ITEM}, "text/csv": {}},
        "headers": {
            "Data-As-Of": {"required": True, "schema": {"type": "string", "format": "date-time"}},
            "X-Total": {"schema": {"type": "integer"}},
            "RateLimit": {"required": True, "schema": {"type": "string"}},
        },
    },
    "201": {"description": "made", "content": {"application/json": {}}},
    "204": {"description": "nothing"},
    "4XX": {"description": "refused", "content": {"application/problem+json": {"schema": {"type": "object"}}}},
}
AS_OF = (b"data-as-of", b"2026-03-30T14:02:00Z")
JSON = (b"content-type", b"application/json")


def judge(mode: str = "report", responses: dict[str, Any] | None = None) -> ResponseJudge:
    of = document({"responses": responses or RESPONSES})
    bound = validate_response(facts(of, contract=contract(response_validation=mode)))
    assert bound is not None
    return bound


def faults(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, method: str = "GET", **more: Any
) -> list[tuple[str, str]]:
    made = exchange(method)
    bound = judge(**more)
    if bound.wants_body(made, status, headers):
        assert bound.judge(made, status, headers, body) is None
    return noted(made.faults)


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (200, [JSON, AS_OF], b'{"id": 1}', []),
        (200, [(b"content-type", b"application/json; charset=utf-8"), AS_OF], b'{"id": 1}', []),
        (200, [JSON, AS_OF], b'{"id": "1"}', [("/body/id", "TYPE")]),
        (200, [JSON, AS_OF], b"{", [("/body", "JSON")]),
        (200, [JSON], b'{"id": 1}', [("/header/Data-As-Of", "REQUIRED")]),
        (200, [JSON, (b"data-as-of", b"yesterday")], b"{}", [("/header/Data-As-Of", "FORMAT"), ("/body", "REQUIRED")]),
        (200, [JSON, AS_OF, (b"x-total", b"many")], b'{"id": 1}', [("/header/X-Total", "TYPE")]),
        (200, [(b"content-type", b"text/csv"), AS_OF], b"a;b", []),
        (200, [(b"content-type", b"text/html"), AS_OF], b"<p>", [("/header/Content-Type", "UNDECLARED")]),
        (200, [AS_OF], b"{}", [("/header/Content-Type", "REQUIRED")]),
        (201, [JSON], b"anything", []),
        (204, [], b"", []),
        (304, [], b"", []),
        (404, [(b"content-type", b"application/problem+json")], b"{}", []),
        (404, [(b"content-type", b"application/problem+json")], b"[]", [("/body", "TYPE")]),
        (500, [JSON], b"{}", [("/status", "UNDECLARED")]),
        (202, [], b"", [("/status", "UNDECLARED")]),
    ],
)
def test_faults_are_noted(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, expected: list[tuple[str, str]]
) -> None:
    assert faults(status, headers, body) == expected


def test_an_exact_status_wins_over_its_range_and_that_over_default() -> None:
    def one(type_: str) -> dict[str, Any]:
        return {"description": "", "content": {"application/json": {"schema": {"type": type_}}}}

    responses = {"default": one("null"), "2XX": one("array"), "200": one("object")}
    for status, body in ((200, b"{}"), (201, b"[]"), (500, b"null")):
        assert faults(status, [JSON], body, responses=responses) == []
        assert faults(status, [JSON], b'"x"', responses=responses) == [("/body", "TYPE")]


def test_a_body_is_only_wanted_where_it_can_be_judged() -> None:
    report, block = judge(), judge("block")
    assert report.wants_body(exchange(), 200, [JSON, AS_OF])
    assert not report.wants_body(exchange("HEAD"), 200, [JSON, AS_OF])
    assert not report.wants_body(exchange(), 200, [(b"content-type", b"text/csv"), AS_OF])
    assert not report.wants_body(exchange(), 500, [JSON])
    assert block.wants_body(exchange(), 500, [JSON])
    assert not block.wants_body(exchange(), 304, [])


def test_a_head_reply_has_no_body_to_judge() -> None:
    assert faults(200, [JSON, AS_OF], b"", method="HEAD") == []


def test_block_withholds_without_leaking() -> None:
    bound = judge("block")
    made = exchange()
    problem = bound.judge(made, 200, [JSON, AS_OF], b'{"id": "hunter2"}')
    assert isinstance(problem, Problem)
    assert (problem.status, problem.slug, problem.errors) == (502, "response-invalid", ())
    assert noted(made.faults) == [("/body/id", "TYPE")]
    assert "hunter2" not in repr((problem, made.faults))
    assert bound.judge(exchange(), 200, [JSON, AS_OF], b'{"id": 1}') is None


@pytest.mark.parametrize(("coding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_a_coded_body_is_decoded_to_be_judged(coding: bytes, pack: Any) -> None:
    headers = [JSON, AS_OF, (b"content-encoding", coding)]
    assert faults(200, headers, pack(b'{"id": 1}')) == []
    assert faults(200, headers, pack(b'{"id": "1"}')) == [("/body/id", "TYPE")]
    assert faults(200, headers, b"garbage") == [("/body", "NOT_EVALUATED")]
    assert faults(200, headers, pack(b'"' + b"x" * 5_000_000 + b'"')) == [("/body", "NOT_EVALUATED")]


def test_an_unknown_coding_is_not_evaluated() -> None:
    assert faults(200, [JSON, AS_OF, (b"content-encoding", b"br")], b"x") == [("/body", "NOT_EVALUATED")]


def test_off_binds_nothing() -> None:
    assert validate_response(facts(document({}), contract=contract(response_validation="off"))) is None


def test_what_was_found_valid_is_not_judged_again_and_nothing_else_is_let_pass() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    bound = judge(responses={"200": {"description": "found", "content": {"application/json": {"schema": schema}}}})

    def judged(body: bytes) -> list[tuple[str, str]]:
        made = exchange("GET")
        assert bound.wants_body(made, 200, [JSON])
        assert bound.judge(made, 200, [JSON], body) is None
        return noted(made.faults)

    for _ in range(3):
        assert judged(b'{"n": 1}') == []
        assert judged(b'{"n": "1"}') == [("/body/n", "TYPE")]

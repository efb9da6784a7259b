"""What is a key, and where one is taken."""

from __future__ import annotations

import pytest

from policies.traffic import Exchange
from policies.traffic.validate_idempotency_key import validate_idempotency_key
from tests.unit.policies.traffic.facts import contract, document, exchange, facts, slug

DECLARED = {"parameters": [{"name": "idempotency-key", "in": "header", "schema": {"type": "string"}}]}


def read(*values: bytes) -> tuple[object, Exchange]:
    bound = validate_idempotency_key(facts(document(DECLARED, method="post")))
    assert bound is not None
    made = exchange("POST", headers=[(b"idempotency-key", value) for value in values])
    return bound.decide(made), made


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (b"5f0c1c8e-6a41-4d0e-9a3b-1f0a7c2d4e11", "5f0c1c8e-6a41-4d0e-9a3b-1f0a7c2d4e11"),
        (b'"5f0c1c8e"', "5f0c1c8e"),
        (b'"with blank, \\"quote\\" and \\\\"', 'with blank, "quote" and \\'),
        (b"!~", "!~"),
        (b"k" * 255, "k" * 255),
    ],
)
def test_keys(sent: bytes, key: str) -> None:
    problem, made = read(sent)
    assert (problem, made.idempotency_key) == (None, key)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'""',
        b'"',
        b'"open',
        b'open"',
        b'a"b',
        b'"a"b"',
        b'"\\x"',
        b"two words",
        b"a,b",
        b"\xe9",
        b"a\tb",
        b"k" * 256,
    ],
)
def test_what_is_no_key(sent: bytes) -> None:
    problem, made = read(sent)
    assert (slug(problem), made.idempotency_key) == ("idempotency-key-malformed", "")


def test_two_keys_are_none() -> None:
    problem, made = read(b"a", b"a")
    assert (slug(problem), made.idempotency_key) == ("idempotency-key-malformed", "")


def test_no_key_is_left_to_the_document() -> None:
    problem, made = read()
    assert (problem, made.idempotency_key) == (None, "")


@pytest.mark.parametrize(
    ("method", "taken"), [("post", True), ("put", True), ("patch", True), ("delete", True), ("get", False)]
)
def test_safe_methods_take_none(method: str, taken: bool) -> None:
    assert (validate_idempotency_key(facts(document(DECLARED, method=method))) is not None) is taken


def test_only_declared_and_not_where_the_backend_keeps_them() -> None:
    assert validate_idempotency_key(facts(document({}, method="post"))) is None
    query = {"parameters": [{"name": "Idempotency-Key", "in": "query", "schema": {"type": "string"}}]}
    assert validate_idempotency_key(facts(document(query, method="post"))) is None
    declared = document(DECLARED, method="post")
    assert validate_idempotency_key(facts(declared, contract=contract(idempotency="backend"))) is None
    assert validate_idempotency_key(facts(declared, contract=contract(idempotency="resend"))) is not None

"""Any one alternative of `security` suffices."""

from __future__ import annotations

from typing import Any

import pytest

from policies.traffic import Problem
from policies.traffic.authorize_scopes import authorize_scopes
from tests.unit.policies.traffic.facts import caller, document, exchange, facts, slug


@pytest.mark.parametrize(
    ("security", "scopes", "passes"),
    [
        ([{"oauth": ["a"]}], {"a", "b"}, True),
        ([{"oauth": ["a"]}], {"b"}, False),
        ([{"oauth": ["a", "b"]}], {"a"}, False),
        ([{"oauth": ["a"], "bearer": ["b"]}], {"a"}, False),
        ([{"oauth": ["a"], "bearer": ["b"]}], {"a", "b"}, True),
        ([{"oauth": ["a"]}, {"oauth": ["b"]}], {"b"}, True),
        ([{"key": []}], set(), True),
        ([{"key": [], "oauth": ["a"]}], set(), False),
        ([{"oauth": []}], set(), True),
        ([{"basic": []}], {"a"}, False),
        ([{"basic": []}, {"oauth": ["a"]}], {"a"}, True),
        ([{"nowhere": []}], {"a"}, False),
    ],
)
def test_any_one_alternative_suffices(security: list[dict[str, list[str]]], scopes: set[str], passes: bool) -> None:
    bound = authorize_scopes(facts(document({"security": security})))
    assert bound is not None
    decision = bound.decide(exchange(caller=caller(scopes=tuple(scopes))))
    assert (decision is None) is passes
    if not passes:
        assert slug(decision) == "scope-missing"


def test_the_refusal_names_the_scopes_needed() -> None:
    bound = authorize_scopes(facts(document({"security": [{"oauth": ["a", "b"]}, {"oauth": ["c"]}]})))
    assert bound is not None
    refusal = bound.decide(exchange(caller=caller()))
    assert isinstance(refusal, Problem)
    assert refusal.detail == "This operation needs a + b or c."
    assert refusal.headers == (
        ("WWW-Authenticate", 'Bearer realm="weighbridge", error="insufficient_scope", scope="c"'),
    )


@pytest.mark.parametrize("security", [{}, {"security": []}, {"security": [{"oauth": ["a"]}, {}]}])
def test_nothing_is_bound_where_no_scope_can_matter(security: dict[str, Any]) -> None:
    assert authorize_scopes(facts(document(security))) is None


@pytest.mark.parametrize(
    ("security", "scopes", "certified", "refused"),
    [
        ([{"mtls": []}], set(), "app", None),
        ([{"mtls": []}], set(), None, "certificate-missing"),
        ([{"mtls": []}], set(), "other", "certificate-missing"),
        ([{"mtls": [], "oauth": ["a"]}], {"a"}, "app", None),
        ([{"mtls": [], "oauth": ["a"]}], {"a"}, None, "certificate-missing"),
        ([{"mtls": [], "oauth": ["a"]}], {"b"}, "app", "scope-missing"),
        ([{"mtls": [], "oauth": ["a"]}, {"oauth": ["b"]}], {"b"}, None, None),
        ([{"mtls": [], "oauth": ["a"]}, {"oauth": ["b"]}], {"a"}, "app", None),
        ([{"mtls": [], "oauth": ["a"]}, {"oauth": ["b"]}], {"a"}, None, "certificate-missing"),
        ([{"mtls": [], "basic": []}], set(), "app", "scope-missing"),
    ],
)
def test_mutual_tls_needs_a_certificate_of_the_caller(
    security: list[dict[str, list[str]]], scopes: set[str], certified: str | None, refused: str | None
) -> None:
    bound = authorize_scopes(facts(document({"security": security})))
    assert bound is not None
    asked = exchange(caller=caller(scopes=tuple(scopes)))
    asked.certified = certified
    decision = bound.decide(asked)
    assert (decision and slug(decision)) == refused


def test_a_refusal_for_want_of_a_scope_names_it_under_mutual_tls_too() -> None:
    bound = authorize_scopes(facts(document({"security": [{"mtls": [], "oauth": ["a"]}]})))
    assert bound is not None
    refusal = bound.decide(exchange(caller=caller()))
    assert isinstance(refusal, Problem)
    assert refusal.detail == "This operation needs a."

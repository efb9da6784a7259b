"""What is marked as internal is kept from partners, and nothing is bound where nothing is marked."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model.document import Document
from policies.traffic.authorize_audience import authorize_audience
from tests.unit.policies.traffic.facts import application, caller, codes, contract, document, exchange, facts, slug

PARTNER = caller(application("partner"))
INTERNAL = caller(application("internal", audience="internal"))


def marked(where: str, mark: dict[str, Any]) -> Document:
    tree: dict[str, Any] = document({}).tree | {}
    if where == "info":
        tree["info"] = {**tree["info"], **mark}
    elif where == "path":
        tree["paths"] = {"/things": {**tree["paths"]["/things"], **mark}}
    else:
        return document(mark)
    return Document(tree)


@pytest.mark.parametrize("where", ["info", "path", "operation"])
@pytest.mark.parametrize("mark", [{"x-internal": True}, {"x-audience": "internal"}, {"x-audience": "Company-Internal"}])
def test_a_mark_keeps_partners_out(where: str, mark: dict[str, Any]) -> None:
    bound = authorize_audience(facts(marked(where, mark)))
    assert bound is not None
    assert slug(bound.decide(exchange(caller=PARTNER))) == "not-for-partners"
    assert slug(bound.decide(exchange(caller=None))) == "credentials-missing"
    assert bound.decide(exchange(caller=INTERNAL)) is None


def test_a_contract_that_is_internal_needs_no_mark() -> None:
    bound = authorize_audience(facts(document({}), contract=contract(audience="internal")))
    assert bound is not None
    assert slug(bound.decide(exchange(caller=PARTNER))) == "not-for-partners"


@pytest.mark.parametrize("mark", [{}, {"x-internal": False}, {"x-internal": "true"}, {"x-audience": "partner"}])
def test_nothing_is_bound_where_nothing_is_marked(mark: dict[str, Any]) -> None:
    for where in ("info", "path", "operation"):
        assert authorize_audience(facts(marked(where, mark))) is None


@pytest.mark.parametrize(
    ("place", "sent"),
    [
        ("query", {"query": "trace=1"}),
        ("query", {"query": "a=1&tr%61ce=1"}),
        ("header", {"headers": [(b"trace", b"1")]}),
        ("cookie", {"headers": [(b"cookie", b"a=1; trace=1")]}),
    ],
)
def test_a_partner_may_not_send_an_internal_parameter(place: str, sent: dict[str, Any]) -> None:
    name = "Trace" if place == "header" else "trace"
    hidden = {"name": name, "in": place, "x-internal": True, "schema": {}}
    bound = authorize_audience(facts(document({"parameters": [hidden]})))
    assert bound is not None
    assert codes(bound.decide(exchange(**sent, caller=PARTNER))) == [(f"/{place}/{name}", "NOT_FOR_PARTNERS")]
    assert codes(bound.decide(exchange(**sent, caller=None))) == [(f"/{place}/{name}", "NOT_FOR_PARTNERS")]
    assert bound.decide(exchange(**sent, caller=INTERNAL)) is None
    assert bound.decide(exchange(query="b=trace", headers=[(b"a", b"trace")], caller=PARTNER)) is None


def test_what_a_call_cannot_be_made_without_is_not_hidden() -> None:
    required = {"name": "trace", "in": "query", "required": True, "x-internal": True, "schema": {}}
    assert authorize_audience(facts(document({"parameters": [required]}))) is None

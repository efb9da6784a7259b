"""The site: found where the contract says, granted or not, and the upstream that serves it."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model.contract import SiteParameter, Upstream
from policies.traffic import Exchange
from policies.traffic.authorize_site import authorize_site, in_query
from tests.unit.policies.traffic.facts import (
    application,
    caller,
    codes,
    contract,
    document,
    exchange,
    facts,
    slug,
    version,
)

SITES = {
    "default": Upstream(url="http://hub:1/orders/v{major}"),
    "DAL-2": Upstream(url="http://dal:2/orders/v{major}/"),
    "TOR-1": Upstream(url="http://tor:3/orders/v{major}"),
}


def bound_site(place: str, name: str = "siteId", *, path: str = "/orders", **more: Any) -> Any:
    parameter = SiteParameter(place=place, name=name, aliases={"0142": "DAL-2"})
    declared = {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
    made_of = {"contract": contract(site=parameter, upstreams=SITES), "version": version("2.1.0")} | more
    return authorize_site(facts(document({"parameters": [declared]}, path=path), **made_of))


def at(place: str, value: str) -> Exchange:
    if place == "path":
        return exchange(path=f"/x/{value}/y", parameters=("first", value))
    if place == "query":
        return exchange(query=f"limit=5&siteId={value}")
    return exchange(headers=[(b"accept", b"*/*"), (b"siteid", value.encode())])


@pytest.mark.parametrize("place", ["path", "query", "header"])
@pytest.mark.parametrize("value", ["DAL-2", "0142"])
def test_the_site_chooses_the_upstream(place: str, value: str) -> None:
    bound = bound_site(place, path="/x/{a}/{siteId}" if place == "path" else "/orders")
    made = at(place, value)
    assert bound.decide(made) is None
    assert made.site == "DAL-2"
    assert (made.upstream.url, made.upstream.key) == ("http://dal:2/orders/v2", "orders/v2/DAL-2")
    assert made.upstream.spec is SITES["DAL-2"]


@pytest.mark.parametrize("place", ["path", "query", "header"])
def test_a_limited_application_learns_nothing_of_other_sites(place: str) -> None:
    bound = bound_site(place, path="/x/{a}/{siteId}")
    answers = []
    for site in ("TOR-1", "XXX-9"):
        made = at(place, site)
        made.caller = caller(application(sites=("DAL-2",)))
        answers.append(bound.decide(made))
        assert made.upstream is None
    assert answers[0] == answers[1]
    assert (answers[0].status, answers[0].slug) == (403, "site-not-allowed")
    granted = at(place, "0142")
    granted.caller = caller(application(sites=("DAL-2",)))
    assert bound.decide(granted) is None


def test_an_unknown_site_is_unknown_to_an_unlimited_application() -> None:
    made = at("query", "XXX-9")
    made.caller = caller()
    refusal = bound_site("query").decide(made)
    assert (refusal.status, refusal.slug) == (404, "site-unknown")


def test_without_a_site_the_default_serves() -> None:
    made = exchange(caller=caller(application(sites=("DAL-2",))))
    assert bound_site("query").decide(made) is None
    assert made.site is None
    assert made.upstream.url == "http://hub:1/orders/v2"


def test_without_a_site_and_a_default_the_site_is_required() -> None:
    only = contract(site=SiteParameter(place="query", name="siteId"), upstreams={"DAL-2": SITES["DAL-2"]})
    refusal = bound_site("query", contract=only).decide(exchange())
    assert refusal.status == 400
    assert codes(refusal) == [("/query/siteId", "REQUIRED")]


def test_a_site_named_twice_is_refused() -> None:
    twice = exchange(query="siteId=DAL-2&siteId=TOR-1")
    assert codes(bound_site("query").decide(twice)) == [("/query/siteId", "REPEATED")]
    header = exchange(headers=[(b"siteid", b"DAL-2"), (b"siteid", b"DAL-2")])
    assert codes(bound_site("header").decide(header)) == [("/header/siteId", "REPEATED")]


def test_an_operation_without_the_parameter_goes_to_the_default() -> None:
    by_path = contract(site=SiteParameter(place="path", name="siteId"), upstreams=SITES)
    bound = authorize_site(facts(document({}, path="/sites"), contract=by_path))
    assert bound is not None
    made = exchange()
    assert bound.decide(made) is None
    assert made.upstream.url == "http://hub:1/orders/v1"


def test_a_contract_that_lists_no_sites_leaves_them_to_its_backend() -> None:
    one = contract(site=SiteParameter(place="query", name="siteId"))
    bound = bound_site("query", contract=one)
    made = at("query", "ANY-1")
    assert bound.decide(made) is None
    assert (made.site, made.upstream.url) == ("ANY-1", "http://hub:1/orders/v2")
    limited = at("query", "ANY-1")
    limited.caller = caller(application(sites=("DAL-2",)))
    assert slug(bound.decide(limited)) == "site-not-allowed"


def test_a_contract_without_upstream_says_so() -> None:
    bound = authorize_site(facts(document({}), contract=contract(upstreams={})))
    assert bound is not None
    assert slug(bound.decide(exchange())) == "upstream-unreachable"


@pytest.mark.parametrize(
    ("upstream", "url"), [("DAL-2", "http://dal:2/orders/v2"), ("http://new:9/v{major}", "http://new:9/v2")]
)
def test_a_rollout_sends_every_site_to_its_upstream(upstream: str, url: str) -> None:
    bound = bound_site("query", upstream=upstream)
    for made in (at("query", "TOR-1"), exchange()):
        assert bound.decide(made) is None
        assert made.upstream.url == url
    assert slug(bound.decide(at("query", "XXX-9"))) == "site-unknown"


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", []),
        ("a=1", []),
        ("siteId=DAL-2", ["DAL-2"]),
        ("a=1&siteId=DAL%2D2&siteId=x+y", ["DAL-2", "x y"]),
        ("site%49d=DAL-2", ["DAL-2"]),
        ("siteId", [""]),
        ("xsiteId=1", []),
    ],
)
def test_values_of_a_query_parameter(query: str, values: list[str]) -> None:
    assert in_query(query, "siteId") == values

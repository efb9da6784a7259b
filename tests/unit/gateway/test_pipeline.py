"""The request line, from a path to a decision, over whole snapshots."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import Any

import pytest

from gateway.counters.memory import MemoryCounters
from gateway.keys import KeyRing
from gateway.pipeline import Pipeline, Table
from policies.model.access import Issuer, Limit, Plan
from policies.model.contract import Block, Rollout, Stage
from policies.model.document import digest
from policies.model.snapshot import SnapshotRefused
from policies.traffic import Exchange, Problem
from policies.traffic.limit_rate import Charge, Standing
from tests.unit.gateway.snapshots_made import (
    KEY,
    application,
    contract,
    document,
    exchange,
    pipeline,
    snapshot,
    table,
    version,
)
from tests.unit.policies.traffic.facts import NOW
from tests.unit.policies.traffic.tokens import ISSUER, claims, jwk, token

READ = claims(scope="orders:read")


def opened(on: Table, *args: Any, **kwargs: Any) -> tuple[Any, Exchange]:
    made = exchange(on, *args, **kwargs)
    return on.open(made), made


def slug(outcome: object) -> str | None:
    assert outcome is None or isinstance(outcome, Problem), outcome
    return None if outcome is None else outcome.slug


def announced(on: Table, made: Exchange) -> dict[bytes, bytes]:
    on.announce(made)
    return dict(made.reply_headers)


# -- through ----------------------------------------------------------------------------------------------------------


def test_a_good_call_is_opened_with_everything_set() -> None:
    on = table()
    outcome, made = opened(on, "/orders/v1/orders/17", "siteId=DAL-2")
    assert outcome is None
    assert made.route.operation_id == made.operation_id == "getOrder"
    assert (made.route.contract, made.route.major, made.route.template) == ("orders", 1, "/orders/{orderId}")
    assert made.route.metric_labels == ("orders", "1", "getOrder")
    assert (made.version, made.parameters) == ("1.0.0", ("17",))
    assert (made.upstream.url, made.rest) == ("http://hub:1/orders/v1", "/orders/17")
    assert made.caller is not None
    assert made.caller.application.id == "app"
    fields = announced(on, made)
    assert list(fields) == [b"API-Version", b"RateLimit-Policy", b"RateLimit"]
    assert (fields[b"API-Version"], fields[b"RateLimit-Policy"]) == (b"1.0.0", b'"rate";q=100;w=10')
    assert fields[b"RateLimit"] in (b'"rate";r=99;t=10', b'"rate";r=99;t=11')


def matrix_table() -> Table:
    """One operation with a matrix parameter beside one with a simple one."""
    colour = {
        "name": "colour",
        "in": "path",
        "required": True,
        "schema": {"type": "array", "items": {"type": "string"}},
    }
    responses = {"200": {"description": "ok"}}
    tree = document(
        **{
            f"/{style}/{{colour}}": {
                "get": {"operationId": style, "parameters": [{**colour, "style": style}], "responses": responses}
            }
            for style in ("matrix", "simple")
        }
    )
    tree["security"] = [{"oauth": []}]
    return table(version(digest=digest(tree)), documents={digest(tree): tree})


def test_a_matrix_parameter_brings_its_semicolons() -> None:
    outcome, made = opened(matrix_table(), "/orders/v1/matrix/;colour=red,blue")
    assert outcome is None
    assert (made.parameters, made.rest) == ((";colour=red,blue",), "/matrix/;colour=red,blue")


@pytest.mark.parametrize("path", ["/simple/;colour=red", "/orders/;x", "/;x/matrix/;colour=red"])
def test_a_semicolon_that_no_contract_asks_for_is_refused(path: str) -> None:
    outcome, _ = opened(matrix_table(), "/orders/v1" + path)
    assert slug(outcome) in ("bad-request", "not-found")


def test_what_a_version_does_not_offer_is_refused_in_its_name() -> None:
    deprecated = version(stage=Stage.DEPRECATED, deprecated_at=1_767_225_600, sunset_at=1_798_761_600)
    on = table(deprecated, version("2.0.0"))
    for path, method, refusal in (("/nothing", "GET", "not-found"), ("/orders", "DELETE", "method-not-allowed")):
        outcome, made = opened(on, "/orders/v1" + path, method=method)
        assert slug(outcome) == refusal
        fields = announced(on, made)
        assert (fields[b"API-Version"], fields[b"Deprecation"]) == (b"1.0.0", b"@1767225600")
        assert fields[b"Sunset"] == b"Fri, 01 Jan 2027 00:00:00 GMT"
        assert made.version == "1.0.0"


def test_a_site_goes_to_its_upstream() -> None:
    _, made = opened(table(), query="siteId=DAL-2&limit=5")
    assert (made.site, made.upstream.url, made.rest) == ("DAL-2", "http://dal:2/orders/v1", "/orders")


def test_a_token_is_as_good_as_a_key() -> None:
    bearer = (b"authorization", b"Bearer " + token(READ))
    outcome, made = opened(table(), "/orders/v1/orders", "", bearer, key=None)
    assert outcome is None
    assert made.caller is not None
    assert made.caller.credential == "cred"


def test_what_an_operation_is_bound_with() -> None:
    _, reading = opened(table())
    assert (reading.route.validates_body, reading.route.may_retry, reading.route.method) == (False, True, "GET")
    writers = application(scopes=("orders:write",))
    on = table(applications=(writers,))
    outcome, writing = opened(
        on, "/orders/v1/orders", "", (b"content-type", b"application/json"), (b"content-length", b"2"), method="POST"
    )
    assert outcome is None
    assert (writing.route.validates_body, writing.route.may_retry) == (True, False)
    assert (writing.route.blocks_body, writing.route.max_body_bytes) == (True, 1_048_576)
    writing.body = b"{}"
    assert slug(on.check_body(writing)) == "validation-failed"
    writing.body = b'{"lines": []}'
    assert on.check_body(writing) is None


def test_replies_are_judged() -> None:
    on = table()
    _, made = opened(on)
    json = [(b"content-type", b"application/json")]
    assert on.wants_response(made, 200, json)
    assert on.judge_response(made, 200, json, b"[]") is None
    assert [fault.pointer for fault in made.faults] == ["/body"]
    blocking = table(contracts=(contract(response_validation="block"),))
    _, made = opened(blocking)
    assert slug(blocking.judge_response(made, 200, json, b"[]")) == "response-invalid"
    off = table(contracts=(contract(response_validation="off", request_validation="off"),))
    _, made = opened(off, query="limit=many")
    assert made.upstream is not None
    assert not off.wants_response(made, 200, json)
    assert off.judge_response(made, 200, json, b"[]") is None
    assert off.check_body(made) is None


def test_head_is_answered_by_get() -> None:
    outcome, made = opened(table(), method="HEAD")
    assert outcome is None
    assert made.operation_id == "listOrders"


# -- refused, in order ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/", 404, "not-found"),
        ("/nothing/v1/orders", 404, "not-found"),
        ("/orders/v1", 404, "not-found"),
        ("/orders/v1/", 404, "not-found"),
        ("/orders", 404, "not-found"),
        ("/orders/v1/nothing", 404, "not-found"),
        ("/orders/v9/orders", 404, "version-unknown"),
        ("/orders/v01/orders", 404, "not-found"),
    ],
)
def test_paths_that_lead_nowhere(path: str, status: int, expected: str) -> None:
    outcome, made = opened(table(), path)
    assert (outcome.status, outcome.slug) == (status, expected)
    assert announced(made.table, made).keys() <= {b"API-Version"}


def test_a_method_that_is_not_offered() -> None:
    outcome, _ = opened(table(), method="DELETE")
    assert (outcome.status, outcome.slug) == (405, "method-not-allowed")
    assert outcome.headers == (("Allow", "GET, HEAD, POST"),)


def test_first_problem_wins() -> None:
    """Each refusal hides those after it: credentials, subscription, scope, site, limit, contract."""
    plan = Plan(name="plan", limits=(Limit(name="none", requests=0, window=10),))
    bad = "siteId=XXX-9&limit=many"
    no_scope = application(scopes=(), sites=("DAL-2",))
    expected = ["credentials-missing", "not-subscribed", "scope-missing", "site-not-allowed", "limit-exceeded"]
    found = [
        slug(opened(table(plans=(plan,)), query=bad, key=None)[0]),
        slug(opened(table(plans=(plan,), applications=(application(majors=(2,), scopes=()),)), query=bad)[0]),
        slug(opened(table(plans=(plan,), applications=(no_scope,)), query=bad)[0]),
        slug(opened(table(plans=(plan,), applications=(application(sites=("DAL-2",)),)), query=bad)[0]),
        slug(opened(table(plans=(plan,)), query="siteId=DAL-2&limit=many")[0]),
    ]
    assert found == expected
    assert slug(opened(table(), query="limit=many")[0]) == "validation-failed"


def test_a_refused_call_is_still_announced() -> None:
    on = table(version(stage=Stage.DEPRECATED, deprecated_at=1_700_000_000, sunset_at=1_800_000_000))
    outcome, made = opened(on, query="limit=many")
    assert slug(outcome) == "validation-failed"
    fields = announced(on, made)
    assert fields[b"Deprecation"] == b"@1700000000"
    assert fields[b"RateLimit"].startswith(b'"rate";r=99;t=')


def test_an_open_operation_needs_nobody() -> None:
    plans = (Plan(name="plan"), Plan(name="anonymous", limits=(Limit(name="few", requests=1, window=9),)))
    on = table(plans=plans)
    outcome, made = opened(on, "/orders/v1/health", key=None)
    assert outcome is None
    assert made.caller is None
    assert slug(opened(on, "/orders/v1/health", key=None)[0]) == "limit-exceeded"
    assert slug(opened(on, "/orders/v1/health", key=b"wrong")[0]) == "credentials-invalid"


# -- versions ---------------------------------------------------------------------------------------------------------


def test_the_newest_minor_serves_its_major() -> None:
    on = table(version("1.0.0"), version("1.10.0"), version("1.9.0"), version("2.0.0"))
    assert opened(on)[1].version == "1.10.0"
    assert opened(on, "/orders/v2/orders")[1].version == "2.0.0"
    assert opened(on, "/orders/v2/orders")[1].upstream.url == "http://hub:1/orders/v2"


def test_without_a_major_the_caller_chooses_then_the_owner() -> None:
    versions = (version("1.0.0"), version("2.0.0"), version("3.0.0"))
    on = table(*versions, contracts=(contract(default_major=2),), applications=(application(pins={}),))
    path = "/orders/orders"
    assert opened(on, path)[1].version == "2.0.0"
    assert opened(on, path)[1].rest == "/orders"
    assert opened(on, path, "", (b"api-version", b"3"))[1].version == "3.0.0"
    assert opened(on, path, "", (b"accept", b"application/json; version=1"))[1].version == "1.0.0"
    both = ((b"api-version", b"3"), (b"accept", b"application/json; version=1"))
    assert opened(on, path, "", *both)[1].version == "3.0.0"
    apart = ((b"accept", b"text/html"), (b"accept", b"application/json; version=1"))
    assert opened(on, path, "", *apart)[1].version == "1.0.0"
    twice = ((b"api-version", b"3"), (b"api-version", b"1"))
    assert slug(opened(on, path, "", *twice)[0]) == "bad-request"
    assert slug(opened(on, "/orders/v3/orders", "", *twice)[0]) == "bad-request"
    pinned = table(*versions, applications=(application(pins={"orders": 1}),))
    assert opened(pinned, path)[1].version == "1.0.0"
    assert opened(table(*versions), path)[1].version == "3.0.0"
    assert slug(opened(on, path, "", (b"api-version", b"7"))[0]) == "version-unknown"
    assert slug(opened(on, path, key=b"wrong")[0]) == "credentials-invalid"


def test_a_review_is_previewed_by_those_named() -> None:
    review = version("1.1.0", Stage.IN_REVIEW, preview_applications=("app",))
    on = table(version("1.0.0"), review)
    asked = (b"api-version", b"1.1.0")
    assert opened(on)[1].version == "1.0.0"
    assert opened(on, "/orders/v1/orders", "", asked)[1].version == "1.1.0"
    others = table(version("1.0.0"), version("1.1.0", Stage.IN_REVIEW, preview_applications=("other",)))
    assert slug(opened(others, "/orders/v1/orders", "", asked)[0]) == "version-unknown"


def test_a_rollout_is_for_its_callers() -> None:
    rollout = Rollout(contract="orders", major=1, version="1.1.0", applications=("app",), upstream="DAL-2")
    on = table(version("1.0.0"), version("1.1.0"), rollouts=(rollout,))
    _, canary = opened(on)
    assert (canary.version, canary.upstream.url) == ("1.1.0", "http://dal:2/orders/v1")
    other = Rollout(contract="orders", major=1, version="1.1.0", applications=("other",))
    assert opened(table(version("1.0.0"), version("1.1.0"), rollouts=(other,)))[1].version == "1.0.0"
    alone = table(version("1.1.0"), rollouts=(other,))
    assert opened(alone)[1].version == "1.1.0"


def test_a_retired_version_is_counted_and_gone() -> None:
    counters = MemoryCounters()
    on = table(
        version("1.0.0", Stage.RETIRED, retired_at=1, deprecated_at=1_700_000_000, sunset_at=1_750_000_000),
        version("2.0.0"),
        of=Pipeline(counters, KeyRing()),
    )
    assert slug(opened(on, key=None)[0]) == "credentials-missing"
    outcome, made = opened(on, query="limit=many&siteId=XXX")
    assert (outcome.status, outcome.slug) == (410, "version-retired")
    assert made.upstream is None
    assert made.operation_id == "listOrders"
    fields = announced(on, made)
    assert fields[b"Link"] == b'</orders/v2>; rel="successor-version"'
    assert fields[b"Deprecation"] == b"@1700000000"
    assert fields[b"RateLimit"].startswith(b'"rate";r=99;t=')
    never, made = opened(on, "/orders/v1/never/was", method="PURGE")
    assert slug(never) == "version-retired"
    assert announced(on, made)[b"RateLimit"].startswith(b'"rate";r=98;t=')
    assert opened(on, "/orders/orders")[1].version == "2.0.0"
    unsubscribed = table(version("1.0.0", Stage.RETIRED), applications=(application(majors=()),))
    assert slug(opened(unsubscribed)[0]) == "version-retired"


def test_a_blocked_version_is_not_served_for_now() -> None:
    on = table(version(block=Block(reason="Stock-take.", until=int(NOW) + 5)))
    assert slug(opened(on)[0]) == "version-blocked"
    assert opened(on, now=NOW + 5)[0] is None


# -- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_says_what_it_is() -> None:
    on = table(version("1.0.0"), version("2.0.0"))
    assert (on.revision, on.compiled_at, on.route_count) == (7, int(NOW), 8)
    assert on.digest.startswith("sha256:")


def test_a_revoked_key_is_gone_with_the_next_table_and_limits_go_on_counting() -> None:
    of = pipeline()
    first = table(of=of)
    opened(first)
    second = table(of=of, api_keys=())
    assert slug(opened(second)[0]) == "credentials-invalid"
    assert opened(first)[0] is None
    third = table(of=of)
    _, made = opened(third)
    assert announced(third, made)[b"RateLimit"].startswith(b'"rate";r=97;')


def test_what_did_not_change_is_taken_over() -> None:
    of = pipeline()
    first = table(version("1.0.0"), version("2.0.0"), of=of)
    second = table(version("1.0.0"), version("2.0.0", Stage.DEPRECATED), of=of, revision=8)
    routes = [[opened(on, f"/orders/v{major}/orders")[1].route for major in (1, 2)] for on in (first, second)]
    assert routes[0][0] is routes[1][0]
    assert routes[0][1] is not routes[1][1]
    third = table(version("1.0.0"), of=of, contracts=(contract(max_body_bytes=5),))
    assert opened(third)[1].route.max_body_bytes == 5


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ({"/bad": {"get": {"parameters": [{"name": "p", "in": "query", "schema": {"type": "nonsense"}}]}}}, "GET /bad"),
        ({"/bad": {"get": {"parameters": [{"$ref": "#/components/parameters/None"}]}}}, "leads nowhere"),
        ({"/a/{x}": {"get": {}}, "/a/{y}": {"get": {}}}, "two templates"),
        (
            {"/bad": {"get": {"parameters": [{"name": "p", "in": "query", "schema": {"pattern": "(?=x)"}}]}}},
            "GET /bad",
        ),
    ],
)
def test_a_document_that_cannot_be_bound_refuses_the_snapshot_whole(paths: dict[str, Any], reason: str) -> None:
    from policies.model.document import digest

    tree = document(**paths)
    of = pipeline()
    before = table(of=of)
    with pytest.raises(SnapshotRefused, match=reason) as refused:
        table(version(digest=digest(tree)), of=of, documents={digest(tree): tree})
    assert str(refused.value).startswith("orders@1.0.0")
    assert opened(before)[0] is None
    assert opened(table(of=of))[0] is None


def test_a_document_under_a_false_digest_is_refused() -> None:
    with pytest.raises(SnapshotRefused, match="not the one named"):
        table(version(digest="sha256:0"), documents={"sha256:0": document()})


def test_an_issuer_with_a_void_key_set_refuses_the_snapshot() -> None:
    for issuer in (
        Issuer(name="id", issuer=ISSUER, audience="a", jwks={"keys": [jwk(), jwk(name="twin")]}),
        Issuer(name="id", issuer=ISSUER, audience="a", jwks_uri="http://id.example/jwks"),
    ):
        with pytest.raises(SnapshotRefused, match="an issuer's keys"):
            table(issuers=(issuer,))


def test_a_number_that_is_no_version_is_refused() -> None:
    with pytest.raises(SnapshotRefused, match="not a semantic version"):
        pipeline().build(snapshot(version("1.x", digest=next(iter(snapshot().documents)))), "sha256:0")


# -- waiting ----------------------------------------------------------------------------------------------------------


class SlowCounters:
    """Answers after a turn of the loop."""

    def __init__(self) -> None:
        self.local = MemoryCounters()
        self.slots = self.local.slots

    def take(self, charges: tuple[Charge, ...]) -> Any:
        return self._later(charges)

    async def _later(self, charges: tuple[Charge, ...]) -> Standing:
        await asyncio.sleep(0)
        return self.local.take(charges)


def test_what_must_wait_goes_on_where_it_stopped() -> None:
    of = Pipeline(SlowCounters(), KeyRing())
    on = table(of=of, plans=(Plan(name="plan", limits=(Limit(name="two", requests=2, window=10),)),))

    async def all_of_them() -> list[str | None]:
        found = []
        for query in ("", "limit=many", ""):
            made = exchange(on, query=query)
            pending = on.open(made)
            assert isawaitable(pending)
            found.append(slug(await pending))
        return found

    assert asyncio.run(all_of_them()) == [None, "validation-failed", "limit-exceeded"]


@pytest.mark.parametrize("path", ["/orders/v1/orders", "/orders/orders"])
def test_a_token_whose_key_is_being_fetched_waits(path: str) -> None:
    ring = KeyRing()
    on = table(
        of=Pipeline(MemoryCounters(), ring),
        issuers=(Issuer(name="id", issuer=ISSUER, audience="weighbridge", jwks_uri="http://127.0.0.1:9/jwks"),),
    )

    async def call() -> list[str | None]:
        made = exchange(on, path, "", (b"authorization", b"Bearer " + token(READ)), key=None)
        pending = on.open(made)
        assert isawaitable(pending)
        running = asyncio.create_task(ring.run())
        first = slug(await pending)
        again = exchange(on, path, "", (b"authorization", b"Bearer " + token(READ)), key=None)
        second = on.open(again)
        running.cancel()
        return [first, slug(second)]

    assert asyncio.run(call()) == ["credentials-invalid", "credentials-invalid"]


def test_the_key_is_never_shown() -> None:
    outcome, made = opened(table(), query="limit=many")
    assert KEY.decode() not in repr(outcome) + repr(made.reply_headers)

from __future__ import annotations

from typing import Any

import pytest

from policies import impact
from policies.findings import Finding, Severity
from policies.model.access import Application, Subscription
from policies.model.document import Document
from policies.traffic.authorize_scopes import may_call

DOCUMENT = Document(
    {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1.0.0"},
        "components": {
            "securitySchemes": {
                "oauth": {"type": "oauth2", "flows": {}},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
        },
        "paths": {
            "/read": {"get": {"security": [{"oauth": ["read"]}], "responses": {}}},
            "/write": {"post": {"security": [{"oauth": ["read", "write"]}, {"key": []}], "responses": {}}},
            "/admin": {"get": {"security": [{"oauth": ["admin"], "key": []}], "responses": {}}},
            "/open": {"get": {"responses": {}}},
            "/either": {"get": {"security": [{}, {"oauth": ["admin"]}], "responses": {}}},
        },
    }
)


def _application(id_: str, *scopes: str, major: int = 1, contract: str = "stock") -> Application:
    return Application(
        id=id_,
        name=id_.title(),
        consumer="oakhurst",
        audience="partner",
        scopes=scopes,
        subscriptions=(Subscription(contract=contract, major=major, plan="gold"),),
    )


def _finding(operation: str | None, pointer: str, severity: Severity = Severity.ERROR, **more: Any) -> Finding:
    return Finding(rule="compat.x", severity=severity, message="m", operation=operation, pointer=pointer, **more)


def _hurt(*findings: Finding, **more: Any) -> dict[str, tuple[bool, tuple[str, ...]]]:
    callers = [_application("reader", "read"), _application("admin", "admin", "read")]
    found = impact.of("stock", 1, callers, findings=findings, document=DOCUMENT, **more)
    return {touched.application: (touched.hurt, touched.operations) for touched in found.touched}


def test_only_subscribers_of_the_major_are_touched_in_order() -> None:
    callers = [
        _application("b"),
        _application("a"),
        _application("later", major=2),
        _application("other", contract="bins"),
    ]
    found = impact.of("stock", 1, callers)
    assert [(touched.application, touched.plan, touched.hurt) for touched in found.touched] == [
        ("a", "gold", False),
        ("b", "gold", False),
    ]
    assert found.hurt == ()


def test_a_break_hurts_those_who_may_call_the_operation() -> None:
    assert _hurt(_finding("GET /read", "/paths/~1read/get/parameters/0")) == {
        "admin": (True, ("GET /read",)),
        "reader": (True, ("GET /read",)),
    }
    assert _hurt(_finding("GET /admin", "/paths/~1admin/get")) == {
        "admin": (True, ("GET /admin",)),
        "reader": (False, ()),
    }


def test_a_break_in_a_shared_definition_hurts_everybody() -> None:
    assert _hurt(_finding("GET /admin", "/components/schemas/Item")) == {"admin": (True, ()), "reader": (True, ())}
    assert _hurt(_finding("GET /admin", "/paths/~1admin/getaway")) == {"admin": (True, ()), "reader": (True, ())}
    assert _hurt(_finding(None, "")) == {"admin": (True, ()), "reader": (True, ())}


def test_a_removed_operation_is_found_by_its_old_place() -> None:
    removed = _finding("GET /admin", "", old_pointer="/paths/~1admin/get")
    assert _hurt(removed)["reader"] == (False, ())


def test_warnings_hurt_nobody_and_the_end_hurts_all() -> None:
    assert _hurt(_finding("GET /read", "/paths/~1read/get", Severity.WARNING))["reader"] == (False, ())
    assert _hurt(ends=True) == {"admin": (True, ()), "reader": (True, ())}


@pytest.mark.parametrize(
    ("key", "scopes", "may"),
    [
        ("GET /read", (), False),
        ("GET /read", ("read",), True),
        ("POST /write", (), True),  # the key alone suffices
        ("GET /admin", ("read",), False),
        ("GET /open", (), True),
        ("GET /either", (), True),
    ],
)
def test_any_alternative_suffices(key: str, scopes: tuple[str, ...], may: bool) -> None:
    operation = next(operation for operation in DOCUMENT.operations if operation.key == key)
    assert may_call(operation, frozenset(scopes)) is may


def _seen(application: str, operation: str = "GET /read", **more: Any) -> impact.Observed:
    given = {"calls": 30, "served": 30, "days": 10, "last_called_at": 1000, **more}
    return impact.Observed(application=application, operation=operation, **given)


def test_observed_use_adds_to_declared_use() -> None:
    broken = _finding("GET /read", "/paths/~1read/get")
    seen = [_seen(""), _seen("former", calls=5, days=2), _seen("turned-away", served=0), _seen("idle", "GET /open")]
    callers = [_application("reader", "read"), _application("idle"), _application("quiet")]
    found = impact.of("stock", 1, callers, findings=[broken], document=DOCUMENT, observed=seen)
    assert [(t.application, t.plan, t.hurt, t.last_called_at) for t in found.touched] == [
        ("", "", True, 1000),  # nobody knows who, and it was served
        ("former", "", True, 1000),  # not registered any more
        ("idle", "gold", False, 1000),  # subscribed, and calls something else
        ("quiet", "gold", False, None),
        ("reader", "gold", True, None),  # may call, and was not seen
    ]
    assert [(c.operation, c.calls_per_day) for c in found.touched[1].calls] == [("GET /read", 2.5)]


def test_whoever_did_call_is_hurt_though_it_may_not_any_more() -> None:
    broken = _finding("GET /admin", "/paths/~1admin/get")
    caller = _application("a", "read")
    for use, hurt in ((_seen("a", "GET /admin"), True), (_seen("a", "GET /admin", served=0), False)):
        found = impact.of("stock", 1, [caller], findings=[broken], document=DOCUMENT, observed=[use])
        assert [touched.hurt for touched in found.touched] == [hurt]


def test_calls_are_named_by_method_and_path_the_most_called_first() -> None:
    document = Document(
        {
            "openapi": "3.1.0",
            "info": {"title": "T", "version": "1.0.0"},
            "paths": {"/read": {"get": {"operationId": "readIt", "responses": {}}}},
        }
    )
    seen = [_seen("a", "older", calls=3), _seen("a", "readIt", calls=700, days=7, last_called_at=2000)]
    (touched,) = impact.of("stock", 1, [_application("a")], document=document, observed=seen).touched
    assert touched.calls == (
        impact.Called(operation="GET /read", calls_per_day=100.0, last_called_at=2000),
        impact.Called(operation="older", calls_per_day=0.3, last_called_at=1000),
    )
    assert touched.last_called_at == 2000

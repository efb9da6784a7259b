from __future__ import annotations

from typing import Any

import pytest

from policies import impact
from policies.findings import Finding, Severity
from policies.model.access import Application, Subscription
from policies.model.document import Document

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
    assert impact.may_call(operation, frozenset(scopes)) is may

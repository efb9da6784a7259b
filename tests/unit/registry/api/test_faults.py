"""What a caller is told about a malformed request: every place, and how it would be right."""

import pytest

from policies.governance import ROLES
from tests.unit.registry.api.conftest import Registry


@pytest.mark.parametrize(
    ("path", "pointer", "detail"),
    [
        ("/v1/teams?nope=1", "/query/nope", "there is no such parameter here"),
        ("/v1/teams?limit=0", "/query/limit", "0 is less than the minimum of 1"),
        ("/v1/teams/No", "/path/team", "'No' is not written as it must be, which is like order-status"),
        ("/v1/contracts/a/diff?from=1.0.0", "/query/to", "the query parameter to is missing"),
    ],
)
def test_a_parameter_is_named_with_what_is_wrong(registry: Registry, path: str, pointer: str, detail: str) -> None:
    tree = registry.problem("GET", path, 400, "INVALID")
    assert tree["errors"] == [{"pointer": pointer, "code": "INVALID", "detail": detail}]


def test_all_faults_of_a_body_are_told_at_once(registry: Registry) -> None:
    body = {"name": "Ada", "role": "queen", "expires_at": "soon"}
    tree = registry.problem("POST", "/v1/operators", 400, "INVALID", json=body)
    assert [(fault["pointer"], fault["detail"]) for fault in tree["errors"]] == [
        ("/expires_at", "'soon' is not written as it must be, which is like 2027-06-30"),
        ("/name", "'Ada' is not written as it must be, which is like order-status"),
        ("/role", f"'queen' is not one of {list(ROLES)}"),
    ]

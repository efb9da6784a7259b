"""Retired and blocked versions, and what every reply says of the version that served."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model.contract import Block, Contact, Stage
from policies.traffic import Problem
from policies.traffic.announce_lifecycle import announce_lifecycle
from policies.traffic.validate_lifecycle import validate_lifecycle
from tests.unit.policies.traffic.facts import NOW, contract, document, exchange, facts, version


def announced(*, successor: int | None = None, url: str | None = None, **more: Any) -> list[tuple[bytes, bytes]]:
    of = facts(
        document({}),
        version=version("1.2.0", **more),
        contract=contract(contacts=(Contact(name="desk", url=url),)),
        successor=successor,
    )
    policy = announce_lifecycle(of)
    assert policy is not None
    made = exchange()
    policy.decide(made)
    return made.reply_headers


def test_a_published_version_says_its_number_only() -> None:
    assert announced(successor=2, sunset_at=1) == [(b"API-Version", b"1.2.0")]


def test_a_deprecated_version_says_since_when_until_when_and_what_next() -> None:
    fields = announced(stage=Stage.DEPRECATED, deprecated_at=1_767_225_600, sunset_at=1_798_761_599, successor=2)
    assert fields == [
        (b"API-Version", b"1.2.0"),
        (b"Deprecation", b"@1767225600"),
        (b"Sunset", b"Thu, 31 Dec 2026 23:59:59 GMT"),
        (b"Link", b'</orders/v2>; rel="successor-version"'),
    ]


def test_where_the_owner_has_a_page_it_is_linked() -> None:
    fields = announced(
        stage=Stage.DEPRECATED, deprecated_at=1, sunset_at=2, successor=3, url="https://desk.example/orders"
    )
    assert fields[-1] == (
        b"Link",
        b'</orders/v3>; rel="successor-version", <https://desk.example/orders>; rel="deprecation"; type="text/html", '
        b'<https://desk.example/orders>; rel="sunset"; type="text/html"',
    )


def test_a_deprecated_version_without_dates_says_what_it_knows() -> None:
    assert announced(stage=Stage.DEPRECATED) == [(b"API-Version", b"1.2.0")]


def decided(now: float = NOW, successor: int | None = None, **more: Any) -> Any:
    policy = validate_lifecycle(facts(document({}), version=version("1.2.0", **more), successor=successor))
    return None if policy is None else policy.decide(exchange(now=now))


@pytest.mark.parametrize("stage", [Stage.PUBLISHED, Stage.DEPRECATED, Stage.IN_REVIEW])
def test_a_live_version_is_served(stage: Stage) -> None:
    assert decided(stage=stage) is None


def test_a_retired_version_is_gone_and_names_its_successor() -> None:
    gone = decided(stage=Stage.RETIRED, successor=2)
    assert isinstance(gone, Problem)
    assert (gone.status, gone.slug) == (410, "version-retired")
    assert gone.detail == "orders 1.2.0 was retired. Use v2: /orders/v2."
    assert gone.extensions == {"version": "1.2.0", "successor": "/orders/v2"}


def test_a_retired_version_may_have_no_successor() -> None:
    gone = decided(stage=Stage.RETIRED)
    assert gone.detail == "orders 1.2.0 was retired."
    assert gone.extensions == {"version": "1.2.0"}


@pytest.mark.parametrize(
    ("until", "now", "wait"),
    [(None, NOW, "60"), (int(NOW) + 90, NOW, "90"), (int(NOW) + 90, NOW + 89.9, "1"), (int(NOW), NOW, None)],
)
def test_a_blocked_version_is_not_served_until_it_is(until: int | None, now: float, wait: str | None) -> None:
    problem = decided(now, block=Block(reason="Bob broke it.", until=until))
    expected = f"Its owner has switched it off for now. Try again in {wait} s."
    if wait is None:
        assert problem is None
    else:
        assert (problem.status, problem.slug, problem.detail) == (503, "version-blocked", expected)
        assert problem.headers == (("Retry-After", wait),)

"""Reading a snapshot: what is equal is kept once. What is refused is told in `tests/unit/gateway/test_snapshots.py`."""

from __future__ import annotations

from policies.model.access import Application, Issuer, Plan, Subject, Subscription
from policies.model.contract import Contract
from policies.model.snapshot import Snapshot, dumps, loads


def made(number: int, **more: object) -> Application:
    return Application(
        id=f"app-{number}",
        name="App",
        consumer="acme",
        audience="partner",
        sites=("DAL-2",),
        scopes=("orders:read", "orders:write"),
        subscriptions=(Subscription(contract="orders", major=1, plan="basic"),),
        **more,  # type: ignore[arg-type]
    )


SNAPSHOT = Snapshot(
    revision=1,
    compiled_at=1,
    contracts=(Contract(name="orders", title="Orders", owner="desk", audience="partner"),),
    applications=(made(1), made(2), made(3, pins={"orders": 1})),
    subjects=tuple(
        Subject(id=f"c{number}", issuer="https://issuer.example", subject=f"app-{number}", application=f"app-{number}")
        for number in (1, 2, 3)
    ),
    plans=(Plan(name="basic"),),
    issuers=(Issuer(name="own", issuer="https://issuer.example", audience="weighbridge"),),
)


def test_what_is_written_is_read() -> None:
    assert loads(dumps(SNAPSHOT))[0] == SNAPSHOT


def test_equal_values_are_kept_once() -> None:
    read, _ = loads(dumps(SNAPSHOT))
    first, second, pinned = read.applications
    assert first.subscriptions is second.subscriptions
    assert first.scopes is second.scopes
    assert first.sites is second.sites
    assert first.pins is second.pins
    assert pinned.pins == {"orders": 1}
    assert read.subjects[0].application is read.subjects[0].subject is first.id
    assert read.subjects[0].issuer is read.subjects[1].issuer

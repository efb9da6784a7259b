from __future__ import annotations

from typing import Any

import msgspec
import pytest

from policies.lifecycle import Action
from policies.model.contract import Rollout
from registry import catalogue, credentials, subscriptions, transitions
from registry.contracts import register_contract
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.publishing import publish as publish_version
from registry.store import Store, Unit
from registry.store.records import Consumer, RegisteredApplication
from tests.unit.registry.world import (
    ADMIN,
    APPLICATION,
    CONSUMER,
    CONTRACT,
    MAINTAINER,
    MEMBER,
    NOW,
    OTHER,
    deprecate,
    parsed,
    publish,
    subscribe,
)


def _application(**changes: Any) -> RegisteredApplication:
    return msgspec.structs.replace(APPLICATION, **changes)


def test_consumers(unit: Unit) -> None:
    assert subscriptions.put_consumer(unit, ADMIN, CONSUMER, now=NOW).changed is False
    other = Consumer(id="brightway", name="Brightway", audience="partner")
    assert subscriptions.put_consumer(unit, ADMIN, other, dry_run=True, now=NOW).created is True
    assert subscriptions.consumers(unit) == [CONSUMER]
    assert subscriptions.put_consumer(unit, ADMIN, other, now=NOW).created is True
    assert subscriptions.consumers(unit, limit=1) == [other]
    assert subscriptions.consumers(unit, after="brightway") == [CONSUMER]
    subscriptions.delete_consumer(unit, ADMIN, "brightway", now=NOW)
    with pytest.raises(NotFound):
        subscriptions.consumer(unit, "brightway")
    with pytest.raises(Conflict, match="oakhurst-procurement"):
        subscriptions.delete_consumer(unit, ADMIN, "oakhurst", now=NOW)


def test_applications(unit: Unit) -> None:
    assert subscriptions.put_application(unit, ADMIN, APPLICATION, now=NOW).changed is False
    changed = _application(sites=("DAL-2",), pins={"stock": 1})
    assert subscriptions.put_application(unit, ADMIN, changed, now=NOW).changed is True
    assert subscriptions.application(unit, APPLICATION.id) == changed
    second = _application(id="oakhurst-portal")
    assert subscriptions.put_application(unit, ADMIN, second, now=NOW).created is True
    assert subscriptions.applications(unit, consumer="oakhurst") == [second, changed]
    assert subscriptions.applications(unit, after="oakhurst-portal", limit=5) == [changed]


def test_an_application_stays_with_its_consumer(unit: Unit) -> None:
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="other", name="Other", audience="partner"), now=NOW)
    with pytest.raises(Conflict, match="belongs to the consumer oakhurst"):
        subscriptions.put_application(unit, ADMIN, _application(consumer="other"), now=NOW)


def test_an_id_that_was_one_consumers_does_not_become_anothers(store: Store) -> None:
    """What is kept under it would be told: audit rows, usage, answers to calls with an idempotency key."""
    with store.write() as unit:
        subscriptions.put_consumer(unit, ADMIN, Consumer(id="other", name="Other", audience="partner"), now=NOW)
        subscriptions.delete_application(unit, ADMIN, APPLICATION.id, now=NOW)
    with store.write() as unit, pytest.raises(Conflict, match="was another consumer's application"):
        subscriptions.put_application(unit, ADMIN, _application(consumer="other"), now=NOW)
    with store.write() as unit:
        assert subscriptions.put_application(unit, ADMIN, _application(), now=NOW).created is True


@pytest.mark.parametrize(
    ("pointer", "application"),
    [
        ("/id", _application(id="Oakhurst")),
        ("/name", _application(name="")),
        ("/consumer", _application(consumer="nobody")),
        ("/party", _application(party="SUP 1")),
        ("/sites/1", _application(sites=("DAL-2", ""))),
        ("/scopes/0", _application(scopes=("a b",))),
        ("/scopes/0", _application(scopes=('a"b',))),
        ("/pins", _application(pins={"nothing": 1})),
        ("/pins", _application(pins={"stock": -1})),
    ],
)
def test_malformed_applications(unit: Unit, pointer: str, application: RegisteredApplication) -> None:
    with pytest.raises(Invalid) as caught:
        subscriptions.put_application(unit, ADMIN, application, now=NOW)
    assert caught.value.pointer == pointer


def test_only_admins_change_consumers_and_applications(unit: Unit) -> None:
    for attempt in (
        lambda: subscriptions.put_consumer(unit, MEMBER, CONSUMER, now=NOW),
        lambda: subscriptions.delete_consumer(unit, MEMBER, CONSUMER.id, now=NOW),
        lambda: subscriptions.put_application(unit, MEMBER, APPLICATION, now=NOW),
        lambda: subscriptions.delete_application(unit, MEMBER, APPLICATION.id, now=NOW),
    ):
        with pytest.raises(Forbidden):
            attempt()


def _plan(unit: Unit, major: int = 1) -> list[tuple[str, int, str]]:
    return [(s.contract, s.major, s.plan) for s in subscriptions.subscriptions(unit, contract="stock", major=major)]


def test_subscribing_is_idempotent_and_changes_plans(unit: Unit) -> None:
    publish(unit)
    first = subscriptions.subscribe(unit, MAINTAINER, APPLICATION.id, "stock", 1, "standard", now=NOW)
    assert (first.created, first.changed) == (True, True)
    again = subscriptions.subscribe(unit, ADMIN, APPLICATION.id, "stock", 1, "standard", now=NOW + 1)
    assert (again.record, again.created, again.changed) == (first.record, False, False)
    dry = subscriptions.subscribe(unit, ADMIN, APPLICATION.id, "stock", 1, "anonymous", dry_run=True, now=NOW)
    assert dry.changed is True
    assert _plan(unit) == [("stock", 1, "standard")]
    moved = subscriptions.subscribe(unit, ADMIN, APPLICATION.id, "stock", 1, "anonymous", now=NOW + 2)
    assert (moved.created, moved.changed, moved.record.created_at) == (False, True, NOW)
    assert _plan(unit) == [("stock", 1, "anonymous")]
    subscriptions.unsubscribe(unit, MAINTAINER, APPLICATION.id, "stock", 1, now=NOW)
    assert subscriptions.subscriptions(unit, application=APPLICATION.id) == []
    with pytest.raises(NotFound):
        subscriptions.unsubscribe(unit, MAINTAINER, APPLICATION.id, "stock", 1, now=NOW)


def test_what_cannot_be_subscribed_to(unit: Unit) -> None:
    publish(unit)
    for error, given in (
        (NotFound, ("nobody", "stock", 1, "standard")),
        (NotFound, (APPLICATION.id, "nothing", 1, "standard")),
        (Invalid, (APPLICATION.id, "stock", 1, "gold")),
        (Conflict, (APPLICATION.id, "stock", 2, "standard")),
    ):
        with pytest.raises(error):
            subscriptions.subscribe(unit, ADMIN, *given, now=NOW)
    with pytest.raises(Forbidden):
        subscriptions.subscribe(unit, OTHER, APPLICATION.id, "stock", 1, "standard", now=NOW)


def test_a_deprecated_major_keeps_its_subscribers_and_takes_no_new_ones(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    publish(unit, "2.0.0", breaking=True)
    deprecate(unit, "1.0.0")
    subscriptions.put_application(unit, ADMIN, _application(id="late"), now=NOW)
    with pytest.raises(Conflict, match="only deprecated versions"):
        subscriptions.subscribe(unit, ADMIN, "late", "stock", 1, "standard", now=NOW)
    changed = subscriptions.subscribe(unit, ADMIN, APPLICATION.id, "stock", 1, "anonymous", now=NOW)
    assert changed.changed is True


def test_partners_do_not_subscribe_to_what_is_internal(unit: Unit) -> None:
    internal = msgspec.structs.replace(CONTRACT, name="bins", audience="internal")
    register_contract(unit, ADMIN, internal, now=NOW)
    publish_version(unit, ADMIN, "bins", parsed(), now=NOW)
    with pytest.raises(Conflict, match="internal"):
        subscriptions.subscribe(unit, ADMIN, APPLICATION.id, "bins", 1, "standard", now=NOW)
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="ops", name="Ops", audience="internal"), now=NOW)
    subscriptions.put_application(unit, ADMIN, _application(id="board", consumer="ops"), now=NOW)
    assert subscriptions.subscribe(unit, ADMIN, "board", "bins", 1, "standard", now=NOW).created is True


def test_deleting_an_application_takes_everything_of_it_along(unit: Unit) -> None:
    publish(unit)
    publish(unit, "1.1.0", extra=1)
    subscribe(unit)
    credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW)
    publish_version(unit, MEMBER, "stock", parsed("1.2.0", extra=2), stage="draft", now=NOW)
    transitions.move(unit, MEMBER, "stock", "1.2.0", Action.SUBMIT, now=NOW)
    transitions.preview(unit, MEMBER, "stock", "1.2.0", (APPLICATION.id,), now=NOW)
    rollout = Rollout(contract="stock", major=1, version="1.1.0", applications=(APPLICATION.id,))
    transitions.put_rollout(unit, MEMBER, rollout, now=NOW)
    subscriptions.delete_application(unit, ADMIN, APPLICATION.id, dry_run=True, now=NOW)
    subscriptions.delete_application(unit, ADMIN, APPLICATION.id, reason="left", now=NOW)
    with pytest.raises(NotFound):
        subscriptions.application(unit, APPLICATION.id)
    assert subscriptions.subscriptions(unit) == []
    assert unit.credentials.all() == []
    assert catalogue.version(unit, "stock", "1.2.0").preview_applications == ()
    assert [entry.applications for entry in catalogue.rollouts(unit, "stock")] == [()]

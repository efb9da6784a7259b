"""Subscriptions from request to end, on SQLite and on a real PostgreSQL, and what of them crosses to gateways."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from policies.model import snapshot
from policies.model.access import Application, Plan, Rollback, Subscription, SubscriptionState, Terms
from registry import audit, plans, scopes, subscribing, subscriptions, tryouts
from registry.audit import Actor
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.evidence import subscribed
from registry.store import Store, open_store
from registry.store.records import RolledBack, StoredSubscription
from tests.unit.registry.world import ADMIN, APPLICATION, DAY, MAINTAINER, MEMBER, NOW, deprecate, publish, seed

PARTNER = Actor("pia", "partner", consumers=("oakhurst",), audience="partner")
MANAGER = Actor("pam", "partner-manager")
GATEWAY = Actor("gate", "gateway")
LINE = (APPLICATION.id, "stock", 1)
TRIAL = Plan(name="trial", trial_days=14)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    with opened.write() as unit:
        seed(unit)
        plans.put_plan(unit, ADMIN, TRIAL, now=NOW)
        publish(unit)
    yield opened
    opened.close()


def ask(store: Store, actor: Actor = PARTNER, plan: str = "standard", **more: object) -> StoredSubscription:
    with store.write() as unit:
        return subscribing.request(unit, actor, *LINE, plan, now=NOW, **more).record  # type: ignore[arg-type]


def move(
    store: Store, to: SubscriptionState, actor: Actor = MAINTAINER, reason: str | None = "because", now: int = NOW + 1
) -> StoredSubscription:
    with store.write() as unit:
        return subscribing.move(unit, actor, *LINE, to, reason=reason, now=now).record


def crossed(store: Store) -> Application:
    row = store.snapshot()
    assert row is not None
    return snapshot.loads(row.data)[0].applications[0]


def test_from_request_to_end(store: Store) -> None:
    asked = ask(store, reason="orders of 2027")
    assert (asked.state, asked.created_by, asked.reason) == ("requested", "pia", "orders of 2027")
    assert crossed(store).terms == (Terms(contract="stock", major=1, plan="standard", state="requested"),)
    approved = move(store, "active")
    assert (approved.moved_by, approved.moved_at, approved.created_by) == ("mara", NOW + 1, "pia")
    assert crossed(store).subscriptions == (Subscription(contract="stock", major=1, plan="standard"),)
    assert crossed(store).terms == ()
    move(store, "suspended", reason="invoices")
    assert [terms.state for terms in crossed(store).terms] == ["suspended"]
    assert crossed(store).subscriptions == ()
    move(store, "active")
    assert len(crossed(store).subscriptions) == 1
    ended = move(store, "ended", PARTNER)
    assert (ended.state, ended.moved_by) == ("ended", "pia")
    assert (crossed(store).subscriptions, crossed(store).terms) == ((), ())
    with store.read() as unit:
        log = audit.entries(unit, subject=f"applications/{APPLICATION.id}/subscriptions").entries
        assert [(entry.action, entry.actor) for entry in reversed(log)] == [
            ("subscription.request", "pia"),
            ("subscription.approve", "mara"),
            ("subscription.suspend", "mara"),
            ("subscription.resume", "mara"),
            ("subscription.end", "pia"),
        ]
        assert subscriptions.subscriptions(unit) == []
        assert subscriptions.subscriptions(unit, state="ended") == [ended]
    assert ask(store).state == "requested", "a new request starts anew"


def test_asking_again_changes_nothing_or_the_request(store: Store) -> None:
    with store.write() as unit:
        first = subscribing.request(unit, PARTNER, *LINE, "standard", now=NOW)
        again = subscribing.request(unit, PARTNER, *LINE, "standard", now=NOW + 1)
        other = subscribing.request(unit, PARTNER, *LINE, "trial", now=NOW + 2)
        assert (first.created, again.created, again.changed, again.record) == (True, False, False, first.record)
        assert (other.created, other.changed, other.record.plan) == (False, True, "trial")
        dry = subscribing.move(unit, MAINTAINER, *LINE, "active", dry_run=True, now=NOW)
        assert (dry.changed, dry.record.state) == (True, "active")
        assert [entry.state for entry in subscriptions.subscriptions(unit)] == ["requested"]
        assert subscribing.move(unit, MAINTAINER, *LINE, "active", now=NOW).changed is True
        assert subscribing.move(unit, MAINTAINER, *LINE, "active", now=NOW + 9).changed is False
        with pytest.raises(Conflict, match="the team stock-team can change that"):
            subscribing.request(unit, PARTNER, *LINE, "standard", now=NOW)


@pytest.mark.parametrize("to", ["rejected", "withdrawn", "ended"])
def test_what_is_over_is_final(store: Store, to: SubscriptionState) -> None:
    ask(store)
    if to == "ended":
        move(store, "active")
    move(store, to, ADMIN)
    for other in ("active", "suspended"):
        with pytest.raises(Conflict, match=f"a subscription that is {to} does not become {other}"):
            move(store, other, ADMIN)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="ask for it"):
        move(store, "requested", ADMIN)
    with store.write() as unit:
        plans.put_plan(unit, ADMIN, Plan(name="spare"), now=NOW)
        direct = subscriptions.subscribe(unit, MAINTAINER, *LINE, "spare", now=NOW + 5)
        assert (direct.created, direct.record.state, direct.record.created_by) == (True, "active", "mara")


def test_who_asks_does_not_approve(store: Store) -> None:
    boss = Actor("boss", "admin")
    ask(store, boss)
    with pytest.raises(Invalid) as caught:
        move(store, "active", boss, reason=None)
    assert caught.value.pointer == "/reason"
    with store.write() as unit, pytest.raises(Invalid):
        subscriptions.subscribe(unit, boss, *LINE, "standard", now=NOW)
    namesake = Actor("boss", "maintainer", "stock-team")
    with pytest.raises(Forbidden, match="somebody else has to approve it"):
        move(store, "active", namesake)
    for role in ("partner", "partner-manager"):
        with pytest.raises(Forbidden):
            move(store, "active", PARTNER if role == "partner" else MANAGER)
    with pytest.raises(Forbidden):
        move(store, "active", MEMBER)
    assert move(store, "active", boss, reason="nobody else is in").reason == "nobody else is in"


def test_rejecting_and_suspending_say_why(store: Store) -> None:
    ask(store)
    with pytest.raises(Invalid, match="say why"):
        move(store, "rejected", reason=None)
    move(store, "active")
    with pytest.raises(Invalid, match="say why"):
        move(store, "suspended", reason="")


def test_strangers_learn_nothing(store: Store) -> None:
    ask(store)
    stranger = Actor("sue", "partner", consumers=("brightwater",), audience="partner")
    with pytest.raises(NotFound):
        move(store, "withdrawn", stranger)
    with pytest.raises(NotFound):
        ask(store, stranger)
    other_team = Actor("olga", "maintainer", "order-team")
    with pytest.raises(NotFound):
        move(store, "active", other_team)


def test_a_trial_ends_is_extended_and_converted(store: Store) -> None:
    ask(store, plan="trial")
    assert move(store, "active", now=NOW + 100).expires_at == NOW + 100 + 14 * DAY
    assert [terms.expires_at for terms in crossed(store).terms] == [NOW + 100 + 14 * DAY]
    with store.write() as unit:
        same = subscriptions.subscribe(unit, MAINTAINER, *LINE, "trial", now=NOW + 500)
        assert same.changed is False, "putting it again extends nothing"
        longer = subscriptions.subscribe(unit, MAINTAINER, *LINE, "trial", expires_at=NOW + 40 * DAY, now=NOW + 500)
        assert longer.record.expires_at == NOW + 40 * DAY
        with pytest.raises(Invalid, match="lies ahead"):
            subscriptions.subscribe(unit, MAINTAINER, *LINE, "trial", expires_at=NOW + 500, now=NOW + 500)
        with pytest.raises(Invalid, match="a trial ends"):
            subscriptions.subscribe(unit, MAINTAINER, *LINE, "trial", expires_at=None, now=NOW + 500)
        with pytest.raises(Forbidden):
            subscriptions.subscribe(unit, PARTNER, *LINE, "trial", expires_at=NOW + 90 * DAY, now=NOW + 500)
        converted = subscriptions.subscribe(unit, MAINTAINER, *LINE, "standard", now=NOW + 500)
        assert converted.record.expires_at is None
    assert crossed(store).terms == ()


def test_a_suspended_trial_does_not_run_anew_when_it_is_resumed(store: Store) -> None:
    ask(store, plan="trial")
    end = move(store, "active").expires_at
    move(store, "suspended", now=NOW + 5)
    assert move(store, "active", now=NOW + 9 * DAY).expires_at == end
    with store.write() as unit:
        subscribing.move(unit, MAINTAINER, *LINE, "suspended", reason="again", now=NOW)
        kept = subscriptions.subscribe(unit, ADMIN, *LINE, "standard", now=NOW)
        assert kept.record.state == "suspended", "another plan does not resume"


def test_sites_are_granted_within_those_of_the_application(store: Store) -> None:
    with store.write() as unit:
        limited = msgspec.structs.replace(APPLICATION, sites=("DAL-2", "PHX-1"))
        subscriptions.put_application(unit, ADMIN, limited, now=NOW)
        with pytest.raises(Invalid) as caught:
            subscribing.request(unit, PARTNER, *LINE, "standard", sites=("DAL-2", "TOR-1"), now=NOW)
        assert caught.value.pointer == "/sites/1"
    ask(store, sites=("DAL-2",))
    move(store, "active")
    assert [terms.sites for terms in crossed(store).terms] == [("DAL-2",)]
    with store.write() as unit:
        subscriptions.subscribe(unit, MAINTAINER, *LINE, "standard", sites=("PHX-1",), now=NOW)
        stays = subscriptions.subscribe(unit, MAINTAINER, *LINE, "trial", now=NOW)
        assert stays.record.sites == ("PHX-1",)
        subscriptions.subscribe(unit, MAINTAINER, *LINE, "standard", sites=None, now=NOW)
    assert crossed(store).terms == ()


def test_a_request_makes_nobody_a_subscriber(store: Store) -> None:
    ask(store)
    with store.read() as unit:
        assert subscribed(unit, "stock", 1) == []
        assert scopes.usable(unit, APPLICATION.id) is None
    move(store, "active")
    move(store, "suspended")
    with store.read() as unit:
        assert [entry.id for entry in subscribed(unit, "stock", 1)] == [APPLICATION.id]
        assert scopes.usable(unit, APPLICATION.id) == {"stock:read"}


def test_what_is_deprecated_meanwhile_is_not_approved(store: Store) -> None:
    ask(store)
    with store.write() as unit:
        publish(unit, "2.0.0", breaking=True)
        deprecate(unit, "1.0.0")
    with pytest.raises(Conflict, match="only deprecated versions"):
        move(store, "active")


def test_a_plan_goes_when_nobody_is_on_it_any_more(store: Store) -> None:
    ask(store, plan="trial")
    with store.write() as unit, pytest.raises(Conflict, match="1 subscriptions"):
        plans.delete_plan(unit, ADMIN, "trial", now=NOW)
    move(store, "withdrawn", PARTNER)
    with store.write() as unit:
        plans.delete_plan(unit, ADMIN, "trial", now=NOW)
        assert subscriptions.subscriptions(unit, state="withdrawn") == []


# -- versions ---------------------------------------------------------------------------------------------------------


def choose(store: Store, actor: Actor = MEMBER, **given: object) -> StoredSubscription:
    with store.write() as unit:
        return tryouts.choose(unit, actor, *LINE, **{"pin": None, "tryout": None} | given, now=NOW).record  # type: ignore[arg-type]


def tell(store: Store, tryout: str, actor: Actor = GATEWAY) -> bool:
    told = RolledBack(version="", tryout=tryout, at=NOW + 9, reason="9 of 10", tried=(10, 9), base=(90, 0))
    with store.write() as unit:
        return tryouts.roll_back(unit, actor, *LINE, told, now=NOW + 5) is not None


def prepared(store: Store) -> None:
    with store.write() as unit:
        publish(unit, "1.1.0", extra=1)
    ask(store)
    move(store, "active")


def test_a_tryout_crosses_is_rolled_back_once_and_recorded(store: Store) -> None:
    prepared(store)
    wish = tryouts.Wish(version="1.1.0", share=10)
    held = choose(store, pin="1.0.0", tryout=wish)
    assert held.tryout is not None
    assert crossed(store).terms[0].tryout == held.tryout
    assert crossed(store).terms[0].pin == "1.0.0"
    same = choose(store, pin="1.0.0", tryout=tryouts.Wish(version="1.1.0", share=20))
    assert same.tryout is not None
    assert (same.tryout.id, same.tryout.share) == (held.tryout.id, 20), "another share is the same tryout"
    assert tell(store, "0000") is False
    assert tell(store, held.tryout.id) is True
    assert tell(store, held.tryout.id) is False, "every worker says so"
    assert (crossed(store).terms[0].tryout, crossed(store).terms[0].pin) == (None, "1.0.0")
    with store.read() as unit:
        entry = audit.entries(unit, limit=1).entries[0]
        assert (entry.action, entry.actor, entry.reason) == ("subscription.rollback", "gate", "9 of 10")
        over = subscriptions.subscriptions(unit)[0].rolled_back
        assert over == RolledBack(
            version="1.1.0", tryout=held.tryout.id, at=NOW + 5, reason="9 of 10", tried=(10, 9), base=(90, 0)
        )
    anew = choose(store, pin="1.0.0", tryout=wish)
    assert anew.tryout is not None
    assert anew.tryout.id != held.tryout.id
    assert anew.rolled_back is None
    assert tell(store, held.tryout.id) is False, "an old verdict does not end a new tryout"


@pytest.mark.parametrize(
    ("pointer", "given"),
    [
        ("/pin", {"pin": "1.7.0"}),
        ("/pin", {"pin": "2.0.0"}),
        ("/tryout/version", {"pin": "1.0.0", "tryout": tryouts.Wish(version="9", share=10)}),
        ("/tryout/version", {"pin": "1.1.0", "tryout": tryouts.Wish(version="1.0.0", share=10)}),
        ("/tryout/version", {"tryout": tryouts.Wish(version="1.1.0", share=10)}),
        ("/tryout/share", {"pin": "1.0.0", "tryout": tryouts.Wish(version="1.1.0", share=100)}),
        (
            "/tryout/rollback",
            {"pin": "1.0.0", "tryout": tryouts.Wish(version="1.1.0", share=9, rollback=Rollback())},
        ),
        (
            "/tryout/rollback/window",
            {"pin": "1.0.0", "tryout": tryouts.Wish(version="1.1.0", share=9, rollback=Rollback(window=1))},
        ),
    ],
)
def test_what_cannot_be_served_or_judged(store: Store, pointer: str, given: dict[str, object]) -> None:
    prepared(store)
    with pytest.raises(Invalid) as caught:
        choose(store, **given)
    assert caught.value.pointer == pointer


def test_who_chooses_and_who_tells(store: Store) -> None:
    prepared(store)
    for actor in (PARTNER, MANAGER):
        with pytest.raises(Forbidden):
            choose(store, actor, pin="1.0.0")
    with pytest.raises(NotFound):
        choose(store, Actor("olga", "maintainer", "order-team"), pin="1.0.0")
    held = choose(store, pin="1.0.0", tryout=tryouts.Wish(version="1.1.0", share=10))
    assert held.tryout is not None
    with pytest.raises(Forbidden):
        tell(store, held.tryout.id, MEMBER)
    move(store, "ended")
    with pytest.raises(Conflict, match="is ended"):
        choose(store, pin="1.0.0")

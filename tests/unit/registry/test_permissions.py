"""Refusals, and the ways around them that are closed: second pairs of eyes, keys that outlive what they were for."""

from __future__ import annotations

import msgspec
import pytest

from policies.lifecycle import Action
from registry import (
    audit,
    catalogue,
    credentials,
    issuers,
    operators,
    permissions,
    publishing,
    subscriptions,
    transitions,
)
from registry.audit import Actor
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.store import Unit
from registry.store.records import Consumer, RegisteredApplication
from tests.unit.registry.test_issuers import IDP
from tests.unit.registry.world import (
    ADMIN,
    APPLICATION,
    CONSUMER,
    CONTRACT,
    DAY,
    MAINTAINER,
    MEMBER,
    NOW,
    OTHER,
    READER,
    document,
    parsed,
    publish,
    subscribe,
)

MANAGER = Actor("paula", "partner-manager", consumers=("oakhurst",))
PARTNER = Actor("pia", "partner", consumers=("oakhurst",), audience="partner")
STRANGER = Actor("stan", "partner", consumers=("brightwater",), audience="partner")
ROBOT = Actor("pipeline", "robot", "stock-team", contract="stock")


def _robot(
    unit: Unit, actor: Actor = MAINTAINER, name: str = "pipeline", seconds: int = 3600
) -> operators.IssuedOperator:
    return operators.create_operator(
        unit, actor, name=name, role="robot", contract="stock", expires_at=NOW + seconds, now=NOW
    )


def test_what_one_may_read_but_not_change_is_forbidden_and_what_one_may_not_read_is_not_there(unit: Unit) -> None:
    with pytest.raises(
        Forbidden, match="only admins, maintainers of the team stock-team and members of the team stock"
    ):
        permissions.contract(unit, OTHER, "put_contract", "change stock", "stock")
    with pytest.raises(NotFound, match="there is no application 'oakhurst-procurement'"):
        permissions.application(unit, STRANGER, "create_credential", "create credentials", APPLICATION.id)
    with pytest.raises(NotFound) as nobody:
        permissions.application(unit, STRANGER, "create_credential", "create credentials", "nobody")
    assert str(nobody.value) == "there is no application 'nobody'", "in the same words"


def test_what_a_role_never_may_is_refused_before_it_is_looked_for(unit: Unit) -> None:
    for name in ("stock", "nothing"):
        with pytest.raises(Forbidden, match="rita is a reader"):
            permissions.contract(unit, READER, "put_contract", "change it", name)


# -- approving --------------------------------------------------------------------------------------------------------


def _written_by(unit: Unit, actor: Actor, number: str = "1.0.0") -> None:
    publishing.publish(unit, actor, "stock", parsed(number), stage="draft", now=NOW)
    transitions.move(unit, actor, "stock", number, Action.SUBMIT, now=NOW)


@pytest.mark.parametrize("way", ["move", "publish"])
def test_who_publishes_what_somebody_else_wrote_approves_it(unit: Unit, way: str) -> None:
    _written_by(unit, MEMBER)

    def by(actor: Actor) -> None:
        if way == "move":
            transitions.move(unit, actor, "stock", "1.0.0", Action.PUBLISH, now=NOW)
        else:
            publishing.publish(unit, actor, "stock", parsed(), now=NOW)

    for actor in (Actor("moe", "member", "stock-team"), ROBOT):
        with pytest.raises(Forbidden):
            by(actor)
    by(MAINTAINER)
    version = catalogue.version(unit, "stock", "1.0.0")
    assert (version.author, version.approver) == ("mia", "mara")
    by(Actor("moe", "member", "stock-team"))  # it is published already, which changes nothing


def test_nobody_approves_through_a_robot_of_ones_own(unit: Unit) -> None:
    robot = operators.authenticate(unit, _robot(unit).key, admin_key=None, now=NOW)
    _written_by(unit, robot)
    with pytest.raises(Forbidden, match="mara let in the robot pipeline that wrote it"):
        transitions.move(unit, MAINTAINER, "stock", "1.0.0", Action.PUBLISH, now=NOW)
    operators.revoke_robots(unit, ADMIN, "stock", reason="over", now=NOW)
    with pytest.raises(Forbidden, match="let in"):  # not by getting rid of it, either
        transitions.move(unit, MAINTAINER, "stock", "1.0.0", Action.PUBLISH, now=NOW)
    transitions.move(unit, Actor("max", "maintainer", "stock-team"), "stock", "1.0.0", Action.PUBLISH, now=NOW)


def test_a_robot_judges_publishes_and_submits_its_contract_and_nothing_else(unit: Unit) -> None:
    other = msgspec.structs.replace(CONTRACT, name="bins")
    publishing.register_contract(unit, MEMBER, other, now=NOW)
    assert publishing.publish(unit, ROBOT, "stock", parsed(), dry_run=True, now=NOW).created
    _written_by(unit, ROBOT)
    with pytest.raises(Forbidden):
        transitions.move(unit, ROBOT, "stock", "1.0.0", Action.PUBLISH, now=NOW)
    with pytest.raises(NotFound):
        publishing.publish(unit, ROBOT, "bins", parsed(), now=NOW)
    assert [contract.name for contract in catalogue.contracts(unit, reader=ROBOT)] == ["stock"]


# -- keys that outlive what they were given for -----------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [None, DAY + 1])
def test_the_key_of_a_robot_ends_within_a_day(unit: Unit, seconds: int | None) -> None:
    with pytest.raises(Invalid, match="within 24 hours"):
        operators.create_operator(
            unit, ADMIN, name="ci", role="robot", contract="stock", expires_at=seconds and NOW + seconds, now=NOW
        )
    assert _robot(unit, ADMIN, "ci", DAY).operator.team == "stock-team"


def test_robots_of_one_contract_share_a_name_and_expired_ones_are_cleared_away(unit: Unit) -> None:
    first, second = _robot(unit), _robot(unit)
    assert first.operator.id != second.operator.id
    operators.create_operator(
        unit, MAINTAINER, name="pipeline", role="robot", contract="stock", expires_at=NOW + DAY, now=NOW + 3600
    )
    assert operators.operator(unit, first.operator.id).revoked_at == NOW + 3600
    with pytest.raises(Conflict):
        operators.create_operator(unit, ADMIN, name="pipeline", role="reader", now=NOW)


@pytest.mark.parametrize("how", ["changes hands", "is deleted"])
def test_robots_end_when_their_contract(unit: Unit, how: str) -> None:
    key = _robot(unit).key
    if how == "is deleted":
        publishing.delete_contract(unit, ADMIN, "stock", now=NOW)
    else:
        given = msgspec.structs.replace(CONTRACT, owner="order-team")
        publishing.register_contract(unit, ADMIN, given, now=NOW)
    with pytest.raises(Unauthenticated):
        operators.authenticate(unit, key, admin_key=None, now=NOW)


def test_a_consumer_with_people_is_kept_so_that_nobody_inherits_them(unit: Unit) -> None:
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="brightwater", name="B", audience="partner"), now=NOW)
    issued = operators.create_operator(unit, ADMIN, name="bea", role="partner", consumers=("brightwater",), now=NOW)
    with pytest.raises(Conflict, match="operators still speak for the consumer brightwater: bea; revoke them first"):
        subscriptions.delete_consumer(unit, ADMIN, "brightwater", now=NOW)
    operators.revoke_operator(unit, ADMIN, issued.operator.id, now=NOW)
    subscriptions.delete_consumer(unit, ADMIN, "brightwater", now=NOW)


# -- letting in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actor", "given"),
    [
        (MAINTAINER, {"role": "admin"}),
        (MAINTAINER, {"role": "maintainer", "team": "stock-team"}),
        (MAINTAINER, {"role": "member", "team": "order-team"}),
        (Actor("olga", "maintainer", "order-team"), {"role": "robot", "contract": "stock", "expires_at": NOW + 60}),
        (MANAGER, {"role": "partner-manager"}),
        (MANAGER, {"role": "reader"}),
        (MEMBER, {"role": "member", "team": "stock-team"}),
        (PARTNER, {"role": "partner", "consumers": ("oakhurst",)}),
    ],
)
def test_nobody_lets_in_more_than_the_table_says(unit: Unit, actor: Actor, given: dict[str, object]) -> None:
    with pytest.raises(Forbidden):
        operators.create_operator(unit, actor, name="new", now=NOW, **given)  # type: ignore[arg-type]


def test_a_maintainer_lets_in_and_revokes_members_but_no_maintainer(unit: Unit) -> None:
    member = operators.create_operator(unit, MAINTAINER, name="new", role="member", team="stock-team", now=NOW)
    operators.revoke_operator(unit, MAINTAINER, member.operator.id, now=NOW)
    peer = operators.create_operator(unit, ADMIN, name="max", role="maintainer", team="stock-team", now=NOW)
    with pytest.raises(Forbidden, match="only an admin may revoke the key of max"):
        operators.revoke_operator(unit, MAINTAINER, peer.operator.id, now=NOW)
    foreign = operators.create_operator(unit, ADMIN, name="otto", role="member", team="order-team", now=NOW)
    with pytest.raises(NotFound):
        operators.revoke_operator(unit, MAINTAINER, foreign.operator.id, now=NOW)


def test_a_manager_of_named_partners_lets_in_their_people_only(unit: Unit) -> None:
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="brightwater", name="B", audience="partner"), now=NOW)
    operators.create_operator(unit, MANAGER, name="pia", role="partner", consumers=("oakhurst",), now=NOW)
    for hidden in ("brightwater", "nobody"):
        with pytest.raises(Invalid, match=f"there is no consumer '{hidden}'"):
            operators.create_operator(unit, MANAGER, name="bea", role="partner", consumers=(hidden,), now=NOW)


@pytest.mark.parametrize(
    ("pointer", "given"),
    [
        ("/contract", {"role": "robot", "expires_at": NOW + 60}),
        ("/contract", {"role": "robot", "contract": "nothing", "expires_at": NOW + 60}),
        ("/contract", {"role": "member", "team": "stock-team", "contract": "stock"}),
        ("/team", {"role": "maintainer"}),
        ("/team", {"role": "robot", "team": "stock-team", "contract": "stock", "expires_at": NOW + 60}),
        ("/consumers", {"role": "partner"}),
        ("/consumers", {"role": "partner", "consumers": ("oakhurst", "tills")}),
        ("/consumers", {"role": "auditor", "consumers": ("oakhurst",)}),
        ("/consumers/0", {"role": "partner", "consumers": ("nobody",)}),
        ("/consumers/0", {"role": "partner-manager", "consumers": ("tills",)}),
    ],
)
def test_an_operator_belongs_to_what_its_role_asks_for(unit: Unit, pointer: str, given: dict[str, object]) -> None:
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="tills", name="Tills", audience="internal"), now=NOW)
    with pytest.raises(Invalid) as caught:
        operators.create_operator(unit, ADMIN, name="new", now=NOW, **given)  # type: ignore[arg-type]
    assert caught.value.pointer == pointer


# -- what partners and their managers may not reach -------------------------------------------------------------------


def test_a_manager_keeps_to_partners(unit: Unit) -> None:
    every = Actor("petra", "partner-manager")
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="tills", name="Tills", audience="internal"), now=NOW)
    subscriptions.put_consumer(unit, every, Consumer(id="brightwater", name="B", audience="partner"), now=NOW)
    with pytest.raises(Forbidden):  # a partner that becomes internal would see what is internal
        subscriptions.put_consumer(unit, every, msgspec.structs.replace(CONSUMER, audience="internal"), now=NOW)
    with pytest.raises(NotFound):
        subscriptions.put_consumer(unit, every, Consumer(id="tills", name="T", audience="partner"), now=NOW)
    with pytest.raises(NotFound):
        subscriptions.put_consumer(unit, MANAGER, Consumer(id="brightwater", name="B", audience="partner"), now=NOW)
    with pytest.raises(Forbidden):
        subscriptions.put_consumer(unit, MANAGER, Consumer(id="new", name="N", audience="partner"), now=NOW)


def test_an_application_is_not_taken_from_a_consumer_one_does_not_look_after(unit: Unit) -> None:
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="brightwater", name="B", audience="partner"), now=NOW)
    theirs = RegisteredApplication(id="bridge", name="Bridge", consumer="brightwater")
    subscriptions.put_application(unit, ADMIN, theirs, now=NOW)
    with pytest.raises(NotFound):
        subscriptions.put_application(unit, MANAGER, msgspec.structs.replace(theirs, consumer="oakhurst"), now=NOW)
    with pytest.raises(Invalid, match="there is no consumer 'brightwater'"):
        subscriptions.put_application(unit, MANAGER, msgspec.structs.replace(theirs, id="new"), now=NOW)
    issuers.put_issuer(unit, ADMIN, IDP, now=NOW)
    credentials.add_subject(unit, ADMIN, "bridge", issuer=IDP.name, subject="s", now=NOW)
    with pytest.raises(Conflict, match="speaks for another application already"):
        credentials.add_subject(unit, MANAGER, APPLICATION.id, issuer=IDP.name, subject="s", now=NOW)
    with pytest.raises(Conflict, match="speaks for the application bridge already"):
        credentials.add_subject(unit, ADMIN, APPLICATION.id, issuer=IDP.name, subject="s", now=NOW)


def test_nobody_names_the_party_of_a_consumer_that_it_does_not_look_after(unit: Unit) -> None:
    """Upstreams serve by party, so that one partner's orders would be another's."""
    subscriptions.put_consumer(unit, ADMIN, Consumer(id="brightwater", name="B", audience="partner"), now=NOW)
    theirs = RegisteredApplication(id="bridge", name="Bridge", consumer="brightwater", party="SUP-7")
    subscriptions.put_application(unit, ADMIN, theirs, now=NOW)
    mine = RegisteredApplication(id="mine", name="Mine", consumer="oakhurst", party="SUP-7")
    with pytest.raises(Invalid) as caught:
        subscriptions.put_application(unit, MANAGER, mine, now=NOW)
    assert (caught.value.pointer, str(caught.value)) == ("/party", "that party is another consumer's")
    own = msgspec.structs.replace(mine, party="CUS-9")
    assert subscriptions.put_application(unit, MANAGER, own, now=NOW).created
    assert subscriptions.put_application(unit, MANAGER, msgspec.structs.replace(own, id="too"), now=NOW).created
    assert subscriptions.put_application(unit, ADMIN, mine, now=NOW).changed, "an admin may let two share one"
    renamed = msgspec.structs.replace(mine, name="Renamed")
    assert subscriptions.put_application(unit, MANAGER, renamed, now=NOW).changed, "what stands may stay"


def test_a_partner_is_told_nothing_of_how_it_is_served_and_of_what_is_not_published(unit: Unit) -> None:
    publish(unit)
    publishing.publish(unit, MEMBER, "stock", parsed("1.1.0", extra=1), stage="draft", now=NOW)
    assert catalogue.contract(unit, "stock", reader=PARTNER).upstreams == {}
    assert [contract.upstreams for contract in catalogue.contracts(unit, reader=PARTNER)] == [{}]
    assert catalogue.contract(unit, "stock", reader=OTHER).upstreams == CONTRACT.upstreams
    assert [version.number for version in catalogue.versions(unit, "stock", reader=PARTNER)] == ["1.0.0"]
    draft = document("1.1.0", extra=1).digest
    for reader in (PARTNER, READER, OTHER):
        assert catalogue.document(unit, document("1.0.0").digest, reader=reader).tree
        with pytest.raises(NotFound):
            catalogue.document(unit, draft, reader=reader)
    assert catalogue.document(unit, draft, reader=MEMBER).tree


def test_what_was_given_up_unpublished_stays_unseen(unit: Unit) -> None:
    publishing.publish(unit, MEMBER, "stock", parsed(), stage="draft", now=NOW)
    transitions.move(unit, MEMBER, "stock", "1.0.0", Action.ARCHIVE, now=NOW)
    assert catalogue.versions(unit, "stock", reader=READER) == []
    assert len(catalogue.versions(unit, "stock", reader=MEMBER)) == 1


def test_a_partner_ends_its_own_subscription_and_finds_no_others(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    assert subscriptions.subscriptions(unit, reader=STRANGER) == []
    with pytest.raises(NotFound, match="is not subscribed"):
        subscriptions.unsubscribe(unit, STRANGER, APPLICATION.id, "stock", 1, now=NOW)
    with pytest.raises(Forbidden):
        subscriptions.subscribe(unit, PARTNER, APPLICATION.id, "stock", 1, "anonymous", now=NOW)
    subscriptions.unsubscribe(unit, PARTNER, APPLICATION.id, "stock", 1, now=NOW)


def test_the_audit_log_of_each_is_ones_own(unit: Unit) -> None:
    unit.finish()
    seen = {
        actor.name: {entry.subject for entry in audit.entries(unit, limit=100, reader=actor).entries}
        for actor in (PARTNER, STRANGER, MANAGER, MEMBER, OTHER, Actor("ann", "auditor"))
    }
    own = {"consumers/oakhurst", "applications/oakhurst-procurement"}
    assert (seen["pia"], seen["stan"], seen["paula"]) == (own, set(), own)
    assert seen["mia"] == {"teams/stock-team", "contracts/stock"}
    assert seen["otto"] == {"teams/order-team"}
    assert seen["ann"] >= own | seen["mia"] | {"plans/standard"}

from __future__ import annotations

from dataclasses import replace

import pytest

from registry import audit, operators
from registry.audit import Actor
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.store import Unit
from registry.store.records import Team
from tests.unit.registry.world import ADMIN, DAY, MEMBER, NOW, READER

KEY = "bootstrap-key-for-tests"


def test_the_bootstrap_key_is_an_admin(unit: Unit) -> None:
    assert operators.authenticate(unit, KEY, admin_key=KEY, now=NOW) == Actor(
        "bootstrap-admin", "admin", credential="bootstrap-key"
    )


def test_an_operator_is_known_by_the_key_and_only_by_the_whole_key(unit: Unit) -> None:
    issued = operators.create_operator(unit, ADMIN, name="mia", role="member", team="stock-team", now=NOW)
    assert operators.authenticate(unit, issued.key, admin_key=KEY, now=NOW) == replace(
        MEMBER, credential=issued.operator.id
    )
    prefix, id_, secret = issued.key.split("_")
    for wrong in ("", issued.key[:-1], issued.key + "0", f"{prefix}_{id_}_{'0' * 64}", f"wbk_{id_}_{secret}", "é", KEY):
        with pytest.raises(Unauthenticated) as caught:
            operators.authenticate(unit, wrong, admin_key=None, now=NOW)
        assert secret not in str(caught.value)
    assert secret not in repr(issued)
    assert issued.operator.digest not in repr(issued)
    assert secret not in repr(audit.entries(unit))


def test_without_a_bootstrap_key_an_empty_token_is_nobody(unit: Unit) -> None:
    with pytest.raises(Unauthenticated):
        operators.authenticate(unit, "", admin_key="", now=NOW)


def test_revoked_and_expired_keys_are_refused(unit: Unit) -> None:
    first = operators.create_operator(unit, ADMIN, name="ci", role="reader", expires_at=NOW + DAY, now=NOW)
    assert operators.authenticate(unit, first.key, admin_key=None, now=NOW + DAY - 1).role == "reader"
    with pytest.raises(Unauthenticated):
        operators.authenticate(unit, first.key, admin_key=None, now=NOW + DAY)
    revoked = operators.revoke_operator(unit, ADMIN, first.operator.id, reason="left", now=NOW)
    assert operators.revoke_operator(unit, ADMIN, first.operator.id, now=NOW + 1) == revoked
    with pytest.raises(Unauthenticated):
        operators.authenticate(unit, first.key, admin_key=None, now=NOW)


def test_a_name_is_free_again_once_its_key_is_revoked(unit: Unit) -> None:
    first = operators.create_operator(unit, ADMIN, name="ci", role="reader", now=NOW)
    with pytest.raises(Conflict):
        operators.create_operator(unit, ADMIN, name="ci", role="reader", now=NOW)
    operators.revoke_operator(unit, ADMIN, first.operator.id, now=NOW)
    second = operators.create_operator(unit, ADMIN, name="ci", role="reader", now=NOW + 1)
    assert operators.operators(unit) == [operators.operator(unit, first.operator.id), second.operator]


@pytest.mark.parametrize(
    ("pointer", "given"),
    [
        ("/name", {"name": "Mia", "role": "reader"}),
        ("/name", {"name": "bootstrap-admin", "role": "admin"}),
        ("/name", {"name": "registry", "role": "admin"}),  # whose audit rows would read as the registry's own
        ("/role", {"name": "mia", "role": "owner"}),
        ("/team", {"name": "mia", "role": "member"}),
        ("/team", {"name": "mia", "role": "admin", "team": "stock-team"}),
        ("/team", {"name": "mia", "role": "member", "team": "nobody"}),
        ("/expires_at", {"name": "mia", "role": "reader", "expires_at": NOW}),
    ],
)
def test_malformed_operators(unit: Unit, pointer: str, given: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        operators.create_operator(unit, ADMIN, now=NOW, **given)  # type: ignore[arg-type]
    assert caught.value.pointer == pointer


def test_an_unknown_operator(unit: Unit) -> None:
    with pytest.raises(NotFound):
        operators.operator(unit, "nobody")


def test_only_admins_govern_teams_and_operators(unit: Unit) -> None:
    for actor in (MEMBER, READER):
        for attempt in (
            lambda actor=actor: operators.put_team(unit, actor, Team(name="x"), now=NOW),
            lambda actor=actor: operators.delete_team(unit, actor, "stock-team", now=NOW),
            lambda actor=actor: operators.create_operator(unit, actor, name="x", role="admin", now=NOW),
            lambda actor=actor: operators.revoke_operator(unit, actor, "x", now=NOW),
        ):
            with pytest.raises(Forbidden, match=f"only admins.* may .*{actor.name} is a {actor.role}"):
                attempt()


def test_teams(unit: Unit) -> None:
    team = Team(name="price-team", title="Prices")
    assert operators.put_team(unit, ADMIN, team, dry_run=True, now=NOW).created is True
    with pytest.raises(NotFound):
        operators.team(unit, "price-team")
    saved = operators.put_team(unit, ADMIN, team, now=NOW)
    assert (saved.created, saved.changed) == (True, True)
    saved = operators.put_team(unit, ADMIN, team, now=NOW)
    assert (saved.created, saved.changed) == (False, False)
    assert [found.name for found in operators.teams(unit)] == ["order-team", "price-team", "stock-team"]
    operators.delete_team(unit, ADMIN, "price-team", now=NOW)
    assert [found.name for found in operators.teams(unit)] == ["order-team", "stock-team"]


def test_a_team_in_use_is_kept(unit: Unit) -> None:
    with pytest.raises(Conflict, match="still owns stock"):
        operators.delete_team(unit, ADMIN, "stock-team", now=NOW)
    operators.create_operator(unit, ADMIN, name="otto", role="member", team="order-team", now=NOW)
    with pytest.raises(Conflict, match="operators"):
        operators.delete_team(unit, ADMIN, "order-team", now=NOW)

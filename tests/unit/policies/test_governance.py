"""Who may change what. The table is read as documentation, so what is tested here are its promises, not its cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import pytest

from policies import governance
from policies.governance import NOTHING, ROLES, TABLE, Reach, Role, Thing
from policies.lifecycle import Action
from policies.model.contract import Audience

READS = ("list_", "get_", "export_", "whoami", "lint_", "diff_")


@dataclass(frozen=True)
class Actor:
    role: Role
    team: str | None = None
    contract: str | None = None
    consumers: tuple[str, ...] | None = None
    audience: Audience | None = None


STOCK = Thing(team="stock-team", contract="stock", audience="partner")
LEDGER = Thing(team="stock-team", contract="ledger", audience="internal")
OAKHURST = Thing(consumer="oakhurst", audience="partner")
TILLS = Thing(consumer="tills", audience="internal")


def test_every_action_has_a_cell_for_every_role_and_stands_under_one_heading() -> None:
    assert all(tuple(row) == ROLES for row in TABLE.values())
    assert [action for actions in governance.HEADINGS.values() for action in actions] == list(TABLE)
    assert set(governance.MEANINGS) == set(ROLES) == set(get_args(Role))


def test_what_was_not_thought_of_is_an_error() -> None:
    with pytest.raises(KeyError):
        governance.may(Actor("admin"), "open_the_gate")


def test_a_detail_never_reaches_further_than_its_operation() -> None:
    order = [Reach.NONE, Reach.CONTRACT, Reach.CONSUMER, Reach.TEAM, Reach.OFFERED, Reach.ANY]
    for action, row in TABLE.items():
        operation, dot, _ = action.partition(".")
        if dot and operation in TABLE:
            for role, reach in row.items():
                assert order.index(reach) <= order.index(TABLE[operation][role]), (action, role)


def test_every_step_of_a_life_has_a_row() -> None:
    assert {f"move_version.{action}" for action in Action} <= set(TABLE)


def test_an_admin_may_all_and_an_auditor_reads_all() -> None:
    for action, row in TABLE.items():
        assert row["admin"] is Reach.ANY
        assert row["auditor"] is (Reach.ANY if action.startswith(READS) else Reach.NONE), action


def test_only_a_reader_and_an_auditor_change_nothing_at_all() -> None:
    changing = {action for action in TABLE if not action.startswith(READS)}
    idle = {role for role in ROLES if all(TABLE[action][role] is Reach.NONE for action in changing)}
    assert idle == {"auditor", "reader"}
    assert {action for action, row in TABLE.items() if row["gateway"] is not Reach.NONE} == {
        "whoami",
        "get_snapshot",
        "report_usage",
        "report_rollback",
    }


def test_a_maintainer_may_all_that_a_member_may_and_these() -> None:
    more = set()
    for action, row in TABLE.items():
        if row["maintainer"] is not row["member"]:
            assert (row["member"], row["maintainer"]) == (Reach.NONE, Reach.TEAM)
            more.add(action)
    assert more == {
        "list_operators", "get_operator", "create_operator", "revoke_operator",
        "publish_version.approve", "approve_waiver",
        "move_version.retire", "move_version.block", "move_version.unblock",
        "put_subscription", "delete_subscription", "move_subscription", "move_subscription.approve",
        "move_subscription.reject", "move_subscription.suspend", "move_subscription.resume", "move_subscription.end",
    }  # fmt: skip


def test_a_robot_never_approves_and_changes_only_its_contract() -> None:
    robot = Actor("robot", "stock-team", contract="stock")
    changing = {a for a, row in TABLE.items() if not a.startswith(READS) and row["robot"] is not Reach.NONE}
    assert changing == {"publish_version", "move_version", "move_version.submit"}
    assert governance.may(robot, "publish_version", STOCK)
    assert not governance.may(robot, "publish_version", LEDGER)
    assert not governance.may(robot, "get_contract", LEDGER)
    assert not governance.may(robot, "publish_version.approve", STOCK)


def test_a_partner_reads_what_is_offered_and_its_own() -> None:
    partner = Actor("partner", consumers=("oakhurst",), audience="partner")
    assert governance.may(partner, "get_contract", STOCK)
    assert not governance.may(partner, "get_contract", LEDGER)
    assert governance.may(Actor("partner", consumers=("tills",), audience="internal"), "get_contract", LEDGER)
    assert governance.may(partner, "create_credential", OAKHURST)
    assert not governance.may(partner, "create_credential.subject", OAKHURST)
    assert not governance.may(partner, "get_consumer", Thing(consumer="brightwater", audience="partner"))
    assert not governance.may(partner, "get_consumer", NOTHING)
    assert not governance.may(Actor("partner"), "get_consumer", OAKHURST), "without a consumer it has none"


def test_a_partner_manager_looks_after_partners_all_or_named() -> None:
    for consumers, expected in ((None, True), (("oakhurst",), True), (("brightwater",), False)):
        manager = Actor("partner-manager", consumers=consumers)
        assert governance.may(manager, "put_application", OAKHURST) is expected
        assert not governance.may(manager, "put_application", TILLS), "never an internal consumer"
    assert not any(governance.may(Actor("partner-manager"), f"move_version.{a}", STOCK) for a in Action)


def test_a_team_is_not_another_and_nobody_has_no_team() -> None:
    assert governance.may(Actor("member", "stock-team"), "publish_version", STOCK)
    assert not governance.may(Actor("member", "order-team"), "publish_version", STOCK)
    assert not governance.may(Actor("member"), "publish_version", NOTHING)
    assert not governance.may(Actor("robot"), "publish_version", NOTHING)


def test_nobody_lets_in_more_than_it_is() -> None:
    assert {role: governance.grantable(role) for role in ROLES if governance.grantable(role)} == {
        "admin": ROLES, "maintainer": ("member", "robot"), "partner-manager": ("partner",),
    }  # fmt: skip


def test_a_refusal_says_who_may() -> None:
    assert governance.told("put_plan") == "only admins"
    assert governance.told("approve_waiver", STOCK) == "only admins and maintainers of the team stock-team"
    assert governance.told("publish_version", STOCK) == (
        "only admins, maintainers of the team stock-team, members of the team stock-team and robots of that contract"
    )

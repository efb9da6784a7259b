"""Who may change what on the control plane: one table of actions, roles and reaches, and the judgement that reads it.

    reach(role, action) -> Reach                what the table says
    may(actor, action, thing) -> bool           whether that reach covers the thing
    grantable(role) -> tuple[Role, ...]         the roles of operators that a role may let in and revoke
    told(action, thing) -> str                  who may, for the sentence of a refusal

An action is an operationId of the management API; ``operation.detail`` is one that what is sent decides, such as
``move_version.retire``, and asks more than its operation does. The table is the documentation (docs/roles.md is made
from it), and an operation without a row is an error at its first call and in the tests. Knows nothing of how things are
kept: who asks gathers the facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, Protocol, cast, get_args

from msgspec import Struct

from policies.model.contract import Audience

Role = Literal[
    "admin", "maintainer", "member", "partner-manager", "partner", "auditor", "robot", "reader", "gateway"
]  # fmt: skip
ROLES: tuple[Role, ...] = get_args(Role)

MEANINGS: Mapping[Role, str] = {
    "admin": "platform team: may do everything",
    "maintainer": "runs a team: all that its members may, and approves, retires, blocks, grants access to the team's "
    "contracts and lets members and robots in",
    "member": "works in a team: registers its contracts, publishes and deprecates their versions, asks for waivers",
    "partner-manager": "looks after partners, all of them or named ones: their applications, credentials and people",
    "partner": "a person or system of one consumer: sees that consumer alone and what is offered to it",
    "auditor": "reads everything, changes nothing",
    "robot": "a pipeline of one contract, for at most a day: judges, publishes and submits; never approves",
    "reader": "reads the catalogue: teams, contracts, published versions, plans and rules",
    "gateway": "a gateway: fetches the snapshot and reports who called what",
}


class Reach(StrEnum):
    """How far an action goes."""

    NONE = "-"
    ANY = "any"
    TEAM = "team"
    """What the own team owns."""
    CONTRACT = "contract"
    """The contract that the robot is bound to."""
    CONSUMER = "consumer"
    """The own consumer; of a partner manager, those looked after."""
    OFFERED = "offered"
    """Contracts of the own audience: those for partners, and to an internal consumer all."""


class Thing(Struct, frozen=True, kw_only=True):
    """What an action is about: the team that owns it, its contract, its consumer, and the audience of the consumer or,
    where there is none, of the contract."""

    team: str | None = None
    contract: str | None = None
    consumer: str | None = None
    audience: Audience | None = None


NOTHING = Thing()
"""What belongs to the platform: plans, issuers, keys, the snapshot."""


class Actor(Protocol):
    """Who acts. `consumers` ``None`` is a partner manager of all partners; `audience` is of a partner's consumer."""

    @property
    def role(self) -> Role: ...
    @property
    def team(self) -> str | None: ...
    @property
    def contract(self) -> str | None: ...
    @property
    def consumers(self) -> tuple[str, ...] | None: ...
    @property
    def audience(self) -> Audience | None: ...


_GRANTABLE: Mapping[Role, tuple[Role, ...]] = {
    "admin": ROLES,
    "maintainer": ("member", "robot"),
    "partner-manager": ("partner",),
}

OWN = frozenset({"get_own_application", "list_own_contracts", "get_own_contract"})
"""Operations of an application about itself, by its own credential: no operator has a part in them."""

_TABLE = """
                               admin  maintainer  member  partner-manager  partner   auditor  robot     reader  gateway
# Who asks, and the rules
whoami                         any    any         any     any              any       any      any       any     any
list_rules                     any    any         any     any              any       any      any       any     -
get_rule                       any    any         any     any              any       any      any       any     -
lint_document                  any    any         any     -                -         any      any       any     -
diff_documents                 any    any         any     -                -         any      any       any     -
# Teams and operators
list_teams                     any    any         any     any              -         any      -         any     -
get_team                       any    any         any     any              -         any      -         any     -
put_team                       any    -           -       -                -         -        -         -       -
delete_team                    any    -           -       -                -         -        -         -       -
list_operators                 any    team        -       consumer         -         any      -         -       -
get_operator                   any    team        -       consumer         -         any      -         -       -
create_operator                any    team        -       consumer         -         -        -         -       -
revoke_operator                any    team        -       consumer         -         -        -         -       -
# Contracts
list_contracts                 any    any         any     any              offered   any      contract  any     -
get_contract                   any    any         any     any              offered   any      contract  any     -
get_contract.upstreams         any    any         any     any              -         any      contract  any     -
put_contract                   any    team        team    -                -         -        -         -       -
delete_contract                any    team        team    -                -         -        -         -       -
# Versions
list_versions                  any    any         any     any              offered   any      contract  any     -
get_version                    any    any         any     any              offered   any      contract  any     -
get_version.unpublished        any    team        team    -                -         any      contract  -       -
get_version_document           any    any         any     any              offered   any      contract  any     -
get_document                   any    any         any     any              offered   any      contract  any     -
diff_versions                  any    any         any     any              offered   any      contract  any     -
get_version_evidence           any    team        team    -                -         any      contract  -       -
publish_version                any    team        team    -                -         -        contract  -       -
publish_version.approve        any    team        -       -                -         -        -         -       -
move_version                   any    team        team    -                -         -        contract  -       -
move_version.submit            any    team        team    -                -         -        contract  -       -
move_version.publish           any    team        team    -                -         -        -         -       -
move_version.deprecate         any    team        team    -                -         -        -         -       -
move_version.archive           any    team        team    -                -         -        -         -       -
move_version.retire            any    team        -       -                -         -        -         -       -
move_version.block             any    team        -       -                -         -        -         -       -
move_version.unblock           any    team        -       -                -         -        -         -       -
move_version.forced            any    -           -       -                -         -        -         -       -
put_preview_applications       any    team        team    -                -         -        -         -       -
list_rollouts                  any    team        team    -                -         any      contract  -       -
put_rollout                    any    team        team    -                -         -        -         -       -
end_rollout                    any    team        team    -                -         -        -         -       -
list_waivers                   any    team        team    -                -         any      contract  -       -
get_waiver                     any    team        team    -                -         any      contract  -       -
ask_waiver                     any    team        team    -                -         -        -         -       -
withdraw_waiver                any    team        team    -                -         -        -         -       -
approve_waiver                 any    team        -       -                -         -        -         -       -
# Consumers, applications, credentials, subscriptions
list_consumers                 any    any         any     consumer         consumer  any      -         -       -
get_consumer                   any    any         any     consumer         consumer  any      -         -       -
put_consumer                   any    -           -       consumer         -         -        -         -       -
delete_consumer                any    -           -       consumer         -         -        -         -       -
list_applications              any    any         any     consumer         consumer  any      -         -       -
get_application                any    any         any     consumer         consumer  any      -         -       -
put_application                any    -           -       consumer         -         -        -         -       -
delete_application             any    -           -       consumer         -         -        -         -       -
list_credentials               any    -           -       consumer         consumer  any      -         -       -
get_credential                 any    -           -       consumer         consumer  any      -         -       -
create_credential              any    -           -       consumer         consumer  -        -         -       -
create_credential.subject      any    -           -       consumer         -         -        -         -       -
create_credential.certificate  any    -           -       consumer         -         -        -         -       -
rotate_credential              any    -           -       consumer         consumer  -        -         -       -
revoke_credential              any    -           -       consumer         consumer  -        -         -       -
list_application_contracts     any    -           -       consumer         consumer  any      -         -       -
get_application_contract       any    team        team    consumer         consumer  any      -         -       -
list_subscriptions             any    team        team    consumer         consumer  any      -         -       -
request_subscription           any    -           -       consumer         consumer  -        -         -       -
move_subscription              any    team        -       consumer         consumer  -        -         -       -
move_subscription.approve      any    team        -       -                -         -        -         -       -
move_subscription.reject       any    team        -       -                -         -        -         -       -
move_subscription.withdraw     any    -           -       consumer         consumer  -        -         -       -
move_subscription.suspend      any    team        -       -                -         -        -         -       -
move_subscription.resume       any    team        -       -                -         -        -         -       -
move_subscription.end          any    team        -       consumer         consumer  -        -         -       -
put_version_choice             any    team        team    -                -         -        -         -       -
put_subscription               any    team        -       -                -         -        -         -       -
delete_subscription            any    team        -       consumer         consumer  -        -         -       -
# Plans, issuers, keys
list_plans                     any    any         any     any              consumer  any      -         any     -
get_plan                       any    any         any     any              consumer  any      -         any     -
put_plan                       any    -           -       -                -         -        -         -       -
delete_plan                    any    -           -       -                -         -        -         -       -
list_issuers                   any    -           -       any              -         any      -         -       -
get_issuer                     any    -           -       any              -         any      -         -       -
put_issuer                     any    -           -       -                -         -        -         -       -
delete_issuer                  any    -           -       -                -         -        -         -       -
discover_issuer                any    -           -       -                -         -        -         -       -
list_anchors                   any    -           -       any              -         any      -         -       -
get_anchor                     any    -           -       any              -         any      -         -       -
put_anchor                     any    -           -       -                -         -        -         -       -
delete_anchor                  any    -           -       -                -         -        -         -       -
list_signing_keys              any    -           -       -                -         any      -         -       -
rotate_signing_key             any    -           -       -                -         -        -         -       -
withdraw_signing_key           any    -           -       -                -         -        -         -       -
# What happened, and what gateways are given
list_audit                     any    team        team    consumer         consumer  any      -         -       -
export_audit                   any    -           -       -                -         any      -         -       -
list_usage                     any    any         any     -                -         any      -         -       -
report_usage                   any    -           -       -                -         -        -         -       any
report_rollback                any    -           -       -                -         -        -         -       any
get_snapshot                   any    -           -       -                -         any      -         -       any
"""


def _read(text: str) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[Role, Reach]]]:
    """(actions by heading, reaches by action)."""
    head, *lines = text.strip().splitlines()
    roles = cast("list[Role]", head.split())
    assert tuple(roles) == ROLES
    headings: dict[str, tuple[str, ...]] = {}
    rows: dict[str, dict[Role, Reach]] = {}
    heading = ""
    for line in lines:
        if line.startswith("#"):
            heading = line.lstrip("# ")
            continue
        action, *cells = line.split()
        assert action not in rows
        rows[action] = dict(zip(roles, map(Reach, cells), strict=True))
        headings[heading] = (*headings.get(heading, ()), action)
    return headings, rows


HEADINGS, TABLE = _read(_TABLE)
"""Actions by the heading they stand under; reaches by action and role."""


def reach(role: Role, action: str) -> Reach:
    """Raises `KeyError` for an action that has no row: what was not thought of is not allowed."""
    return TABLE[action][role]


def may(actor: Actor, action: str, thing: Thing = NOTHING) -> bool:
    """Whether the actor may take the action on that thing."""
    held = reach(actor.role, action)
    if held is Reach.TEAM:
        return thing.team is not None and thing.team == actor.team
    if held is Reach.CONTRACT:
        return thing.contract is not None and thing.contract == actor.contract
    if held is Reach.CONSUMER:
        return _looks_after(actor, thing)
    if held is Reach.OFFERED:
        return thing.audience == "partner" or (thing.audience == "internal" and actor.audience == "internal")
    return held is Reach.ANY


def _looks_after(actor: Actor, thing: Thing) -> bool:
    if thing.consumer is None:
        return False
    if actor.role == "partner":
        return actor.consumers is not None and thing.consumer in actor.consumers
    return thing.audience == "partner" and (actor.consumers is None or thing.consumer in actor.consumers)


def grantable(role: Role) -> tuple[Role, ...]:
    """What an operator of that role may make others; never more than it is itself."""
    return _GRANTABLE.get(role, ())


def told(action: str, thing: Thing = NOTHING) -> str:
    """Who may, in words: *only admins and maintainers of the team stock*."""
    told = []
    for role, held in TABLE[action].items():
        if held is Reach.ANY:
            told.append(f"{role}s")
        elif held is Reach.TEAM:
            told.append(f"{role}s of the team {thing.team}" if thing.team else f"{role}s of the team that owns it")
        elif held is Reach.CONTRACT:
            told.append(f"{role}s of that contract")
        elif held is not Reach.NONE:
            told.append(f"{role}s of that consumer")
    return "only " + (f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0])

"""Who may govern: teams, operators and their management keys, and the rules of what a role allows.

    Actor(name, role, team)
    authenticate(unit, token, *, admin_key, now) -> Actor                   raises Unauthenticated
    require_admin(actor, doing), require_owner(actor, team, doing)          raise Forbidden
    require_operation(actor, operation)                                     raises Forbidden
    put_team(unit, actor, team, *, now, dry_run) -> Saved[Team]             delete_team(unit, actor, name, *, now)
    teams(unit) -> list[Team]                                               team(unit, name) -> Team
    create_operator(unit, actor, *, name, role, team, expires_at, now) -> IssuedOperator
    operators(unit) -> list[Operator]                                       operator(unit, id) -> Operator
    revoke_operator(unit, actor, id, *, reason, now) -> Operator

An admin may do everything; a member governs the contracts and versions of the own team; these and readers may read.
A gateway reads the snapshot and reports usage: its key lies on machines that partners reach. A key is
``wbo_<id>_<secret>``, shown once; only the digest of the whole key is kept.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from typing import get_args

import msgspec

from policies.model.access import secret_digest
from registry.audit import SYSTEM, Actor, Saved, record
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.names import require_slug, require_text
from registry.store import Unit
from registry.store.records import Operator, Role, Team

BOOTSTRAP = "bootstrap-admin"
"""Name of the actor who holds the bootstrap admin key."""
RESERVED = {BOOTSTRAP: "the holder of the bootstrap key", SYSTEM: "the registry itself"}
GATEWAY_OPERATIONS = frozenset({"get_snapshot", "report_usage"})
_KEY = re.compile(r"wbo_([0-9a-f]{12})_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedOperator:
    """A new operator and, this once, the key. The key is kept out of `repr`."""

    operator: Operator
    key: str

    def __repr__(self) -> str:
        return f"IssuedOperator({self.operator!r})"


def authenticate(unit: Unit, token: str, *, admin_key: str | None, now: int) -> Actor:
    """The actor behind a bearer token: the bootstrap admin key, or an operator's key that is neither revoked nor
    expired."""
    digest = secret_digest(token) if token.isascii() else ""
    if admin_key and hmac.compare_digest(digest, secret_digest(admin_key)):
        return Actor(BOOTSTRAP, "admin")
    match = _KEY.fullmatch(token)
    operator = unit.operators.get(match[1]) if match else None
    if operator is None or not hmac.compare_digest(digest, operator.digest):
        raise Unauthenticated("the management key is not known")
    if operator.revoked_at is not None or (operator.expires_at is not None and operator.expires_at <= now):
        raise Unauthenticated("the management key was revoked or has expired")
    return Actor(operator.name, operator.role, operator.team)


def require_admin(actor: Actor, doing: str) -> None:
    """`doing` completes the sentence *only an admin may ...*."""
    if actor.role != "admin":
        raise Forbidden(f"only an admin may {doing}; {actor.name} is a {actor.role}")


def require_owner(actor: Actor, team: str, doing: str) -> None:
    """Admins, and members of `team`."""
    if actor.role == "admin" or (actor.role == "member" and actor.team == team):
        return
    whose = f"a member of the team {actor.team}" if actor.role == "member" else f"a {actor.role}"
    raise Forbidden(f"only members of the team {team} and admins may {doing}; {actor.name} is {whose}")


def require_operation(actor: Actor, operation: str) -> None:
    """Holds a gateway's key to `GATEWAY_OPERATIONS`; `operation` is an operationId of the management API."""
    if actor.role == "gateway" and operation not in GATEWAY_OPERATIONS:
        raise Forbidden(f"a gateway's key may only read the snapshot and report usage; {actor.name} is a gateway")


def put_team(unit: Unit, actor: Actor, team: Team, *, now: int, dry_run: bool = False) -> Saved[Team]:
    """Create or replace. Admins only."""
    require_admin(actor, "change teams")
    require_slug(team.name, "/name", "the name of a team")
    require_text(team.title, "/title", "the title", longest=200, empty=True)
    before = unit.teams.get(team.name)
    if before == team:
        return Saved(team, created=False, changed=False)
    if not dry_run:
        unit.teams.put(team)
        record(unit, actor, "team.put", f"teams/{team.name}", before=before, after=team, now=now)
    return Saved(team, created=before is None, changed=True)


def delete_team(unit: Unit, actor: Actor, name: str, *, now: int, dry_run: bool = False) -> None:
    """Raises `Conflict` while the team owns a contract or ever had operators."""
    require_admin(actor, "delete teams")
    before = team(unit, name)
    if owned := unit.contracts.all(owner=name):
        raise Conflict(f"the team {name} still owns {', '.join(contract.name for contract in owned[:5])}")
    if unit.operators.count(team=name):
        raise Conflict(f"the team {name} has operators, and what they did stays in the audit log")
    if not dry_run:
        unit.teams.delete(name)
        record(unit, actor, "team.delete", f"teams/{name}", before=before, now=now)


def teams(unit: Unit) -> list[Team]:
    """By name."""
    return unit.teams.all()


def team(unit: Unit, name: str) -> Team:
    found = unit.teams.get(name)
    if found is None:
        raise NotFound(f"there is no team {name!r}")
    return found


def create_operator(
    unit: Unit, actor: Actor, *, name: str, role: Role, team: str | None = None, expires_at: int | None = None, now: int
) -> IssuedOperator:
    """Admins only. `name` is unique among operators that are not revoked; a member needs a team, others have none."""
    require_admin(actor, "create operators")
    require_slug(name, "/name", "the name of an operator")
    if name in RESERVED:
        raise Invalid("/name", f"{name} is not free: {RESERVED[name]} acts under it in the audit log")
    if role not in get_args(Role):
        raise Invalid("/role", "a role is admin, member, reader or gateway")
    if (role == "member") != (team is not None):
        raise Invalid("/team", "a member belongs to a team; all others to none")
    if team is not None and unit.teams.get(team) is None:
        raise Invalid("/team", f"there is no team {team!r}")
    if expires_at is not None and expires_at <= now:
        raise Invalid("/expires_at", "the expiry is not in the future")
    if unit.operators.count(name=name, revoked_at=None):
        raise Conflict(f"there is an operator {name} already; revoke the old key first, or choose another name")
    id_ = secrets.token_hex(6)
    key = f"wbo_{id_}_{secrets.token_hex(32)}"
    operator = Operator(
        id=id_,
        name=name,
        role=role,
        team=team,
        digest=secret_digest(key),
        created_at=now,
        created_by=actor.name,
        expires_at=expires_at,
    )
    unit.operators.add(operator)
    record(unit, actor, "operator.create", f"operators/{id_}", after=operator, now=now)
    return IssuedOperator(operator=operator, key=key)


def operators(unit: Unit) -> list[Operator]:
    """Oldest first, revoked ones included."""
    return sorted(unit.operators.all(), key=lambda operator: (operator.created_at, operator.id))


def operator(unit: Unit, id_: str) -> Operator:
    found = unit.operators.get(id_)
    if found is None:
        raise NotFound(f"there is no operator {id_!r}")
    return found


def revoke_operator(unit: Unit, actor: Actor, id_: str, *, reason: str | None = None, now: int) -> Operator:
    """Idempotent. Admins only."""
    require_admin(actor, "revoke operators")
    before = operator(unit, id_)
    if before.revoked_at is not None:
        return before
    after = msgspec.structs.replace(before, revoked_at=now)
    unit.operators.put(after)
    record(unit, actor, "operator.revoke", f"operators/{id_}", before=before, after=after, reason=reason, now=now)
    return after

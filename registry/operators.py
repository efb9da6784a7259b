"""Who may govern: teams, operators and their management keys.

    authenticate(unit, token, *, admin_key, now) -> Actor                   raises Unauthenticated
    put_team(unit, actor, team, *, now, dry_run) -> Saved[Team]             delete_team(unit, actor, name, *, now)
    teams(unit) -> list[Team]                                               team(unit, name) -> Team
    create_operator(unit, actor, *, name, role, team, contract, consumers, expires_at, now) -> IssuedOperator
    operators(unit, *, reader) -> list[Operator]                            operator(unit, id, *, reader) -> Operator
    revoke_operator(unit, actor, id, *, reason, now) -> Operator
    revoke_robots(unit, actor, contract, *, reason, now)

What a role may is in `policies.governance`. A key is ``wbo_<id>_<secret>``, shown once; only the digest of the whole
key is kept. Every key that is not valid costs the same work, whatever is wrong with it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass

import msgspec

from policies.governance import ROLES, Role, grantable
from policies.model.access import secret_digest
from registry.audit import BOOTSTRAP_KEY, SYSTEM, Actor, Saved, record
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.names import require_slug, require_text
from registry.permissions import of_consumer, of_operator, require, require_role, sees
from registry.store import Unit
from registry.store.records import Operator, Team

BOOTSTRAP = "bootstrap-admin"
"""Name of the actor who holds the bootstrap admin key."""
RESERVED = {BOOTSTRAP: "the holder of the bootstrap key", SYSTEM: "the registry itself"}
LONGEST_ROBOT = 86_400
"""Seconds that the key of a robot lives at most."""
_NOBODY = "0" * 64
"""Compared with where there is nobody, so that it takes as long."""
_KEY = re.compile(r"wbo_([0-9a-f]{12})_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedOperator:
    """A new operator and, this once, the key. The key is kept out of `repr`."""

    operator: Operator
    key: str

    def __repr__(self) -> str:
        return f"IssuedOperator({self.operator!r})"


def key_id(token: str) -> str | None:
    """The id that a management key names, whether it is valid or not; ``None`` for what has not the form of one."""
    match = _KEY.fullmatch(token)
    return match[1] if match else None


def authenticate(unit: Unit, token: str, *, admin_key: str | None, now: int) -> Actor:
    """The actor behind a bearer token: the bootstrap admin key, or an operator's key that is neither revoked nor
    expired."""
    digest = secret_digest(token) if token.isascii() else ""
    if admin_key and hmac.compare_digest(digest, secret_digest(admin_key)):
        return Actor(BOOTSTRAP, "admin", credential=BOOTSTRAP_KEY)
    operator = unit.operators.get(key_id(token) or "")
    if not hmac.compare_digest(digest, operator.digest if operator else _NOBODY) or operator is None:
        raise Unauthenticated("the management key is not known")
    if not operator.is_live(now):
        raise Unauthenticated("the management key was revoked or has expired")
    audience = None
    if operator.role == "partner" and operator.consumers:
        consumer = unit.consumers.get(operator.consumers[0])
        audience = consumer.audience if consumer else None
    return Actor(
        operator.name, operator.role, operator.team, operator.contract, operator.consumers, audience, operator.id
    )


def put_team(unit: Unit, actor: Actor, team: Team, *, now: int, dry_run: bool = False) -> Saved[Team]:
    """Create or replace. Admins only."""
    require(actor, "put_team", "change teams")
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
    require(actor, "delete_team", "delete teams")
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
    unit: Unit,
    actor: Actor,
    *,
    name: str,
    role: Role,
    team: str | None = None,
    contract: str | None = None,
    consumers: tuple[str, ...] | None = None,
    expires_at: int | None = None,
    now: int,
) -> IssuedOperator:
    """`name` is unique among operators that are not revoked, but for the robots of one contract.

    Maintainers and members need a `team`, a robot its `contract` and an end within `LONGEST_ROBOT`, a partner one
    consumer; a partner manager may be held to some `consumers`. Whom a role lets in: `policies.governance.grantable`.
    Raises `Invalid`, `Conflict`, `Forbidden`.
    """
    require_role(actor, "create_operator", "create operators")
    require_slug(name, "/name", "the name of an operator")
    if name in RESERVED:
        raise Invalid("/name", f"{name} is not free: {RESERVED[name]} acts under it in the audit log")
    if role not in ROLES:
        raise Invalid("/role", f"a role is one of {', '.join(ROLES)}")
    if role not in grantable(actor.role):
        may = " and ".join(f"{granted}s" for granted in grantable(actor.role))
        raise Forbidden(f"a {actor.role} may let in {may}; {actor.name} cannot make a {role}")
    if (role in ("maintainer", "member")) != (team is not None):
        raise Invalid("/team", "a maintainer or member belongs to a team; others to none")
    if (role == "robot") != (contract is not None):
        raise Invalid("/contract", "a robot is bound to one contract; others to none")
    _require_consumers(unit, actor, role, consumers)
    if team is not None and unit.teams.get(team) is None:
        raise Invalid("/team", f"there is no team {team!r}")
    if contract is not None:
        bound = unit.contracts.get(contract)
        if bound is None:
            raise Invalid("/contract", f"there is no contract {contract!r}")
        team = bound.owner
    if expires_at is not None and expires_at <= now:
        raise Invalid("/expires_at", "the expiry is not in the future")
    if role == "robot" and (expires_at is None or expires_at > now + LONGEST_ROBOT):
        raise Invalid("/expires_at", f"the key of a robot expires, within {LONGEST_ROBOT // 3600} hours")
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
        contract=contract,
        consumers=consumers,
    )
    require(actor, "create_operator", "create operators", of_operator(unit, operator))
    for other in unit.operators.all(name=name, revoked_at=None):
        if role != "robot" or other.role != "robot" or other.contract != contract:
            raise Conflict(f"there is an operator {name} already; revoke the old key first, or choose another name")
        if not other.is_live(now):  # pipelines may overlap, each with its key
            _revoke(unit, actor, other, "expired; the robot has a new key", now)
    unit.operators.add(operator)
    record(unit, actor, "operator.create", f"operators/{id_}", after=operator, now=now)
    return IssuedOperator(operator=operator, key=key)


def operators(unit: Unit, *, reader: Actor | None = None) -> list[Operator]:
    """Oldest first, revoked ones included."""
    found = sorted(unit.operators.all(), key=lambda operator: (operator.created_at, operator.id))
    return [operator for operator in found if sees(reader, "list_operators", of_operator(unit, operator))]


def operator(unit: Unit, id_: str, *, reader: Actor | None = None) -> Operator:
    found = unit.operators.get(id_)
    if found is None or not sees(reader, "get_operator", of_operator(unit, found)):
        raise NotFound(f"there is no operator {id_!r}")
    return found


def revoke_operator(unit: Unit, actor: Actor, id_: str, *, reason: str | None = None, now: int) -> Operator:
    """Idempotent. Nobody revokes whom it could not have let in."""
    require_role(actor, "revoke_operator", "revoke operators")
    before = operator(unit, id_, reader=actor)
    require(actor, "revoke_operator", "revoke operators", of_operator(unit, before))
    if before.role not in grantable(actor.role):
        raise Forbidden(f"only an admin may revoke the key of {before.name}, a {before.role}")
    if before.revoked_at is not None:
        return before
    return _revoke(unit, actor, before, reason, now)


def revoke_robots(unit: Unit, actor: Actor, contract: str, *, reason: str, now: int) -> None:
    """Of a contract that goes away or changes hands: a key must not outlive what it was given for."""
    for found in unit.operators.all(role="robot", revoked_at=None):
        if found.contract == contract:
            _revoke(unit, actor, found, reason, now)


def _revoke(unit: Unit, actor: Actor, before: Operator, reason: str | None, now: int) -> Operator:
    after = msgspec.structs.replace(before, revoked_at=now)
    unit.operators.put(after)
    record(unit, actor, "operator.revoke", f"operators/{before.id}", before=before, after=after, reason=reason, now=now)
    return after


def _require_consumers(unit: Unit, actor: Actor, role: Role, consumers: tuple[str, ...] | None) -> None:
    if role == "partner" and (consumers is None or len(consumers) != 1):
        raise Invalid("/consumers", "a partner speaks for exactly one consumer")
    if role not in ("partner", "partner-manager") and consumers is not None:
        raise Invalid("/consumers", "only a partner or a partner manager has consumers")
    for index, id_ in enumerate(consumers or ()):
        found = unit.consumers.get(id_)
        if found is None or not sees(actor, "get_consumer", of_consumer(found)):
            raise Invalid(f"/consumers/{index}", f"there is no consumer {id_!r}")
        if role == "partner-manager" and found.audience != "partner":
            raise Invalid(f"/consumers/{index}", f"{id_} is no partner")

"""Who may govern: teams, operators and their management keys, and the rules of what a role allows.

    Actor(name, role, team)
    authenticate(unit, token, *, admin_key, now) -> Actor                   raises Unauthenticated
    require_admin(actor, doing), require_owner(actor, team, doing)          raise Forbidden
    put_team(unit, actor, team, *, now, dry_run) -> Saved[Team]             delete_team(unit, actor, name, *, now)
    teams(unit) -> list[Team]                                               team(unit, name) -> Team
    create_operator(unit, actor, *, name, role, team, expires_at, now) -> IssuedOperator
    operators(unit) -> list[Operator]                                       operator(unit, id) -> Operator
    revoke_operator(unit, actor, id, *, reason, now) -> Operator

An admin may do everything; a member governs the contracts and versions of the own team; everybody may read. A key is
``wbo_<id>_<secret>``, shown once; only the digest of the whole key is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.audit import Actor, Saved
from registry.store import Unit
from registry.store.records import Operator, Role, Team


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedOperator:
    """A new operator and, this once, the key. The key is kept out of `repr`."""

    operator: Operator
    key: str

    def __repr__(self) -> str:
        return f"IssuedOperator({self.operator!r})"


def authenticate(unit: Unit, token: str, *, admin_key: str | None, now: int) -> Actor:
    """The actor behind a bearer token: the bootstrap admin key (``Actor("admin", "admin")``) or an operator's key."""
    raise NotImplementedError


def require_admin(actor: Actor, doing: str) -> None:
    """`doing` completes the sentence *only an admin may ...*."""
    raise NotImplementedError


def require_owner(actor: Actor, team: str, doing: str) -> None:
    """Admins, and members of `team`."""
    raise NotImplementedError


def put_team(unit: Unit, actor: Actor, team: Team, *, now: int, dry_run: bool = False) -> Saved[Team]:
    """Create or replace. Admins only."""
    raise NotImplementedError


def delete_team(unit: Unit, actor: Actor, name: str, *, now: int, dry_run: bool = False) -> None:
    """Raises `Conflict` while the team owns a contract or has operators."""
    raise NotImplementedError


def teams(unit: Unit) -> list[Team]:
    raise NotImplementedError


def team(unit: Unit, name: str) -> Team:
    raise NotImplementedError


def create_operator(
    unit: Unit, actor: Actor, *, name: str, role: Role, team: str | None = None, expires_at: int | None = None, now: int
) -> IssuedOperator:
    """Admins only. `name` is unique among live operators; a member needs a team, others may have none."""
    raise NotImplementedError


def operators(unit: Unit) -> list[Operator]:
    raise NotImplementedError


def operator(unit: Unit, id_: str) -> Operator:
    raise NotImplementedError


def revoke_operator(unit: Unit, actor: Actor, id_: str, *, reason: str | None = None, now: int) -> Operator:
    """Idempotent. Admins only."""
    raise NotImplementedError

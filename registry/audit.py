"""The audit log: every change is one row, written with the change and with the snapshot that makes it effective.

    Actor(name, role, team=None, ...)               who does something
    Saved[T](record, created, changed)              what came of a create-or-replace
    record(unit, actor, action, subject, ...)       one audit row, and a new snapshot when the unit commits
    entries(unit, *, subject, before, limit, reader) -> Page    newest first, by cursor
    exported(unit, *, after, limit) -> list[bytes]      oldest first, a line of JSON each, chained (`registry.chain`)

The log is append-only: nothing here or in the store edits or deletes a row. It never holds a secret, nor the digest of
one: records are stripped of both before they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from policies import governance
from policies.governance import Reach, Role, Thing
from policies.model.contract import Audience
from registry import chain, compiler
from registry.store import Unit
from registry.store.records import AuditEntry, Credential, Operator, SigningKey
from registry.store.scopes import Whose

T = TypeVar("T")

BOOTSTRAP_KEY = "bootstrap-key"
SYSTEM = "registry"
"""Name of the actor for what the registry does by itself."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `team` is for maintainers, members and robots, `contract` for robots, `consumers` and `audience` for
    partners and their managers: see `policies.governance`."""

    name: str
    role: Role
    team: str | None = None
    contract: str | None = None
    consumers: tuple[str, ...] | None = None
    audience: Audience | None = None
    credential: str | None = None
    """What was shown: the id of an operator's key, of an application's credential, or `BOOTSTRAP_KEY`."""
    source: str | None = None
    """The address that the request came from."""


@dataclass(frozen=True, slots=True)
class Saved(Generic[T]):
    """`created`: it did not exist. `changed`: something was written (false: the same stood already)."""

    record: T
    created: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor to pass as `before` for older entries, ``None`` at the end."""

    entries: tuple[AuditEntry, ...]
    next: int | None


def record(
    unit: Unit,
    actor: Actor,
    action: str,
    subject: str,
    *,
    before: Struct | None = None,
    after: Struct | None = None,
    reason: str | None = None,
    now: int,
) -> None:
    """Append one row and have the unit compile a new snapshot before it commits.

    Of a replaced record only the fields that differ are kept; of a new or deleted one, all.
    """
    old, new = _plain(before), _plain(after)
    if old is not None and new is not None:
        differing = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        old = {name: value for name, value in old.items() if name in differing}
        new = {name: value for name, value in new.items() if name in differing}
    entry = AuditEntry(
        seq=0,
        at=now,
        actor=actor.name,
        role=actor.role,
        action=action,
        subject=subject,
        before=old,
        after=new,
        reason=reason,
        credential=actor.credential,
        source=actor.source,
        revision=0,
    )

    def compile_(unit: Unit) -> None:
        compiler.refresh(unit, now=now)

    unit.append_audit(entry, compile_)


def entries(
    unit: Unit,
    *,
    subject: str | None = None,
    before: int | None = None,
    limit: int = 50,
    reader: Actor | None = None,
) -> Page:
    """Newest first. `subject` selects that subject and everything below it (``contracts/shipment``).

    A `reader` of one team or consumer is shown what concerns what that team or consumer has now; of what is gone, and
    of the keys and addresses of others, admins and auditors know.
    """
    whose = _whose(unit, reader)
    found = unit.audit(subject=subject, before=before, limit=limit + 1, whose=whose)
    if whose is not None:
        found = [msgspec.structs.replace(entry, credential=None, source=None) for entry in found]
    return Page(tuple(found[:limit]), found[limit - 1].seq if len(found) > limit else None)


def exported(unit: Unit, *, after: int = 0, limit: int = 1000) -> list[bytes]:
    """Lines of JSON, oldest first, of the rows behind the one with the sequence number `after`."""
    return [chain.line(msgspec.to_builtins(entry)) for entry in unit.audit_after(after, limit)]


def _whose(unit: Unit, reader: Actor | None) -> Whose | None:
    if reader is None or governance.may(reader, "list_audit"):
        return None
    if governance.reach(reader.role, "list_audit") is Reach.TEAM:
        return Whose(team=reader.team)
    things = [Thing(consumer=entry.id, audience=entry.audience) for entry in unit.consumers.all()]
    return Whose(consumers=tuple(t.consumer for t in things if t.consumer and governance.may(reader, "list_audit", t)))


def _plain(thing: Struct | None) -> dict[str, Any] | None:
    if thing is None:
        return None
    plain: dict[str, Any] = msgspec.to_builtins(thing)
    if isinstance(thing, Credential | Operator):
        plain.pop("digest", None)
    if isinstance(thing, SigningKey):
        plain.pop("private_pem", None)
    return plain

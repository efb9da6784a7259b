"""The audit log: every change is one row, written with the change and with the snapshot that makes it effective.

    Actor(name, role, team=None)                    who does something
    Saved[T](record, created, changed)              what came of a create-or-replace
    record(unit, actor, action, subject, ...)       one audit row, and a new snapshot when the unit commits
    entries(unit, *, subject, before, limit) -> Page    newest first, by cursor

The log is append-only: nothing here or in the store edits or deletes a row. Rows hold digests of nothing and secrets
never: records are stripped of `digest` and `private_pem` before they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec import Struct

from registry.store import Unit
from registry.store.records import AuditEntry, Role

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `team` is set for members."""

    name: str
    role: Role
    team: str | None = None


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
    """Append one row and have the unit compile a new snapshot before it commits."""
    raise NotImplementedError


def entries(unit: Unit, *, subject: str | None = None, before: int | None = None, limit: int = 50) -> Page:
    """Newest first. `subject` selects that subject and everything below it (``contracts/shipment``)."""
    raise NotImplementedError

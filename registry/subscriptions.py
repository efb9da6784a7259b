"""Consumers, their applications, and what these are subscribed to. Credentials are in `registry.credentials`.

    put_consumer(unit, actor, consumer, *, dry_run, now) -> Saved[Consumer]       delete_consumer(unit, actor, id, *, now)
    consumers(unit, *, after, limit) -> list[Consumer]                            consumer(unit, id) -> Consumer
    put_application(unit, actor, application, *, dry_run, now) -> Saved[RegisteredApplication]
    delete_application(unit, actor, id, *, reason, now)                           with its credentials and subscriptions
    applications(unit, *, consumer, after, limit) -> list[RegisteredApplication]  application(unit, id) -> ...
    subscribe(unit, actor, application, contract, major, plan, *, dry_run, now) -> Saved[StoredSubscription]
    unsubscribe(unit, actor, application, contract, major, *, reason, now)
    subscriptions(unit, *, application, contract, major) -> list[StoredSubscription]

Consumers and applications are the admins' affair; the team that owns a contract may also subscribe applications to it
and end those subscriptions.
"""

from __future__ import annotations

from registry.audit import Actor, Saved
from registry.store import Unit
from registry.store.records import Consumer, RegisteredApplication, StoredSubscription


def put_consumer(unit: Unit, actor: Actor, consumer: Consumer, *, dry_run: bool = False, now: int) -> Saved[Consumer]:
    """Create or replace. Raises `Invalid` (id is not a slug), `Forbidden`."""
    raise NotImplementedError


def delete_consumer(unit: Unit, actor: Actor, id_: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while it has applications."""
    raise NotImplementedError


def consumers(unit: Unit, *, after: str | None = None, limit: int | None = None) -> list[Consumer]:
    """By id; `after` is the last id of the page before."""
    raise NotImplementedError


def consumer(unit: Unit, id_: str) -> Consumer:
    raise NotImplementedError


def put_application(
    unit: Unit, actor: Actor, application: RegisteredApplication, *, dry_run: bool = False, now: int
) -> Saved[RegisteredApplication]:
    """Create or replace. Raises `Invalid`, `NotFound` (consumer; contract of a pin), `Conflict` (id of another consumer)."""
    raise NotImplementedError


def delete_application(
    unit: Unit, actor: Actor, id_: str, *, reason: str | None = None, dry_run: bool = False, now: int
) -> None:
    """Ends its subscriptions and revokes its credentials with it."""
    raise NotImplementedError


def applications(
    unit: Unit, *, consumer: str | None = None, after: str | None = None, limit: int | None = None
) -> list[RegisteredApplication]:
    raise NotImplementedError


def application(unit: Unit, id_: str) -> RegisteredApplication:
    raise NotImplementedError


def subscribe(
    unit: Unit,
    actor: Actor,
    application: str,
    contract: str,
    major: int,
    plan: str,
    *,
    dry_run: bool = False,
    now: int,
) -> Saved[StoredSubscription]:
    """A new one needs a published (not deprecated) version of the major; an existing one may change its plan."""
    raise NotImplementedError


def unsubscribe(
    unit: Unit, actor: Actor, application: str, contract: str, major: int, *, reason: str | None = None, now: int
) -> None:
    """Raises `NotFound` when there is no such subscription."""
    raise NotImplementedError


def subscriptions(
    unit: Unit, *, application: str | None = None, contract: str | None = None, major: int | None = None
) -> list[StoredSubscription]:
    raise NotImplementedError

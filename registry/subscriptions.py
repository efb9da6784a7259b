"""Consumers, their applications, and what these are subscribed to. Credentials are in `registry.credentials`.

    put_consumer(unit, actor, consumer, *, dry_run, now) -> Saved[Consumer]
    delete_consumer(unit, actor, id, *, dry_run, now)
    consumers(unit, *, after, limit) -> list[Consumer]          consumer(unit, id) -> Consumer
    put_application(unit, actor, application, *, dry_run, now) -> Saved[RegisteredApplication]
    delete_application(unit, actor, id, *, reason, dry_run, now)      with its credentials and subscriptions
    applications(unit, *, consumer, after, limit) -> list[RegisteredApplication]
    application(unit, id) -> RegisteredApplication
    subscribe(unit, actor, application, contract, major, plan, *, dry_run, now) -> Saved[StoredSubscription]
    unsubscribe(unit, actor, application, contract, major, *, reason, now)
    subscriptions(unit, *, application, contract, major) -> list[StoredSubscription]

Consumers and applications are the admins' affair; the team that owns a contract may also subscribe applications to it
and end those subscriptions.
"""

from __future__ import annotations

from typing import Any

import msgspec

from policies.model.contract import Stage
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid, NotFound
from registry.names import require_slug, require_text, require_token
from registry.operators import require_admin, require_owner
from registry.store import Unit
from registry.store.records import Consumer, RegisteredApplication, StoredSubscription


def put_consumer(unit: Unit, actor: Actor, consumer: Consumer, *, dry_run: bool = False, now: int) -> Saved[Consumer]:
    """Create or replace. Raises `Invalid` (id is not a slug), `Forbidden`."""
    require_admin(actor, "change consumers")
    require_slug(consumer.id, "/id", "the id of a consumer")
    require_text(consumer.name, "/name", "the name", longest=200)
    before = unit.consumers.get(consumer.id)
    if before == consumer:
        return Saved(consumer, created=False, changed=False)
    if not dry_run:
        unit.consumers.put(consumer)
        record(unit, actor, "consumer.put", f"consumers/{consumer.id}", before=before, after=consumer, now=now)
    return Saved(consumer, created=before is None, changed=True)


def delete_consumer(unit: Unit, actor: Actor, id_: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while it has applications."""
    require_admin(actor, "delete consumers")
    before = consumer(unit, id_)
    if held := unit.applications.all(consumer=id_, limit=5):
        raise Conflict(f"the consumer {id_} still has applications: {', '.join(entry.id for entry in held)}")
    if not dry_run:
        unit.consumers.delete(id_)
        record(unit, actor, "consumer.delete", f"consumers/{id_}", before=before, now=now)


def consumers(unit: Unit, *, after: str | None = None, limit: int | None = None) -> list[Consumer]:
    """By id; `after` is the last id of the page before."""
    return unit.consumers.all(after=after, limit=limit)


def consumer(unit: Unit, id_: str) -> Consumer:
    found = unit.consumers.get(id_)
    if found is None:
        raise NotFound(f"there is no consumer {id_!r}")
    return found


def put_application(
    unit: Unit, actor: Actor, application: RegisteredApplication, *, dry_run: bool = False, now: int
) -> Saved[RegisteredApplication]:
    """Create or replace.

    Raises `Invalid` (also for an unknown consumer or a pin on an unknown contract), `Conflict` (the id belongs to
    another consumer).
    """
    require_admin(actor, "change applications")
    _require_sound(unit, application)
    before = unit.applications.get(application.id)
    if before == application:
        return Saved(application, created=False, changed=False)
    if before is not None and before.consumer != application.consumer:
        raise Conflict(f"the application {application.id} belongs to the consumer {before.consumer}")
    if not dry_run:
        unit.applications.put(application)
        subject = f"applications/{application.id}"
        record(unit, actor, "application.put", subject, before=before, after=application, now=now)
    return Saved(application, created=before is None, changed=True)


def delete_application(
    unit: Unit, actor: Actor, id_: str, *, reason: str | None = None, dry_run: bool = False, now: int
) -> None:
    """Ends its subscriptions and deletes its credentials with it; previews and rollouts forget it."""
    require_admin(actor, "delete applications")
    before = application(unit, id_)
    if dry_run:
        return
    for subscription in unit.subscriptions.all(application=id_):
        unit.subscriptions.delete(id_, subscription.contract, subscription.major)
    for credential in unit.credentials.all(application=id_):
        unit.credentials.delete(credential.id)
    for rollout in unit.rollouts.all():
        if id_ in rollout.applications:
            kept = tuple(name for name in rollout.applications if name != id_)
            unit.rollouts.put(msgspec.structs.replace(rollout, applications=kept))
    for version in unit.versions.all(stage=Stage.IN_REVIEW):
        if id_ in version.preview_applications:
            kept = tuple(name for name in version.preview_applications if name != id_)
            unit.versions.put(msgspec.structs.replace(version, preview_applications=kept))
    unit.applications.delete(id_)
    record(unit, actor, "application.delete", f"applications/{id_}", before=before, reason=reason, now=now)


def applications(
    unit: Unit, *, consumer: str | None = None, after: str | None = None, limit: int | None = None
) -> list[RegisteredApplication]:
    """By id; `after` is the last id of the page before."""
    if consumer is None:
        return unit.applications.all(after=after, limit=limit)
    return unit.applications.all(after=after, limit=limit, consumer=consumer)


def application(unit: Unit, id_: str) -> RegisteredApplication:
    found = unit.applications.get(id_)
    if found is None:
        raise NotFound(f"there is no application {id_!r}")
    return found


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
    """A new one needs a published (not deprecated) version of the major; an existing one may change its plan.

    Raises `NotFound` (application, contract), `Invalid` (plan), `Conflict` (nothing to subscribe to; an internal
    contract and a partner's application), `Forbidden`.
    """
    found = unit.contracts.get(contract)
    if found is None:
        raise NotFound(f"there is no contract {contract!r}")
    require_owner(actor, found.owner, f"subscribe applications to {contract}")
    caller = unit.applications.get(application)
    if caller is None:
        raise NotFound(f"there is no application {application!r}")
    if unit.plans.get(plan) is None:
        raise Invalid("/plan", f"there is no plan {plan!r}")
    before = unit.subscriptions.get(application, contract, major)
    if before is not None and before.plan == plan:
        return Saved(before, created=False, changed=False)
    if before is None:
        if found.audience == "internal" and consumer(unit, caller.consumer).audience == "partner":
            raise Conflict(f"{contract} is internal; {application} belongs to a partner")
        stages = {version.stage for version in unit.versions.all(contract=contract, major=major)}
        if Stage.PUBLISHED not in stages:
            state = "only deprecated versions" if Stage.DEPRECATED in stages else "no published version"
            raise Conflict(f"{contract} v{major} has {state}; subscribe to a major that is published")
        after = StoredSubscription(
            application=application, contract=contract, major=major, plan=plan, created_at=now, created_by=actor.name
        )
    else:
        after = msgspec.structs.replace(before, plan=plan)
    if not dry_run:
        unit.subscriptions.put(after)
        record(unit, actor, "subscription.put", _subject(after), before=before, after=after, now=now)
    return Saved(after, created=before is None, changed=True)


def unsubscribe(
    unit: Unit, actor: Actor, application: str, contract: str, major: int, *, reason: str | None = None, now: int
) -> None:
    """Raises `NotFound` when there is no such subscription."""
    before = unit.subscriptions.get(application, contract, major)
    found = unit.contracts.get(contract)
    if before is None or found is None:
        raise NotFound(f"the application {application!r} is not subscribed to {contract} v{major}")
    require_owner(actor, found.owner, f"end subscriptions to {contract}")
    unit.subscriptions.delete(application, contract, major)
    record(unit, actor, "subscription.end", _subject(before), before=before, reason=reason, now=now)


def subscriptions(
    unit: Unit, *, application: str | None = None, contract: str | None = None, major: int | None = None
) -> list[StoredSubscription]:
    """By application, contract and major."""
    equals: dict[str, Any] = {"application": application, "contract": contract, "major": major}
    return unit.subscriptions.all(**{name: value for name, value in equals.items() if value is not None})


def _require_sound(unit: Unit, application: RegisteredApplication) -> None:
    require_slug(application.id, "/id", "the id of an application")
    require_text(application.name, "/name", "the name", longest=200)
    if unit.consumers.get(application.consumer) is None:
        raise Invalid("/consumer", f"there is no consumer {application.consumer!r}")
    if application.party is not None:
        require_token(application.party, "/party", "a party")
    for index, site in enumerate(application.sites or ()):
        require_token(site, f"/sites/{index}", "a site", longest=64)
    for index, scope in enumerate(application.scopes):
        require_token(scope, f"/scopes/{index}", "a scope")
        if '"' in scope or "\\" in scope:  # RFC 6749 section 3.3
            raise Invalid(f"/scopes/{index}", "a scope holds no quotation mark and no backslash")
    for contract, major in application.pins.items():
        if unit.contracts.get(contract) is None:
            raise Invalid("/pins", f"there is no contract {contract!r}")
        if not 0 <= major <= 999_999:
            raise Invalid("/pins", "a pin names a major, such as 2")


def _subject(subscription: StoredSubscription) -> str:
    return f"applications/{subscription.application}/subscriptions/{subscription.contract}/{subscription.major}"

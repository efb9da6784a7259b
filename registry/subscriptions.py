"""Consumers, their applications, and what these are subscribed to. Credentials are in `registry.credentials`.

    put_consumer(unit, actor, consumer, *, dry_run, now) -> Saved[Consumer]
    delete_consumer(unit, actor, id, *, dry_run, now)
    consumers(unit, *, after, limit, reader) -> list[Consumer]  consumer(unit, id, *, reader) -> Consumer
    put_application(unit, actor, application, *, dry_run, now) -> Saved[RegisteredApplication]
    delete_application(unit, actor, id, *, reason, dry_run, now)      with its credentials and subscriptions
    applications(unit, *, consumer, after, limit, reader) -> list[RegisteredApplication]
    application(unit, id, *, reader) -> RegisteredApplication
    subscribe(unit, actor, application, contract, major, plan, *, sites, expires_at, reason, dry_run, now) -> Saved
    unsubscribe(unit, actor, application, contract, major, *, reason, now)
    subscriptions(unit, *, application, contract, major, state, reader) -> list[StoredSubscription]

Asking for a subscription, and what becomes of it, is in `registry.subscribing`.

Lists and single reads take a `reader` and show what it may see; inside the registry there is none. Who may do what is
in `policies.governance`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from policies.governance import NOTHING
from policies.model.access import Plan, SubscriptionState
from policies.model.contract import Contract, Stage
from policies.subscribing import HELD, OVER, ends_at
from registry import permissions
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.names import require_slug, require_text, require_token
from registry.store import Unit
from registry.store.records import Consumer, RegisteredApplication, StoredSubscription


def put_consumer(unit: Unit, actor: Actor, consumer: Consumer, *, dry_run: bool = False, now: int) -> Saved[Consumer]:
    """Create or replace. Raises `Invalid` (id is not a slug), `Forbidden`."""
    doing = "change consumers"
    permissions.require_role(actor, "put_consumer", doing)
    require_slug(consumer.id, "/id", "the id of a consumer")
    require_text(consumer.name, "/name", "the name", longest=200)
    before = unit.consumers.get(consumer.id)
    if before is not None:
        permissions.consumer(unit, actor, "put_consumer", doing, consumer.id)
    permissions.require(actor, "put_consumer", doing, permissions.of_consumer(consumer))
    if before == consumer:
        return Saved(consumer, created=False, changed=False)
    if not dry_run:
        unit.consumers.put(consumer)
        record(unit, actor, "consumer.put", f"consumers/{consumer.id}", before=before, after=consumer, now=now)
    return Saved(consumer, created=before is None, changed=True)


def delete_consumer(unit: Unit, actor: Actor, id_: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while it has applications, or people with keys: these would be let in to whoever is given the
    id next."""
    before = permissions.consumer(unit, actor, "delete_consumer", "delete consumers", id_)
    keys = [entry.name for entry in unit.operators.all(revoked_at=None) if id_ in (entry.consumers or ())]
    if keys:
        raise Conflict(f"operators still speak for the consumer {id_}: {', '.join(keys[:5])}; revoke them first")
    if held := unit.applications.all(consumer=id_, limit=5):
        raise Conflict(f"the consumer {id_} still has applications: {', '.join(entry.id for entry in held)}")
    if not dry_run:
        unit.consumers.delete(id_)
        record(unit, actor, "consumer.delete", f"consumers/{id_}", before=before, now=now)


def consumers(
    unit: Unit, *, after: str | None = None, limit: int | None = None, reader: Actor | None = None
) -> list[Consumer]:
    """By id; `after` is the last id of the page before."""
    found = unit.consumers.all(after=after, limit=limit)
    return [entry for entry in found if permissions.sees(reader, "list_consumers", permissions.of_consumer(entry))]


def consumer(unit: Unit, id_: str, *, reader: Actor | None = None) -> Consumer:
    found = unit.consumers.get(id_)
    if found is None or not permissions.sees(reader, "get_consumer", permissions.of_consumer(found)):
        raise permissions.no_consumer(id_)
    return found


def put_application(
    unit: Unit, actor: Actor, application: RegisteredApplication, *, dry_run: bool = False, now: int
) -> Saved[RegisteredApplication]:
    """Create or replace.

    Raises `Invalid` (also for an unknown consumer or a pin on an unknown contract), `Conflict` (the id belongs to
    another consumer).
    """
    doing = "change applications"
    permissions.require_role(actor, "put_application", doing)
    before = unit.applications.get(application.id)
    if before is not None:
        permissions.application(unit, actor, "put_application", doing, application.id)
    _require_sound(unit, actor, application)
    permissions.require(actor, "put_application", doing, permissions.of_application(unit, application))
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
    before = permissions.application(unit, actor, "delete_application", "delete applications", id_)
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
    unit: Unit,
    *,
    consumer: str | None = None,
    after: str | None = None,
    limit: int | None = None,
    reader: Actor | None = None,
) -> list[RegisteredApplication]:
    """By id; `after` is the last id of the page before."""
    equals = {} if consumer is None else {"consumer": consumer}
    found = unit.applications.all(after=after, limit=limit, **equals)
    if reader is None:
        return found
    seen = {
        entry.id
        for entry in consumers(unit)
        if permissions.sees(reader, "list_applications", permissions.of_consumer(entry))
    }
    return [entry for entry in found if entry.consumer in seen]


def application(unit: Unit, id_: str, *, reader: Actor | None = None) -> RegisteredApplication:
    found = unit.applications.get(id_)
    if found is None or not permissions.sees(reader, "get_application", permissions.of_application(unit, found)):
        raise permissions.no_application(id_)
    return found


def subscribe(
    unit: Unit,
    actor: Actor,
    application: str,
    contract: str,
    major: int,
    plan: str,
    *,
    sites: tuple[str, ...] | UnsetType | None = UNSET,
    expires_at: int | UnsetType | None = UNSET,
    reason: str | None = None,
    dry_run: bool = False,
    now: int,
) -> Saved[StoredSubscription]:
    """Approve directly: a new one, or one that was requested, needs a published (not deprecated) version of the major.
    One that is active or suspended keeps its state, and may change its plan, its sites and its end.

    `sites` ``None`` is all of the application's; an `expires_at` of ``None`` takes the end away. What is not given
    stays, save that another plan brings its own end. Raises `NotFound` (application, contract), `Invalid` (plan, sites,
    end), `Conflict` (nothing to subscribe to; an internal contract and a partner's application), `Forbidden`.
    """
    doing = f"subscribe applications to {contract}"
    found = permissions.contract(unit, actor, "put_subscription", doing, contract)
    caller = unit.applications.get(application)
    if caller is None or not permissions.sees(actor, "get_application", permissions.of_application(unit, caller)):
        raise permissions.no_application(application)
    before = unit.subscriptions.get(application, contract, major)
    terms = require_plan(unit, plan)
    if before is not None and before.state in HELD:
        end = before.expires_at if before.plan == plan else ends_at(terms, now)
        after = msgspec.structs.replace(before, plan=plan, expires_at=end)
    else:
        require_open(unit, found, caller, major)
        if before is not None and before.state == "requested":
            require_second(actor, before, reason)
            after = msgspec.structs.replace(before, plan=plan)
        else:
            after = StoredSubscription(
                application=application,
                contract=contract,
                major=major,
                plan=plan,
                created_at=now,
                created_by=actor.name,
            )
        after = msgspec.structs.replace(
            after, state="active", expires_at=ends_at(terms, now), moved_at=now, moved_by=actor.name, reason=reason
        )
    if sites is not UNSET:
        require_sites(caller, sites)
        after = msgspec.structs.replace(after, sites=sites)
    if expires_at is not UNSET:
        _require_end(terms, expires_at, now)
        after = msgspec.structs.replace(after, expires_at=expires_at)
    if after == before:
        return Saved(before, created=False, changed=False)
    if not dry_run:
        unit.subscriptions.put(after)
        record(unit, actor, "subscription.put", subject_of(after), before=before, after=after, reason=reason, now=now)
    return Saved(after, created=before is None or before.state in OVER, changed=True)


def unsubscribe(
    unit: Unit, actor: Actor, application: str, contract: str, major: int, *, reason: str | None = None, now: int
) -> None:
    """Whatever its state, it is over then: ended, or withdrawn when it was only requested. Raises `NotFound` when there
    is no such subscription."""
    doing = f"end subscriptions to {contract}"
    permissions.require_role(actor, "delete_subscription", doing)
    before = unit.subscriptions.get(application, contract, major)
    whose = permissions.of_subscription(unit, before) if before else NOTHING
    gone = before is None or before.state in OVER
    if before is None or gone or not permissions.sees(actor, "list_subscriptions", whose):
        raise no_subscription(application, contract, major)
    permissions.require(actor, "delete_subscription", doing, whose)
    over: SubscriptionState = "withdrawn" if before.state == "requested" else "ended"
    after = msgspec.structs.replace(before, state=over, moved_at=now, moved_by=actor.name, reason=reason)
    unit.subscriptions.put(after)
    record(unit, actor, "subscription.end", subject_of(before), before=before, after=after, reason=reason, now=now)


def require_open(unit: Unit, contract: Contract, application: RegisteredApplication, major: int) -> None:
    """Raises `Conflict` for what this application cannot begin to use."""
    if contract.audience == "internal" and consumer(unit, application.consumer).audience == "partner":
        raise Conflict(f"{contract.name} is internal; {application.id} belongs to a partner")
    stages = {version.stage for version in unit.versions.all(contract=contract.name, major=major)}
    if Stage.PUBLISHED not in stages:
        state = "only deprecated versions" if Stage.DEPRECATED in stages else "no published version"
        raise Conflict(f"{contract.name} v{major} has {state}; subscribe to a major that is published")


def require_second(actor: Actor, requested: StoredSubscription, reason: str | None) -> None:
    """Nobody approves what they asked for themselves, but an admin who says why. Raises `Forbidden`, `Invalid`."""
    if requested.created_by != actor.name:
        return
    if actor.role != "admin":
        raise Forbidden(f"{actor.name} asked for this subscription; somebody else has to approve it")
    if not reason:
        raise Invalid("/reason", f"{actor.name} asked for this subscription: say why nobody else approves it")


def require_sites(application: RegisteredApplication, sites: tuple[str, ...] | None) -> None:
    """Raises `Invalid` for a site that the application itself may not use."""
    for index, site in enumerate(sites or ()):
        require_token(site, f"/sites/{index}", "a site", longest=64)
        if application.sites is not None and site not in application.sites:
            raise Invalid(f"/sites/{index}", f"the application {application.id} may not use the site {site} itself")
    if sites == ():
        raise Invalid("/sites", "a grant of no site at all; leave sites out for all of the application's")


def _require_end(plan: Plan, expires_at: int | None, now: int) -> None:
    if expires_at is None and plan.trial_days is not None:
        raise Invalid("/expires_at", f"{plan.name} is a trial plan, and a trial ends; put it on another plan instead")
    if expires_at is not None and expires_at <= now:
        raise Invalid("/expires_at", "the end of a subscription lies ahead; to end it now, end it")


def require_plan(unit: Unit, name: str) -> Plan:
    found = unit.plans.get(name)
    if found is None:
        raise Invalid("/plan", f"there is no plan {name!r}")
    return found


def no_subscription(application: str, contract: str, major: int) -> NotFound:
    return NotFound(f"the application {application!r} is not subscribed to {contract} v{major}")


def subscriptions(
    unit: Unit,
    *,
    application: str | None = None,
    contract: str | None = None,
    major: int | None = None,
    state: SubscriptionState | None = None,
    reader: Actor | None = None,
) -> list[StoredSubscription]:
    """By application, contract and major. Those of one `state`, or all that are not over."""
    equals: dict[str, Any] = {"application": application, "contract": contract, "major": major}
    found = [
        entry
        for entry in unit.subscriptions.all(**{name: value for name, value in equals.items() if value is not None})
        if entry.state == state or (state is None and entry.state not in OVER)
    ]
    if reader is None or permissions.sees(reader, "list_subscriptions"):
        return found
    whose = permissions.subscriptions_of(unit)
    return [entry for entry in found if permissions.sees(reader, "list_subscriptions", whose(entry))]


def _require_sound(unit: Unit, actor: Actor, application: RegisteredApplication) -> None:
    require_slug(application.id, "/id", "the id of an application")
    if application.id == "me":
        raise Invalid("/id", "me is what every application calls itself; choose another id")
    require_text(application.name, "/name", "the name", longest=200)
    owner = unit.consumers.get(application.consumer)
    if owner is None or not permissions.sees(actor, "get_consumer", permissions.of_consumer(owner)):
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


def subject_of(subscription: StoredSubscription) -> str:
    return f"applications/{subscription.application}/subscriptions/{subscription.contract}/{subscription.major}"

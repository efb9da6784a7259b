"""Who may call: consumers, applications, credentials, subscriptions, plans."""

from __future__ import annotations

from typing import Any

from policies.model.access import Plan, SubscriptionState
from registry import credentials, plans, subscriptions
from registry.api.desk import GONE, Answer, Call, saved
from registry.api.handlers.credentials import CERTIFICATE_MEMBERS, register_certificate, shown
from registry.api.handlers.subscribing import sites_of
from registry.api.wire import decode, moment, page, plain
from registry.errors import Invalid
from registry.store.records import Consumer, RegisteredApplication

__all__ = [
    "create_credential",
    "delete_application",
    "delete_consumer",
    "delete_plan",
    "delete_subscription",
    "get_application",
    "get_consumer",
    "get_credential",
    "get_plan",
    "list_applications",
    "list_consumers",
    "list_credentials",
    "list_plans",
    "list_subscriptions",
    "put_application",
    "put_consumer",
    "put_plan",
    "put_subscription",
    "revoke_credential",
]


def list_consumers(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = subscriptions.consumers(unit, reader=call.actor)
    return Answer(page(found, lambda consumer: consumer.id, plain, limit, cursor))


def get_consumer(call: Call, *, consumer: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(subscriptions.consumer(unit, consumer, reader=call.actor)))


def put_consumer(call: Call, *, consumer: str, dry_run: bool = False) -> Answer:
    wanted = decode(Consumer, call.body, id=consumer)
    with call.store.write() as unit:
        return saved(subscriptions.put_consumer(unit, call.actor, wanted, dry_run=dry_run, now=call.now), plain)


def delete_consumer(call: Call, *, consumer: str, dry_run: bool = False) -> Answer:
    with call.store.write() as unit:
        subscriptions.delete_consumer(unit, call.actor, consumer, dry_run=dry_run, now=call.now)
    return GONE


def list_applications(call: Call, *, consumer: str | None = None, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = subscriptions.applications(unit, consumer=consumer, reader=call.actor)
    return Answer(page(found, lambda application: application.id, plain, limit, cursor))


def get_application(call: Call, *, application: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(subscriptions.application(unit, application, reader=call.actor)))


def put_application(call: Call, *, application: str, dry_run: bool = False) -> Answer:
    wanted = decode(RegisteredApplication, call.body, id=application)
    with call.store.write() as unit:
        return saved(subscriptions.put_application(unit, call.actor, wanted, dry_run=dry_run, now=call.now), plain)


def delete_application(call: Call, *, application: str, dry_run: bool = False, reason: str | None = None) -> Answer:
    with call.store.write() as unit:
        subscriptions.delete_application(unit, call.actor, application, reason=reason, dry_run=dry_run, now=call.now)
    return GONE


def list_credentials(call: Call, *, application: str, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = credentials.credentials(unit, application, reader=call.actor)
        show = shown(unit, found, call.now)
    return Answer(page(found, lambda credential: credential.id, show, limit, cursor))


def get_credential(call: Call, *, application: str, credential: str) -> Answer:
    with call.store.read() as unit:
        found = credentials.credential(unit, application, credential, reader=call.actor)
        return Answer(shown(unit, [found], call.now)(found))


def create_credential(call: Call, *, application: str) -> Answer:
    body = call.body
    particulars: dict[str, Any] = {
        "label": body.get("label", ""),
        "expires_at": moment(body.get("expires_at"), "/expires_at"),
        "now": call.now,
    }
    if body["kind"] == "certificate":
        return register_certificate(call, application, particulars)
    if body["kind"] != "public-key" and "public_jwk" in body:
        raise Invalid("/public_jwk", "only a credential of kind public-key has this")
    for name in CERTIFICATE_MEMBERS:
        if name in body:
            raise Invalid(f"/{name}", "only a credential of kind certificate has this")
    if body["kind"] == "subject":
        for name in ("issuer", "subject"):
            if not body.get(name):
                raise Invalid(f"/{name}", f"a credential of kind subject needs its {name}")
        with call.store.write() as unit:
            made = credentials.add_subject(
                unit, call.actor, application, issuer=body["issuer"], subject=body["subject"], **particulars
            )
            told = shown(unit, [made.record], call.now)(made.record)
        return Answer({"credential": told, "secret": None}, 201 if made.created else 200)
    for name in ("issuer", "subject"):
        if name in body:
            raise Invalid(f"/{name}", "only a credential of kind subject has this")
    if body["kind"] == "public-key":
        if "public_jwk" not in body:
            raise Invalid("/public_jwk", "a credential of kind public-key needs its public_jwk")
        with call.store.write() as unit:
            made = credentials.add_public_key(
                unit, call.actor, application, public_jwk=body["public_jwk"], **particulars
            )
        return Answer({"credential": plain(made.record), "secret": None}, 201 if made.created else 200)
    create = credentials.create_api_key if body["kind"] == "api-key" else credentials.create_client_secret
    with call.store.write() as unit:
        issued = create(unit, call.actor, application, **particulars)
        told = shown(unit, [issued.credential], call.now)(issued.credential)
    return Answer({"credential": told, "secret": issued.secret}, 201, {"Cache-Control": "no-store"})


def revoke_credential(call: Call, *, application: str, credential: str, reason: str | None = None) -> Answer:
    with call.store.write() as unit:
        revoked = credentials.revoke(unit, call.actor, application, credential, reason=reason, now=call.now)
        return Answer(shown(unit, [revoked], call.now)(revoked))


def list_subscriptions(
    call: Call,
    *,
    application: str | None = None,
    contract: str | None = None,
    major: int | None = None,
    state: SubscriptionState | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Answer:
    with call.store.read() as unit:
        found = subscriptions.subscriptions(
            unit, application=application, contract=contract, major=major, state=state, reader=call.actor
        )
    return Answer(page(found, lambda s: f"{s.application}/{s.contract}/{s.major:06}", plain, limit, cursor))


def put_subscription(call: Call, *, application: str, contract: str, major: int, dry_run: bool = False) -> Answer:
    body = call.body
    given: dict[str, Any] = {"reason": body.get("reason")}
    if "sites" in body:
        given["sites"] = sites_of(body)
    if "expires_at" in body:
        given["expires_at"] = moment(body["expires_at"], "/expires_at")
    with call.store.write() as unit:
        made = subscriptions.subscribe(
            unit, call.actor, application, contract, major, body["plan"], **given, dry_run=dry_run, now=call.now
        )
    return saved(made, plain)


def delete_subscription(
    call: Call, *, application: str, contract: str, major: int, reason: str | None = None
) -> Answer:
    with call.store.write() as unit:
        subscriptions.unsubscribe(unit, call.actor, application, contract, major, reason=reason, now=call.now)
    return GONE


def list_plans(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = plans.plans(unit, reader=call.actor)
    return Answer(page(found, lambda plan: plan.name, plain, limit, cursor))


def get_plan(call: Call, *, plan: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(plans.plan(unit, plan, reader=call.actor)))


def put_plan(call: Call, *, plan: str, dry_run: bool = False) -> Answer:
    wanted = decode(Plan, call.body, name=plan)
    with call.store.write() as unit:
        return saved(plans.put_plan(unit, call.actor, wanted, dry_run=dry_run, now=call.now), plain)


def delete_plan(call: Call, *, plan: str, dry_run: bool = False) -> Answer:
    with call.store.write() as unit:
        plans.delete_plan(unit, call.actor, plan, dry_run=dry_run, now=call.now)
    return GONE

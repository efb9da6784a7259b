"""Who may sign tokens: foreign issuers, and the registry's own keys."""

from __future__ import annotations

from policies.model.access import Issuer
from registry import discovery, issuers, signing
from registry.api.desk import GONE, Answer, Call, saved
from registry.api.wire import decode, page, plain

__all__ = [
    "delete_issuer",
    "discover_issuer",
    "get_issuer",
    "list_issuers",
    "list_signing_keys",
    "put_issuer",
    "rotate_signing_key",
    "withdraw_signing_key",
]


def list_issuers(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = issuers.issuers(unit)
    return Answer(page(found, lambda issuer: issuer.name, plain, limit, cursor))


def get_issuer(call: Call, *, issuer: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(issuers.issuer(unit, issuer)))


def put_issuer(call: Call, *, issuer: str, dry_run: bool = False) -> Answer:
    wanted = decode(Issuer, call.body, name=issuer)
    with call.store.write() as unit:
        made = issuers.put_issuer(
            unit, call.actor, wanted, networks=call.desk.settings.networks, dry_run=dry_run, now=call.now
        )
    return saved(made, plain)


async def discover_issuer(call: Call) -> Answer:
    found = await discovery.discover(call.actor, call.body["url"], call.desk.settings.networks)
    return Answer(plain(found))


def delete_issuer(call: Call, *, issuer: str, dry_run: bool = False) -> Answer:
    with call.store.write() as unit:
        issuers.delete_issuer(unit, call.actor, issuer, dry_run=dry_run, now=call.now)
    return GONE


def list_signing_keys(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = signing.keys(unit)
    return Answer(page(found, lambda key: key.kid, plain, limit, cursor))


def rotate_signing_key(call: Call, *, at_once: bool = False) -> Answer:
    settings = call.desk.settings
    lead = 0 if at_once else settings.signing_key_lead_seconds
    algorithm = settings.signing_algorithm
    with call.store.write() as unit:
        made = signing.rotate(unit, call.actor, call.desk.keyring, algorithm=algorithm, lead=lead, now=call.now)
    return Answer(plain(made), 201)


def withdraw_signing_key(call: Call, *, kid: str, reason: str | None = None) -> Answer:
    with call.store.write() as unit:
        signing.withdraw(unit, call.actor, kid, reason=reason, now=call.now)
    return GONE

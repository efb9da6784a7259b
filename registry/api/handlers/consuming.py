"""What an application may call: asked by itself with its own credential, or by an operator for it."""

from __future__ import annotations

from typing import Any

import orjson

from policies.governance import Thing
from policies.model.access import Application
from registry import credentials, permissions, subscriptions, usage
from registry.api.desk import Answer, Call
from registry.api.wire import instant, instants, page
from registry.consuming import Entry, Reading

__all__ = [
    "get_application_contract",
    "get_own_application",
    "get_own_contract",
    "list_application_contracts",
    "list_own_contracts",
]


def get_own_application(call: Call) -> Answer:
    assert call.caller is not None
    reading, credential = call.desk.readings.current(), call.caller.credential
    application = reading.application(call.caller.application.id)
    with call.store.read() as unit:
        held = [entry for entry in credentials.credentials(unit, application.id) if entry.revoked_at is None]
        last = usage.last_used(unit, [entry.id for entry in held])
    own = {
        "id": application.id,
        "name": application.name,
        "consumer": application.consumer,
        "audience": application.audience,
        "party": application.party,
        "sites": application.sites,
        "scopes": application.scopes,
        "pins": application.pins,
        "subscriptions": [_told(call, entry, "me") for entry in reading.entries(application, now=call.now)],
        "credentials": [
            {
                "id": entry.id,
                "kind": entry.kind,
                "label": entry.label,
                "created_at": instant(entry.created_at),
                "expires_at": instant(entry.expires_at),
                "last_used_at": instant(last.get(entry.id)),
                "current": entry.id == credential,
            }
            for entry in held
        ],
    }
    return Answer(own)


def list_own_contracts(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    assert call.caller is not None
    reading = call.desk.readings.current()
    return _listed(call, reading, reading.application(call.caller.application.id), "me", limit, cursor)


def get_own_contract(call: Call, *, contract: str, major: int | None = None, version: str | None = None) -> Answer:
    assert call.caller is not None
    reading = call.desk.readings.current()
    application = reading.application(call.caller.application.id)
    return _document(call, reading, reading.entry(application, contract, major=major, version=version, now=call.now))


def list_application_contracts(call: Call, *, application: str, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        permissions.application(unit, call.actor, "list_application_contracts", "list what it may call", application)
    reading = call.desk.readings.current()
    return _listed(call, reading, reading.application(application), application, limit, cursor)


def get_application_contract(call: Call, *, application: str, contract: str, major: int | None = None) -> Answer:
    action, doing = "get_application_contract", "read a contract as it holds for an application"
    permissions.require_role(call.actor, action, doing)
    with call.store.read() as unit:
        found = subscriptions.application(unit, application, reader=call.actor)
        thing = permissions.of_application(unit, found)
    reading = call.desk.readings.current()
    owner = reading.contract(contract).owner
    of = Thing(team=owner, contract=contract, consumer=thing.consumer, audience=thing.audience)
    permissions.require(call.actor, action, doing, of)
    return _document(
        call, reading, reading.entry(reading.application(application), contract, major=major, now=call.now)
    )


def _listed(
    call: Call, reading: Reading, application: Application, name: str, limit: int, cursor: str | None
) -> Answer:
    found = reading.entries(application, now=call.now)
    return Answer(page(found, _identity, lambda entry: _told(call, entry, name), limit, cursor))


def _identity(entry: Entry) -> str:
    return f"{entry.contract.name}/{entry.major:06}"


def _told(call: Call, entry: Entry, name: str) -> dict[str, Any]:
    chosen = entry.chosen
    version = None if chosen is None else chosen.version
    contract = entry.contract.name
    return {
        "contract": contract,
        "major": entry.major,
        "title": entry.contract.title,
        "plan": entry.plan.name,
        "version": None if version is None else version.number,
        "stage": None if version is None else str(version.stage),
        "deprecated_at": None if version is None else instant(version.deprecated_at),
        "sunset_at": None if version is None else instant(version.sunset_at),
        "successor": None if chosen is None or chosen.successor is None else f"/{contract}/v{chosen.successor}",
        "blocked": version is not None and version.block is not None,
        "address": _address(call, entry),
        "document": f"/v1/applications/{name}/contracts/{contract}/openapi.json?major={entry.major}",
    }


def _address(call: Call, entry: Entry) -> str:
    return f"{call.desk.settings.gateway_url.rstrip('/')}/{entry.contract.name}/v{entry.major}"


def _document(call: Call, reading: Reading, entry: Entry) -> Answer:
    tree, digest = reading.document(entry, _address(call, entry))
    headers = {"ETag": f'"{digest}"', "Vary": "X-API-Key, Authorization"}
    if call.holds(digest):
        return Answer(status=304, headers=headers)
    info = tree["info"]
    told = {**tree, "info": {**info, "x-weighbridge": instants(info["x-weighbridge"])}}
    return Answer(orjson.dumps(told), 200, headers)

"""Who governs and by which rules: teams, operators, waivers, the catalog of rules."""

from __future__ import annotations

from typing import Any

from policies import catalog
from registry import operators, waivers
from registry.api.desk import GONE, Answer, Call, saved
from registry.api.wire import decode, moment, page, plain
from registry.errors import Invalid, NotFound
from registry.store.records import Team

__all__ = [
    "approve_waiver",
    "ask_waiver",
    "create_operator",
    "delete_team",
    "get_operator",
    "get_rule",
    "get_team",
    "get_waiver",
    "list_operators",
    "list_rules",
    "list_teams",
    "list_waivers",
    "put_team",
    "revoke_operator",
    "whoami",
    "withdraw_waiver",
]


def whoami(call: Call) -> Answer:
    actor = call.actor
    return Answer(
        {
            "name": actor.name,
            "role": actor.role,
            "team": actor.team,
            "contract": actor.contract,
            "consumers": None if actor.consumers is None else list(actor.consumers),
        }
    )


def list_teams(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = operators.teams(unit)
    return Answer(page(found, lambda team: team.name, plain, limit, cursor))


def get_team(call: Call, *, team: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(operators.team(unit, team)))


def put_team(call: Call, *, team: str, dry_run: bool = False) -> Answer:
    wanted = decode(Team, call.body, name=team)
    with call.store.write() as unit:
        return saved(operators.put_team(unit, call.actor, wanted, dry_run=dry_run, now=call.now), plain)


def delete_team(call: Call, *, team: str, dry_run: bool = False) -> Answer:
    with call.store.write() as unit:
        operators.delete_team(unit, call.actor, team, dry_run=dry_run, now=call.now)
    return GONE


def list_operators(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = operators.operators(unit, reader=call.actor)
    return Answer(page(found, lambda operator: operator.id, plain, limit, cursor))


def get_operator(call: Call, *, operator: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(operators.operator(unit, operator, reader=call.actor)))


def create_operator(call: Call) -> Answer:
    body = call.body
    expires_at = moment(body.get("expires_at"), "/expires_at")
    if "expires_in" in body:
        if expires_at is not None:
            raise Invalid("/expires_in", "give expires_at or expires_in, not both")
        expires_at = call.now + body["expires_in"]
    consumers = body.get("consumers")
    with call.store.write() as unit:
        issued = operators.create_operator(
            unit,
            call.actor,
            name=body["name"],
            role=body["role"],
            team=body.get("team"),
            contract=body.get("contract"),
            consumers=None if consumers is None else tuple(consumers),
            expires_at=expires_at,
            now=call.now,
        )
    return Answer({"operator": plain(issued.operator), "key": issued.key}, 201, {"Cache-Control": "no-store"})


def revoke_operator(call: Call, *, operator: str, reason: str | None = None) -> Answer:
    with call.store.write() as unit:
        return Answer(plain(operators.revoke_operator(unit, call.actor, operator, reason=reason, now=call.now)))


def list_waivers(call: Call, *, contract: str, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = waivers.waivers(unit, contract, reader=call.actor)
    return Answer(page(found, lambda waiver: waiver.id, plain, limit, cursor))


def get_waiver(call: Call, *, contract: str, waiver: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(waivers.waiver(unit, contract, waiver, reader=call.actor)))


def ask_waiver(call: Call, *, contract: str) -> Answer:
    body = call.body
    expires_at = moment(body["expires_at"], "/expires_at")
    assert expires_at is not None
    with call.store.write() as unit:
        asked = waivers.ask(
            unit,
            call.actor,
            contract,
            fingerprint=body["fingerprint"],
            rule=body["rule"],
            reason=body["reason"],
            expires_at=expires_at,
            now=call.now,
        )
    return Answer(plain(asked), 201)


def approve_waiver(call: Call, *, contract: str, waiver: str) -> Answer:
    with call.store.write() as unit:
        return Answer(plain(waivers.approve(unit, call.actor, contract, waiver, now=call.now)))


def withdraw_waiver(call: Call, *, contract: str, waiver: str, reason: str | None = None) -> Answer:
    with call.store.write() as unit:
        return Answer(plain(waivers.withdraw(unit, call.actor, contract, waiver, reason=reason, now=call.now)))


def list_rules(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    return Answer(page(catalog.entries(), lambda entry: entry.id, _rule, limit, cursor))


def get_rule(call: Call, *, rule: str) -> Answer:
    try:
        entry = catalog.get(rule)
    except KeyError:
        raise NotFound(f"there is no rule {rule!r}") from None
    return Answer({**_rule(entry), "explanation": catalog.explain(rule)})


def _rule(entry: catalog.Entry) -> dict[str, Any]:
    return {"id": entry.id, "family": entry.family, "severity": entry.severity, "summary": entry.summary}

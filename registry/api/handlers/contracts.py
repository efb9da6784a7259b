"""Contracts and their rollouts."""

from __future__ import annotations

from policies.model.contract import Contract, Rollout
from registry import catalogue, contracts, transitions
from registry.api.desk import GONE, Answer, Call, saved
from registry.api.wire import decode, page, plain

__all__ = [
    "delete_contract",
    "end_rollout",
    "get_contract",
    "list_contracts",
    "list_rollouts",
    "put_contract",
    "put_rollout",
]


def list_contracts(call: Call, *, owner: str | None = None, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = catalogue.contracts(unit, owner=owner, reader=call.actor)
    return Answer(page(found, lambda contract: contract.name, plain, limit, cursor))


def get_contract(call: Call, *, contract: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(catalogue.contract(unit, contract, reader=call.actor)))


def put_contract(call: Call, *, contract: str, dry_run: bool = False) -> Answer:
    wanted = decode(Contract, call.body, name=contract)
    with call.store.write() as unit:
        return saved(contracts.register_contract(unit, call.actor, wanted, dry_run=dry_run, now=call.now), plain)


def delete_contract(call: Call, *, contract: str, dry_run: bool = False) -> Answer:
    with call.store.write() as unit:
        contracts.delete_contract(unit, call.actor, contract, dry_run=dry_run, now=call.now)
    return GONE


def list_rollouts(call: Call, *, contract: str, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = catalogue.rollouts(unit, contract, reader=call.actor)
    return Answer(page(found, lambda rollout: str(rollout.major), plain, limit, cursor, int))


def put_rollout(call: Call, *, contract: str, major: int, dry_run: bool = False) -> Answer:
    wanted = decode(Rollout, call.body, contract=contract, major=major)
    with call.store.write() as unit:
        return saved(transitions.put_rollout(unit, call.actor, wanted, dry_run=dry_run, now=call.now), plain)


def end_rollout(call: Call, *, contract: str, major: int) -> Answer:
    with call.store.write() as unit:
        transitions.end_rollout(unit, call.actor, contract, major, now=call.now)
    return GONE

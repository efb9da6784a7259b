"""Accepted findings: who asks, who approves, until when.

    ask(unit, actor, contract, *, fingerprint, rule, reason, expires_at, now) -> StoredWaiver
    approve(unit, actor, contract, id, *, now) -> StoredWaiver          another operator than the author
    withdraw(unit, actor, contract, id, *, reason, now) -> StoredWaiver
    waivers(unit, contract) -> list[StoredWaiver]                       waiver(unit, contract, id) -> StoredWaiver
    approved(unit, contract) -> tuple[Waiver, ...]                      what policies weigh

A waiver names one finding by its fingerprint. It counts from approval until `expires_at`, at most a year.
"""

from __future__ import annotations

import re
import secrets

import msgspec

from policies import catalog
from policies.findings import Waiver
from registry import permissions
from registry.audit import Actor, record
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.names import require_text
from registry.store import Unit
from registry.store.records import StoredWaiver

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_LONGEST = 366 * 86400
WAIVABLE = ("lint", "compat")
"""Families whose findings may be waived. Of a gate an admin may force some, with a reason, for one step."""


def ask(
    unit: Unit,
    actor: Actor,
    contract: str,
    *,
    fingerprint: str,
    rule: str,
    reason: str,
    expires_at: int,
    now: int,
) -> StoredWaiver:
    """It does not count before another operator approves it."""
    permissions.contract(unit, actor, "ask_waiver", f"ask for waivers of {contract}", contract)
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise Invalid("/fingerprint", "is the 16 hex digits that a finding is reported with")
    _require_waivable(rule)
    require_text(reason, "/reason", "the reason")
    if not now < expires_at <= now + _LONGEST:
        raise Invalid("/expires_at", "a waiver ends in the future, within a year")
    for other in unit.waivers.all(contract=contract, fingerprint=fingerprint):
        if other.rule == rule and other.revoked_at is None and other.expires_at > now:
            raise Conflict(f"the waiver {other.id} covers that finding already; withdraw it first")
    waiver = StoredWaiver(
        id=secrets.token_hex(6),
        contract=contract,
        fingerprint=fingerprint,
        rule=rule,
        reason=reason,
        author=actor.name,
        created_at=now,
        expires_at=expires_at,
    )
    unit.waivers.add(waiver)
    record(unit, actor, "waiver.ask", _subject(waiver), after=waiver, reason=reason, now=now)
    return waiver


def approve(unit: Unit, actor: Actor, contract: str, id_: str, *, now: int) -> StoredWaiver:
    """Raises `Forbidden` for the author, `Conflict` when it expired or was withdrawn. Idempotent for one approver."""
    permissions.contract(unit, actor, "approve_waiver", f"approve waivers of {contract}", contract)
    before = waiver(unit, contract, id_)
    if actor.name == before.author:
        raise Forbidden(f"{actor.name} asked for this waiver; another operator has to approve it")
    if before.revoked_at is not None or before.expires_at <= now:
        raise Conflict(f"the waiver {id_} was withdrawn or has expired; ask for a new one")
    if before.approver is not None:
        return before
    after = msgspec.structs.replace(before, approver=actor.name, approved_at=now)
    unit.waivers.put(after)
    record(unit, actor, "waiver.approve", _subject(after), before=before, after=after, now=now)
    return after


def withdraw(unit: Unit, actor: Actor, contract: str, id_: str, *, reason: str | None = None, now: int) -> StoredWaiver:
    """It no longer counts. Idempotent."""
    permissions.contract(unit, actor, "withdraw_waiver", f"withdraw waivers of {contract}", contract)
    before = waiver(unit, contract, id_)
    if before.revoked_at is not None:
        return before
    after = msgspec.structs.replace(before, revoked_at=now)
    unit.waivers.put(after)
    record(unit, actor, "waiver.withdraw", _subject(after), before=before, after=after, reason=reason, now=now)
    return after


def waivers(unit: Unit, contract: str, *, reader: Actor | None = None) -> list[StoredWaiver]:
    """Newest first, withdrawn and expired ones included."""
    _require_seen(unit, contract, reader)
    return sorted(unit.waivers.all(contract=contract), key=lambda waiver: (-waiver.created_at, waiver.id))


def waiver(unit: Unit, contract: str, id_: str, *, reader: Actor | None = None) -> StoredWaiver:
    _require_seen(unit, contract, reader)
    found = unit.waivers.get(id_)
    if found is None or found.contract != contract:
        raise NotFound(f"the contract {contract!r} has no waiver {id_!r}")
    return found


def approved(unit: Unit, contract: str) -> tuple[Waiver, ...]:
    """Approved and not withdrawn; expired ones included, for policies weigh them at their `now`."""
    found = (entry.as_waiver() for entry in unit.waivers.all(contract=contract))
    return tuple(waiver for waiver in found if waiver is not None)


def _require_waivable(rule: str) -> None:
    try:
        family = catalog.get(rule).family
    except KeyError:
        raise Invalid("/rule", f"there is no rule {rule!r}") from None
    if family not in WAIVABLE:
        raise Invalid("/rule", f"{rule} judges a step, not a document; waive the finding that it speaks of")


def _require_seen(unit: Unit, contract: str, reader: Actor | None) -> None:
    if reader is not None:
        permissions.contract(unit, reader, "list_waivers", f"read waivers of {contract}", contract)
    elif unit.contracts.get(contract) is None:
        raise permissions.no_contract(contract)


def _subject(waiver: StoredWaiver) -> str:
    return f"contracts/{waiver.contract}/waivers/{waiver.id}"

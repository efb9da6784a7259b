"""Accepted findings: who asks, who approves, until when.

    ask(unit, actor, contract, *, fingerprint, rule, reason, expires_at, now) -> StoredWaiver
    approve(unit, actor, contract, id, *, now) -> StoredWaiver          another operator than the author
    withdraw(unit, actor, contract, id, *, reason, now) -> StoredWaiver
    waivers(unit, contract) -> list[StoredWaiver]                       waiver(unit, contract, id) -> StoredWaiver

A waiver names one finding by its fingerprint. It counts from approval until `expires_at`, at most a year.
"""

from __future__ import annotations

from registry.audit import Actor
from registry.store import Unit
from registry.store.records import StoredWaiver


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
    """Admins and members of the owner team."""
    raise NotImplementedError


def approve(unit: Unit, actor: Actor, contract: str, id_: str, *, now: int) -> StoredWaiver:
    """Raises `Forbidden` for the author, `Conflict` when it expired or was withdrawn. Idempotent for one approver."""
    raise NotImplementedError


def withdraw(unit: Unit, actor: Actor, contract: str, id_: str, *, reason: str | None = None, now: int) -> StoredWaiver:
    """It no longer counts. Idempotent."""
    raise NotImplementedError


def waivers(unit: Unit, contract: str) -> list[StoredWaiver]:
    """Newest first, withdrawn and expired ones included."""
    raise NotImplementedError


def waiver(unit: Unit, contract: str, id_: str) -> StoredWaiver:
    raise NotImplementedError

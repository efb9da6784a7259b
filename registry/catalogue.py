"""Reading what is registered: contracts, versions, documents, evidence. Every role may read.

    contracts(unit, *, owner) -> list[Contract]                 contract(unit, name) -> Contract
    versions(unit, contract, *, stage, major) -> list[StoredVersion]      by semver, oldest first
    version(unit, contract, number) -> StoredVersion
    document(unit, digest) -> StoredDocument                    for ever, also of archived versions
    evidence(unit, contract, number) -> StoredEvidence | None   the judgement it was admitted with
    rollouts(unit, contract) -> list[Rollout]
    snapshot(unit) -> SnapshotRow                               current one

All raise `NotFound` with a sentence that says what to look for.
"""

from __future__ import annotations

from policies.model.contract import Contract, Rollout, Stage
from registry.store import Unit
from registry.store.records import SnapshotRow, StoredDocument, StoredEvidence, StoredVersion


def contracts(unit: Unit, *, owner: str | None = None) -> list[Contract]:
    """All contracts (of one team), by name."""
    raise NotImplementedError


def contract(unit: Unit, name: str) -> Contract:
    raise NotImplementedError


def versions(unit: Unit, contract: str, *, stage: Stage | None = None, major: int | None = None) -> list[StoredVersion]:
    """By semver precedence, oldest first."""
    raise NotImplementedError


def version(unit: Unit, contract: str, number: str) -> StoredVersion:
    raise NotImplementedError


def document(unit: Unit, digest: str) -> StoredDocument:
    raise NotImplementedError


def evidence(unit: Unit, contract: str, number: str) -> StoredEvidence | None:
    raise NotImplementedError


def rollouts(unit: Unit, contract: str | None = None) -> list[Rollout]:
    raise NotImplementedError


def snapshot(unit: Unit) -> SnapshotRow:
    raise NotImplementedError

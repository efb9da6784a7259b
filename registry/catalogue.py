"""Reading what is registered: contracts, versions, documents, evidence.

Every role may read; a version that was not published yet is seen by its team and by admins only (`Unit`s of what one
*does* pass no reader and see everything).

    contracts(unit, *, owner) -> list[Contract]                 contract(unit, name) -> Contract
    versions(unit, contract, *, stage, major, reader) -> list[StoredVersion]      by semver, oldest first
    version(unit, contract, number, *, reader) -> StoredVersion
    live(unit, contract, major) -> list[StoredVersion]          published or deprecated, oldest first
    document(unit, digest) -> StoredDocument                    for ever, also of archived versions
    evidence(unit, contract, number) -> StoredEvidence | None   the judgement it was admitted with
    rollouts(unit, contract) -> list[Rollout]
    snapshot(unit) -> SnapshotRow                               the current one

All raise `NotFound` with a sentence that says what was looked for.
"""

from __future__ import annotations

from policies.model.contract import LIVE, Contract, Rollout, Stage
from registry.audit import Actor
from registry.errors import NotFound
from registry.names import precedence
from registry.store import Unit
from registry.store.records import SnapshotRow, StoredDocument, StoredEvidence, StoredVersion

_UNPUBLISHED = frozenset({Stage.DRAFT, Stage.IN_REVIEW})


def contracts(unit: Unit, *, owner: str | None = None) -> list[Contract]:
    """All contracts (of one team), by name."""
    return unit.contracts.all() if owner is None else unit.contracts.all(owner=owner)


def contract(unit: Unit, name: str) -> Contract:
    found = unit.contracts.get(name)
    if found is None:
        raise NotFound(f"there is no contract {name!r}")
    return found


def versions(
    unit: Unit,
    contract: str,
    *,
    stage: Stage | None = None,
    major: int | None = None,
    reader: Actor | None = None,
) -> list[StoredVersion]:
    """By semver precedence, oldest first."""
    registered = unit.contracts.get(contract)
    if registered is None:
        raise NotFound(f"there is no contract {contract!r}")
    found = unit.versions.all(contract=contract)
    chosen = [v for v in found if stage in (None, v.stage) and major in (None, v.major)]
    seen = [v for v in chosen if _is_seen(v, registered.owner, reader)]
    return sorted(seen, key=lambda version: precedence(version.number))


def _is_seen(version: StoredVersion, owner: str, reader: Actor | None) -> bool:
    if reader is None or reader.role == "admin" or version.stage not in _UNPUBLISHED:
        return True
    return reader.team == owner


def version(unit: Unit, contract: str, number: str, *, reader: Actor | None = None) -> StoredVersion:
    found = unit.versions.get(contract, number)
    registered = unit.contracts.get(contract)
    if found is None or registered is None or not _is_seen(found, registered.owner, reader):
        raise NotFound(f"the contract {contract!r} has no version {number!r}")
    return found


def live(unit: Unit, contract: str, major: int | None = None) -> list[StoredVersion]:
    """Versions whose promises bind, by semver precedence, oldest first."""
    return [version for version in versions(unit, contract, major=major) if version.stage in LIVE]


def document(unit: Unit, digest: str) -> StoredDocument:
    found = unit.document(digest)
    if found is None:
        raise NotFound(f"there is no document {digest!r}")
    return found


def evidence(unit: Unit, contract: str, number: str, *, reader: Actor | None = None) -> StoredEvidence | None:
    """``None`` for a version that was never judged. Raises `NotFound` for one that does not exist."""
    version(unit, contract, number, reader=reader)
    return unit.evidence.get(contract, number)


def rollouts(unit: Unit, contract: str | None = None) -> list[Rollout]:
    return unit.rollouts.all() if contract is None else unit.rollouts.all(contract=contract)


def snapshot(unit: Unit) -> SnapshotRow:
    """Raises `NotFound` before the registry was bootstrapped."""
    found = unit.snapshot()
    if found is None:
        raise NotFound("there is no snapshot yet")
    return found

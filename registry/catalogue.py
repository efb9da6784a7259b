"""Reading what is registered: contracts, versions, documents, evidence.

What a `reader` may see is in `policies.governance`; what one *does* passes none and sees everything. A version that was
not published yet is seen by few, and addresses of backends not by partners.

    contracts(unit, *, owner, reader) -> list[Contract]         contract(unit, name, *, reader) -> Contract
    versions(unit, contract, *, stage, major, reader) -> list[StoredVersion]      by semver, oldest first
    version(unit, contract, number, *, reader) -> StoredVersion
    live(unit, contract, major) -> list[StoredVersion]          published or deprecated, oldest first
    document(unit, digest, *, reader) -> StoredDocument         for ever, also of archived versions
    evidence(unit, contract, number, *, reader) -> StoredEvidence | None      the judgement it was admitted with
    rollouts(unit, contract, *, reader) -> list[Rollout]
    snapshot(unit) -> SnapshotRow                               the current one

All raise `NotFound` with a sentence that says what was looked for.
"""

from __future__ import annotations

import msgspec

from policies.model.contract import LIVE, Contract, Rollout, Stage
from registry import permissions
from registry.audit import Actor
from registry.errors import NotFound
from registry.names import precedence
from registry.permissions import no_contract, of_contract, sees
from registry.store import Unit
from registry.store.records import SnapshotRow, StoredDocument, StoredEvidence, StoredVersion

_UNPUBLISHED = frozenset({Stage.DRAFT, Stage.IN_REVIEW})


def contracts(unit: Unit, *, owner: str | None = None, reader: Actor | None = None) -> list[Contract]:
    """All contracts (of one team), by name."""
    found = unit.contracts.all() if owner is None else unit.contracts.all(owner=owner)
    return [_shown(entry, reader) for entry in found if sees(reader, "list_contracts", of_contract(entry))]


def contract(unit: Unit, name: str, *, reader: Actor | None = None) -> Contract:
    return _shown(_registered(unit, name, reader), reader)


def _registered(unit: Unit, name: str, reader: Actor | None) -> Contract:
    found = unit.contracts.get(name)
    if found is None or not sees(reader, "get_contract", of_contract(found)):
        raise no_contract(name)
    return found


def _shown(contract: Contract, reader: Actor | None) -> Contract:
    if sees(reader, "get_contract.upstreams", of_contract(contract)):
        return contract
    return msgspec.structs.replace(contract, upstreams={})


def versions(
    unit: Unit,
    contract: str,
    *,
    stage: Stage | None = None,
    major: int | None = None,
    reader: Actor | None = None,
) -> list[StoredVersion]:
    """By semver precedence, oldest first."""
    registered = _registered(unit, contract, reader)
    found = unit.versions.all(contract=contract)
    chosen = [v for v in found if stage in (None, v.stage) and major in (None, v.major)]
    seen = [v for v in chosen if _is_seen(v, registered, reader)]
    return sorted(seen, key=lambda version: precedence(version.number))


def _is_seen(version: StoredVersion, contract: Contract, reader: Actor | None) -> bool:
    """Given up before it was published is not published."""
    open_ = version.stage not in _UNPUBLISHED and version.published_at is not None
    return sees(reader, "get_version" if open_ else "get_version.unpublished", of_contract(contract))


def version(unit: Unit, contract: str, number: str, *, reader: Actor | None = None) -> StoredVersion:
    registered = _registered(unit, contract, reader)
    found = unit.versions.get(contract, number)
    if found is None or not _is_seen(found, registered, reader):
        raise NotFound(f"the contract {contract!r} has no version {number!r}")
    return found


def live(unit: Unit, contract: str, major: int | None = None) -> list[StoredVersion]:
    """Versions whose promises bind, by semver precedence, oldest first."""
    return [version for version in versions(unit, contract, major=major) if version.stage in LIVE]


def document(unit: Unit, digest: str, *, reader: Actor | None = None) -> StoredDocument:
    """Who may see no version that has this document does not see the document."""
    found = unit.document(digest)
    if found is None or not (sees(reader, "get_version.unpublished") or _is_of_a_seen_version(unit, digest, reader)):
        raise NotFound(f"there is no document {digest!r}")
    return found


def _is_of_a_seen_version(unit: Unit, digest: str, reader: Actor | None) -> bool:
    owners = {entry.name: entry for entry in unit.contracts.all()}
    return any(_is_seen(version, owners[version.contract], reader) for version in unit.versions.all(digest=digest))


def evidence(unit: Unit, contract: str, number: str, *, reader: Actor | None = None) -> StoredEvidence | None:
    """``None`` for a version that was never judged. Raises `NotFound` for one that does not exist."""
    version(unit, contract, number, reader=reader)
    if reader is not None:
        doing = f"read how versions of {contract} were judged"
        permissions.contract(unit, reader, "get_version_evidence", doing, contract)
    return unit.evidence.get(contract, number)


def rollouts(unit: Unit, contract: str | None = None, *, reader: Actor | None = None) -> list[Rollout]:
    """Of one contract; of all only inside the registry."""
    if contract is None:
        return unit.rollouts.all()
    if reader is not None:
        permissions.contract(unit, reader, "list_rollouts", f"read rollouts of {contract}", contract)
    return unit.rollouts.all(contract=contract)


def snapshot(unit: Unit) -> SnapshotRow:
    """Raises `NotFound` before the registry was bootstrapped."""
    found = unit.snapshot()
    if found is None:
        raise NotFound("there is no snapshot yet")
    return found

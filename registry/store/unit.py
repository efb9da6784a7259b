"""The unit: one transaction, seen as collections of records.

What was recorded (audit rows) is written last, by `finish`, because only then is it known which revision the changes
became part of: changes that do not alter what a gateway sees (a draft, an operator) make no new revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import orjson
from msgspec import Struct
from sqlalchemy import Connection, Table, and_, delete, insert, or_, select

from policies.model.access import Plan, TrustAnchor
from policies.model.contract import Contract, Rollout
from registry import chain
from registry.errors import Invalid
from registry.store import tables
from registry.store.collection import Collection, require_storable
from registry.store.records import (
    AuditEntry,
    Consumer,
    Credential,
    Operator,
    RegisteredApplication,
    SigningKey,
    SnapshotRow,
    StoredDocument,
    StoredEvidence,
    StoredIssuer,
    StoredRevocation,
    StoredSubscription,
    StoredVersion,
    StoredWaiver,
    Team,
    UsedAssertion,
)
from registry.store.scopes import Whose
from registry.store.uses import Uses

R = TypeVar("R", bound=Struct)

SNAPSHOTS_KEPT = 20
"""Older snapshot rows are deleted: their content can be told from the audit log and the documents."""


class Unit:
    """One transaction of a store; made by `Store.read` and `Store.write` only."""

    def __init__(self, connection: Connection, trees: MutableMapping[str, dict[str, Any]], *, writable: bool) -> None:
        self._connection = connection
        self._trees = trees
        self.writable = writable
        self._audited: list[AuditEntry] = []
        self._compile: Callable[[Unit], None] | None = None
        self.has_new_snapshot = False

    # -- collections --------------------------------------------------------------------------------------------------

    def _collection(self, table: Table, kind: type[R]) -> Collection[R]:
        return Collection(self._connection, table, kind, writable=self.writable)

    @cached_property
    def teams(self) -> Collection[Team]:
        return self._collection(tables.teams, Team)

    @cached_property
    def operators(self) -> Collection[Operator]:
        return self._collection(tables.operators, Operator)

    @cached_property
    def contracts(self) -> Collection[Contract]:
        return self._collection(tables.contracts, Contract)

    @cached_property
    def versions(self) -> Collection[StoredVersion]:
        return self._collection(tables.versions, StoredVersion)

    @cached_property
    def evidence(self) -> Collection[StoredEvidence]:
        return self._collection(tables.evidence, StoredEvidence)

    @cached_property
    def rollouts(self) -> Collection[Rollout]:
        return self._collection(tables.rollouts, Rollout)

    @cached_property
    def consumers(self) -> Collection[Consumer]:
        return self._collection(tables.consumers, Consumer)

    @cached_property
    def applications(self) -> Collection[RegisteredApplication]:
        return self._collection(tables.applications, RegisteredApplication)

    @cached_property
    def credentials(self) -> Collection[Credential]:
        return self._collection(tables.credentials, Credential)

    @cached_property
    def subscriptions(self) -> Collection[StoredSubscription]:
        return self._collection(tables.subscriptions, StoredSubscription)

    @cached_property
    def plans(self) -> Collection[Plan]:
        return self._collection(tables.plans, Plan)

    @cached_property
    def issuers(self) -> Collection[StoredIssuer]:
        return self._collection(tables.issuers, StoredIssuer)

    @cached_property
    def anchors(self) -> Collection[TrustAnchor]:
        return self._collection(tables.anchors, TrustAnchor)

    @cached_property
    def waivers(self) -> Collection[StoredWaiver]:
        return self._collection(tables.waivers, StoredWaiver)

    @cached_property
    def signing_keys(self) -> Collection[SigningKey]:
        return self._collection(tables.signing_keys, SigningKey)

    @cached_property
    def uses(self) -> Uses:
        return Uses(self._connection, writable=self.writable)

    @cached_property
    def used_assertions(self) -> Collection[UsedAssertion]:
        return self._collection(tables.used_assertions, UsedAssertion)

    @cached_property
    def revoked_tokens(self) -> Collection[StoredRevocation]:
        return self._collection(tables.revoked_tokens, StoredRevocation)

    # -- documents ----------------------------------------------------------------------------------------------------

    def add_document(self, digest: str, tree: dict[str, Any], text: str, *, now: int) -> None:
        """Keep a document for ever. One that is there already stays as it was first written."""
        there = select(tables.documents.c.digest).where(tables.documents.c.digest == digest)
        if self._connection.execute(there).first() is None:
            row = {"digest": digest, "tree": orjson.dumps(tree), "text": text.encode(), "created_at": now}
            self._connection.execute(insert(tables.documents), [row])

    def document(self, digest: str) -> StoredDocument | None:
        try:
            require_storable(digest)
        except Invalid:
            return None
        query = select(tables.documents).where(tables.documents.c.digest == digest)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            return None
        tree = self._trees.setdefault(digest, orjson.loads(row["tree"]))
        return StoredDocument(digest=digest, tree=tree, text=row["text"].decode(), created_at=row["created_at"])

    def trees(self, digests: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The parsed documents of these digests; do not change them, they are shared by all units."""
        wanted = sorted(set(digests))
        missing = [digest for digest in wanted if digest not in self._trees]
        for start in range(0, len(missing), 500):  # databases bound the number of parameters
            some = missing[start : start + 500]
            query = select(tables.documents.c.digest, tables.documents.c.tree).where(
                tables.documents.c.digest.in_(some)
            )
            for digest, tree in self._connection.execute(query):
                self._trees[digest] = orjson.loads(tree)
        return {digest: self._trees[digest] for digest in wanted}

    # -- audit --------------------------------------------------------------------------------------------------------

    def append_audit(self, entry: AuditEntry, compile_: Callable[[Unit], None]) -> None:
        """Write `entry` when the unit commits, after `compile_` has made the snapshot it belongs to."""
        if not self.writable:
            raise RuntimeError("a read unit cannot change anything; open it with store.write()")
        require_storable(msgspec.to_builtins(entry))
        self._audited.append(entry)
        self._compile = compile_

    def audit(
        self,
        *,
        subject: str | None,
        before: int | None,
        limit: int,
        whose: Whose | None = None,
        action: str | None = None,
    ) -> list[AuditEntry]:
        """Newest first; `subject` includes everything below it, `whose` narrows to one team or some consumers."""
        table = tables.audit
        query = select(table).order_by(table.c.seq.desc()).limit(limit)
        if subject is not None:
            try:
                require_storable(subject)
            except Invalid:
                return []
            # by bytes, as text is compared everywhere: LIKE would ignore case on SQLite; "0" is what follows "/"
            below = and_(table.c.subject >= f"{subject}/", table.c.subject < f"{subject}0")
            query = query.where(or_(table.c.subject == subject, below))
        if action is not None:
            query = query.where(table.c.action == action)
        if before is not None:
            query = query.where(table.c.seq < before)
        if whose is not None:
            query = query.where(whose.condition())
        return [_entry(row) for row in self._connection.execute(query).mappings()]

    def audit_head(self) -> tuple[int, str]:
        """Sequence number and hash of the newest row."""
        table = tables.audit
        query = select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)
        row = self._connection.execute(query).first()
        return (0, chain.GENESIS) if row is None else (row[0], row[1])

    def audit_after(self, seq: int, limit: int) -> list[AuditEntry]:
        """The rows behind that one, oldest first."""
        table = tables.audit
        query = select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(limit)
        return [_entry(row) for row in self._connection.execute(query).mappings()]

    # -- snapshots ----------------------------------------------------------------------------------------------------

    def revision(self) -> tuple[int, str, str]:
        """Revision, digest and content digest of the current snapshot; ``(0, "", "")`` before the first."""
        table = tables.snapshots
        query = select(table.c.revision, table.c.digest, table.c.content).order_by(table.c.revision.desc()).limit(1)
        row = self._connection.execute(query).first()
        return (0, "", "") if row is None else (row[0], row[1], row[2])

    def snapshot(self, revision: int | None = None) -> SnapshotRow | None:
        """The current snapshot, or one of the last `SNAPSHOTS_KEPT`."""
        table = tables.snapshots
        query = select(table).order_by(table.c.revision.desc()).limit(1)
        if revision is not None:
            query = query.where(table.c.revision == revision)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else SnapshotRow(**row)

    def add_snapshot(self, row: SnapshotRow) -> None:
        table = tables.snapshots
        self._connection.execute(insert(table), [msgspec.structs.asdict(row)])
        self._connection.execute(delete(table).where(table.c.revision <= row.revision - SNAPSHOTS_KEPT))
        self.has_new_snapshot = True

    def finish(self) -> None:
        """Compile what was changed and write what was recorded; called by the store just before it commits."""
        if self._compile is not None:
            self._compile(self)
        if self._audited:
            revision = self.revision()[0]
            columns = {column.name for column in tables.audit.columns}
            seq, head = self.audit_head()
            rows = []
            for entry in self._audited:
                seq += 1
                entry = msgspec.structs.replace(entry, seq=seq, revision=revision)
                head = chain.sealed(msgspec.to_builtins(entry), head)
                fields = {**msgspec.structs.asdict(entry), "hash": head}
                rest = {name: value for name, value in fields.items() if name not in columns}
                row = {name: value for name, value in fields.items() if name in columns}
                rows.append({**row, "body": msgspec.json.encode(rest, order="deterministic").decode()})
            self._connection.execute(insert(tables.audit), rows)
        self._compile = None
        self._audited.clear()


def _entry(row: Mapping[Any, Any]) -> AuditEntry:
    columns = {str(name): value for name, value in row.items() if name != "body"}
    return msgspec.convert({**columns, **msgspec.json.decode(row["body"])}, AuditEntry)

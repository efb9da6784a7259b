"""Who called what, added up by day, and when each credential was last used: numbers without a history of their own.

They are neither audited nor part of a snapshot, so they stand beside the collections. Nothing here refers to another
table: what was called stays true when an application is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, case, delete, func, literal, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from registry.errors import Invalid
from registry.store import tables
from registry.store.collection import require_storable
from registry.store.records import Use, UseSum

MOST_CALLS = 10**15
"""Beyond, a day's calls of one kind are a lie of somebody with a gateway's key; a sum of them must not burst."""
_CHUNK = 500
"""Databases bound the number of parameters."""
_SUMMED = ("contract", "major", "number", "application", "operation", "status_class")


class Uses:
    """The observed use, inside one transaction."""

    def __init__(self, connection: Connection, *, writable: bool) -> None:
        self._connection = connection
        self._writable = writable

    def accept(self, source: str, sequence: int, *, now: int) -> bool:
        """Whether the report with that number is new; a source numbers its reports upwards."""
        table = tables.usage_sources
        statement = self._insert(table)
        known = self._connection.execute(select(table.c.sequence).where(table.c.source == source)).scalar()
        if known is not None and known >= sequence:
            return False
        newer = {"sequence": statement.excluded.sequence, "seen_at": statement.excluded.seen_at}
        upsert = statement.on_conflict_do_update(index_elements=[table.c.source], set_=newer)
        self._connection.execute(upsert, [{"source": source, "sequence": sequence, "seen_at": now}])
        return True

    def add(self, uses: Iterable[Use]) -> None:
        """Add calls to what there is of the same day, and move the time of the last one forward."""
        table = tables.usage
        rows = [msgspec.structs.asdict(use) for use in uses]
        require_storable(rows)
        statement = self._insert(table)
        new = statement.excluded
        calls = case((table.c.calls < MOST_CALLS, table.c.calls + new.calls), else_=table.c.calls)
        added = {"calls": calls, "last_at": _later(table.c.last_at, new.last_at)}
        upsert = statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=added)
        if rows:
            self._connection.execute(upsert, rows)

    def note_credentials(self, used: Mapping[str, int]) -> None:
        """When credentials were last used; those that do not exist are passed over, and no time goes backward."""
        table = tables.credential_uses
        known = self._known_credentials(sorted(used))
        statement = self._insert(table)
        later = {"last_used_at": _later(table.c.last_used_at, statement.excluded.last_used_at)}
        upsert = statement.on_conflict_do_update(index_elements=[table.c.credential], set_=later)
        if known:
            self._connection.execute(upsert, [{"credential": id_, "last_used_at": used[id_]} for id_ in known])

    def last_used(self, credentials: Sequence[str]) -> dict[str, int]:
        """Unix seconds by credential id; those that were never used are left out."""
        table = tables.credential_uses
        found: dict[str, int] = {}
        for start in range(0, len(credentials), _CHUNK):
            some = credentials[start : start + _CHUNK]
            for row in self._connection.execute(select(table).where(table.c.credential.in_(some))):
                found[row.credential] = row.last_used_at
        return found

    def sums(
        self,
        *,
        since: str,
        contract: str | None = None,
        major: int | None = None,
        application: str | None = None,
        daily: bool = False,
        after: Sequence[str | int] | None = None,
        limit: int | None = None,
    ) -> list[UseSum]:
        """Uses from the day `since` on, added up over all days or, with `daily`, by day. `after` is the `place` of the
        last one of the page before."""
        table = tables.usage
        keys = [table.c.day] if daily else []
        keys += [table.c[name] for name in _SUMMED]
        calls, first, last = func.sum(table.c.calls), func.min(table.c.day), func.max(table.c.last_at)
        query = (
            select(*(table.c[name] for name in _SUMMED), calls.label("calls"), first.label("first_day"), last)
            .where(table.c.day >= since)
            .group_by(*keys)
            .order_by(*keys)
            .limit(limit)
        )
        for name, value in (("contract", contract), ("major", major), ("application", application)):
            if value is not None:
                query = query.where(table.c[name] == value)
        if after is not None:
            query = query.where(tuple_(*keys) > tuple_(*(literal(part) for part in after)))
        try:
            require_storable([contract, application, *(after or ())])
        except Invalid:
            return []
        return [
            UseSum(
                **{name: row[index] for index, name in enumerate(_SUMMED)},
                calls=int(row.calls),  # PostgreSQL adds up to a decimal
                first_day=row.first_day,
                last_at=row[-1],
            )
            for row in self._connection.execute(query)
        ]

    def observed_at(self) -> int | None:
        """When the newest report came; ``None`` before the first."""
        at: int | None = self._connection.execute(select(func.max(tables.usage_sources.c.seen_at))).scalar()
        return at

    def prune(self, *, before: str, before_at: int) -> None:
        """Forget the days before `before`, and the sources that were last heard of before `before_at`."""
        self._connection.execute(delete(tables.usage).where(tables.usage.c.day < before))
        self._connection.execute(delete(tables.usage_sources).where(tables.usage_sources.c.seen_at < before_at))

    def _known_credentials(self, ids: Sequence[str]) -> list[str]:
        known: list[str] = []
        for start in range(0, len(ids), _CHUNK):
            column = tables.credentials.c.id
            known += self._connection.execute(select(column).where(column.in_(ids[start : start + _CHUNK]))).scalars()
        return known

    def _insert(self, table: Table) -> Any:
        """An insert that may meet the row there is: a dialect's own, and alike on both."""
        if not self._writable:
            raise RuntimeError(f"a read unit cannot write {table.name}; open it with store.write()")
        return (postgresql if self._connection.dialect.name == "postgresql" else sqlite).insert(table)


def place(use: UseSum, *, daily: bool) -> list[str | int]:
    """Where a sum stands in the order of `Uses.sums`."""
    return [*([use.first_day] if daily else []), *(getattr(use, name) for name in _SUMMED)]


def _later(old: Any, new: Any) -> Any:
    return case((new > old, new), else_=old)

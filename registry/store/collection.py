"""One table as a collection of frozen records. The only code that turns records into rows and back.

A value that one of the databases could not hold (a NUL character, a lone surrogate, an integer over 64 bits) is refused
by both, as `Invalid`; looking for one finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ColumnElement

from registry.errors import Conflict, Invalid

R = TypeVar("R", bound=Struct)
_LARGEST = 2**63 - 1


class Collection(Generic[R]):
    """The records of one table, inside one transaction."""

    def __init__(self, connection: Connection, table: Table, kind: type[R], *, writable: bool) -> None:
        self._connection = connection
        self._table = table
        self._kind = kind
        self._writable = writable
        self._columns = [str(column.name) for column in table.columns if column.name != "body"]
        # where the record's own fields stand in a row; a column may also hold a property of it
        self._places = [
            (index, str(column.name))
            for index, column in enumerate(table.columns)
            if column.name in kind.__struct_fields__
        ]
        self._body = next((index for index, column in enumerate(table.columns) if column.name == "body"), None)

    def get(self, *key: str | int) -> R | None:
        """The record with that primary key."""
        if not all(_storable(part) for part in key):
            return None
        row = self._connection.execute(select(self._table).where(self._at(key))).first()
        return None if row is None else self._record(row)

    def all(self, *, after: str | None = None, limit: int | None = None, **equals: str | int | bool | None) -> list[R]:
        """In the order of the primary key. `equals` compares columns (``None``: is null); `after` is the first key."""
        if not all(_storable(value) for value in (after, *equals.values())):
            return []
        query = select(self._table).order_by(*self._table.primary_key.columns).limit(limit)
        for name, value in equals.items():
            query = query.where(self._table.c[name] == value)
        if after is not None:
            query = query.where(next(iter(self._table.primary_key.columns)) > after)
        return [self._record(row) for row in self._connection.execute(query).all()]

    def count(self, **equals: str | int | bool | None) -> int:
        if not all(_storable(value) for value in equals.values()):
            return 0
        query = select(func.count()).select_from(self._table)
        for name, value in equals.items():
            query = query.where(self._table.c[name] == value)
        return int(self._connection.execute(query).scalar_one())

    def add(self, record: R) -> None:
        """Raises `Conflict` when the key, or another unique value, is taken."""
        self._require_writable()
        with _conflicts(self._table.name):
            self._connection.execute(insert(self._table), [self._row(record)])

    def put(self, record: R) -> None:
        """Insert, or replace the record with the same key."""
        self._require_writable()
        row = self._row(record)
        key = tuple(row[column.name] for column in self._table.primary_key.columns)
        with _conflicts(self._table.name):
            done = self._connection.execute(update(self._table).where(self._at(key)).values(**row))
            if done.rowcount == 0:
                self._connection.execute(insert(self._table), [row])

    def delete(self, *key: str | int) -> bool:
        """Whether there was one. Raises `Conflict` while others refer to it."""
        self._require_writable()
        with _conflicts(self._table.name):
            return self._connection.execute(delete(self._table).where(self._at(key))).rowcount > 0

    def any_until(self, name: str, instant: int) -> bool:
        """Whether `delete_until` would find any."""
        query = select(self._table.c[name]).where(self._table.c[name] <= instant).limit(1)
        return self._connection.execute(query).first() is not None

    def delete_until(self, name: str, instant: int) -> int:
        """Delete every record whose instant `name` is `instant` or before it; returns how many there were."""
        self._require_writable()
        return self._connection.execute(delete(self._table).where(self._table.c[name] <= instant)).rowcount

    def _at(self, key: Iterable[str | int]) -> ColumnElement[bool]:
        return and_(*(column == part for column, part in zip(self._table.primary_key.columns, key, strict=True)))

    def _row(self, record: R) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name in self._columns:
            value = getattr(record, name)
            row[name] = str(value) if isinstance(value, str) else value
        if "body" in self._table.columns:
            rest = {
                name: getattr(record, name) for name in self._kind.__struct_fields__ if name not in self._table.columns
            }
            require_storable(msgspec.to_builtins(rest))
            row["body"] = msgspec.json.encode(rest, order="deterministic").decode()
        require_storable(row)
        return row

    def _require_writable(self) -> None:
        if not self._writable:
            raise RuntimeError(f"a read unit cannot write {self._table.name}; open it with store.write()")

    def _record(self, row: Sequence[Any]) -> R:
        fields = {} if self._body is None else msgspec.json.decode(row[self._body])
        for index, name in self._places:
            fields[name] = row[index]
        return msgspec.convert(fields, self._kind)


class _conflicts:
    """A violated constraint is the caller's conflict, told without the driver's text (it quotes values)."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError):
            raise Conflict(
                f"{self._table}: a name or value is taken, or something that is referred to does not exist"
            ) from None


def require_storable(value: Any, pointer: str = "") -> None:
    """Raises `Invalid` with the pointer of the first value that a database could not hold."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            place = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
            require_storable(key, place)
            require_storable(item, place)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            require_storable(item, f"{pointer}/{index}")
    elif not _storable(value):
        raise Invalid(pointer, "holds a character or a number that cannot be stored")


def _storable(value: Any) -> bool:
    if isinstance(value, str):
        try:
            value.encode()  # a lone surrogate has no UTF-8
        except UnicodeEncodeError:
            return False
        return "\0" not in value
    if isinstance(value, int):
        return -_LARGEST <= value <= _LARGEST
    return True

"""Opening a database and bounding its transactions, so that SQLite and PostgreSQL behave alike.

Writers are serial: SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory lock taken first in the transaction, so
every write unit sees all that was committed before it. Readers see one consistent state and never wait for a writer
(WAL; repeatable read). The subtle thing is on SQLite: the driver's own transaction handling is switched off, or it
would begin transactions late and lose the lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from registry.errors import Invalid, StorageError
from registry.store.migrations import migrate
from registry.store.records import SnapshotRow
from registry.store.unit import Unit

WRITERS_LOCK = 0x77656967  # "weig": the advisory lock that makes writers serial on PostgreSQL
BUSY_SECONDS = 15
"""How long a writer waits for the one before it."""
_POOL: dict[str, Any] = {"pool_size": 5, "max_overflow": 45, "pool_timeout": 10}
"""More connections than the API has worker threads, so that a unit never waits for one."""
_SETTING = "WEIGHBRIDGE_REGISTRY_DATABASE_URL"
POLL_SECONDS = 0.25
"""How soon a change made by another process is noticed."""


class Store:
    """A database, opened and migrated. Safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._trees: dict[str, dict[str, Any]] = {}  # documents never change, so they are parsed once per process
        self._current: SnapshotRow | None = None
        self._changed = threading.Condition()
        self._changes = 0
        self._units = 0
        self._closing = threading.Event()

    def __repr__(self) -> str:
        return f"Store({self._engine.url.render_as_string(hide_password=True)})"

    @contextmanager
    def write(self) -> Iterator[Unit]:
        """One transaction: commits at the end, rolls back on any exception. Raises `StorageError` when it must wait
        too long for another writer."""
        with self._active(), _failures(), self._engine.connect() as bare:
            connection = bare.execution_options(weighbridge_write=True)
            with connection.begin():
                if self._engine.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")
                unit = Unit(connection, self._trees, writable=True)
                yield unit
                unit.finish()
        if unit.has_new_snapshot:
            self._announce()

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """One consistent view."""
        with self._active(), _failures(), self._engine.connect() as connection:
            if self._engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Unit(connection, self._trees, writable=False)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self._engine.url.database or "") if self._engine.dialect.name == "sqlite" else None

    def scrub(self) -> None:
        """Leave nothing of what was replaced or deleted in the database's files. Takes a while, and locks."""
        with self._active(), _failures(), self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                connection = connection.execution_options(weighbridge_bare=True)
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("VACUUM FULL signing_keys")

    def snapshot(self) -> SnapshotRow | None:
        """The current snapshot, ``None`` before the first. Its bytes are read once per revision."""
        with self.read() as unit:
            digest = unit.revision()[1]
            if self._current is None or self._current.digest != digest:
                self._current = unit.snapshot()
            return self._current

    def wait_for_change(self, digest: str | None, timeout: float) -> SnapshotRow | None:
        """Block until the current snapshot's digest differs from `digest`, at most `timeout` seconds.

        Answers at once to a change made in this process, within `POLL_SECONDS` to one made in another. ``None`` when
        the time is over or the store is closed.
        """
        deadline = time.monotonic() + timeout
        while not self._closing.is_set():
            seen = self._changes
            try:
                current = self.snapshot()
            except StorageError:
                if self._closing.is_set():
                    break
                raise
            if current is not None and current.digest != digest:
                return current
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._changes != seen, min(left, POLL_SECONDS))  # type: ignore[misc]
        return None

    def close(self) -> None:
        """Wakes everybody who waits, lets open units end, and lets the connections go. No unit can be opened after."""
        self._closing.set()
        self._announce()
        with self._changed:
            self._changed.wait_for(lambda: self._units == 0, BUSY_SECONDS)
        self._engine.dispose()

    @contextmanager
    def _active(self) -> Iterator[None]:
        """Counts open units: a connection that is given back after its pool was disposed of would never be closed."""
        with self._changed:
            if self._closing.is_set():
                raise StorageError("the registry is shutting down")
            self._units += 1
        try:
            yield
        finally:
            with self._changed:
                self._units -= 1
                self._changed.notify_all()

    def _announce(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()


def open_store(url: str) -> Store:
    """Open ``sqlite:///FILE`` or ``postgresql://...`` and migrate it to the current schema.

    The file and its folder are made when missing. Raises `Invalid` for another kind of address, `StorageError` when the
    database cannot be reached or was written by a newer build.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Invalid("/database_url", f"{_SETTING} is no database address such as sqlite:///registry.db") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        engine = _sqlite(parsed)
    elif kind in ("postgresql", "postgres"):
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True, **_POOL
        )
    else:
        raise Invalid("/database_url", f"{kind} is not supported; use sqlite:///FILE or postgresql://HOST/DATABASE")
    store = Store(engine)
    try:
        _require_reachable(engine)
        with store.write() as unit:
            migrate(unit._connection)
    except BaseException:
        engine.dispose()
        raise
    return store


def _require_reachable(engine: Engine) -> None:
    """Of a connection that cannot be made the driver's own words may be told: nothing was asked yet, so they quote
    neither values nor, since drivers do not, the password."""
    try:
        with engine.connect():
            pass
    except DBAPIError as error:
        reason = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
        raise StorageError(
            f"the database {engine.url.render_as_string(hide_password=True)} cannot be opened: {reason}; start or "
            f"repair it, or set {_SETTING} to another"
        ) from None


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise Invalid("/database_url", "SQLite needs a file: sqlite:///registry.db")
    file = Path(url.database)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)  # it holds the key that signs tokens
    except OSError as error:
        raise StorageError(f"the database file {file} cannot be made: {error.strerror}") from error
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        hide_parameters=True,  # parameters hold digests, and an exception is logged
        **_POOL,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", f"busy_timeout = {BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("weighbridge_bare", False):
        return  # there are statements that no transaction may hold
    write = options.get("weighbridge_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _failures() -> Iterator[None]:
    """A database that is away or busy is `StorageError`; the driver's text may quote values and stays out of it."""
    try:
        yield
    except DBAPIError as error:
        # the bare class is what SQLite says of a file that is damaged or none of its own; subclasses not named here are
        # faults of ours and stay what they are
        if not isinstance(error, OperationalError | InterfaceError) and type(error) is not DatabaseError:
            raise
        raise _unavailable(type(error.orig or error).__name__) from error
    except PoolTimeout as error:
        raise _unavailable("too many units at once") from error


def _unavailable(kind: str) -> StorageError:
    return StorageError(f"the registry's database is busy or cannot be used ({kind})")

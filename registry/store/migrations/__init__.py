"""How older databases become current ones: alembic, run by the registry itself when it opens a database.

To change the schema: change `registry.store.tables`, add ``versions/NNNN_what.py`` with the next number. A test
compares the migrated schema with the tables, on both databases. A database written by a newer build is refused, never
downgraded.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection

from registry.errors import StorageError

_FOLDER = Path(__file__).parent


def migrate(connection: Connection, *, to: str = "head") -> None:
    """Upgrade to the newest schema (or the revision `to`) inside the caller's transaction. Raises `StorageError` for a
    newer database."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if MigrationContext.configure(connection).get_current_revision() == head:
        return

    def upgrade(revision: str, _context: MigrationContext) -> list[object]:
        return scripts._upgrade_revs(to, revision)  # type: ignore[return-value]

    try:
        with EnvironmentContext(config, scripts, fn=upgrade) as environment:
            environment.configure(connection=connection, transactional_ddl=True)
            with environment.begin_transaction():
                environment.run_migrations()
    except (CommandError, ResolutionError):
        raise StorageError("the database was written by a newer build of the registry; upgrade the registry") from None

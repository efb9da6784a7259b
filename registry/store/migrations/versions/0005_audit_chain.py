"""The audit log becomes a chain: rows are numbered without gaps and hold a hash over themselves and the one before."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from registry import chain

revision = "0005"
down_revision = "0004"

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("audit", sa.Column("hash", WORDS, nullable=False, server_default=""))
    connection = op.get_bind()
    table = sa.Table("audit", sa.MetaData(), autoload_with=connection)
    rows = connection.execute(sa.select(table).order_by(table.c.seq)).mappings().all()
    head = chain.GENESIS
    for number, row in enumerate(rows, 1):
        members = {name: value for name, value in row.items() if name not in ("body", "hash")}
        head = chain.sealed({**members, **json.loads(row["body"]), "seq": number}, head)
        connection.execute(table.update().where(table.c.seq == row["seq"]).values(seq=number, hash=head))
    with op.batch_alter_table("audit") as batch:
        batch.alter_column("hash", server_default=None)

"""Who called what, and when credentials were last used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("day", WORDS, nullable=False),
        sa.Column("contract", WORDS, nullable=False),
        sa.Column("major", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", WORDS, nullable=False),
        sa.Column("application", WORDS, nullable=False),
        sa.Column("operation", WORDS, nullable=False),
        sa.Column("status_class", WORDS, nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "contract", "major", "number", "application", "operation", "status_class", name=op.f("pk_usage")
        ),
    )
    op.create_index(op.f("ix_usage_contract_day"), "usage", ["contract", "day"], unique=False)
    op.create_index(op.f("ix_usage_application_day"), "usage", ["application", "day"], unique=False)
    op.create_table(
        "usage_sources",
        sa.Column("source", WORDS, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_usage_sources")),
    )
    op.create_table(
        "credential_uses",
        sa.Column("credential", WORDS, nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("credential", name=op.f("pk_credential_uses")),
    )

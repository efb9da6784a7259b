"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("role", WORDS, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_subject_seq"), "audit", ["subject", "seq"], unique=False)
    op.create_table(
        "consumers",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consumers")),
    )
    op.create_table(
        "documents",
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("tree", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_documents")),
    )
    op.create_table(
        "issuers",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("issuer", WORDS, nullable=False),
        sa.Column("embedded", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_issuers")),
        sa.UniqueConstraint("issuer", name=op.f("uq_issuers_issuer")),
    )
    op.create_table(
        "plans",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_plans")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", WORDS, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "snapshots",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("content", WORDS, nullable=False),
        sa.Column("compiled_at", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_snapshots")),
    )
    op.create_table(
        "teams",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_teams")),
    )
    op.create_table(
        "applications",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("consumer", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["consumer"], ["consumers.id"], name=op.f("fk_applications_consumer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index(op.f("ix_applications_consumer"), "applications", ["consumer"], unique=False)
    op.create_table(
        "contracts",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("owner", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["teams.name"], name=op.f("fk_contracts_owner")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_contracts")),
    )
    op.create_table(
        "operators",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("role", WORDS, nullable=False),
        sa.Column("team", WORDS, nullable=True),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["team"], ["teams.name"], name=op.f("fk_operators_team")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("digest", name=op.f("uq_operators_digest")),
    )
    op.create_table(
        "credentials",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("application", WORDS, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("digest", WORDS, nullable=True),
        sa.Column("issuer", WORDS, nullable=True),
        sa.Column("subject", WORDS, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.id"], name=op.f("fk_credentials_application")),
        sa.ForeignKeyConstraint(["issuer"], ["issuers.name"], name=op.f("fk_credentials_issuer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("digest", name=op.f("uq_credentials_digest")),
    )
    op.create_index(op.f("ix_credentials_application"), "credentials", ["application"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("contract", WORDS, nullable=False),
        sa.Column("number", WORDS, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["contracts.name"], name=op.f("fk_evidence_contract")),
        sa.PrimaryKeyConstraint("contract", "number", name=op.f("pk_evidence")),
    )
    op.create_table(
        "rollouts",
        sa.Column("contract", WORDS, nullable=False),
        sa.Column("major", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["contracts.name"], name=op.f("fk_rollouts_contract")),
        sa.PrimaryKeyConstraint("contract", "major", name=op.f("pk_rollouts")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("application", WORDS, nullable=False),
        sa.Column("contract", WORDS, nullable=False),
        sa.Column("major", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.id"], name=op.f("fk_subscriptions_application")),
        sa.ForeignKeyConstraint(["contract"], ["contracts.name"], name=op.f("fk_subscriptions_contract")),
        sa.ForeignKeyConstraint(["plan"], ["plans.name"], name=op.f("fk_subscriptions_plan")),
        sa.PrimaryKeyConstraint("application", "contract", "major", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_contract_major"), "subscriptions", ["contract", "major"], unique=False)
    op.create_index(op.f("ix_subscriptions_plan"), "subscriptions", ["plan"], unique=False)
    op.create_table(
        "versions",
        sa.Column("contract", WORDS, nullable=False),
        sa.Column("number", WORDS, nullable=False),
        sa.Column("major", sa.BigInteger(), nullable=False),
        sa.Column("stage", WORDS, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["contracts.name"], name=op.f("fk_versions_contract")),
        sa.ForeignKeyConstraint(["digest"], ["documents.digest"], name=op.f("fk_versions_digest")),
        sa.PrimaryKeyConstraint("contract", "number", name=op.f("pk_versions")),
    )
    op.create_index(op.f("ix_versions_digest"), "versions", ["digest"], unique=False)
    op.create_index(op.f("ix_versions_stage"), "versions", ["stage"], unique=False)
    op.create_table(
        "waivers",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("contract", WORDS, nullable=False),
        sa.Column("fingerprint", WORDS, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["contracts.name"], name=op.f("fk_waivers_contract")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waivers")),
    )
    op.create_index(op.f("ix_waivers_contract"), "waivers", ["contract"], unique=False)

"""The tables. Nothing but `registry.store` knows them.

A column holds the record's field (or property) of its name; whatever has no column is in ``body`` as JSON text, so a
new field with a default needs no migration. Migrations in `registry.store.migrations` lead to exactly this (a test
compares). Text is compared by bytes: on PostgreSQL the collation is ``C``, as on SQLite, so that pages have one order
everywhere.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Words = Text().with_variant(Text(collation="C"), "postgresql")
Serial = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""


def _key(name: str, *references: str) -> Column[str]:
    return Column(name, Words, *(ForeignKey(target) for target in references), primary_key=True)


def _word(name: str, *references: str, nullable: bool = False) -> Column[str]:
    return Column(name, Words, *(ForeignKey(target) for target in references), nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _body() -> Column[str]:
    return Column("body", Text, nullable=False)


teams = Table("teams", metadata, _key("name"), _body())

operators = Table(
    "operators",
    metadata,
    _key("id"),
    _word("name"),
    _word("role"),
    _word("team", "teams.name", nullable=True),
    _word("digest"),
    _instant("revoked_at", nullable=True),
    _body(),
    UniqueConstraint("digest"),
)

contracts = Table("contracts", metadata, _key("name"), _word("owner", "teams.name"), _body())

documents = Table(
    "documents",
    metadata,
    _key("digest"),
    Column("tree", LargeBinary, nullable=False),
    Column("text", LargeBinary, nullable=False),
    _instant("created_at"),
)

versions = Table(
    "versions",
    metadata,
    _key("contract", "contracts.name"),
    _key("number"),
    Column("major", BigInteger, nullable=False),
    _word("stage"),
    _word("digest", "documents.digest"),
    _body(),
)
Index(None, versions.c.stage)
Index(None, versions.c.digest)

evidence = Table(
    "evidence",
    metadata,
    _key("contract", "contracts.name"),
    _key("number"),
    _instant("at"),
    _body(),
)

rollouts = Table(
    "rollouts",
    metadata,
    _key("contract", "contracts.name"),
    Column("major", BigInteger, primary_key=True, autoincrement=False),
    _word("version"),
    _body(),
)

consumers = Table("consumers", metadata, _key("id"), _body())

applications = Table("applications", metadata, _key("id"), _word("consumer", "consumers.id"), _body())
Index(None, applications.c.consumer)

issuers = Table(
    "issuers",
    metadata,
    _key("name"),
    _word("issuer"),
    Column("embedded", Boolean, nullable=False),
    _body(),
    UniqueConstraint("issuer"),
)

credentials = Table(
    "credentials",
    metadata,
    _key("id"),
    _word("application", "applications.id"),
    _word("kind"),
    _word("digest", nullable=True),
    _word("issuer", "issuers.name", nullable=True),
    _word("subject", nullable=True),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
    _body(),
    UniqueConstraint("digest"),
)
Index(None, credentials.c.application)

used_assertions = Table("used_assertions", metadata, _key("id"), _instant("expires_at"))
Index(None, used_assertions.c.expires_at)

revoked_tokens = Table("revoked_tokens", metadata, _key("jti"), _word("application"), _instant("expires_at"))
Index(None, revoked_tokens.c.application)
Index(None, revoked_tokens.c.expires_at)

anchors = Table("anchors", metadata, _key("name"), _body())

plans = Table("plans", metadata, _key("name"), _body())

subscriptions = Table(
    "subscriptions",
    metadata,
    _key("application", "applications.id"),
    _key("contract", "contracts.name"),
    Column("major", BigInteger, primary_key=True, autoincrement=False),
    _word("plan", "plans.name"),
    _body(),
)
Index(None, subscriptions.c.contract, subscriptions.c.major)
Index(None, subscriptions.c.plan)

waivers = Table(
    "waivers",
    metadata,
    _key("id"),
    _word("contract", "contracts.name"),
    _word("fingerprint"),
    _instant("created_at"),
    _instant("expires_at"),
    _body(),
)
Index(None, waivers.c.contract)

signing_keys = Table(
    "signing_keys",
    metadata,
    _key("kid"),
    _instant("created_at"),
    _instant("retired_at", nullable=True),
    _body(),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    _instant("at"),
    _word("actor"),
    _word("role"),
    _word("action"),
    _word("subject"),
    _instant("revision"),
    _word("hash"),
    _body(),
)
Index(None, audit.c.subject, audit.c.seq)

snapshots = Table(
    "snapshots",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    _word("digest"),
    _word("content"),
    _instant("compiled_at"),
    Column("data", LargeBinary, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    _key("day"),
    _key("contract"),
    Column("major", BigInteger, primary_key=True, autoincrement=False),
    _key("number"),
    _key("application"),
    _key("operation"),
    _key("status_class"),
    Column("calls", BigInteger, nullable=False),
    _instant("last_at"),
)
Index(None, usage.c.contract, usage.c.day)
Index(None, usage.c.application, usage.c.day)

usage_sources = Table(
    "usage_sources",
    metadata,
    _key("source"),
    Column("sequence", BigInteger, nullable=False),
    _instant("seen_at"),
)

credential_uses = Table("credential_uses", metadata, _key("credential"), _instant("last_used_at"))

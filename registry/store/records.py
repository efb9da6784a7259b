"""What the registry remembers beyond the nouns of `policies.model`: frozen structs, one per table.

A column of a table holds the field of its name; fields without a column live together in the row's ``body`` (JSON), so
a new field with a default needs no migration. Instants are unix seconds UTC. Secrets appear as digests only; the one
exception is `SigningKey.private_pem`, which the token endpoint needs, which is sealed and never leaves the registry.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from policies.findings import Waiver
from policies.governance import Role
from policies.model.access import Issuer, SubscriptionState, Terms, Tryout
from policies.model.contract import Audience, Contact, Version

CredentialKind = Literal["api-key", "client-secret", "subject", "public-key", "certificate"]
CertificateName = Literal["subject_dn", "san_dns", "san_uri"]
CredentialState = Literal["live", "expiring", "expired", "revoked"]
EXPIRING_SECONDS = 14 * 86_400
"""So long before its end a credential is worth a look."""


class Team(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Owns contracts; maintainers, members and robots belong to one."""

    name: str
    title: str = ""
    contacts: tuple[Contact, ...] = ()


class Operator(Struct, frozen=True, kw_only=True):
    """A holder of a management key ``wbo_<id>_<secret>``; `digest` is of the whole key.

    `team` is for maintainers, members and robots, `contract` for robots, `consumers` for partners (exactly one) and
    partner managers (``None``: all partners).
    """

    id: str
    name: str
    role: Role
    team: str | None = None
    digest: str
    created_at: int
    created_by: str
    expires_at: int | None = None
    revoked_at: int | None = None
    contract: str | None = None
    consumers: tuple[str, ...] | None = None

    def is_live(self, now: int) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)

    def __repr__(self) -> str:
        return f"Operator(id={self.id!r}, name={self.name!r}, role={self.role!r}, team={self.team!r})"


class StoredVersion(Version, frozen=True, kw_only=True):
    """A version with who made it and when; `as_version` drops what the gateway need not know."""

    author: str
    created_at: int
    approver: str | None = None
    submitted_at: int | None = None
    summary: str = ""

    def as_version(self) -> Version:
        return Version(**{name: getattr(self, name) for name in Version.__struct_fields__})


class StoredDocument(Struct, frozen=True, kw_only=True):
    """A document for ever: `tree` as parsed, `text` as the publisher wrote it."""

    digest: str
    tree: dict[str, Any]
    text: str
    created_at: int


class StoredEvidence(Struct, frozen=True, kw_only=True):
    """The judgement a version was last admitted with, as plain JSON: reports and comparisons in wire shape."""

    contract: str
    number: str
    at: int
    action: str
    ruleset: str
    bump: str
    lint: dict[str, Any] | None = None
    comparisons: tuple[dict[str, Any], ...] = ()
    gates: dict[str, Any] | None = None


class Consumer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A partner or an internal team; its applications inherit `audience`. `id` is a slug chosen by the user."""

    id: str
    name: str
    audience: Audience
    contacts: tuple[Contact, ...] = ()


class RegisteredApplication(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application as registered; `id` is a slug, unique over all consumers. `sites` ``None`` means all sites."""

    id: str
    name: str
    consumer: str
    party: str | None = None
    sites: tuple[str, ...] | None = None
    scopes: tuple[str, ...] = ()
    pins: dict[str, int] = {}
    bound_tokens_only: bool = False


class Credential(Struct, frozen=True, kw_only=True):
    """How an application proves itself. `digest` is of the whole generated string (``wbk_<id>_<secret>`` or
    ``wbs_<id>_<secret>``); a ``subject`` has `issuer` (an issuer's name) and `subject` instead, a ``public-key`` its
    `public_jwk`, with the key's thumbprint as `digest`. A ``certificate`` is either one `certificate` (base64 of its
    DER form; `subject` is its SHA-256), or what `anchor` issues for the name `subject` of the kind `name_kind`.
    `replaced_by` is the id of the one it was rotated to."""

    id: str
    application: str
    kind: CredentialKind
    label: str = ""
    digest: str | None = None
    issuer: str | None = None
    subject: str | None = None
    created_at: int
    created_by: str
    expires_at: int | None = None
    revoked_at: int | None = None
    public_jwk: dict[str, Any] | None = None
    replaced_by: str | None = None
    certificate: str | None = None
    anchor: str | None = None
    name_kind: CertificateName | None = None

    def is_live(self, now: int) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)

    def state(self, now: int) -> CredentialState:
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is None or self.expires_at > now + EXPIRING_SECONDS:
            return "live"
        return "expiring" if self.expires_at > now else "expired"

    def __repr__(self) -> str:
        return f"Credential(id={self.id!r}, application={self.application!r}, kind={self.kind!r})"


class UsedAssertion(Struct, frozen=True, kw_only=True):
    """A client assertion that was spent: the digest of its client and ``jti``, kept until it has expired."""

    id: str
    expires_at: int


class StoredRevocation(Struct, frozen=True, kw_only=True):
    """A token of ours that its application took back, by its ``jti``; kept until the token has expired."""

    jti: str
    application: str
    expires_at: int


class RolledBack(Struct, frozen=True, kw_only=True):
    """Why a tryout ended by itself: calls and failures within its window, of those that tried the version and of the
    others."""

    version: str
    tryout: str
    at: int
    reason: str
    tried: tuple[int, int]
    base: tuple[int, int]


class StoredSubscription(Struct, frozen=True, kw_only=True):
    """application x contract major x plan, since when. `created_by` asked for it, or made it without being asked;
    `moved_by` brought it into its `state`, for that `reason`. `policies.subscribing` says what leads where."""

    application: str
    contract: str
    major: int
    plan: str
    created_at: int
    created_by: str
    state: SubscriptionState = "active"
    sites: tuple[str, ...] | None = None
    expires_at: int | None = None
    moved_at: int | None = None
    moved_by: str | None = None
    reason: str | None = None
    pin: str | None = None
    tryout: Tryout | None = None
    rolled_back: RolledBack | None = None
    """How the tryout before ended, until the next one begins."""

    def as_terms(self) -> Terms:
        """What crosses to gateways."""
        return Terms(**{name: getattr(self, name) for name in Terms.__struct_fields__})


class StoredIssuer(Issuer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An issuer; the `jwks` of the embedded one are compiled from its signing keys."""

    def as_issuer(self) -> Issuer:
        return Issuer(**{name: getattr(self, name) for name in Issuer.__struct_fields__})


class StoredWaiver(Struct, frozen=True, kw_only=True):
    """An asked-for waiver; it counts once `approver` (never the author) has approved it, until `expires_at`."""

    id: str
    contract: str
    fingerprint: str
    rule: str
    reason: str
    author: str
    created_at: int
    expires_at: int
    approver: str | None = None
    approved_at: int | None = None
    revoked_at: int | None = None

    def as_waiver(self) -> Waiver | None:
        """What policies see: ``None`` while nobody has approved it, or after it was revoked."""
        if self.approver is None or self.revoked_at is not None:
            return None
        return Waiver(
            id=self.id,
            contract=self.contract,
            fingerprint=self.fingerprint,
            rule=self.rule,
            reason=self.reason,
            author=self.author,
            approver=self.approver,
            expires_at=self.expires_at,
        )


class SigningKey(Struct, frozen=True, kw_only=True):
    """A key of the embedded issuer; `private_pem` is sealed (`registry.sealing`). It signs from `signs_from` (``None``:
    from when it was made) until `retired_at`, which may be planned, and is published from when it is made until its
    last token is over."""

    kid: str
    private_pem: str
    public_jwk: dict[str, Any]
    created_at: int
    retired_at: int | None = None
    signs_from: int | None = None

    @property
    def begins_at(self) -> int:
        return self.created_at if self.signs_from is None else self.signs_from

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change. `subject` is a path (``contracts/shipment/versions/1.1.0``); `before`/`after` hold what changed;
    `credential` is the id of what the actor showed and `source` the address it came from; `hash` is over the row and
    the one before (`registry.chain`)."""

    seq: int
    at: int
    actor: str
    role: Role
    action: str
    subject: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    reason: str | None = None
    credential: str | None = None
    source: str | None = None
    revision: int
    hash: str = ""


class Use(Struct, frozen=True, kw_only=True):
    """What one application called on one day, with one class of outcome. `application` is empty for callers that nobody
    knows; `day` is ``2027-01-15`` in UTC, `status_class` is ``2xx``."""

    day: str
    contract: str
    major: int
    number: str
    application: str
    operation: str
    status_class: str
    calls: int
    last_at: int


class UseSum(Struct, frozen=True, kw_only=True):
    """Uses added up over days: all of a window, or one (then `first_day` is that day)."""

    contract: str
    major: int
    number: str
    application: str
    operation: str
    status_class: str
    calls: int
    first_day: str
    last_at: int


class SnapshotRow(Struct, frozen=True, kw_only=True):
    """A compiled snapshot: `data` is the exact bytes a gateway is given, `digest` their checksum and ETag. `content` is
    the checksum of everything but revision and time, to tell whether a change altered anything a gateway sees."""

    revision: int
    digest: str
    content: str
    compiled_at: int
    data: bytes

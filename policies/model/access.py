"""Who may call, and how much: consumers, applications, credentials, plans, limits, subscriptions, issuers.

Secrets never appear here, only their digests. A digest is ``sha256(secret)`` in lower-case hex: secrets are 256 random
bits, so a slow hash would add latency and no safety.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct


def secret_digest(secret: str) -> str:
    """The only form in which a generated secret is kept."""
    return sha256(secret.encode()).hexdigest()


Period = Literal["hour", "day", "week", "month"]
"""What a quota is counted in: the hour, day, ISO week or month of the plan's time zone."""


class Limit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `requests` units in any `window` seconds; with `burst`, a rate; with `period` instead of both, a quota.

    Without `burst` the promise is strict: no window of that length, wherever it starts, sees more than `requests`.
    With `burst` the limit is a GCRA: a steady `requests`/`window` with up to `burst` at once, so a window may see up to
    `requests + burst`. With `period` it is a quota: `requests` in each calendar period of the plan's time zone.
    `operations` restricts the limit to those operationIds (empty: every operation). A call costs one unit, or what
    `weights` says of its operation here, or else in the plan; nothing at all where that is 0.
    """

    name: str
    requests: int
    window: int | None = None
    burst: int | None = None
    operations: tuple[str, ...] = ()
    period: Period | None = None
    weights: dict[str, int] = {}


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named set of limits. `on_counter_loss` says what happens when the counters cannot be reached; `time_zone` is an
    IANA name, and says where a quota's days begin."""

    name: str
    title: str = ""
    limits: tuple[Limit, ...] = ()
    max_concurrent: int | None = None
    on_counter_loss: Literal["local", "open", "closed"] = "local"
    time_zone: str = "UTC"
    weights: dict[str, int] = {}
    trial_days: int | None = None
    """On a trial plan, how long a subscription lasts from its activation."""


SubscriptionState = Literal["requested", "active", "suspended", "ended", "rejected", "withdrawn"]


class Subscription(Struct, frozen=True, kw_only=True):
    """application x contract major x plan."""

    contract: str
    major: int
    plan: str


class Rollback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a tryout ends by itself: once the version tried was given at least `minimum` calls within `window` seconds,
    and more than `max_percent` of them failed; or the share of those that failed is more than `max_over_base`
    percentage points above that of the other calls, when these are `minimum` too."""

    minimum: int = 20
    window: int = 60
    max_percent: int | None = None
    max_over_base: int | None = None


class Tryout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A newer `version` for `share` percent of an application's calls, drawn by request, until it is stopped or rolled
    back. A tryout that is set up again after that has another `id`."""

    id: str
    version: str
    share: int
    rollback: Rollback


class Terms(Subscription, frozen=True, kw_only=True):
    """A subscription about which more is to be said than that it is active: `state`, `expires_at` (unix seconds; a
    trial), `sites`, to which it is limited within the application's, and the live version of the major to which it is
    pinned, or which it tries."""

    state: SubscriptionState = "active"
    expires_at: int | None = None
    sites: tuple[str, ...] | None = None
    pin: str | None = None
    tryout: Tryout | None = None

    @property
    def is_plain(self) -> bool:
        return self == Terms(contract=self.contract, major=self.major, plan=self.plan)


class Application(Struct, frozen=True, kw_only=True):
    """A caller. `sites` ``None`` means all; `pins` maps a contract to the major served when a call names none.
    `party` is passed to backends (``SUP-10021``). With `bound_tokens_only` its tokens count only where they are bound
    to a certificate (RFC 8705 section 3).

    `subscriptions` are those that are active without more ado; `terms` all others. They stand apart so that a gateway
    that knows less of terms refuses such calls instead of letting all of them through."""

    id: str
    name: str
    consumer: str
    audience: Literal["internal", "partner"]
    party: str | None = None
    sites: tuple[str, ...] | None = None
    scopes: tuple[str, ...] = ()
    pins: dict[str, int] = {}
    subscriptions: tuple[Subscription, ...] = ()
    bound_tokens_only: bool = False
    terms: tuple[Terms, ...] = ()


class ApiKey(Struct, frozen=True, kw_only=True):
    """An API key as the gateway knows it. `expires_at` is unix seconds."""

    id: str
    digest: str
    application: str
    expires_at: int | None = None


class Subject(Struct, frozen=True, kw_only=True):
    """A JWT identity: tokens of `issuer` whose subject claim equals `subject` speak for `application`."""

    id: str
    issuer: str
    subject: str
    application: str
    expires_at: int | None = None


class RevokedToken(Struct, frozen=True, kw_only=True):
    """A token of `issuer` that was taken back before its time; told until it would have expired."""

    issuer: str
    jti: str
    expires_at: int


class Certificate(Struct, frozen=True, kw_only=True):
    """A client certificate that speaks for `application` (RFC 8705 section 2): the one of this base64 `der`, or any
    that the authority `anchor` issued for `name`. `kind` says what of a certificate that is: ``subject_dn``
    (RFC 4514), ``san_dns``, ``san_uri``."""

    id: str
    application: str
    expires_at: int | None = None
    der: str | None = None
    anchor: str | None = None
    kind: str | None = None
    name: str | None = None


class TrustAnchor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Authorities that an admin trusts to name clients, as base64 of the DER form of their certificates."""

    name: str
    certificates: tuple[str, ...]


class Issuer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may sign tokens. Either `jwks` is embedded, or `jwks_uri` is fetched by the gateway in the background.

    `issuer` is compared whole with the ``iss`` claim. `subject_claim` identifies the caller (see `Subject`). Claims are
    named whole, or by JSON pointer where they are nested (``/realm_access/roles``).

    A token must be for `audience` or one of `audiences`, and where `required_claims` names a claim, that must be (or
    hold) one of its values. Scopes are those of `scope_claim` and `scope_claims` together, sites those of `site_claim`
    (``None``: tokens do not say); where `scope_map` or `site_map` is given, only what it names counts, in its words. A
    token never grants what its application does not have. `max_lifetime` (from ``iat`` to ``exp``) and `leeway` are
    seconds. `embedded` marks the registry itself, whose tokens name the credential they were got with.
    """

    name: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ("ES256", "EdDSA", "RS256")
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    subject_claim: str = "client_id"
    scope_claim: str = "scope"
    token_types: tuple[str, ...] = ("at+jwt", "JWT", "")
    audiences: tuple[str, ...] = ()
    scope_claims: tuple[str, ...] = ()
    scope_map: dict[str, tuple[str, ...]] = {}
    site_claim: str | None = None
    site_map: dict[str, tuple[str, ...]] = {}
    required_claims: dict[str, tuple[str, ...]] = {}
    max_lifetime: int | None = None
    leeway: int = 10
    embedded: bool = False

"""Contracts and their versions: who owns what, where it is served, and how far along its life each version is.

Owns the words *contract*, *version*, *stage*, *site*, *upstream*, *rollout*. Knows nothing of documents' content:
a version refers to its document by digest.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

DEFAULT_UPSTREAM = "default"
"""The upstream used when an exchange names no site (Larkfield's hub)."""


class Stage(StrEnum):
    """Stages of a version; the transitions between them are a table in `policies.lifecycle`."""

    DRAFT = "draft"
    IN_REVIEW = "in-review"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    RETIRED = "retired"
    ARCHIVED = "archived"


LIVE = frozenset({Stage.PUBLISHED, Stage.DEPRECATED})
"""Stages in which a version is served and its promises bind."""

Audience = Literal["internal", "partner"]
ValidationMode = Literal["block", "report", "off"]
Idempotency = Literal["hold", "resend", "backend"]
"""Who keeps the promise of an ``Idempotency-Key`` that the document declares: the gateway, and a call whose outcome is
unknown *holds* its key, or is *resent* to a backend that knows keys as well; or the *backend* alone."""


class SiteParameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameter that carries the site. `aliases` maps other spellings to site ids (``{"0142": "DAL-2"}``)."""

    place: Literal["path", "query", "header"]
    name: str
    aliases: dict[str, str] = {}


class Upstream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a site's backend listens. `url` may contain ``{major}``; timeouts are in seconds."""

    url: str
    connect_timeout: float = 2.0
    first_byte_timeout: float = 10.0
    total_timeout: float = 60.0
    max_concurrent: int = 256


class Contact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    email: str | None = None
    url: str | None = None


class Contract(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a team registers once and publishes versions of. This is also the schema of ``contract.yaml``.

    `site` may differ by major: `site_by_major` (keys are majors as strings) overrides it, and an explicit ``null``
    there means that major is not routed by site. `internal_extensions` are names of extensions of its documents
    (``x-runbook``) that partners are not shown.
    """

    name: str
    title: str
    owner: str
    audience: Audience
    description: str = ""
    contacts: tuple[Contact, ...] = ()
    ruleset: str = "baseline"
    default_major: int | None = None
    site: SiteParameter | None = None
    site_by_major: dict[str, SiteParameter | None] = {}
    upstreams: dict[str, Upstream] = {}
    request_validation: ValidationMode = "block"
    response_validation: ValidationMode = "report"
    max_body_bytes: int = 1_048_576
    idempotency: Idempotency = "hold"
    internal_extensions: tuple[str, ...] = ()

    def site_parameter(self, major: int) -> SiteParameter | None:
        """The site parameter in force for one major."""
        return self.site_by_major.get(str(major), self.site)


class Block(Struct, frozen=True, kw_only=True):
    """The separate switch beside the stage: the version answers 503 until `until` (unix seconds), or until lifted."""

    reason: str
    until: int | None = None


class Version(Struct, frozen=True, kw_only=True):
    """One immutable version. Instants are unix seconds UTC. `successor` names a version or a major of the contract."""

    contract: str
    number: str
    digest: str
    stage: Stage
    published_at: int | None = None
    deprecated_at: int | None = None
    sunset_at: int | None = None
    retired_at: int | None = None
    successor: str | None = None
    block: Block | None = None
    preview_applications: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        return int(self.number.partition(".")[0])


class Rollout(Struct, frozen=True, kw_only=True):
    """A canary: `share` percent of a major's traffic (0-100, stable per application) and the named `applications` get
    `version`; everybody else stays on the newest other live version. `upstream` sends them to another backend."""

    contract: str
    major: int
    version: str
    share: int = 0
    applications: tuple[str, ...] = ()
    upstream: str | None = None

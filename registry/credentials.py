"""How applications prove who they are: API keys, client secrets, subjects of foreign issuers.

    create_api_key(unit, actor, application, *, label, expires_at, now) -> Issued
    create_client_secret(unit, actor, application, *, label, expires_at, now) -> Issued
    add_subject(unit, actor, application, *, issuer, subject, label, expires_at, now) -> Saved[Credential]
    credentials(unit, application) -> list[Credential]        credential(unit, application, id) -> Credential
    revoke(unit, actor, application, id, *, reason, now) -> Credential
    verify_client_secret(unit, application, secret, *, now) -> Credential     for the token endpoint

``wbk_<id>_<secret>`` is an API key, ``wbs_<id>_<secret>`` a client secret; id is 12 and secret 64 lower-case hex digits.
What is kept (and crosses in the snapshot) is `policies.model.access.secret_digest` of the WHOLE string.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.audit import Actor, Saved
from registry.store import Unit
from registry.store.records import Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new credential and, this once, its secret. The secret is kept out of `repr`."""

    credential: Credential
    secret: str

    def __repr__(self) -> str:
        return f"Issued({self.credential!r})"


def create_api_key(
    unit: Unit, actor: Actor, application: str, *, label: str = "", expires_at: int | None = None, now: int
) -> Issued:
    """Admins only."""
    raise NotImplementedError


def create_client_secret(
    unit: Unit, actor: Actor, application: str, *, label: str = "", expires_at: int | None = None, now: int
) -> Issued:
    """Admins only. An application may hold several, so that one can be replaced without a gap."""
    raise NotImplementedError


def add_subject(
    unit: Unit,
    actor: Actor,
    application: str,
    *,
    issuer: str,
    subject: str,
    label: str = "",
    expires_at: int | None = None,
    now: int,
) -> Saved[Credential]:
    """Tokens of the foreign issuer named `issuer` with that subject speak for the application. Idempotent.

    Raises `Conflict` when the subject speaks for another application already, `NotFound`, `Invalid` (embedded issuer).
    """
    raise NotImplementedError


def credentials(unit: Unit, application: str) -> list[Credential]:
    """Newest first, also revoked and expired ones."""
    raise NotImplementedError


def credential(unit: Unit, application: str, id_: str) -> Credential:
    raise NotImplementedError


def revoke(unit: Unit, actor: Actor, application: str, id_: str, *, reason: str | None = None, now: int) -> Credential:
    """Effective at the gateways with the next snapshot. Idempotent."""
    raise NotImplementedError


def verify_client_secret(unit: Unit, application: str, secret: str, *, now: int) -> Credential:
    """The live client secret of that application. Raises `Unauthenticated`, alike for every reason."""
    raise NotImplementedError

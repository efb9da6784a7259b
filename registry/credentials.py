"""How applications prove who they are: API keys, client secrets, public keys, subjects of foreign issuers.

    create_api_key(unit, actor, application, *, label, expires_at, now) -> Issued
    create_client_secret(unit, actor, application, *, label, expires_at, now) -> Issued
    add_public_key(unit, actor, application, *, public_jwk, label, expires_at, now) -> Saved[Credential]
    add_subject(unit, actor, application, *, issuer, subject, label, expires_at, now) -> Saved[Credential]
    credentials(unit, application) -> list[Credential]        credential(unit, application, id) -> Credential
    revoke(unit, actor, application, id, *, reason, now) -> Credential
    verify_client_secret(unit, application, secret, *, now) -> Credential     for the token endpoint

The shape of what is generated is `policies.model.generated`. What is kept (and crosses in the snapshot) is
`policies.model.access.secret_digest` of the WHOLE string.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any

import msgspec

from policies.model.access import secret_digest
from policies.model.generated import compose, id_of
from registry import permissions
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid, NotFound, Unauthenticated
from registry.names import require_text
from registry.public_keys import accepted, thumbprint
from registry.store import Unit
from registry.store.records import Credential, CredentialKind

_MOST_LIVE = 20
"""Live credentials of one application: enough to rotate, too few to forget them."""


_NOBODY = "0" * 12
_NO_DIGEST = "0" * 64
"""Looked for and compared with in place of a credential that is not there: not being known takes as long as being."""


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
    return _issue(unit, actor, application, "api-key", "wbk", label=label, expires_at=expires_at, now=now)


def create_client_secret(
    unit: Unit, actor: Actor, application: str, *, label: str = "", expires_at: int | None = None, now: int
) -> Issued:
    """An application may hold several, so that one can be replaced without a gap."""
    return _issue(unit, actor, application, "client-secret", "wbs", label=label, expires_at=expires_at, now=now)


def add_public_key(
    unit: Unit,
    actor: Actor,
    application: str,
    *,
    public_jwk: dict[str, Any],
    label: str = "",
    expires_at: int | None = None,
    now: int,
) -> Saved[Credential]:
    """What is signed with the private half proves the application (``private_key_jwt``). Idempotent.

    Raises `Invalid` (see `public_keys.accepted`), and `Conflict` for a key that was registered before: one key speaks
    for one application, and a revoked one for none. Or the application has a live key of that ``kid``.
    """
    permissions.application(unit, actor, "create_credential", "create credentials", application)
    jwk = accepted(public_jwk)
    digest = "jwk:" + thumbprint(jwk)
    for other in unit.credentials.all(application=application, kind="public-key", revoked_at=None):
        if other.digest == digest and (other.label, other.expires_at, other.public_jwk) == (label, expires_at, jwk):
            return Saved(other, created=False, changed=False)
        if other.public_jwk is not None and other.public_jwk["kid"] == jwk["kid"] and other.is_live(now):
            raise Conflict(
                f"the application {application} has a key with the kid {jwk['kid']} already; revoke it first"
            )
    require_sound(unit, actor, application, label, expires_at, now)
    if unit.credentials.count(digest=digest):
        raise Conflict("that key was registered before, perhaps for another application; make a new one")
    credential = create(
        unit,
        actor,
        application,
        "public-key",
        now=now,
        label=label,
        digest=digest,
        public_jwk=jwk,
        expires_at=expires_at,
    )
    return Saved(credential, created=True, changed=True)


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
    permissions.require_role(actor, "create_credential.subject", "bind subjects of foreign issuers")
    require_sound(unit, actor, application, label, expires_at, now)
    require_text(subject, "/subject", "the subject", longest=255)
    found = unit.issuers.get(issuer)
    if found is None:
        raise Invalid("/issuer", f"there is no issuer {issuer!r}")
    if found.embedded:
        raise Invalid("/issuer", "the registry's own tokens are got with a client secret; create one instead")
    for other in unit.credentials.all(issuer=issuer, subject=subject, revoked_at=None):
        if other.application != application:
            raise Conflict(f"that subject of {issuer} speaks for {told_holder(unit, actor, other)} already")
        if other.expires_at == expires_at and other.label == label:
            return Saved(other, created=False, changed=False)
        after = msgspec.structs.replace(other, expires_at=expires_at, label=label)
        return change(unit, actor, other, after, now=now)
    credential = create(
        unit,
        actor,
        application,
        "subject",
        now=now,
        label=label,
        issuer=issuer,
        subject=subject,
        expires_at=expires_at,
    )
    return Saved(credential, created=True, changed=True)


def credentials(unit: Unit, application: str, *, reader: Actor | None = None) -> list[Credential]:
    """Newest first, also revoked and expired ones."""
    _require_seen(unit, application, reader)
    found = unit.credentials.all(application=application)
    return sorted(found, key=lambda credential: (-credential.created_at, credential.id))


def credential(unit: Unit, application: str, id_: str, *, reader: Actor | None = None) -> Credential:
    _require_seen(unit, application, reader)
    found = unit.credentials.get(id_)
    if found is None or found.application != application:
        raise NotFound(f"the application {application!r} has no credential {id_!r}")
    return found


def revoke(unit: Unit, actor: Actor, application: str, id_: str, *, reason: str | None = None, now: int) -> Credential:
    """Effective at the gateways with the next snapshot. Idempotent."""
    permissions.application(unit, actor, "revoke_credential", "revoke credentials", application)
    before = credential(unit, application, id_)
    if before.revoked_at is not None:
        return before
    after = msgspec.structs.replace(before, revoked_at=now)
    unit.credentials.put(after)
    record(unit, actor, "credential.revoke", _subject(after), before=before, after=after, reason=reason, now=now)
    return after


def verify_client_secret(unit: Unit, application: str, secret: str, *, now: int) -> Credential:
    """The live client secret of that application. Raises `Unauthenticated`, alike for every reason."""
    id_ = id_of(secret, "wbs")
    found = unit.credentials.get(_NOBODY if id_ is None else id_)
    held = found.digest if found is not None and found.digest is not None else _NO_DIGEST
    # compared also when there is nothing to
    same = hmac.compare_digest(held, secret_digest("" if id_ is None else secret))
    if (
        not same
        or found is None
        or found.kind != "client-secret"
        or found.application != application
        or not found.is_live(now)
    ):
        raise Unauthenticated("the client is not known, or its secret is not valid")
    return found


def _issue(
    unit: Unit,
    actor: Actor,
    application: str,
    kind: CredentialKind,
    prefix: str,
    *,
    label: str,
    expires_at: int | None,
    now: int,
) -> Issued:
    require_sound(unit, actor, application, label, expires_at, now)
    id_ = secrets.token_hex(6)
    secret = compose(prefix, id_, secrets.token_hex(32))
    credential = create(
        unit,
        actor,
        application,
        kind,
        now=now,
        id_=id_,
        label=label,
        digest=secret_digest(secret),
        expires_at=expires_at,
    )
    return Issued(credential=credential, secret=secret)


def require_sound(unit: Unit, actor: Actor, application: str, label: str, expires_at: int | None, now: int) -> None:
    """What holds for a new credential of every kind. Raises `Forbidden`, `NotFound`, `Invalid`, `Conflict`."""
    permissions.application(unit, actor, "create_credential", "create credentials", application)
    require_text(label, "/label", "the label", longest=200, empty=True)
    if expires_at is not None and expires_at <= now:
        raise Invalid("/expires_at", "the expiry is not in the future")
    live = [entry for entry in unit.credentials.all(application=application, revoked_at=None) if entry.is_live(now)]
    if len(live) >= _MOST_LIVE:
        raise Conflict(f"the application {application} has {_MOST_LIVE} live credentials; revoke one first")


def create(
    unit: Unit, actor: Actor, application: str, kind: CredentialKind, *, now: int, id_: str | None = None, **fields: Any
) -> Credential:
    """Keep a new credential, and record that. What holds for one was asked before (`require_sound`)."""
    made = Credential(
        id=id_ or secrets.token_hex(6),
        application=application,
        kind=kind,
        created_at=now,
        created_by=actor.name,
        **fields,
    )
    unit.credentials.add(made)
    record(unit, actor, "credential.create", _subject(made), after=made, now=now)
    return made


def change(unit: Unit, actor: Actor, before: Credential, after: Credential, *, now: int) -> Saved[Credential]:
    """Keep a changed credential, and record that."""
    unit.credentials.put(after)
    record(unit, actor, "credential.change", _subject(after), before=before, after=after, now=now)
    return Saved(after, created=False, changed=True)


def told_holder(unit: Unit, actor: Actor, credential: Credential) -> str:
    """Whose it is, for the sentence of a refusal: named to who may know of that application."""
    held = unit.applications.get(credential.application)
    known = held is not None and permissions.sees(actor, "get_application", permissions.of_application(unit, held))
    return f"the application {credential.application}" if known else "another application"


def _require_seen(unit: Unit, application: str, reader: Actor | None) -> None:
    if reader is not None:
        permissions.application(unit, reader, "list_credentials", "read credentials", application)
    elif unit.applications.get(application) is None:
        raise permissions.no_application(application)


def _subject(credential: Credential) -> str:
    return f"applications/{credential.application}/credentials/{credential.id}"

"""Replace a generated credential by a new one of its kind, with a time in which both are good.

    rotate(unit, actor, application, id, *, overlap, label, expires_at, reason, now) -> Rotated

The old one is not revoked: it expires when the overlap is over, which gateways know without a newer snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from registry import credentials, permissions
from registry.audit import Actor, record
from registry.errors import Conflict, Invalid
from registry.names import require_text
from registry.store import Unit
from registry.store.records import Credential

OVERLAP_SECONDS = 7 * 86_400
LONGEST_OVERLAP_SECONDS = 90 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The new credential and, this once, its secret; `replaced` is the old one with its end."""

    credential: Credential
    replaced: Credential
    secret: str

    def __repr__(self) -> str:
        return f"Rotated({self.credential!r}, {self.replaced!r})"


def rotate(
    unit: Unit,
    actor: Actor,
    application: str,
    id_: str,
    *,
    overlap: int = OVERLAP_SECONDS,
    label: str | None = None,
    expires_at: int | None = None,
    reason: str | None = None,
    now: int,
) -> Rotated:
    """Without `expires_at` the new one lives as long as the old one was meant to; without `label` it has
    the old one's.

    Raises `Conflict`: it is revoked, expired or has a live successor already (a retried rotation would leave a secret
    behind that nobody saw). `Invalid`: it holds no secret of ours; an overlap beyond `LONGEST_OVERLAP_SECONDS`.
    """
    permissions.application(unit, actor, "rotate_credential", "rotate credentials", application)
    before = credentials.credential(unit, application, id_)
    if before.kind not in ("api-key", "client-secret"):
        raise Invalid("/credential", f"a credential of kind {before.kind} holds no secret that could be replaced")
    if not 0 <= overlap <= LONGEST_OVERLAP_SECONDS:
        raise Invalid("/overlap_seconds", f"an overlap is 0 to {LONGEST_OVERLAP_SECONDS} seconds (90 days)")
    if label is not None:
        require_text(label, "/label", "the label", longest=200, empty=True)
    if not before.is_live(now):
        raise Conflict(f"the credential {id_} is {before.state(now)}; create a new one")
    successor = None if before.replaced_by is None else unit.credentials.get(before.replaced_by)
    if successor is not None and successor.is_live(now):
        raise Conflict(f"the credential {id_} was replaced by {successor.id} already; rotate or revoke that one")
    ends_at = now + overlap if before.expires_at is None else min(before.expires_at, now + overlap)
    ending = msgspec.structs.replace(before, expires_at=ends_at)
    unit.credentials.put(ending)  # first: with no overlap it makes room for the new one
    if expires_at is None and before.expires_at is not None:
        expires_at = now + max(before.expires_at - before.created_at, 1)
    create = credentials.create_api_key if before.kind == "api-key" else credentials.create_client_secret
    issued = create(
        unit, actor, application, label=before.label if label is None else label, expires_at=expires_at, now=now
    )
    replaced = msgspec.structs.replace(ending, replaced_by=issued.credential.id)
    unit.credentials.put(replaced)
    subject = f"applications/{application}/credentials/{id_}"
    record(unit, actor, "credential.rotate", subject, before=before, after=replaced, reason=reason, now=now)
    return Rotated(credential=issued.credential, replaced=replaced, secret=issued.secret)

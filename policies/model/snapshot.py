"""The snapshot: the only thing that crosses from the control plane to the data plane.

One JSON object, the same on the wire and on disk::

    {"format": 1, "digest": "sha256:...", "snapshot": {...}}

`digest` is computed over the exact bytes of the ``snapshot`` member, so a truncated or flipped file is refused before
anything is built from it. Documents are carried once each, by digest, as the publisher wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from policies.model.access import ApiKey, Application, Certificate, Issuer, Plan, RevokedToken, Subject, TrustAnchor
from policies.model.contract import Contract, Rollout, Version

FORMAT = 1
"""Raised when an older gateway could misread a newer snapshot."""


class SnapshotRefused(ValueError):
    """The bytes are not a snapshot this build may serve; the message says why."""


class SnapshotDamaged(SnapshotRefused):
    """The bytes are not those that were written: a second copy of the same snapshot may well be whole."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything a gateway needs to serve. `revision` grows with every change; `compiled_at` is unix seconds.

    `versions` holds every version that is in review, live or retired. `documents` maps digest to OpenAPI document.
    """

    revision: int
    compiled_at: int
    contracts: tuple[Contract, ...] = ()
    versions: tuple[Version, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    documents: dict[str, dict[str, Any]] = {}
    applications: tuple[Application, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    subjects: tuple[Subject, ...] = ()
    plans: tuple[Plan, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    revoked_tokens: tuple[RevokedToken, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    anchors: tuple[TrustAnchor, ...] = ()


class _Unread(Snapshot, frozen=True, kw_only=True):
    """A snapshot whose long lists are still text."""

    applications: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]
    api_keys: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]
    subjects: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]
    certificates: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]


_LISTS: dict[str, msgspec.json.Decoder[Any]] = {
    "applications": msgspec.json.Decoder(Application),
    "api_keys": msgspec.json.Decoder(ApiKey),
    "subjects": msgspec.json.Decoder(Subject),
    "certificates": msgspec.json.Decoder(Certificate),
}


class _Envelope(Struct):
    format: int
    digest: str
    snapshot: msgspec.Raw


def dumps(snapshot: Snapshot) -> bytes:
    """Serialise, with checksum. Equal snapshots give equal bytes."""
    body = msgspec.json.encode(snapshot, order="deterministic")
    envelope = _Envelope(format=FORMAT, digest=digest_of(body), snapshot=msgspec.Raw(body))
    return msgspec.json.encode(envelope)


def loads(data: bytes) -> tuple[Snapshot, str]:
    """Verify and parse; returns the snapshot and its digest.

    Raises `SnapshotRefused` for anything that is not a whole, unaltered, self-consistent snapshot of our format.
    """
    body, digest = unseal(data)
    try:
        snapshot = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotRefused(f"not a snapshot: {error}") from error
    if faults := list(faults_of(snapshot)):
        raise SnapshotRefused("snapshot contradicts itself: " + "; ".join(faults[:5]))
    return snapshot, digest


def unseal(data: bytes) -> tuple[bytes, str]:
    """Verify; returns the ``snapshot`` member and its digest. Raises `SnapshotRefused`, as `SnapshotDamaged` where the
    bytes were truncated or altered."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotDamaged(f"not a snapshot: {error}") from error
    if envelope.format != FORMAT:
        raise SnapshotRefused(f"snapshot format {envelope.format} is not the format {FORMAT} that this gateway reads")
    body = bytes(envelope.snapshot)
    if digest_of(body) != envelope.digest:
        raise SnapshotDamaged("checksum does not match: the snapshot was truncated or altered")
    return body, envelope.digest


_ALIKE = {
    "applications": ("id", "consumer", "audience", "scopes", "sites", "subscriptions", "terms"),
    "api_keys": ("application",),
    "subjects": ("id", "issuer", "subject", "application"),
    "certificates": ("application", "anchor", "kind"),
}
"""Fields whose values are the same in many items, or in items of two lists."""


def _read(body: bytes) -> Snapshot:
    """Item by item where there may be very many: one long call into the library would hold up every other thread.

    Equal values become one value: a hundred thousand applications have a handful of plans, scopes and sites.
    """
    unread = msgspec.json.decode(body, type=_Unread)
    members = {name: getattr(unread, name) for name in Snapshot.__struct_fields__}
    known: dict[Any, Any] = {}
    one, no_pins = known.setdefault, dict[str, int]()
    for name, decoder in _LISTS.items():
        decode, alike = decoder.decode, _ALIKE[name]

        def read(item: msgspec.Raw, decode: Any = decode, alike: tuple[str, ...] = alike) -> Any:
            made = decode(item)
            for field in alike:
                value = getattr(made, field)
                force_setattr(made, field, one(value, value))
            if type(made) is Application and not made.pins:
                force_setattr(made, "pins", no_pins)
            return made

        try:
            members[name] = tuple([read(item) for item in members[name]])  # a loop of ours: threads change in between
        except msgspec.DecodeError as error:
            raise SnapshotRefused(f"not a snapshot: one of its {name}: {error}") from error
    return Snapshot(**members)


def digest_of(body: bytes) -> str:
    return "sha256:" + sha256(body).hexdigest()


def faults_of(snapshot: Snapshot) -> Iterator[str]:
    """Every reference that leads nowhere. A snapshot with a fault is never served and never committed."""
    contracts = {contract.name for contract in snapshot.contracts}
    applications = {application.id for application in snapshot.applications}
    plans = {plan.name for plan in snapshot.plans}
    issuers = {issuer.issuer for issuer in snapshot.issuers}
    numbers = {(version.contract, version.number) for version in snapshot.versions}
    for version in snapshot.versions:
        if version.contract not in contracts:
            yield f"version {version.contract}@{version.number} belongs to no contract"
        if version.digest not in snapshot.documents:
            yield f"version {version.contract}@{version.number} has no document {version.digest}"
    for rollout in snapshot.rollouts:
        if (rollout.contract, rollout.version) not in numbers:
            yield f"rollout of {rollout.contract}@{rollout.version} names no version"
    for application in snapshot.applications:
        for subscription in (*application.subscriptions, *application.terms):
            if subscription.contract not in contracts:
                yield f"application {application.id} subscribes to unknown contract {subscription.contract}"
            if subscription.plan not in plans:
                yield f"application {application.id} is on unknown plan {subscription.plan}"
    for key in snapshot.api_keys:
        if key.application not in applications:
            yield f"API key {key.id} belongs to no application"
    for subject in snapshot.subjects:
        if subject.application not in applications:
            yield f"credential {subject.id} belongs to no application"
        if subject.issuer not in issuers:
            yield f"credential {subject.id} names unknown issuer {subject.issuer}"
    anchors = {anchor.name for anchor in snapshot.anchors}
    for certificate in snapshot.certificates:
        if certificate.application not in applications:
            yield f"certificate {certificate.id} belongs to no application"
        if certificate.anchor is not None and certificate.anchor not in anchors:
            yield f"certificate {certificate.id} names unknown trust anchor {certificate.anchor}"

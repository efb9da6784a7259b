"""Facts to snapshot. Pure over what the unit reads: no clock, no randomness, one query per table.

Runs in the transaction of the change that caused it, so revision order is commit order. Secrets cross as digests only.
The subtle thing: revoked credentials are left out and expired ones are carried, because time passes between two
snapshots and the gateway looks at `expires_at` itself.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from policies.model.access import ApiKey, Application, Certificate, Issuer, RevokedToken, Subject, Subscription, Terms
from policies.model.contract import LIVE, Stage
from policies.model.snapshot import Snapshot, digest_of, dumps, faults_of
from policies.subscribing import OVER
from registry.store import Unit
from registry.store.records import Credential, SnapshotRow, StoredIssuer

KEY_KEPT_SECONDS = 86400 + 60
"""The setting `token_seconds` allows no more than a day, and gateways as many seconds of leeway: no token outlives its
retired key by more."""
REVOCATION_KEPT_SECONDS = 60
"""How long after a token has expired its revocation is still told: more than gateways allow as leeway."""
_CARRIED = LIVE | {Stage.IN_REVIEW, Stage.RETIRED}


class ContradictoryFacts(RuntimeError):
    """The facts do not make a snapshot that a gateway could serve: a fault of ours; the change is rolled back."""


def compile_snapshot(unit: Unit, *, revision: int, now: int) -> Snapshot:
    """Everything a gateway needs, from what this unit sees. Equal facts give equal snapshots."""
    contracts = tuple(unit.contracts.all())
    versions = tuple(version.as_version() for version in unit.versions.all() if version.stage in _CARRIED)
    served = {(version.contract, version.number) for version in versions}
    audiences = {consumer.id: consumer.audience for consumer in unit.consumers.all()}
    subscriptions, terms = _subscriptions(unit)
    issuers = {issuer.name: issuer for issuer in unit.issuers.all()}
    api_keys, subjects, certificates = _credentials(unit, issuers)
    return Snapshot(
        revision=revision,
        compiled_at=now,
        contracts=contracts,
        versions=versions,
        rollouts=tuple(entry for entry in unit.rollouts.all() if (entry.contract, entry.version) in served),
        documents=unit.trees(version.digest for version in versions),
        applications=tuple(
            Application(
                id=application.id,
                name=application.name,
                consumer=application.consumer,
                audience=audiences[application.consumer],
                party=application.party,
                sites=application.sites,
                scopes=application.scopes,
                pins=application.pins,
                bound_tokens_only=application.bound_tokens_only,
                subscriptions=tuple(subscriptions[application.id]),
                terms=tuple(terms[application.id]),
            )
            for application in unit.applications.all()
        ),
        api_keys=api_keys,
        subjects=subjects,
        plans=tuple(unit.plans.all()),
        issuers=_issuers(unit, issuers, now),
        revoked_tokens=tuple(
            RevokedToken(issuer=issuer.issuer, jti=token.jti, expires_at=token.expires_at)
            for issuer in issuers.values()
            if issuer.embedded
            for token in unit.revoked_tokens.all()
            if token.expires_at + REVOCATION_KEPT_SECONDS > now
        ),
        certificates=certificates,
        anchors=tuple(unit.anchors.all()),
    )


def refresh(unit: Unit, *, now: int) -> bool:
    """Write the snapshot that this unit's changes lead to; false when a gateway would see no difference.

    Raises `ContradictoryFacts`.
    """
    revision, _digest, content = unit.revision()
    snapshot = compile_snapshot(unit, revision=revision + 1, now=now)
    if faults := list(faults_of(snapshot)):
        raise ContradictoryFacts("; ".join(faults[:5]))
    timeless = msgspec.structs.replace(snapshot, revision=0, compiled_at=0)
    new_content = digest_of(msgspec.json.encode(timeless, order="deterministic"))
    if new_content == content:
        return False
    data = dumps(snapshot)
    row = SnapshotRow(
        revision=snapshot.revision,
        digest=msgspec.json.decode(data, type=_Digest).digest,
        content=new_content,
        compiled_at=now,
        data=data,
    )
    unit.add_snapshot(row)
    return True


class _Digest(msgspec.Struct):
    digest: str


def _subscriptions(unit: Unit) -> tuple[dict[str, list[Subscription]], dict[str, list[Terms]]]:
    """By application: those that are active and that is all, and those of which there is more to say. What is over
    does not cross."""
    plain, others = defaultdict(list), defaultdict(list)
    for entry in unit.subscriptions.all():
        if (terms := entry.as_terms()).is_plain:
            plain[entry.application].append(Subscription(contract=entry.contract, major=entry.major, plan=entry.plan))
        elif entry.state not in OVER:
            others[entry.application].append(terms)
    return plain, others


def _credentials(
    unit: Unit, issuers: dict[str, StoredIssuer]
) -> tuple[tuple[ApiKey, ...], tuple[Subject, ...], tuple[Certificate, ...]]:
    """Live client secrets, public keys and certificates become subjects of the embedded issuer: a token names the
    credential that it was got with, and dies with it."""
    embedded = next((issuer for issuer in issuers.values() if issuer.embedded), None)
    keys: list[ApiKey] = []
    subjects: list[Subject] = []
    certificates: list[Certificate] = []
    for credential in unit.credentials.all(revoked_at=None):
        application, expires_at = credential.application, credential.expires_at
        if credential.kind == "api-key" and credential.digest is not None:
            keys.append(
                ApiKey(id=credential.id, digest=credential.digest, application=application, expires_at=expires_at)
            )
            continue
        if credential.kind == "certificate":
            certificates.append(certificate_of(credential))
        if credential.kind in ("client-secret", "public-key", "certificate"):
            issuer, subject = embedded, application
        else:
            issuer, subject = issuers.get(credential.issuer or ""), credential.subject or ""
        if issuer is not None:
            subjects.append(
                Subject(
                    id=credential.id,
                    issuer=issuer.issuer,
                    subject=subject,
                    application=application,
                    expires_at=expires_at,
                )
            )
    return tuple(keys), tuple(subjects), tuple(certificates)


def certificate_of(held: Credential) -> Certificate:
    return Certificate(
        id=held.id,
        application=held.application,
        expires_at=held.expires_at,
        der=held.certificate,
        anchor=held.anchor,
        kind=held.name_kind,
        name=None if held.anchor is None else held.subject,
    )


def public_keys(unit: Unit, *, now: int) -> list[dict[str, Any]]:
    """Public halves of the registry's signing keys, newest first: of those that will sign, do, or did while tokens
    signed with them may still be valid."""
    keys = sorted(unit.signing_keys.all(), key=lambda key: (-key.begins_at, -key.created_at, key.kid))
    return [key.public_jwk for key in keys if key.retired_at is None or key.retired_at + KEY_KEPT_SECONDS > now]


def _issuers(unit: Unit, issuers: dict[str, StoredIssuer], now: int) -> tuple[Issuer, ...]:
    keys = public_keys(unit, now=now)
    return tuple(
        msgspec.structs.replace(issuer, jwks={"keys": keys}).as_issuer() if issuer.embedded else issuer.as_issuer()
        for issuer in issuers.values()
    )

"""Client certificates as credentials (RFC 8705 section 2): one certificate, or a name under a trust anchor.

    add_certificate(unit, actor, application, *, pem, label, expires_at, now) -> Saved[Credential]
    add_certificate_name(unit, actor, application, *, anchor, kind, name, label, expires_at, now) -> Saved[Credential]
    verify_certificate(unit, application, presented, *, now) -> Credential      for the token endpoint

The first two are idempotent, and refuse what speaks for another application already. Nothing of them is secret.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from policies.model import certificate as x5
from policies.model.access import Application
from policies.model.certificate import InvalidCertificate
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_certificate import Certificates, Presented
from registry import credentials
from registry.audit import Actor, Saved
from registry.compiler import certificate_of
from registry.errors import Conflict, Invalid, Unauthenticated
from registry.permissions import require_role
from registry.store import Unit
from registry.store.records import CertificateName, Credential


def add_certificate(
    unit: Unit,
    actor: Actor,
    application: str,
    *,
    pem: str,
    label: str = "",
    expires_at: int | None = None,
    now: int,
) -> Saved[Credential]:
    """The certificate itself, self-signed or not: whoever holds its key speaks for the application until it ends, or
    `expires_at` before that. Raises `Invalid`, `Conflict`."""
    require_role(actor, "create_credential.certificate", "register certificates")
    credentials.require_sound(unit, actor, application, label, expires_at, now)
    try:
        (certificate,) = x5.read_pem(pem, most=1)
        x5.require_client(certificate)
        ends_at = x5.validity(certificate)[1] + 1
        if ends_at <= now:
            raise InvalidCertificate("it has expired")
    except InvalidCertificate as error:
        raise Invalid("/certificate", str(error)) from None
    der = x5.der(certificate)
    return _add(
        unit,
        actor,
        application,
        now,
        subject=x5.fingerprint(der),
        certificate=b64encode(der).decode(),
        label=label,
        expires_at=ends_at if expires_at is None else min(expires_at, ends_at),
    )


def add_certificate_name(
    unit: Unit,
    actor: Actor,
    application: str,
    *,
    anchor: str,
    kind: CertificateName,
    name: str,
    label: str = "",
    expires_at: int | None = None,
    now: int,
) -> Saved[Credential]:
    """Any certificate that the anchor's authorities issued for exactly this subject, DNS name or URI.
    Raises `Invalid` (also for an unknown anchor), `Conflict`."""
    require_role(actor, "create_credential.certificate", "register certificates")
    credentials.require_sound(unit, actor, application, label, expires_at, now)
    if unit.anchors.get(anchor) is None:
        raise Invalid("/anchor", f"there is no trust anchor {anchor!r}")
    try:
        subject = x5.canonical(kind, name)
    except InvalidCertificate as error:
        raise Invalid(f"/{kind}", str(error)) from None
    return _add(
        unit,
        actor,
        application,
        now,
        subject=subject,
        anchor=anchor,
        name_kind=kind,
        label=label,
        expires_at=expires_at,
    )


def verify_certificate(unit: Unit, application: str, presented: Presented, *, now: int) -> Credential:
    """The live credential that this certificate is for that application; judged by the policy that gateways ask. Raises
    `Unauthenticated`, alike for every reason."""
    held = unit.credentials.all(application=application, kind="certificate", revoked_at=None)
    known = {credential.id: credential for credential in held if credential.is_live(now)}
    self = Application(id=application, name=application, consumer="", audience="internal")
    judge = Certificates(map(certificate_of, known.values()), unit.anchors.all(), Callers([self], ()))
    caller = judge.caller(presented, now)
    if caller is None:
        raise Unauthenticated("the client is not known, or its certificate is not valid")
    return known[caller.credential]


def _add(unit: Unit, actor: Actor, application: str, now: int, *, subject: str, **fields: Any) -> Saved[Credential]:
    for other in unit.credentials.all(kind="certificate", subject=subject, revoked_at=None):
        if (other.anchor, other.name_kind) != (fields.get("anchor"), fields.get("name_kind")):
            continue
        if other.application != application:
            if other.is_live(now):
                whom = credentials.told_holder(unit, actor, other)
                raise Conflict(f"that certificate speaks for {whom} already")
            continue
        after = msgspec.structs.replace(other, label=fields["label"], expires_at=fields["expires_at"])
        if after == other:
            return Saved(other, created=False, changed=False)
        return credentials.change(unit, actor, other, after, now=now)
    credential = credentials.create(unit, actor, application, "certificate", now=now, subject=subject, **fields)
    return Saved(credential, created=True, changed=True)

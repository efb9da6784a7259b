"""Client certificates as credentials, the authorities that issue them, and the rotation of what is generated."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

from policies.model import certificate as x5
from policies.model.access import TrustAnchor
from registry import anchors, certificates, rotation, usage
from registry.api.desk import GONE, Answer, Call, saved
from registry.api.wire import instant, moment, page, plain
from registry.errors import Invalid
from registry.store import Unit
from registry.store.records import CertificateName, Credential

__all__ = ["delete_anchor", "get_anchor", "list_anchors", "put_anchor", "rotate_credential"]

_NAMES: tuple[CertificateName, ...] = ("subject_dn", "san_dns", "san_uri")
CERTIFICATE_MEMBERS = ("certificate", "anchor", *_NAMES)
"""What only a credential of kind certificate has."""


def register_certificate(call: Call, application: str, particulars: dict[str, Any]) -> Answer:
    """``POST .../credentials`` of kind certificate."""
    body = call.body
    for name in ("issuer", "subject"):
        if name in body:
            raise Invalid(f"/{name}", "only a credential of kind subject has this")
    given = [name for name in _NAMES if name in body]
    with call.store.write() as unit:
        if "certificate" in body:
            if given or "anchor" in body:
                raise Invalid("/certificate", "register either the certificate or a trust anchor with a name in it")
            made = certificates.add_certificate(unit, call.actor, application, pem=body["certificate"], **particulars)
        else:
            if "anchor" not in body or len(given) != 1:
                needed = "send the certificate, or the anchor and one of subject_dn, san_dns and san_uri"
                raise Invalid("/certificate", needed)
            made = certificates.add_certificate_name(
                unit, call.actor, application, anchor=body["anchor"], kind=given[0], name=body[given[0]], **particulars
            )  # fmt: skip
        told = shown(unit, [made.record], call.now)(made.record)
    return Answer({"credential": told, "secret": None}, 201 if made.created else 200)


def list_anchors(call: Call, *, limit: int = 50, cursor: str | None = None) -> Answer:
    with call.store.read() as unit:
        found = anchors.anchors(unit)
    return Answer(page(found, lambda anchor: anchor.name, _shown, limit, cursor))


def get_anchor(call: Call, *, anchor: str) -> Answer:
    with call.store.read() as unit:
        return Answer(_shown(anchors.anchor(unit, anchor)))


def put_anchor(call: Call, *, anchor: str, dry_run: bool = False) -> Answer:
    with call.store.write() as unit:
        made = anchors.put_anchor(unit, call.actor, anchor, call.body["certificates"], dry_run=dry_run, now=call.now)
    return saved(made, _shown)


def delete_anchor(call: Call, *, anchor: str, dry_run: bool = False) -> Answer:
    with call.store.write() as unit:
        anchors.delete_anchor(unit, call.actor, anchor, dry_run=dry_run, now=call.now)
    return GONE


def _shown(anchor: TrustAnchor) -> dict[str, Any]:
    ders = [b64decode(text) for text in anchor.certificates]
    return {
        "name": anchor.name,
        "certificates": "".join(x5.pem(der) for der in ders),
        "authorities": [_authority(der) for der in ders],
    }


def _authority(der: bytes) -> dict[str, Any]:
    read = x5.read_der(der)
    since, until = x5.validity(read)
    return {
        "subject": x5.subject(read),
        "fingerprint": x5.fingerprint(der),
        "valid_from": instant(since),
        "valid_until": instant(until),
    }


def rotate_credential(call: Call, *, application: str, credential: str) -> Answer:
    body = call.body or {}
    with call.store.write() as unit:
        made = rotation.rotate(
            unit,
            call.actor,
            application,
            credential,
            overlap=body.get("overlap_seconds", rotation.OVERLAP_SECONDS),
            label=body.get("label"),
            expires_at=moment(body.get("expires_at"), "/expires_at"),
            reason=body.get("reason"),
            now=call.now,
        )
        show = shown(unit, [made.credential, made.replaced], call.now)
    answer = {"credential": show(made.credential), "secret": made.secret, "replaced": show(made.replaced)}
    return Answer(answer, 201, {"Cache-Control": "no-store"})


def shown(unit: Unit, found: list[Credential], now: int) -> Callable[[Credential], dict[str, Any]]:
    """Shows credentials with where they stand, and the time of their last use, which is no part of the record."""
    last = usage.last_used(unit, [credential.id for credential in found])
    return lambda credential: {
        **plain(credential),
        "last_used_at": instant(last.get(credential.id)),
        "state": credential.state(now),
    }

"""Authorities that are trusted to name clients: PEM bundles under a name, registered by an admin.

    put_anchor(unit, actor, name, pem, *, dry_run, now) -> Saved[TrustAnchor]
    delete_anchor(unit, actor, name, *, dry_run, now)
    anchors(unit) -> list[TrustAnchor]             anchor(unit, name) -> TrustAnchor

To trust an authority names nobody yet: a credential says which name in its certificates is which application.
"""

from __future__ import annotations

from base64 import b64encode

from policies.model import certificate as x5
from policies.model.access import TrustAnchor
from policies.model.certificate import InvalidCertificate
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid, NotFound
from registry.names import require_slug
from registry.permissions import require
from registry.store import Unit

MOST_CERTIFICATES = 20
MOST_ANCHORS = 200


def put_anchor(unit: Unit, actor: Actor, name: str, pem: str, *, dry_run: bool = False, now: int) -> Saved[TrustAnchor]:
    """Create or replace. Raises `Invalid`: no PEM, a certificate that is no authority's, that has expired or has a weak
    key. `Conflict`: too many anchors."""
    require(actor, "put_anchor", "change trust anchors")
    require_slug(name, "/name", "the name of a trust anchor")
    after = TrustAnchor(name=name, certificates=_authorities(pem, now))
    before = unit.anchors.get(name)
    if before == after:
        return Saved(after, created=False, changed=False)
    if before is None and unit.anchors.count() >= MOST_ANCHORS:
        raise Conflict(f"there are {MOST_ANCHORS} trust anchors; delete one that names nobody")
    if not dry_run:
        unit.anchors.put(after)
        record(unit, actor, "anchor.put", f"trust-anchors/{name}", before=before, after=after, now=now)
    return Saved(after, created=before is None, changed=True)


def delete_anchor(unit: Unit, actor: Actor, name: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while a credential that is not revoked names it."""
    require(actor, "delete_anchor", "delete trust anchors")
    before = anchor(unit, name)
    named = [held for held in unit.credentials.all(kind="certificate", revoked_at=None) if held.anchor == name]
    if named:
        raise Conflict(f"{len(named)} credentials name the trust anchor {name}, the first of {named[0].application}")
    if not dry_run:
        unit.anchors.delete(name)
        record(unit, actor, "anchor.delete", f"trust-anchors/{name}", before=before, now=now)


def anchors(unit: Unit) -> list[TrustAnchor]:
    """By name."""
    return unit.anchors.all()


def anchor(unit: Unit, name: str) -> TrustAnchor:
    found = unit.anchors.get(name)
    if found is None:
        raise NotFound(f"there is no trust anchor {name!r}")
    return found


def _authorities(pem: str, now: int) -> tuple[str, ...]:
    try:
        read = x5.read_pem(pem, most=MOST_CERTIFICATES)
    except InvalidCertificate as error:
        raise Invalid("/certificates", str(error)) from None
    ders: list[bytes] = []
    for index, certificate in enumerate(read):
        try:
            x5.require_authority(certificate)
            if x5.validity(certificate)[1] < now:
                raise InvalidCertificate("it has expired")
        except InvalidCertificate as error:
            raise Invalid("/certificates", f"certificate {index + 1}: {error}") from None
        ders.append(x5.der(certificate))
    return tuple(b64encode(der).decode() for der in dict.fromkeys(ders))

"""Authorities that may name clients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from registry import anchors, certificates, credentials
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.store import Unit
from tests.certificates import Made, authority, made
from tests.unit.registry.world import ADMIN, APPLICATION, MEMBER, NOW

SINCE, UNTIL = datetime.fromtimestamp(NOW - 1000, UTC), datetime.fromtimestamp(NOW + 1000, UTC)


def ca(**more: Any) -> Made:
    return authority(**({"since": SINCE, "until": UNTIL} | more))


FIRST, SECOND = ca(), ca()
LEAF = made("CN=leaf", FIRST, since=SINCE, until=UNTIL)


def test_a_bundle_is_kept_once_and_in_order(unit: Unit) -> None:
    bundle = f"# ours\n{FIRST.pem}\n{SECOND.pem}{FIRST.pem}"
    assert anchors.put_anchor(unit, ADMIN, "oakhurst", bundle, dry_run=True, now=NOW).created
    assert anchors.anchors(unit) == []
    saved = anchors.put_anchor(unit, ADMIN, "oakhurst", bundle, now=NOW)
    assert (saved.created, saved.record.certificates) == (True, (FIRST.text, SECOND.text))
    assert anchors.put_anchor(unit, ADMIN, "oakhurst", bundle, now=NOW).changed is False
    assert anchors.put_anchor(unit, ADMIN, "oakhurst", SECOND.pem, now=NOW).created is False
    assert anchors.anchor(unit, "oakhurst").certificates == (SECOND.text,)


@pytest.mark.parametrize(
    ("pem", "told"),
    [
        ("", "holds no certificate"),
        (LEAF.pem, "certificate 1: it is not the certificate of an authority"),
        (FIRST.pem + LEAF.pem, "certificate 2: it is not the certificate of an authority"),
        (made("CN=x", ca=False, since=SINCE, until=UNTIL).pem, "not the"),
        (ca(until=datetime.fromtimestamp(NOW - 1, UTC)).pem, "it has expired"),
        (ca(more=(x509.KeyUsage(True, *[False] * 8),)).pem, "does not allow to sign certificates"),
        (FIRST.private + FIRST.pem, "holds a private key"),
        (FIRST.pem * 21, "holds 21 certificates; 20 at most"),
    ],
)
def test_what_is_no_authority(unit: Unit, pem: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        anchors.put_anchor(unit, ADMIN, "oakhurst", pem, now=NOW)


def test_one_that_names_somebody_stays(unit: Unit) -> None:
    anchors.put_anchor(unit, ADMIN, "oakhurst", FIRST.pem, now=NOW)
    named = certificates.add_certificate_name(
        unit, ADMIN, APPLICATION.id, anchor="oakhurst", kind="san_dns", name="a.example", now=NOW
    ).record
    with pytest.raises(Conflict, match=f"the first of {APPLICATION.id}"):
        anchors.delete_anchor(unit, ADMIN, "oakhurst", now=NOW)
    credentials.revoke(unit, ADMIN, APPLICATION.id, named.id, now=NOW)
    anchors.delete_anchor(unit, ADMIN, "oakhurst", dry_run=True, now=NOW)
    anchors.delete_anchor(unit, ADMIN, "oakhurst", now=NOW)
    with pytest.raises(NotFound):
        anchors.delete_anchor(unit, ADMIN, "oakhurst", now=NOW)


def test_who_may(unit: Unit) -> None:
    with pytest.raises(Forbidden):
        anchors.put_anchor(unit, MEMBER, "oakhurst", FIRST.pem, now=NOW)
    with pytest.raises(Invalid):
        anchors.put_anchor(unit, ADMIN, "Oakhurst CA", FIRST.pem, now=NOW)
    with pytest.raises(Forbidden):
        anchors.delete_anchor(unit, MEMBER, "oakhurst", now=NOW)

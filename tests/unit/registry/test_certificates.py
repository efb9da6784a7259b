"""Certificates as credentials: what is registered, what is refused, what crosses to gateways."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from policies.model.access import Certificate, TrustAnchor
from registry import anchors, certificates, credentials, subscriptions
from registry.audit import Actor
from registry.compiler import compile_snapshot
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.store import Unit
from registry.store.records import Consumer, RegisteredApplication
from tests.certificates import CLIENT, SERVER, Made, authority, made
from tests.unit.registry.world import ADMIN, APPLICATION, DAY, MEMBER, NOW

ID = APPLICATION.id


def at(offset: int) -> datetime:
    return datetime.fromtimestamp(NOW + offset, UTC)


def own(subject: str = "CN=edi", **more: Any) -> Made:
    return made(subject, **({"since": at(-DAY), "until": at(30 * DAY)} | more))


def ca(**more: Any) -> Made:
    return authority(**({"since": at(-DAY), "until": at(300 * DAY)} | more))


CA, OWN = ca(), own()


@pytest.fixture
def anchored(unit: Unit) -> Unit:
    anchors.put_anchor(unit, ADMIN, "oakhurst", CA.pem, now=NOW)
    subscriptions.put_application(unit, ADMIN, msgspec.structs.replace(APPLICATION, id="other"), now=NOW)
    return unit


def test_a_certificate_lives_as_long_as_it_says(unit: Unit) -> None:
    saved = certificates.add_certificate(unit, ADMIN, ID, pem="edi bridge\n" + OWN.pem, label="edi", now=NOW)
    held = saved.record
    assert (saved.created, held.kind, held.label, held.expires_at) == (True, "certificate", "edi", NOW + 30 * DAY + 1)
    assert held.subject == OWN.certificate.fingerprint(OWN.certificate.signature_hash_algorithm).hex()  # type: ignore[arg-type]
    assert certificates.add_certificate(unit, ADMIN, ID, pem=OWN.pem, label="edi", now=NOW).changed is False
    shorter = certificates.add_certificate(unit, ADMIN, ID, pem=OWN.pem, label="edi", expires_at=NOW + DAY, now=NOW)
    assert (shorter.created, shorter.record.id, shorter.record.expires_at) == (False, held.id, NOW + DAY)
    longer = certificates.add_certificate(unit, ADMIN, ID, pem=OWN.pem, expires_at=NOW + 99 * DAY, now=NOW)
    assert longer.record.expires_at == NOW + 30 * DAY + 1


def test_what_crosses_to_gateways(anchored: Unit) -> None:
    pinned = certificates.add_certificate(anchored, ADMIN, ID, pem=OWN.pem, now=NOW).record
    named = certificates.add_certificate_name(
        anchored, ADMIN, ID, anchor="oakhurst", kind="san_dns", name="EDI.Oakhurst.example", now=NOW
    ).record
    seen = compile_snapshot(anchored, revision=1, now=NOW)
    assert set(seen.certificates) == {
        Certificate(id=pinned.id, application=ID, expires_at=pinned.expires_at, der=OWN.text),
        Certificate(id=named.id, application=ID, anchor="oakhurst", kind="san_dns", name="edi.oakhurst.example"),
    }
    assert seen.anchors == (TrustAnchor(name="oakhurst", certificates=(CA.text,)),)
    credentials.revoke(anchored, ADMIN, ID, pinned.id, now=NOW)
    assert [held.id for held in compile_snapshot(anchored, revision=2, now=NOW).certificates] == [named.id]


def test_a_certificate_speaks_for_one_application(anchored: Unit) -> None:
    held = certificates.add_certificate(anchored, ADMIN, ID, pem=OWN.pem, now=NOW).record
    with pytest.raises(Conflict, match=f"speaks for the application {ID} already"):
        certificates.add_certificate(anchored, ADMIN, "other", pem=OWN.pem, now=NOW)
    subscriptions.put_consumer(anchored, ADMIN, Consumer(id="rival", name="R", audience="partner"), now=NOW)
    rival = RegisteredApplication(id="rival", name="R", consumer="rival")
    subscriptions.put_application(anchored, ADMIN, rival, now=NOW)
    manager = Actor("paula", "partner-manager", consumers=("rival",))
    with pytest.raises(Conflict, match="speaks for another application already"):
        certificates.add_certificate(anchored, manager, "rival", pem=OWN.pem, now=NOW)
    credentials.revoke(anchored, ADMIN, ID, held.id, now=NOW)
    assert certificates.add_certificate(anchored, ADMIN, "other", pem=OWN.pem, now=NOW).created

    def add(application: str, anchor: str = "oakhurst", name: str = "CN=edi,O=Oakhurst") -> bool:
        return certificates.add_certificate_name(
            anchored, ADMIN, application, anchor=anchor, kind="subject_dn", name=name, now=NOW
        ).created

    assert add(ID)
    assert not add(ID, name="CN=edi, O=Oakhurst".replace(", ", ","))
    with pytest.raises(Conflict):
        add("other")
    anchors.put_anchor(anchored, ADMIN, "second", ca().pem, now=NOW)
    assert add("other", anchor="second"), "the same name from another authority is another name"


@pytest.mark.parametrize(
    ("pem", "told"),
    [
        ("", "holds no certificate"),
        (OWN.pem + OWN.pem, "holds 2 certificates"),
        (OWN.pem + OWN.private, "holds a private key"),
        (OWN.pem.replace("MII", "AII", 1), "no certificate that can be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate that can be read"),
        (" " * 65_537, "is longer than"),
        (own(until=at(-1)).pem, "has expired"),
        (own(usage=(SERVER,)).pem, "does not allow client authentication"),
        (own(key=rsa.generate_private_key(65537, 1024)).pem, "RSA key has 1024 bits"),
        (own(key=ec.generate_private_key(ec.SECP256K1())).pem, "curve is not P-256"),
    ],
)
def test_what_is_no_certificate_of_a_client(unit: Unit, pem: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as caught:
        certificates.add_certificate(unit, ADMIN, ID, pem=pem, now=NOW)
    assert caught.value.pointer == "/certificate"
    assert "PRIVATE" not in str(caught.value)


def test_what_may_be_registered_early(unit: Unit) -> None:
    early = own(since=at(DAY), usage=(CLIENT, SERVER), ca=True)
    assert certificates.add_certificate(unit, ADMIN, ID, pem=early.pem, now=NOW).created


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("subject_dn", ""),
        ("subject_dn", "edi"),
        ("subject_dn", "CN=edi\\"),
        ("san_dns", ""),
        ("san_dns", "*.oakhurst.example"),
        ("san_dns", "edi.oakhurst.example."),
        ("san_dns", "edi..example"),
        ("san_dns", "é.example"),
        ("san_dns", "a.example\n"),
        ("san_uri", "edi"),
        ("san_uri", "urn:"),
        ("san_uri", "urn:a b"),
    ],
)
def test_what_is_no_name(anchored: Unit, kind: Any, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        certificates.add_certificate_name(anchored, ADMIN, ID, anchor="oakhurst", kind=kind, name=name, now=NOW)
    assert caught.value.pointer == f"/{kind}"


def test_who_may_and_where(anchored: Unit) -> None:
    with pytest.raises(Forbidden):
        certificates.add_certificate(anchored, MEMBER, ID, pem=OWN.pem, now=NOW)
    with pytest.raises(NotFound):
        certificates.add_certificate(anchored, ADMIN, "nobody", pem=OWN.pem, now=NOW)
    with pytest.raises(Invalid, match="no trust anchor"):
        certificates.add_certificate_name(
            anchored, ADMIN, ID, anchor="nobody", kind="san_dns", name="a.example", now=NOW
        )
    with pytest.raises(Invalid, match="not in the future"):
        certificates.add_certificate(anchored, ADMIN, ID, pem=OWN.pem, expires_at=NOW, now=NOW)


def test_a_deleted_application_takes_its_certificates_along(anchored: Unit) -> None:
    certificates.add_certificate(anchored, ADMIN, ID, pem=OWN.pem, now=NOW)
    subscriptions.delete_application(anchored, ADMIN, ID, now=NOW)
    assert compile_snapshot(anchored, revision=1, now=NOW).certificates == ()

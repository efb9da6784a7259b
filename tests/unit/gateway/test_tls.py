"""What handshakes are made with, snapshot by snapshot."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.counters.memory import MemoryCounters
from gateway.keys import KeyRing
from gateway.pipeline import Pipeline, Table
from gateway.settings import Settings
from gateway.tls import InvalidCertificate, authorities_of, tls_context, valid_until
from policies.model.access import Certificate, TrustAnchor
from policies.model.snapshot import SnapshotRefused
from tests.certificates import authority, made
from tests.unit.gateway.snapshots_made import snapshot, table

HOST, CA, OWN = made("CN=localhost"), authority(), made()
ANCHOR = TrustAnchor(name="oakhurst", certificates=(CA.text,))
PINNED = Certificate(id="pin", application="app", der=OWN.text)
NAMED = Certificate(id="n", application="app", anchor="oakhurst", kind="san_dns", name="a.example")


def settings(folder: Path, **more: str) -> Settings:
    return Settings(tls_certificate=HOST.file(folder), **more)


def tls(of: Table) -> ssl.SSLContext | None:
    return of.tls


def test_everything_a_certificate_may_lead_to_is_known_once() -> None:
    twice = TrustAnchor(name="again", certificates=(CA.text,))
    held = snapshot(certificates=(PINNED, NAMED), anchors=(ANCHOR, twice))
    assert authorities_of(held) == (CA.der, OWN.der)
    assert authorities_of(snapshot()) == ()


def test_nobody_is_asked_where_no_certificate_is_known(tmp_path: Path) -> None:
    base = tls_context(settings(tmp_path))
    assert base is not None
    assert (base.verify_mode, base.num_tickets) == (ssl.CERT_NONE, 2)
    asking = tls_context(settings(tmp_path), (CA.der, OWN.der))
    assert asking is not None
    assert (asking.verify_mode, asking.num_tickets) == (ssl.CERT_OPTIONAL, 0)
    assert asking.cert_store_stats()["x509"] == 2
    required = tls_context(settings(tmp_path, tls_client_certificates="required"))
    assert required is not None
    assert required.verify_mode == ssl.CERT_REQUIRED


def test_what_cannot_be_made_leaves_what_there_was(tmp_path: Path) -> None:
    given = settings(tmp_path)
    pipeline = Pipeline(MemoryCounters(), KeyRing(), given)
    first = tls(table(of=pipeline, certificates=(PINNED,)))
    assert first is not None
    assert given.tls_certificate is not None
    given.tls_certificate.rename(tmp_path / "away")
    with pytest.raises(InvalidCertificate, match=r"cannot use the TLS certificate .*\.pem"):
        tls_context(given)
    assert tls(table(of=pipeline, certificates=(PINNED, NAMED), anchors=(ANCHOR,))) is first
    (tmp_path / "away").rename(given.tls_certificate)
    second = tls(table(of=pipeline, certificates=(PINNED, NAMED), anchors=(ANCHOR,)))
    assert second is not None
    assert second is not first


@pytest.mark.parametrize(
    "more",
    [
        {"certificates": (Certificate(id="x", application="app", der="A"),)},
        {"certificates": (NAMED,), "anchors": (TrustAnchor(name="oakhurst", certificates=("AAAA",)),)},
    ],
)
def test_a_snapshot_whose_certificates_are_none_is_refused(more: dict[str, object], tmp_path: Path) -> None:
    pipeline = Pipeline(MemoryCounters(), KeyRing(), settings(tmp_path))
    with pytest.raises(SnapshotRefused, match="a certificate cannot be used: "):
        table(of=pipeline, **more)


def test_what_handshakes_cannot_be_made_with_keeps_nobody_from_being_served(tmp_path: Path) -> None:
    pipeline = Pipeline(MemoryCounters(), KeyRing(), settings(tmp_path))
    assert tls(table(of=pipeline, certificates=(Certificate(id="x", application="app", der="AAAA"),))) is None


def test_when_our_own_certificate_expires_is_known(tmp_path: Path) -> None:
    until = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    host = made("CN=localhost", until=until).file(tmp_path, CA)
    assert valid_until(Settings(tls_certificate=host)) == until
    assert valid_until(Settings()) is None
    assert valid_until(Settings(tls_certificate=tmp_path / "away.pem")) is None

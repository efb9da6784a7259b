from __future__ import annotations

import re

import msgspec
import pytest

from policies.model.access import Issuer, secret_digest
from registry import credentials, issuers, subscriptions
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.store import Unit
from registry.store.records import Credential
from tests.unit.registry.clients import PRIVATE, jwk_of
from tests.unit.registry.world import ADMIN, APPLICATION, DAY, MEMBER, NOW

IDP = Issuer(name="idp", issuer="https://idp.example", audience="wb", jwks_uri="https://idp.example/jwks")


def test_the_whole_key_is_digested_and_shown_once(unit: Unit) -> None:
    issued = credentials.create_api_key(unit, ADMIN, APPLICATION.id, label="ci", now=NOW)
    assert re.fullmatch(rf"wbk_{issued.credential.id}_[0-9a-f]{{72}}", issued.secret)
    assert issued.credential.digest == secret_digest(issued.secret)
    assert credentials.credentials(unit, APPLICATION.id) == [issued.credential]
    assert issued.secret not in repr(issued)


def test_a_client_secret_verifies_for_its_application_only(unit: Unit) -> None:
    subscriptions.put_application(unit, ADMIN, msgspec.structs.replace(APPLICATION, id="other"), now=NOW)
    first = credentials.create_client_secret(unit, ADMIN, APPLICATION.id, expires_at=NOW + DAY, now=NOW)
    second = credentials.create_client_secret(unit, ADMIN, APPLICATION.id, now=NOW)
    key = credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW)
    for issued in (first, second):
        found = credentials.verify_client_secret(unit, APPLICATION.id, issued.secret, now=NOW)
        assert found == issued.credential
    said = set()
    for application, secret, now in (
        ("other", first.secret, NOW),
        ("nobody", first.secret, NOW),
        (APPLICATION.id, first.secret, NOW + DAY),
        (APPLICATION.id, key.secret, NOW),
        (APPLICATION.id, f"wbs_{first.credential.id}_{'0' * 64}", NOW),
        (APPLICATION.id, "wbs_", NOW),
        (APPLICATION.id, first.secret[:-1] + "x", NOW),
        (APPLICATION.id, first.secret[:-8], NOW),
        (APPLICATION.id, "é\0", NOW),
    ):
        with pytest.raises(Unauthenticated) as caught:
            credentials.verify_client_secret(unit, application, secret, now=now)
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_secret_from_before_there_were_checksums_stays_good(unit: Unit) -> None:
    old = f"wbs_0123456789ab_{'5' * 64}"
    held = Credential(
        id="0123456789ab",
        application=APPLICATION.id,
        kind="client-secret",
        digest=secret_digest(old),
        created_at=NOW,
        created_by="ada",
    )
    unit.credentials.add(held)
    assert credentials.verify_client_secret(unit, APPLICATION.id, old, now=NOW) == held


def test_revoking_is_final_and_idempotent(unit: Unit) -> None:
    issued = credentials.create_client_secret(unit, ADMIN, APPLICATION.id, now=NOW)
    revoked = credentials.revoke(unit, ADMIN, APPLICATION.id, issued.credential.id, reason="leaked", now=NOW + 1)
    assert revoked.revoked_at == NOW + 1
    assert credentials.revoke(unit, ADMIN, APPLICATION.id, issued.credential.id, now=NOW + 2) == revoked
    with pytest.raises(Unauthenticated):
        credentials.verify_client_secret(unit, APPLICATION.id, issued.secret, now=NOW + 1)
    with pytest.raises(NotFound):
        credentials.revoke(unit, ADMIN, "other", issued.credential.id, now=NOW)


def test_a_subject_of_a_foreign_issuer_speaks_for_one_application(unit: Unit) -> None:
    issuers.put_issuer(unit, ADMIN, IDP, now=NOW)
    subscriptions.put_application(unit, ADMIN, msgspec.structs.replace(APPLICATION, id="other"), now=NOW)

    def add(application: str = APPLICATION.id, label: str = "") -> object:
        saved = credentials.add_subject(unit, ADMIN, application, issuer="idp", subject="svc-1", label=label, now=NOW)
        return saved.created, saved.changed

    assert add() == (True, True)
    assert add() == (False, False)
    assert add(label="new name") == (False, True)
    with pytest.raises(Conflict, match=APPLICATION.id):
        add("other")
    (only,) = credentials.credentials(unit, APPLICATION.id)
    assert (only.kind, only.issuer, only.subject, only.digest) == ("subject", "idp", "svc-1", None)
    credentials.revoke(unit, ADMIN, APPLICATION.id, only.id, now=NOW)
    assert add("other") == (True, True)


def test_what_is_no_credential(unit: Unit) -> None:
    for error, issuer in ((Invalid, "nobody"), (Invalid, "weighbridge")):
        with pytest.raises(error) as caught:
            credentials.add_subject(unit, ADMIN, APPLICATION.id, issuer=issuer, subject="x", now=NOW)
        assert caught.value.pointer == "/issuer"
    with pytest.raises(Invalid):
        credentials.create_api_key(unit, ADMIN, APPLICATION.id, expires_at=NOW, now=NOW)
    with pytest.raises(NotFound):
        credentials.create_api_key(unit, ADMIN, "nobody", now=NOW)
    with pytest.raises(NotFound):
        credentials.credentials(unit, "nobody")
    for attempt in (
        lambda: credentials.create_api_key(unit, MEMBER, APPLICATION.id, now=NOW),
        lambda: credentials.create_client_secret(unit, MEMBER, APPLICATION.id, now=NOW),
        lambda: credentials.add_subject(unit, MEMBER, APPLICATION.id, issuer="x", subject="x", now=NOW),
        lambda: credentials.revoke(unit, MEMBER, APPLICATION.id, "x", now=NOW),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_live_credentials_are_few(unit: Unit) -> None:
    issued = [credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW) for _ in range(20)]
    with pytest.raises(Conflict, match="20 live"):
        credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW)
    credentials.revoke(unit, ADMIN, APPLICATION.id, issued[0].credential.id, now=NOW)
    credentials.create_api_key(unit, ADMIN, APPLICATION.id, now=NOW)


def test_a_public_key_is_registered_once(unit: Unit) -> None:
    subscriptions.put_application(unit, ADMIN, msgspec.structs.replace(APPLICATION, id="other"), now=NOW)
    jwk = jwk_of(PRIVATE["ES256"])
    first = credentials.add_public_key(unit, ADMIN, APPLICATION.id, public_jwk=jwk, now=NOW)
    assert (first.created, first.record.kind) == (True, "public-key")
    again = credentials.add_public_key(unit, ADMIN, APPLICATION.id, public_jwk=jwk, now=NOW + 1)
    assert (again.created, again.changed, again.record) == (False, False, first.record)
    with pytest.raises(Forbidden):
        credentials.add_public_key(unit, MEMBER, APPLICATION.id, public_jwk=jwk, now=NOW)
    with pytest.raises(Conflict, match="registered before"):
        credentials.add_public_key(unit, ADMIN, "other", public_jwk=jwk, now=NOW)
    with pytest.raises(Conflict, match="kid"):
        twin = jwk_of(PRIVATE["EdDSA"], kid=first.record.public_jwk["kid"])  # type: ignore[index]
        credentials.add_public_key(unit, ADMIN, APPLICATION.id, public_jwk=twin, now=NOW)
    credentials.revoke(unit, ADMIN, APPLICATION.id, first.record.id, now=NOW)
    with pytest.raises(Conflict, match="registered before"):
        credentials.add_public_key(unit, ADMIN, APPLICATION.id, public_jwk=jwk, now=NOW)
    with pytest.raises(NotFound):
        credentials.add_public_key(unit, ADMIN, "nobody", public_jwk=jwk_of(PRIVATE["ES384"]), now=NOW)

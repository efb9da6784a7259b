"""One credential becomes two for a while, and then one again."""

from __future__ import annotations

import msgspec
import pytest

from registry import credentials, rotation
from registry.compiler import compile_snapshot
from registry.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.store import Unit
from registry.store.records import Credential
from tests.unit.registry.world import ADMIN, APPLICATION, DAY, MEMBER, NOW

ID = APPLICATION.id


def test_both_are_good_until_the_overlap_is_over(unit: Unit) -> None:
    old = credentials.create_client_secret(unit, ADMIN, ID, label="nightly", now=NOW)
    made = rotation.rotate(unit, ADMIN, ID, old.credential.id, overlap=60, reason="yearly", now=NOW)
    assert (made.credential.kind, made.credential.label, made.credential.expires_at) == (
        "client-secret",
        "nightly",
        None,
    )
    assert made.replaced == msgspec.structs.replace(old.credential, expires_at=NOW + 60, replaced_by=made.credential.id)
    assert made.secret not in repr(made)
    for secret in (old.secret, made.secret):
        credentials.verify_client_secret(unit, ID, secret, now=NOW + 59)
    credentials.verify_client_secret(unit, ID, made.secret, now=NOW + 60)
    with pytest.raises(Unauthenticated):
        credentials.verify_client_secret(unit, ID, old.secret, now=NOW + 60)


def test_gateways_learn_the_end_of_the_old_key_beforehand(unit: Unit) -> None:
    old = credentials.create_api_key(unit, ADMIN, ID, now=NOW)
    made = rotation.rotate(unit, ADMIN, ID, old.credential.id, now=NOW)
    crossed = {key.id: key.expires_at for key in compile_snapshot(unit, revision=1, now=NOW).api_keys}
    assert crossed == {old.credential.id: NOW + 7 * DAY, made.credential.id: None}


def test_a_new_one_lives_as_long_as_the_old_one_was_meant_to(unit: Unit) -> None:
    old = credentials.create_api_key(unit, ADMIN, ID, expires_at=NOW + 90 * DAY, now=NOW)
    later = NOW + 85 * DAY
    made = rotation.rotate(unit, ADMIN, ID, old.credential.id, now=later)
    assert made.credential.expires_at == later + 90 * DAY
    assert made.replaced.expires_at == NOW + 90 * DAY, "an overlap lengthens no life"
    again = rotation.rotate(unit, ADMIN, ID, made.credential.id, expires_at=later + DAY, label="b", now=later)
    assert (again.credential.expires_at, again.credential.label) == (later + DAY, "b")


def test_what_was_rotated_is_not_rotated_again_while_its_successor_lives(unit: Unit) -> None:
    old = credentials.create_api_key(unit, ADMIN, ID, now=NOW).credential.id
    new = rotation.rotate(unit, ADMIN, ID, old, now=NOW).credential.id
    with pytest.raises(Conflict, match=f"was replaced by {new} already"):
        rotation.rotate(unit, ADMIN, ID, old, now=NOW)
    credentials.revoke(unit, ADMIN, ID, new, now=NOW)
    assert rotation.rotate(unit, ADMIN, ID, old, now=NOW).credential.id != new


def test_without_overlap_the_last_place_is_enough(unit: Unit) -> None:
    ids = [credentials.create_api_key(unit, ADMIN, ID, now=NOW).credential.id for _ in range(20)]
    made = rotation.rotate(unit, ADMIN, ID, ids[0], overlap=0, now=NOW)
    assert made.replaced.state(NOW) == "expired"


@pytest.mark.parametrize(
    ("revoked_at", "expires_at", "state"),
    [
        (None, None, "live"),
        (None, NOW + 14 * DAY + 1, "live"),
        (None, NOW + 14 * DAY, "expiring"),
        (None, NOW, "expired"),
        (NOW, None, "revoked"),
        (NOW, NOW, "revoked"),
    ],
)
def test_where_a_credential_stands(revoked_at: int | None, expires_at: int | None, state: str) -> None:
    held = Credential(
        id="c",
        application="a",
        kind="api-key",
        created_at=1,
        created_by="x",
        revoked_at=revoked_at,
        expires_at=expires_at,
    )
    assert held.state(NOW) == state
    assert held.is_live(NOW) is (state in ("live", "expiring"))


def test_what_cannot_be_rotated(unit: Unit) -> None:
    key = credentials.create_api_key(unit, ADMIN, ID, expires_at=NOW + DAY, now=NOW).credential.id
    with pytest.raises(Forbidden):
        rotation.rotate(unit, MEMBER, ID, key, now=NOW)
    with pytest.raises(NotFound):
        rotation.rotate(unit, ADMIN, "other", key, now=NOW)
    for overlap in (-1, 90 * DAY + 1):
        with pytest.raises(Invalid):
            rotation.rotate(unit, ADMIN, ID, key, overlap=overlap, now=NOW)
    with pytest.raises(Conflict, match="is expired"):
        rotation.rotate(unit, ADMIN, ID, key, now=NOW + DAY)
    credentials.revoke(unit, ADMIN, ID, key, now=NOW)
    with pytest.raises(Conflict, match="is revoked"):
        rotation.rotate(unit, ADMIN, ID, key, now=NOW)

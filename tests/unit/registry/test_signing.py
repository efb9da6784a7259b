from __future__ import annotations

from typing import Any

import jwt
import msgspec
import pytest

from registry import compiler, signing
from registry.errors import Conflict, Forbidden, NotFound
from registry.sealing import Keyring, WrongSecretsKey
from registry.signing import Schedule
from registry.store import Unit
from registry.store.records import SigningKey
from tests.unit.registry.world import ADMIN, DAY, MEMBER, NOW

RING = Keyring([b"k" * 32], "the test")
LEAD = 3600
PLAN = Schedule("ES256", 90, LEAD)


def tend(unit: Unit, now: int, plan: Schedule = PLAN) -> bool:
    assert signing.is_due(unit, plan, now=now) == signing.tend(unit, RING, plan, now=now)
    return signing.is_due(unit, plan, now=now)


def kids(unit: Unit, now: int) -> list[str]:
    return [jwk["kid"] for jwk in signing.jwks(unit, now=now)["keys"]]


def rotate(unit: Unit, now: int, **given: Any) -> SigningKey:
    return signing.rotate(unit, ADMIN, RING, **{"lead": LEAD, **given}, now=now)


@pytest.mark.parametrize("algorithm", signing.ALGORITHMS)
def test_a_token_signed_with_the_current_key_verifies_against_the_jwks(
    unit: Unit, algorithm: signing.Algorithm
) -> None:
    rotate(unit, NOW, algorithm=algorithm, lead=0)
    key = signing.current(unit, now=NOW)
    token = jwt.encode({"sub": "x"}, signing.private_key(RING, key), algorithm=algorithm, headers={"kid": key.kid})
    public = {jwk.key_id: jwk for jwk in jwt.PyJWKSet.from_dict(signing.jwks(unit, now=NOW)).keys}
    assert jwt.decode(token, public[key.kid], algorithms=[algorithm]) == {"sub": "x"}
    assert key.public_jwk["alg"] == algorithm
    assert "PRIVATE" not in repr(signing.jwks(unit, now=NOW))
    assert "PRIVATE" not in repr(key)
    assert "PRIVATE" not in key.private_pem


def test_there_is_no_key_before_the_first(unit: Unit) -> None:
    with pytest.raises(NotFound):
        signing.current(unit, now=NOW)
    assert tend(unit, NOW) is False
    assert signing.current(unit, now=NOW).begins_at == NOW  # nobody has a token yet, so nothing is waited for


def test_a_new_key_is_published_before_it_signs_and_the_old_one_after(unit: Unit) -> None:
    tend(unit, NOW)
    old = signing.current(unit, now=NOW)
    new = rotate(unit, NOW + 10)
    switch = NOW + 10 + LEAD
    for now, signer in ((NOW + 10, old), (switch - 1, old), (switch, new), (switch + DAY * 10, new)):
        assert signing.current(unit, now=now).kid == signer.kid
    over = switch + compiler.KEY_KEPT_SECONDS
    assert kids(unit, NOW + 10) == [new.kid, old.kid]
    assert kids(unit, over - 1) == [new.kid, old.kid]
    assert kids(unit, over) == [new.kid]
    tend(unit, over - 1)
    assert len(signing.keys(unit)) == 2
    tend(unit, over)
    assert [key.kid for key in signing.keys(unit)] == [new.kid]


def test_keys_rotate_by_schedule_without_a_gap_and_without_a_surprise(unit: Unit) -> None:
    """A gateway follows the registry an hour late; it must never meet a key that it does not know."""
    seen: dict[int, list[str]] = {}
    signers = []
    for hour in range(24 * 300):
        now = NOW + hour * 3600
        tend(unit, now)
        seen[now] = kids(unit, now)
        signer = signing.current(unit, now=now)
        signers.append(signer.kid)
        if hour:
            assert signer.kid in seen[now - 3600]
        assert len(seen[now]) <= 2
    assert len(set(signers)) == 4  # 300 days
    changes = [hour for hour in range(1, len(signers)) if signers[hour] != signers[hour - 1]]
    assert changes == [24 * 90, 24 * 180, 24 * 270]


def test_a_registry_that_slept_through_the_day_still_publishes_first(unit: Unit) -> None:
    tend(unit, NOW)
    old = signing.current(unit, now=NOW)
    late = NOW + 400 * DAY
    tend(unit, late)
    assert signing.current(unit, now=late + LEAD - 1).kid == old.kid
    assert signing.current(unit, now=late + LEAD).kid != old.kid


def test_another_algorithm_comes_by_rotation(unit: Unit) -> None:
    tend(unit, NOW)
    eddsa = Schedule("EdDSA", 0, LEAD)
    tend(unit, NOW + 1, eddsa)
    assert signing.current(unit, now=NOW + LEAD).public_jwk["alg"] == "ES256"
    assert signing.current(unit, now=NOW + 1 + LEAD).public_jwk["alg"] == "EdDSA"
    assert tend(unit, NOW + 1 + LEAD, eddsa) is False
    assert len(signing.keys(unit)) == 2


def test_without_a_schedule_keys_stay(unit: Unit) -> None:
    never = Schedule("ES256", 0, LEAD)
    tend(unit, NOW, never)
    assert tend(unit, NOW + 5000 * DAY, never) is False
    assert len(signing.keys(unit)) == 1


def test_rotating_at_once_overtakes_a_key_that_waits(unit: Unit) -> None:
    tend(unit, NOW)
    waiting = rotate(unit, NOW + 1)
    new = rotate(unit, NOW + 2, lead=0)
    for now in (NOW + 2, NOW + 2 + LEAD, NOW + 80 * DAY):
        assert signing.current(unit, now=now).kid == new.kid
    assert waiting.kid not in kids(unit, NOW + 2)  # it never signed anything
    tend(unit, NOW + 2 + compiler.KEY_KEPT_SECONDS)
    assert [key.kid for key in signing.keys(unit)] == [new.kid]


def test_a_key_that_got_out_is_withdrawn(unit: Unit) -> None:
    tend(unit, NOW)
    old = signing.current(unit, now=NOW)
    with pytest.raises(Conflict, match="rotate at once first"):
        signing.withdraw(unit, ADMIN, old.kid, now=NOW)
    new = rotate(unit, NOW, lead=0)
    signing.withdraw(unit, ADMIN, old.kid, reason="found in a paste", now=NOW)
    assert kids(unit, NOW) == [new.kid]
    with pytest.raises(NotFound):
        signing.withdraw(unit, ADMIN, old.kid, now=NOW)


def test_the_key_before_one_that_is_withdrawn_goes_on(unit: Unit) -> None:
    tend(unit, NOW)
    old = signing.current(unit, now=NOW)
    second, third = rotate(unit, NOW + 1), rotate(unit, NOW + 100)
    signing.withdraw(unit, ADMIN, second.kid, now=NOW + 101)
    assert signing.current(unit, now=NOW + 100 + LEAD - 1).kid == old.kid
    assert signing.current(unit, now=NOW + 100 + LEAD).kid == third.kid
    signing.withdraw(unit, ADMIN, third.kid, now=NOW + 102)
    assert signing.current(unit, now=NOW + 50 * DAY).kid == old.kid


def test_only_admins_rotate_and_withdraw(unit: Unit) -> None:
    tend(unit, NOW)
    with pytest.raises(Forbidden):
        signing.rotate(unit, MEMBER, RING, lead=0, now=NOW)
    with pytest.raises(Forbidden):
        signing.withdraw(unit, MEMBER, signing.current(unit, now=NOW).kid, now=NOW)


def test_keys_are_sealed_anew_under_the_current_secrets_key(unit: Unit) -> None:
    tend(unit, NOW)
    key = signing.current(unit, now=NOW)
    newer = Keyring([b"n" * 32, b"k" * 32], "the test")
    assert signing.seal(unit, RING, now=NOW) == (0, False)
    assert signing.seal(unit, newer, now=NOW) == (1, False)
    assert signing.seal(unit, Keyring([b"n" * 32], "the test"), now=NOW) == (0, False)
    assert signing.current(unit, now=NOW).public_jwk == key.public_jwk
    with pytest.raises(WrongSecretsKey, match=f"the signing key {key.kid} is sealed by"):
        signing.seal(unit, RING, now=NOW)


def test_keys_from_before_they_were_sealed_are_sealed(unit: Unit) -> None:
    tend(unit, NOW)
    key = signing.current(unit, now=NOW)
    bare = RING.open(key.private_pem, f"the signing key {key.kid}")
    assert bare.startswith("-----BEGIN PRIVATE KEY-----")
    unit.signing_keys.put(msgspec.structs.replace(key, private_pem=bare, signs_from=None))
    assert signing.current(unit, now=NOW).begins_at == key.created_at
    assert signing.seal(unit, RING, now=NOW) == (1, True)
    again = signing.current(unit, now=NOW)
    assert RING.open(again.private_pem, f"the signing key {key.kid}") == bare


def test_no_key_is_called_like_an_option(unit: Unit) -> None:
    made = [rotate(unit, NOW + number, algorithm="EdDSA", lead=0).kid for number in range(3)]
    while not any(kid.startswith("_") for kid in made):  # as rare as a dash in front
        made.append(signing._new_key(RING, "EdDSA", NOW, NOW).kid)
    assert not any(kid.startswith("-") for kid in made)

"""RFC 7523 section 3 point by point, and what it leaves open."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from registry import assertions, credentials
from registry.errors import Conflict, Unauthenticated
from registry.public_keys import SIGNING
from registry.store import Unit, open_store
from registry.store.records import Credential, UsedAssertion
from tests.unit.registry.clients import ENDPOINT, ISSUER, PRIVATE, assertion, claims, jwk_of
from tests.unit.registry.world import ADMIN, APPLICATION, NOW

CLIENT = APPLICATION.id


def judge(
    unit: Unit, signed: str, client: str | None = None, *, now: int = NOW, issuer_only: bool = False, **more: int
) -> Any:
    return assertions.judge(
        unit, signed, client, issuer=ISSUER, endpoint=ENDPOINT, issuer_only=issuer_only, now=now, **more
    )


def register(unit: Unit, algorithm: str = "ES256", **members: Any) -> Credential:
    jwk = jwk_of(PRIVATE[algorithm], alg=algorithm, **members)
    return credentials.add_public_key(unit, ADMIN, CLIENT, public_jwk=jwk, now=NOW).record


@pytest.mark.parametrize("algorithm", list(PRIVATE))
def test_a_good_assertion_names_the_key_that_signed(unit: Unit, algorithm: str) -> None:
    key = register(unit, algorithm)
    credential, used = judge(unit, assertion(claims(CLIENT, NOW), algorithm), CLIENT)
    assert credential == key
    assert used.expires_at == NOW + 60 + assertions.LEEWAY


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [ISSUER]},
        {"aud": ENDPOINT},
        {"exp": NOW + 300},
        {"exp": NOW - 9, "iat": NOW - 60},
        {"iat": NOW + 9},
        {"nbf": NOW - 1000, "iat": None},
        {"exp": NOW + 1.5},
    ],
)
def test_what_is_accepted(unit: Unit, changes: dict[str, Any]) -> None:
    register(unit)
    judge(unit, assertion(claims(CLIENT, NOW, **changes)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aud": None}, "aud"),
        ({"aud": [ISSUER, ENDPOINT]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": [[ISSUER]]}, "aud"),
        ({"aud": ISSUER + "/"}, "aud"),
        ({"aud": ISSUER.upper()}, "aud"),
        ({"aud": "https://registry.example.evil.example"}, "aud"),
        ({"iss": "other"}, "iss and sub"),
        ({"iss": None}, "iss and sub"),
        ({"sub": None}, "iss and sub"),
        ({"sub": "other"}, "iss and sub"),
        ({"exp": None}, "exp"),
        ({"exp": NOW - 10}, "expired"),
        ({"exp": NOW + 3611}, "too long"),
        ({"exp": NOW + 86_400}, "too long"),
        ({"exp": str(NOW + 60)}, "number"),
        ({"exp": True}, "number"),
        ({"exp": 10**400}, "number"),
        ({"iat": NOW + 11}, "not valid yet"),
        ({"nbf": NOW + 11}, "not valid yet"),
        ({"nbf": "0"}, "number"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": 7}, "jti"),
        ({"jti": "j" * 256}, "jti"),
    ],
)
def test_claims_that_are_refused(unit: Unit, changes: dict[str, Any], said: str) -> None:
    register(unit)
    # PyJWT will not encode some of these, and the claims are judged before the signature
    with pytest.raises(Unauthenticated, match=said):
        judge(unit, _raw({"alg": "ES256"}, claims(CLIENT, NOW, **changes)))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"alg": "none"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"alg": ["ES256"]}, "alg"),
        ({}, "alg"),
        ({"alg": "ES256", "typ": "at+jwt"}, "typ"),
        ({"alg": "ES256", "typ": 1}, "typ"),
        *(({"alg": "ES256", name: "x"}, name) for name in ("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip")),
    ],
)
def test_headers_that_are_refused(unit: Unit, header: dict[str, Any], said: str) -> None:
    register(unit)
    with pytest.raises(Unauthenticated, match=said):
        judge(unit, _raw(header, claims(CLIENT, NOW)))


@pytest.mark.parametrize("garbage", ["", "a.b", "a.b.c", "é.é.é", "x" * 8193, "eyJ9.e30.", "\ud800"])
def test_garbage_is_no_assertion(unit: Unit, garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        judge(unit, garbage)


def test_the_token_endpoint_is_no_audience_where_it_could_be_injected(unit: Unit) -> None:
    register(unit)
    for typ, issuer_only in (("client-authentication+jwt", False), ("JWT", True)):
        with pytest.raises(Unauthenticated, match="aud"):
            judge(unit, assertion(claims(CLIENT, NOW, aud=ENDPOINT), typ=typ), issuer_only=issuer_only)
        judge(unit, assertion(claims(CLIENT, NOW), typ=typ), issuer_only=issuer_only)


def test_a_key_signs_for_its_application_with_its_algorithm_while_it_is_live(unit: Unit) -> None:
    key = register(unit, "ES256", kid="a")
    stranger = ec.generate_private_key(ec.SECP256R1())
    said = set()
    for signed in (
        assertion(claims("nobody", NOW)),
        assertion(claims("other", NOW)),
        assertion(claims(CLIENT, NOW), key=stranger),
        assertion(claims(CLIENT, NOW), kid="b"),
        assertion(claims(CLIENT, NOW), "EdDSA", kid="a"),
        assertion(claims(CLIENT, NOW))[:-4] + "AAAA",
    ):
        with pytest.raises(Unauthenticated) as caught:
            judge(unit, signed)
        said.add(str(caught.value))
    assert len(said) == 1  # nobody learns which clients there are
    judge(unit, assertion(claims(CLIENT, NOW), kid="a"))
    credentials.revoke(unit, ADMIN, CLIENT, key.id, now=NOW)
    with pytest.raises(Unauthenticated):
        judge(unit, assertion(claims(CLIENT, NOW), kid="a"))


def test_an_unknown_client_costs_a_signature_check_too(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    register(unit)
    checked = []
    verify = jwt.algorithms.ECAlgorithm.verify

    def counting(self: Any, *given: Any) -> bool:
        checked.append(1)
        return verify(self, *given)

    monkeypatch.setattr(jwt.algorithms.ECAlgorithm, "verify", counting)
    for client in (CLIENT, "nobody"):
        with pytest.raises(Unauthenticated):
            judge(unit, assertion(claims(client, NOW), key=ec.generate_private_key(ec.SECP256R1())))
    assert len(checked) == 2


@pytest.mark.parametrize("algorithm", SIGNING)
def test_nobody_has_a_key_of_every_algorithm(unit: Unit, algorithm: str) -> None:
    with pytest.raises(Unauthenticated, match="not known"):
        judge(unit, _raw({"alg": algorithm}, claims("nobody", NOW)))


def test_several_keys_are_told_apart_by_kid(unit: Unit) -> None:
    first, second = register(unit, kid="1"), None
    other = ec.generate_private_key(ec.SECP256R1())
    second = credentials.add_public_key(unit, ADMIN, CLIENT, public_jwk=jwk_of(other, kid="2"), now=NOW).record
    assert judge(unit, assertion(claims(CLIENT, NOW), kid="1"))[0] == first
    assert judge(unit, assertion(claims(CLIENT, NOW), key=other, kid="2"))[0] == second
    for signed in (assertion(claims(CLIENT, NOW)), assertion(claims(CLIENT, NOW), kid="2")):
        with pytest.raises(Unauthenticated):
            judge(unit, signed)


def test_an_assertion_is_spent_until_it_expires(unit: Unit) -> None:
    used = UsedAssertion(id="a" * 64, expires_at=NOW + 70)
    assertions.spend(unit, used, now=NOW)
    assertions.spend(unit, UsedAssertion(id="b" * 64, expires_at=NOW + 200), now=NOW + 69)
    assert unit.used_assertions.count() == 2
    assertions.spend(unit, UsedAssertion(id="c" * 64, expires_at=NOW + 200), now=NOW + 70)
    assert [entry.id[0] for entry in unit.used_assertions.all()] == ["b", "c"]


def test_of_many_that_come_at_once_one_is_spent(database_url: str) -> None:
    stores = [open_store(database_url) for _ in range(2)]  # two processes would be no different: the database decides
    ready = threading.Barrier(8)
    spent, refused = [], []

    def spend(number: int) -> None:
        ready.wait()
        try:
            with stores[number % 2].write() as unit:
                assertions.spend(unit, UsedAssertion(id="a" * 64, expires_at=NOW + 70), now=NOW)
            spent.append(number)
        except Conflict:
            refused.append(number)

    threads = [threading.Thread(target=spend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert (len(spent), len(refused)) == (1, 7)


def _raw(header: dict[str, Any], told: dict[str, Any]) -> str:
    parts = (json.dumps(header).encode(), json.dumps(told).encode(), b"no signature at all")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_how_long_one_may_live_is_a_setting(unit: Unit) -> None:
    register(unit)
    an_hour = assertion(claims(CLIENT, NOW, exp=NOW + 3600))  # as Authlib signs, when nobody tells it less
    assert judge(unit, an_hour)[1].expires_at == NOW + 3600 + assertions.LEEWAY
    with pytest.raises(Unauthenticated, match="at most 300 seconds"):
        judge(unit, an_hour, longest_life=300)

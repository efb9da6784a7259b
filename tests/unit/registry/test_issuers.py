from __future__ import annotations

from typing import Any

import msgspec
import pytest

from policies.model.access import Issuer
from policies.outgoing import Networks
from registry import credentials, issuers, plans
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.store import Store, Unit, open_store
from tests.unit.policies.traffic.tokens import jwk
from tests.unit.registry.world import ADMIN, APPLICATION, DAY, MEMBER, NOW

IDP = Issuer(name="idp", issuer="https://idp.example", audience="wb", jwks_uri="https://idp.example/jwks")
PUBLIC = jwk(kid="1")


def _with(**changes: Any) -> Issuer:
    return msgspec.structs.replace(IDP, **changes)


def test_issuers_are_created_changed_and_deleted(unit: Unit) -> None:
    assert issuers.put_issuer(unit, ADMIN, IDP, dry_run=True, now=NOW).created is True
    with pytest.raises(NotFound):
        issuers.issuer(unit, "idp")
    assert issuers.put_issuer(unit, ADMIN, IDP, now=NOW).created is True
    assert issuers.put_issuer(unit, ADMIN, IDP, now=NOW).changed is False
    loopback = _with(jwks_uri="http://127.0.0.1:9000/jwks")
    assert issuers.put_issuer(unit, ADMIN, loopback, now=NOW).changed is True
    embedded_keys = _with(jwks_uri=None, jwks={"keys": [PUBLIC]})
    assert issuers.put_issuer(unit, ADMIN, embedded_keys, now=NOW).changed is True
    assert [issuer.name for issuer in issuers.issuers(unit)] == ["idp", "weighbridge"]
    issuers.delete_issuer(unit, ADMIN, "idp", now=NOW)
    assert [issuer.name for issuer in issuers.issuers(unit)] == ["weighbridge"]


@pytest.mark.parametrize(
    ("pointer", "issuer"),
    [
        ("/name", _with(name="My IdP")),
        ("/issuer", _with(issuer="")),
        ("/audience", _with(audience="a b")),
        ("/algorithms", _with(algorithms=())),
        ("/algorithms/1", _with(algorithms=("ES256", "none"))),
        ("/algorithms/0", _with(algorithms=("HS256",))),
        ("/jwks_uri", _with(jwks_uri=None)),
        ("/jwks_uri", _with(jwks={"keys": [PUBLIC]})),
        ("/jwks_uri", _with(jwks_uri="http://idp.example/jwks")),
        ("/jwks_uri", _with(jwks_uri="http://127.0.0.1.example/jwks")),
        ("/jwks_uri", _with(jwks_uri="file:///etc/passwd")),
        ("/jwks_uri", _with(jwks_uri="https://user@idp.example/jwks")),
        ("/jwks_uri", _with(jwks_uri="https:///jwks")),
        ("/jwks_uri", _with(jwks_uri="https://idp.example:port/jwks")),
        ("/jwks_uri", _with(jwks_uri="https://169.254.169.254/jwks")),
        ("/jwks_uri", _with(jwks_uri="https://[fd00:ec2::254]/jwks")),
        ("/jwks_uri", _with(jwks_uri="https://10.0.0.1/jwks")),
        ("/jwks_uri", _with(jwks_uri="https://0x7f.1/jwks")),
        ("/jwks_uri", _with(jwks_uri="https://idp.example/jwks#x")),
        ("/jwks_uri", _with(jwks_uri="javascript:alert(1)")),
        ("/embedded", _with(embedded=True)),
        ("/audiences/1", _with(audiences=("a", "b c"))),
        ("/audiences", _with(audiences=tuple(map(str, range(21))))),
        ("/token_types/0", _with(token_types=("at jwt",))),
        ("/subject_claim", _with(subject_claim="/realm_access//roles")),
        ("/subject_claim", _with(subject_claim="/a~2b")),
        ("/scope_claims/0", _with(scope_claims=("/",))),
        ("/scope_map/Stock.Read/0", _with(scope_map={"Stock.Read": ("stock read",)})),
        ("/site_claim", _with(site_claim="a b")),
        ("/site_map", _with(site_map={"0142": ("DAL-2",)})),
        ("/required_claims/tid", _with(required_claims={"tid": ()})),
        ("/required_claims/~1ext~1kind", _with(required_claims={"/ext/kind": ("",)})),
        ("/max_lifetime", _with(max_lifetime=59)),
        ("/leeway", _with(leeway=-1)),
        ("/leeway", _with(leeway=301)),
        ("/jwks/keys/0", _with(jwks_uri=None, jwks={"keys": [{"kty": "RSA", "kid": "1"}]})),
        ("/jwks/keys/0", _with(jwks_uri=None, jwks={"keys": [jwk("RSA", e="AQ")]})),
        ("/jwks/keys/0", _with(jwks_uri=None, jwks={"keys": [jwk("RSA1024")]})),
        ("/jwks/keys/1", _with(jwks_uri=None, jwks={"keys": [PUBLIC, jwk(kid="2", y="AAAA")]})),
        ("/jwks/keys", _with(jwks_uri=None, jwks={"keys": [jwk(kid=None), jwk(kid=None)]})),
        ("/algorithms", _with(jwks_uri=None, jwks={"keys": [PUBLIC]}, algorithms=("RS256",))),
        ("/algorithms", _with(jwks_uri=None, jwks={"keys": [jwk(use="enc")]})),
        ("/jwks/keys", _with(jwks_uri=None, jwks={"keys": []})),
        ("/jwks/keys", _with(jwks_uri=None, jwks={"keys": [PUBLIC, PUBLIC]})),
        ("/jwks/keys/0/kty", _with(jwks_uri=None, jwks={"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})),
        ("/jwks/keys/0/d", _with(jwks_uri=None, jwks={"keys": [{**PUBLIC, "d": "c2VjcmV0"}]})),
    ],
)
def test_malformed_issuers(unit: Unit, pointer: str, issuer: Issuer) -> None:
    with pytest.raises(Invalid) as caught:
        issuers.put_issuer(unit, ADMIN, issuer, now=NOW)
    assert caught.value.pointer == pointer


def test_what_foreign_issuers_need(unit: Unit) -> None:
    """Every rule at once, and keys for encryption beside those that sign."""
    foreign = _with(
        jwks_uri=None,
        jwks={"keys": [PUBLIC, jwk("RSA", "enc", use="enc", alg="RSA-OAEP")]},
        algorithms=("ES256", "Ed25519", "PS256"),
        audiences=("api://stock",),
        subject_claim="https://acme.example/app",
        scope_claims=("/realm_access/roles", "permissions"),
        scope_map={"Stock.Read": ("inventory:read",)},
        site_claim="/ext/sites",
        site_map={"0142": ("DAL-2",)},
        required_claims={"tid": ("7f1c",)},
        max_lifetime=86_400,
        leeway=60,
    )
    issuers.put_issuer(unit, ADMIN, foreign, now=NOW)
    kept = issuers.issuer(unit, "idp").as_issuer()
    assert kept == foreign
    assert kept.embedded is False


def test_an_internal_issuer_needs_a_setting(unit: Unit) -> None:
    internal = _with(jwks_uri="https://10.1.2.3/jwks")
    with pytest.raises(Invalid, match="WEIGHBRIDGE_REGISTRY_OUTGOING_NETWORKS"):
        issuers.put_issuer(unit, ADMIN, internal, now=NOW)
    networks = Networks.parse("public,10.1.0.0/16")
    assert issuers.put_issuer(unit, ADMIN, internal, networks=networks, now=NOW).created


def test_the_embedded_issuer_is_not_changed_here(unit: Unit) -> None:
    with pytest.raises(Conflict):
        issuers.put_issuer(unit, ADMIN, _with(name="weighbridge"), now=NOW)
    with pytest.raises(Conflict, match="registered as weighbridge"):
        issuers.put_issuer(unit, ADMIN, _with(issuer="http://127.0.0.1:8080"), now=NOW)
    with pytest.raises(Conflict):
        issuers.delete_issuer(unit, ADMIN, "weighbridge", now=NOW)


def test_an_issuer_in_use_is_kept(unit: Unit) -> None:
    issuers.put_issuer(unit, ADMIN, IDP, now=NOW)
    saved = credentials.add_subject(unit, ADMIN, APPLICATION.id, issuer="idp", subject="svc", now=NOW)
    with pytest.raises(Conflict, match=APPLICATION.id):
        issuers.delete_issuer(unit, ADMIN, "idp", now=NOW)
    credentials.revoke(unit, ADMIN, APPLICATION.id, saved.record.id, now=NOW)
    issuers.delete_issuer(unit, ADMIN, "idp", now=NOW)


def test_only_admins_change_issuers(unit: Unit) -> None:
    for attempt in (
        lambda: issuers.put_issuer(unit, MEMBER, IDP, now=NOW),
        lambda: issuers.delete_issuer(unit, MEMBER, "idp", now=NOW),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_bootstrap_makes_what_is_missing_once(tmp_path: Any) -> None:
    store: Store = open_store(f"sqlite:///{tmp_path / 'new.db'}")
    with store.write() as unit:
        assert issuers.bootstrap(unit, issuer="http://a", audience="wb", now=NOW) is True
    with store.write() as unit:
        plan = plans.plan(unit, "anonymous")
        assert issuers.bootstrap(unit, issuer="http://a", audience="wb", now=NOW + DAY) is False
    row = store.snapshot()
    assert row is not None
    assert row.revision == 1
    with store.write() as unit:
        assert issuers.bootstrap(unit, issuer="http://b", audience="wb", now=NOW + DAY) is True
        assert issuers.issuer(unit, "weighbridge").issuer == "http://b"
        assert plans.plan(unit, "anonymous") == plan
    store.close()

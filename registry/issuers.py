"""Who may sign tokens: foreign issuers, and the registry's own signing keys.

    put_issuer(unit, actor, issuer, *, dry_run, now) -> Saved[StoredIssuer]
    delete_issuer(unit, actor, name, *, now)
    issuers(unit) -> list[StoredIssuer]              issuer(unit, name) -> StoredIssuer
    signing_keys(unit) -> list[SigningKey]           newest first
    current_signing_key(unit) -> SigningKey
    create_signing_key(unit, actor, *, now) -> SigningKey      ES256; retires the one before
    jwks(unit, *, now) -> dict                       the public halves that still verify tokens
    bootstrap(unit, *, issuer, audience, now) -> bool          first start; idempotent

`bootstrap` makes what a registry cannot run without: a signing key, the embedded issuer, the plan ``anonymous``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm
from jwt.utils import base64url_encode

from policies.model.access import Issuer, Limit, Plan
from registry import compiler
from registry.audit import SYSTEM, Actor, Saved, record
from registry.errors import Conflict, Invalid, NotFound
from registry.names import require_slug, require_token
from registry.permissions import require
from registry.plans import ANONYMOUS
from registry.store import Unit
from registry.store.records import SigningKey, StoredIssuer

EMBEDDED = "weighbridge"
"""Name of the embedded issuer: the registry itself."""
ALGORITHMS = ("ES256", "EdDSA", "RS256")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SECRET_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")  # RFC 7518 section 6: private and symmetric material
_ANONYMOUS_PLAN = Plan(
    name=ANONYMOUS,
    title="Calls without credentials, by peer address",
    limits=(Limit(name="per-minute", requests=60, window=60),),
)


def put_issuer(unit: Unit, actor: Actor, issuer: Issuer, *, dry_run: bool = False, now: int) -> Saved[StoredIssuer]:
    """Create or replace a foreign issuer. Admins only.

    Raises `Invalid`: neither or both of `jwks` and `jwks_uri`; a `jwks_uri` that is neither https nor loopback http;
    unknown algorithms; private or symmetric key material in `jwks`. `Conflict`: the issuer belongs to another name.
    """
    require(actor, "put_issuer", "change issuers")
    _require_sound(issuer)
    after = StoredIssuer(**{name: getattr(issuer, name) for name in Issuer.__struct_fields__})
    before = unit.issuers.get(issuer.name)
    if before is not None and before.embedded:
        raise Conflict(f"{issuer.name} is the registry itself; its keys and addresses are not set here")
    for other in unit.issuers.all(issuer=issuer.issuer):
        if other.name != issuer.name:
            raise Conflict(f"the issuer {issuer.issuer} is registered as {other.name} already")
    if before == after:
        return Saved(after, created=False, changed=False)
    if not dry_run:
        unit.issuers.put(after)
        record(unit, actor, "issuer.put", f"issuers/{issuer.name}", before=before, after=after, now=now)
    return Saved(after, created=before is None, changed=True)


def delete_issuer(unit: Unit, actor: Actor, name: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while a credential that is not revoked names it, and for the embedded issuer."""
    require(actor, "delete_issuer", "delete issuers")
    before = issuer(unit, name)
    if before.embedded:
        raise Conflict(f"{name} is the registry itself and stays")
    named = unit.credentials.all(issuer=name)
    if live := [credential for credential in named if credential.revoked_at is None]:
        raise Conflict(f"{len(live)} credentials name the issuer {name}, the first of {live[0].application}")
    if not dry_run:
        for credential in named:  # revoked ones only: the audit log remembers them
            unit.credentials.delete(credential.id)
        unit.issuers.delete(name)
        record(unit, actor, "issuer.delete", f"issuers/{name}", before=before, now=now)


def issuers(unit: Unit) -> list[StoredIssuer]:
    """By name, the embedded one included; its `jwks` are `jwks`, not here."""
    return unit.issuers.all()


def issuer(unit: Unit, name: str) -> StoredIssuer:
    found = unit.issuers.get(name)
    if found is None:
        raise NotFound(f"there is no issuer {name!r}")
    return found


def signing_keys(unit: Unit) -> list[SigningKey]:
    """Newest first, retired ones included."""
    return sorted(unit.signing_keys.all(), key=lambda key: (key.retired_at is not None, -key.created_at, key.kid))


def current_signing_key(unit: Unit) -> SigningKey:
    """The newest key that is not retired. Raises `NotFound` before `bootstrap`."""
    for key in signing_keys(unit):
        if key.retired_at is None:
            return key
    raise NotFound("the registry has no signing key yet")


def create_signing_key(unit: Unit, actor: Actor, *, now: int) -> SigningKey:
    """A new ES256 key becomes current; the one before is retired but stays in the JWKS, so its tokens live out."""
    require(actor, "rotate_signing_key", "make signing keys")
    key = _new_key(now)
    for old in signing_keys(unit):
        if old.retired_at is None:
            unit.signing_keys.put(msgspec.structs.replace(old, retired_at=now))
    unit.signing_keys.add(key)
    record(unit, actor, "signing-key.create", f"signing-keys/{key.kid}", after=key, now=now)
    return key


def jwks(unit: Unit, *, now: int) -> dict[str, Any]:
    """``{"keys": [...]}``, RFC 7517 section 5: public halves, newest first."""
    return {"keys": compiler.public_keys(unit, now=now)}


def bootstrap(unit: Unit, *, issuer: str, audience: str, now: int) -> bool:
    """Make what is missing; returns whether anything was. A changed `issuer` or `audience` updates the embedded one."""
    system = Actor(SYSTEM, "admin")
    changed = False
    if not any(key.retired_at is None for key in unit.signing_keys.all()):
        create_signing_key(unit, system, now=now)
        changed = True
    before = unit.issuers.get(EMBEDDED)
    after = StoredIssuer(
        name=EMBEDDED,
        issuer=issuer,
        audience=audience,
        algorithms=("ES256",),
        token_types=("at+jwt",),
        embedded=True,
    )
    if before != after:
        unit.issuers.put(after)
        record(unit, system, "issuer.put", f"issuers/{EMBEDDED}", before=before, after=after, now=now)
        changed = True
    if unit.plans.get(ANONYMOUS) is None:
        unit.plans.put(_ANONYMOUS_PLAN)
        record(unit, system, "plan.put", f"plans/{ANONYMOUS}", after=_ANONYMOUS_PLAN, now=now)
        changed = True
    return changed


def _new_key(now: int) -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    # RFC 7638 section 3: the thumbprint is over the required members only, in lexical order, without blanks
    members = msgspec.json.encode({name: public[name] for name in ("crv", "kty", "x", "y")}, order="sorted")
    kid = base64url_encode(sha256(members).digest()).decode()
    return SigningKey(
        kid=kid,
        private_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        public_jwk={
            **{name: public[name] for name in ("kty", "crv", "x", "y")},
            "kid": kid,
            "alg": "ES256",
            "use": "sig",
        },
        created_at=now,
    )


def _require_sound(issuer: Issuer) -> None:
    require_slug(issuer.name, "/name", "the name of an issuer")
    require_token(issuer.issuer, "/issuer", "the issuer", longest=500)
    require_token(issuer.audience, "/audience", "the audience", longest=500)
    require_token(issuer.subject_claim, "/subject_claim", "the subject claim")
    require_token(issuer.scope_claim, "/scope_claim", "the scope claim")
    if not issuer.algorithms:
        raise Invalid("/algorithms", f"name at least one of {', '.join(ALGORITHMS)}")
    for index, algorithm in enumerate(issuer.algorithms):
        if algorithm not in ALGORITHMS:
            raise Invalid(f"/algorithms/{index}", f"{algorithm!r} is not one of {', '.join(ALGORITHMS)}")
    if (issuer.jwks is None) == (issuer.jwks_uri is None):
        raise Invalid("/jwks_uri", "an issuer has either jwks or jwks_uri")
    if issuer.jwks_uri is not None:
        _require_safe_uri(issuer.jwks_uri)
    else:
        _require_public_keys(issuer.jwks or {})


def _require_safe_uri(uri: str) -> None:
    require_token(uri, "/jwks_uri", "the address of the keys", longest=500)
    try:
        parts = urlsplit(uri)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise Invalid("/jwks_uri", "is not an address") from None
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not safe or not parts.hostname or not port_ok:
        raise Invalid("/jwks_uri", "keys are fetched over https; http only from this machine's loopback address")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Invalid("/jwks_uri", "the address carries no user, password or fragment")


def _require_public_keys(jwks: dict[str, Any]) -> None:
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise Invalid("/jwks/keys", "must be a list of at least one key (RFC 7517 section 5)")
    for index, key in enumerate(keys):
        if key.get("kty") not in ("EC", "OKP", "RSA"):
            raise Invalid(f"/jwks/keys/{index}/kty", "must be EC, OKP or RSA")
        for member in _SECRET_MEMBERS:
            if member in key:
                raise Invalid(f"/jwks/keys/{index}/{member}", "is private key material; register public keys only")
    kids = [key.get("kid") for key in keys]
    if len(set(map(str, kids))) != len(kids):
        raise Invalid("/jwks/keys", "every key needs a kid of its own")

"""Who may sign tokens: foreign issuers, and the registry itself (its keys are in `registry.signing`).

    put_issuer(unit, actor, issuer, *, dry_run, now) -> Saved[StoredIssuer]
    delete_issuer(unit, actor, name, *, now)
    issuers(unit) -> list[StoredIssuer]              issuer(unit, name) -> StoredIssuer
    bootstrap(unit, *, issuer, audience, now) -> bool          first start; idempotent

`bootstrap` makes what a registry cannot run without: the embedded issuer, the plan ``anonymous``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from policies.model.access import Issuer, Limit, Plan
from registry import signing
from registry.audit import SYSTEM, Actor, Saved, record
from registry.errors import Conflict, Invalid, NotFound
from registry.names import require_slug, require_token
from registry.operators import require_admin
from registry.plans import ANONYMOUS
from registry.store import Unit
from registry.store.records import StoredIssuer

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
    require_admin(actor, "change issuers")
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
    require_admin(actor, "delete issuers")
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


def bootstrap(unit: Unit, *, issuer: str, audience: str, now: int) -> bool:
    """Make what is missing; returns whether anything was. A changed `issuer` or `audience` updates the embedded one."""
    system = Actor(SYSTEM, "admin")
    changed = False
    before = unit.issuers.get(EMBEDDED)
    after = StoredIssuer(
        name=EMBEDDED,
        issuer=issuer,
        audience=audience,
        algorithms=signing.ALGORITHMS,
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

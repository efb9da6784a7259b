"""Who may sign tokens: foreign issuers, and the registry's own signing keys.

    put_issuer(unit, actor, issuer, *, dry_run, now) -> Saved[StoredIssuer]      delete_issuer(unit, actor, name, *, now)
    issuers(unit) -> list[StoredIssuer]                                          issuer(unit, name) -> StoredIssuer
    signing_keys(unit) -> list[SigningKey]                                       newest first; public halves are the JWKS
    current_signing_key(unit) -> SigningKey
    create_signing_key(unit, actor, *, now) -> SigningKey                        ES256; retires the one before
    bootstrap(unit, *, issuer, audience, now) -> bool                            first start; idempotent

`bootstrap` makes what a registry cannot run without: a signing key, the embedded issuer, the plan ``anonymous``.
"""

from __future__ import annotations

from policies.model.access import Issuer
from registry.audit import Actor, Saved
from registry.store import Unit
from registry.store.records import SigningKey, StoredIssuer

EMBEDDED = "weighbridge"
"""Name of the embedded issuer: the registry itself."""


def put_issuer(unit: Unit, actor: Actor, issuer: Issuer, *, dry_run: bool = False, now: int) -> Saved[StoredIssuer]:
    """Create or replace a foreign issuer. Admins only.

    Raises `Invalid`: neither or both of `jwks` and `jwks_uri`; a `jwks_uri` that is neither https nor loopback http;
    unknown algorithms; private or symmetric key material in `jwks`. `Conflict`: the issuer URL belongs to another name.
    """
    raise NotImplementedError


def delete_issuer(unit: Unit, actor: Actor, name: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while a live credential names it, and for the embedded issuer."""
    raise NotImplementedError


def issuers(unit: Unit) -> list[StoredIssuer]:
    raise NotImplementedError


def issuer(unit: Unit, name: str) -> StoredIssuer:
    raise NotImplementedError


def signing_keys(unit: Unit) -> list[SigningKey]:
    """Newest first, retired ones included."""
    raise NotImplementedError


def current_signing_key(unit: Unit) -> SigningKey:
    """The newest key that is not retired. Raises `NotFound` before `bootstrap`."""
    raise NotImplementedError


def create_signing_key(unit: Unit, actor: Actor, *, now: int) -> SigningKey:
    """A new ES256 key becomes current; the one before is retired but stays in the JWKS, so its tokens live out."""
    raise NotImplementedError


def bootstrap(unit: Unit, *, issuer: str, audience: str, now: int) -> bool:
    """Make what is missing; returns whether anything was. A changed `issuer` or `audience` updates the embedded one."""
    raise NotImplementedError

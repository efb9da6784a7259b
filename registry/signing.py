"""The registry's own signing keys: made, published ahead, used, retired, deleted.

    keys(unit) -> list[SigningKey]                        newest first
    current(unit, *, now) -> SigningKey                   the one that signs; raises `NotFound` before the first
    private_key(keyring, key)                             ready for PyJWT
    rotate(unit, actor, keyring, *, algorithm, lead, now) -> SigningKey
    withdraw(unit, actor, kid, *, reason, now)            its tokens are refused with the next snapshot
    tend(unit, keyring, schedule, *, now) -> bool         what is due: a new key, or the end of an old one
    seal(unit, keyring, *, now) -> int                    all private keys under the current secrets key
    jwks(unit, *, now) -> dict                            the public halves that verify tokens now or soon

A key is in the JWKS and in every snapshot from when it is made, and signs `lead` seconds later, so that no gateway
meets a key it does not know; it is retired when the next one begins, and stays published until its last token has
expired. All of this follows from the instants that stand in the row: nobody must do anything at the moment of the
change, and of several registries on one database any may tend, since writers are serial and look first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from registry import compiler
from registry.audit import SYSTEM, Actor, record
from registry.errors import Conflict, NotFound
from registry.permissions import require
from registry.public_keys import accepted, thumbprint
from registry.sealing import Keyring, is_sealed
from registry.store import Unit
from registry.store.records import SigningKey

Algorithm = Literal["ES256", "EdDSA"]
ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "EdDSA")
_DAY = 86_400
_SYSTEM = Actor(SYSTEM, "admin")


@dataclass(frozen=True, slots=True)
class Schedule:
    """`days` between two keys (0: only by hand), `lead` seconds between publishing a key and signing with it."""

    algorithm: Algorithm
    days: int
    lead: int


def keys(unit: Unit) -> list[SigningKey]:
    """Newest first, also those that do not sign yet and those that no longer do."""
    return sorted(unit.signing_keys.all(), key=lambda key: (-key.begins_at, -key.created_at, key.kid))


def current(unit: Unit, *, now: int) -> SigningKey:
    """Raises `NotFound` before there is one."""
    for key in keys(unit):
        if key.begins_at <= now and (key.retired_at is None or key.retired_at > now):
            return key
    raise NotFound("the registry has no signing key yet")


def private_key(keyring: Keyring, key: SigningKey) -> Any:
    """Raises `sealing.WrongSecretsKey`."""
    return _opened(keyring, key.kid, key.private_pem)


def rotate(
    unit: Unit, actor: Actor, keyring: Keyring, *, algorithm: Algorithm = "ES256", lead: int, now: int
) -> SigningKey:
    """A new key, to sign from `lead` seconds on; until then the ones before it do. Admins only."""
    require(actor, "rotate_signing_key", "make signing keys")
    begins_at = now + lead
    key = _new_key(keyring, algorithm, begins_at, now)
    for old in keys(unit):
        if old.begins_at > now and old.begins_at >= begins_at:
            unit.signing_keys.delete(old.kid)  # it never signed anything, and never will
        elif old.retired_at is None or old.retired_at > begins_at:
            unit.signing_keys.put(msgspec.structs.replace(old, retired_at=begins_at))
    unit.signing_keys.add(key)
    record(unit, actor, "signing-key.create", f"signing-keys/{key.kid}", after=key, now=now)
    return key


def withdraw(unit: Unit, actor: Actor, kid: str, *, reason: str | None = None, now: int) -> None:
    """For a key that got out: it is published no longer, so what it signed is worth nothing. Admins only.

    Raises `Conflict` for the key that signs now: tokens would be refused that were got a moment ago.
    """
    require(actor, "withdraw_signing_key", "withdraw signing keys")
    key = unit.signing_keys.get(kid)
    if key is None:
        raise NotFound(f"there is no signing key {kid!r}")
    if current(unit, now=now).kid == kid:
        raise Conflict("that key signs now; rotate at once first, then withdraw it")
    for other in keys(unit):
        if key.begins_at > now and other.retired_at == key.begins_at:  # it was to sign next: the one before it goes on
            unit.signing_keys.put(msgspec.structs.replace(other, retired_at=key.retired_at))
    unit.signing_keys.delete(kid)
    record(unit, actor, "signing-key.withdraw", f"signing-keys/{kid}", before=key, reason=reason, now=now)


def is_due(unit: Unit, schedule: Schedule, *, now: int) -> bool:
    """Whether `tend` would do anything. For a read unit."""
    return _next(unit, schedule, now) is not None or any(_over(unit, now))


def tend(unit: Unit, keyring: Keyring, schedule: Schedule, *, now: int) -> bool:
    """Make the key that is due, delete those that nobody needs; returns whether anything was done. Idempotent."""
    begins_at = _next(unit, schedule, now)
    if begins_at is not None:
        rotate(unit, _SYSTEM, keyring, algorithm=schedule.algorithm, lead=begins_at - now, now=now)
    over = list(_over(unit, now))
    for key in over:
        unit.signing_keys.delete(key.kid)
        record(unit, _SYSTEM, "signing-key.delete", f"signing-keys/{key.kid}", before=key, now=now)
    return begins_at is not None or bool(over)


def seal(unit: Unit, keyring: Keyring, *, now: int) -> tuple[int, bool]:
    """Open every private key, and seal anew what is not sealed by the current secrets key; returns how many were, and
    whether one of them lay open. Raises `sealing.WrongSecretsKey`: better at the start than at the first token."""
    sealed, bare = 0, False
    for key in keys(unit):
        if is_sealed(key.private_pem):
            pem = keyring.open(key.private_pem, _about(key.kid))
        else:
            pem, bare = key.private_pem, True
        if not keyring.is_current(key.private_pem):
            unit.signing_keys.put(msgspec.structs.replace(key, private_pem=keyring.seal(pem, _about(key.kid))))
            record(unit, _SYSTEM, "signing-key.seal", f"signing-keys/{key.kid}", now=now)
            sealed += 1
    return sealed, bare


def jwks(unit: Unit, *, now: int) -> dict[str, Any]:
    """``{"keys": [...]}``, RFC 7517 section 5: public halves, newest first."""
    return {"keys": compiler.public_keys(unit, now=now)}


def _next(unit: Unit, schedule: Schedule, now: int) -> int | None:
    """When the key that must be made now is to begin; ``None`` when none must be. One at a time."""
    held = keys(unit)
    newest = next((key for key in held if key.retired_at is None), None)
    if newest is None:
        return now
    if newest.begins_at > now:
        return None
    if newest.public_jwk["alg"] != schedule.algorithm:
        return now + schedule.lead
    due = newest.begins_at + schedule.days * _DAY
    return max(due, now + schedule.lead) if schedule.days and due - schedule.lead <= now else None


def _over(unit: Unit, now: int) -> Iterator[SigningKey]:
    for key in keys(unit):
        if key.retired_at is not None and key.retired_at + compiler.KEY_KEPT_SECONDS <= now:
            yield key


def _new_key(keyring: Keyring, algorithm: Algorithm, begins_at: int, now: int) -> SigningKey:
    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
        public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    kid = thumbprint(public)
    if kid.startswith("-"):  # a command line would take it for an option
        return _new_key(keyring, algorithm, begins_at, now)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return SigningKey(
        kid=kid,
        private_pem=keyring.seal(pem, _about(kid)),
        public_jwk=accepted({name: public[name] for name in ("kty", "crv", "x", "y") if name in public}),
        created_at=now,
        signs_from=begins_at,
    )


def _about(kid: str) -> str:
    return f"the signing key {kid}"


@lru_cache(maxsize=8)
def _opened(keyring: Keyring, kid: str, sealed: str) -> PrivateKeyTypes:
    return load_pem_private_key(keyring.open(sealed, _about(kid)).encode(), None)

"""Who may sign tokens: foreign issuers, and the registry itself (its keys are in `registry.signing`).

    put_issuer(unit, actor, issuer, *, networks, dry_run, now) -> Saved[StoredIssuer]
    delete_issuer(unit, actor, name, *, now)
    issuers(unit) -> list[StoredIssuer]              issuer(unit, name) -> StoredIssuer
    bootstrap(unit, *, issuer, audience, now) -> bool          first start; idempotent

`bootstrap` makes what a registry cannot run without: the embedded issuer, the plan ``anonymous``.
"""

from __future__ import annotations

from policies.model.access import Issuer, Limit, Plan
from policies.outgoing import Networks
from registry import signing
from registry.audit import SYSTEM, Actor, Saved, record
from registry.errors import Conflict, NotFound
from registry.issuer_rules import require_sound
from registry.permissions import require
from registry.plans import ANONYMOUS
from registry.store import Unit
from registry.store.records import StoredIssuer

EMBEDDED = "weighbridge"
"""Name of the embedded issuer: the registry itself."""
DEFAULT_NETWORKS = Networks.parse("public,loopback")
_ANONYMOUS_PLAN = Plan(
    name=ANONYMOUS,
    title="Calls without credentials, by peer address",
    limits=(Limit(name="per-minute", requests=60, window=60),),
)


def put_issuer(
    unit: Unit,
    actor: Actor,
    issuer: Issuer,
    *,
    networks: Networks = DEFAULT_NETWORKS,
    dry_run: bool = False,
    now: int,
) -> Saved[StoredIssuer]:
    """Create or replace a foreign issuer. Admins only. `networks` are those that its keys may be fetched from.

    Raises `Invalid` for whatever no gateway could use or should believe (`registry.issuer_rules`), `Conflict` when the
    issuer belongs to another name.
    """
    require(actor, "put_issuer", "change issuers")
    require_sound(issuer, networks)
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

"""Which version of its major an application is served: a pin, and a newer version that it tries.

    choose(unit, actor, application, contract, major, *, pin, tryout, dry_run, now) -> Saved
    roll_back(unit, actor, application, contract, major, rolled_back, *, now) -> Saved

Gateways judge tryouts by themselves, with `policies.tryouts`, and tell what they decided; here it is recorded, and by
the next snapshot it holds everywhere. A tryout is known by its id: what is told of one that is over changes nothing.
"""

from __future__ import annotations

import secrets

import msgspec
import semver
from msgspec import Struct

from policies.governance import NOTHING
from policies.model.access import Rollback, Tryout
from policies.model.contract import LIVE
from policies.subscribing import OVER
from registry import permissions, subscriptions
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid
from registry.store import Unit
from registry.store.records import RolledBack, StoredSubscription


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tryout as it is asked for."""

    version: str
    share: int
    rollback: Rollback = Rollback(max_percent=5)


def choose(
    unit: Unit,
    actor: Actor,
    application: str,
    contract: str,
    major: int,
    *,
    pin: str | None,
    tryout: Wish | None,
    dry_run: bool = False,
    now: int,
) -> Saved[StoredSubscription]:
    """``None`` takes a pin or a tryout away. Repeating a tryout that runs leaves it running; another share or limit
    does so too; another version, pin or window is another tryout.

    Raises `NotFound`, `Forbidden`, `Conflict` (the subscription is over), `Invalid` (a version that is not live, a
    tryout of what all calls get anyway, a rule that could never hold).
    """
    doing = f"choose versions for applications that call {contract}"
    before = _held(unit, actor, "put_version_choice", doing, application, contract, major)
    if before.state in OVER:
        raise Conflict(f"the subscription is {before.state}; there is nothing to serve")
    live = {v.number for v in unit.versions.all(contract=contract, major=major) if v.stage in LIVE}
    if pin is not None and pin not in live:
        raise Invalid("/pin", _not_live(contract, major, live))
    made = None
    if tryout is not None:
        if tryout.version not in live:
            raise Invalid("/tryout/version", _not_live(contract, major, live))
        _require_newer(unit, contract, major, pin, tryout.version)
        _require_rule(tryout)
        running = before.tryout
        same = (
            running is not None
            and before.pin == pin
            and (running.version, running.rollback.window) == (tryout.version, tryout.rollback.window)
        )
        id_ = running.id if running is not None and same else secrets.token_hex(6)
        made = Tryout(id=id_, version=tryout.version, share=tryout.share, rollback=tryout.rollback)
    after = msgspec.structs.replace(
        before, pin=pin, tryout=made, rolled_back=before.rolled_back if made is None else None
    )
    if after == before:
        return Saved(before, created=False, changed=False)
    if not dry_run:
        unit.subscriptions.put(after)
        record(
            unit, actor, "subscription.version", subscriptions.subject_of(after), before=before, after=after, now=now
        )
    return Saved(after, created=False, changed=True)


def roll_back(
    unit: Unit, actor: Actor, application: str, contract: str, major: int, told: RolledBack, *, now: int
) -> Saved[StoredSubscription] | None:
    """End the tryout that a gateway says has failed. ``None``: it is none that runs, so there is nothing to end."""
    permissions.require(actor, "report_rollback", "end tryouts that failed")
    before = unit.subscriptions.get(application, contract, major)
    if before is None or before.tryout is None or before.tryout.id != told.tryout:
        return None
    ended = msgspec.structs.replace(told, version=before.tryout.version, at=min(told.at, now))
    after = msgspec.structs.replace(before, tryout=None, rolled_back=ended)
    unit.subscriptions.put(after)
    subject = subscriptions.subject_of(after)
    record(unit, actor, "subscription.rollback", subject, before=before, after=after, reason=told.reason, now=now)
    return Saved(after, created=False, changed=True)


def _held(
    unit: Unit, actor: Actor, action: str, doing: str, application: str, contract: str, major: int
) -> StoredSubscription:
    permissions.require_role(actor, action, doing)
    found = unit.subscriptions.get(application, contract, major)
    whose = permissions.of_subscription(unit, found) if found else NOTHING
    if found is None or not permissions.sees(actor, "list_subscriptions", whose):
        raise subscriptions.no_subscription(application, contract, major)
    permissions.require(actor, action, doing, whose)
    return found


def _not_live(contract: str, major: int, live: set[str]) -> str:
    told = ", ".join(sorted(live, key=semver.Version.parse)) or "none"
    return f"not a live version of {contract} v{major}; there is {told}"


def _require_newer(unit: Unit, contract: str, major: int, pin: str | None, version: str) -> None:
    if pin is not None:
        if semver.Version.parse(version) <= semver.Version.parse(pin):
            raise Invalid("/tryout/version", f"what is tried is newer than the pin, {pin}")
        return
    rollout = unit.rollouts.get(contract, major)
    if rollout is None or rollout.version != version:
        raise Invalid(
            "/tryout/version",
            f"without a pin all calls get the newest version; pin what the other calls get, or roll {version} out",
        )


def _require_rule(wish: Wish) -> None:
    rule = wish.rollback
    for name, value, least, most in (
        ("share", wish.share, 1, 99),
        ("rollback/minimum", rule.minimum, 1, 100_000),
        ("rollback/window", rule.window, 10, 3600),
        ("rollback/max_percent", rule.max_percent, 0, 99),
        ("rollback/max_over_base", rule.max_over_base, 0, 99),
    ):
        if value is not None and not least <= value <= most:
            raise Invalid(f"/tryout/{name}", f"{least} to {most}")
    if rule.max_percent is None and rule.max_over_base is None:
        raise Invalid("/tryout/rollback", "say when it has failed: max_percent, max_over_base or both")

"""Moving a version along its life, and who gets which version of a major meanwhile.

    move(unit, actor, contract, number, action, *, reason, sunset_at, successor, until, forced, dry_run, now) -> Publication
    preview(unit, actor, contract, number, applications, *, now) -> StoredVersion     only while it is in review
    put_rollout(unit, actor, rollout, *, dry_run, now) -> Saved[Rollout]
    end_rollout(unit, actor, contract, major, *, now)

Deprecating or retiring a version takes the older live versions of its major with it: they are unreachable behind it,
so leaving them published would only look alive.
"""

from __future__ import annotations

from policies.lifecycle import Action
from policies.model.contract import Rollout
from registry.audit import Actor, Saved
from registry.evidence import Publication
from registry.store import Unit
from registry.store.records import StoredVersion


def move(
    unit: Unit,
    actor: Actor,
    contract: str,
    number: str,
    action: Action,
    *,
    reason: str | None = None,
    sunset_at: int | None = None,
    successor: str | None = None,
    until: int | None = None,
    forced: bool = False,
    dry_run: bool = False,
    now: int,
) -> Publication:
    """Take `action` on a version. Instants are unix seconds; `until` ends a block by itself; `forced` is for admins.

    Repeating a move that already happened with the same particulars is success without effect (``created=False``).
    Raises `NotFound`, `Conflict` (the table has no such transition), `Forbidden`, `Rejected` (a gate held).
    """
    raise NotImplementedError


def preview(
    unit: Unit, actor: Actor, contract: str, number: str, applications: tuple[str, ...], *, now: int
) -> StoredVersion:
    """Name the applications that may call a version in review; empty takes it back."""
    raise NotImplementedError


def put_rollout(unit: Unit, actor: Actor, rollout: Rollout, *, dry_run: bool = False, now: int) -> Saved[Rollout]:
    """Send a share of a major's traffic, or named applications, to one of its published versions."""
    raise NotImplementedError


def end_rollout(unit: Unit, actor: Actor, contract: str, major: int, *, now: int) -> None:
    raise NotImplementedError

"""Moving a version along its life, and who gets which version of a major meanwhile.

    move(unit, actor, contract, number, action, *, reason, sunset_at, successor, until, forced, dry_run, now)
        -> Publication
    preview(unit, actor, contract, number, applications, *, now) -> StoredVersion     only while it is in review
    put_rollout(unit, actor, rollout, *, dry_run, now) -> Saved[Rollout]
    end_rollout(unit, actor, contract, major, *, now)

Deprecating or retiring a version takes the older live versions of its major with it: they are unreachable behind it,
so leaving them published would only look alive.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from policies import rulesets
from policies.lifecycle import Action, Transition, actions_from, next_stage
from policies.model.contract import LIVE, Block, Contract, Rollout, Stage, Upstream
from policies.model.document import Document
from registry import catalogue, evidence, permissions, waivers
from registry.audit import Actor, Saved, record
from registry.contracts import require_sound_upstream
from registry.errors import Conflict, Invalid, NotFound
from registry.evidence import Publication
from registry.names import precedence, require_text, semver
from registry.store import Unit
from registry.store.records import StoredVersion

_JUDGED = (Action.SUBMIT, Action.PUBLISH)
_MAJOR = re.compile(r"v?(0|[1-9][0-9]{0,5})")


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

    `successor` is a version or a major of the contract (``2.0.0``, ``2``). Repeating a move that already happened with
    the same particulars is success without effect (``created=False``). Raises `NotFound`, `Invalid`, `Conflict` (the
    table has no such transition), `Forbidden`, `Rejected` (a gate held; also of a dry run).
    """
    registered = permissions.contract(
        unit, actor, f"move_version.{action}", f"{action} versions of {contract}", contract
    )
    before = catalogue.version(unit, contract, number, reader=actor)
    if forced:
        permissions.require(actor, "move_version.forced", "force a transition", permissions.of_contract(registered))
    if action is Action.PUBLISH and before.published_at is None:
        permissions.require_approver(unit, actor, registered, before.author)
    if reason is not None:
        require_text(reason, "/reason", "the reason")
    if successor is not None:
        successor = _successor(successor)
    if until is not None and until <= now:
        raise Invalid("/until", "the end of a block is not in the future")

    changes = _changes(before, action, actor, reason, sunset_at, successor, until, now)
    if changes is None:
        return Publication(version=before, created=False, action=action, dry_run=dry_run)
    target = next_stage(before.stage, action)
    if target is None:
        possible = ", ".join(actions_from(before.stage)) or "nothing"
        raise Conflict(f"{contract}@{number} is {before.stage}; what can be done with it is: {possible}")
    after = msgspec.structs.replace(before, stage=target, **changes)
    older = _older(unit, before) if action in (Action.DEPRECATE, Action.RETIRE) else []
    ends = action is Action.RETIRE and not _survivors(unit, before, older)

    ruleset = rulesets.load(registered.ruleset)
    judged = None
    if action in _JUDGED:
        document = Document(unit.trees([before.digest])[before.digest])
        judged = evidence.judge(unit, registered, number, document, ruleset)
    touched = evidence.touched(unit, contract, before.major, judged=judged, ends=ends, now=now)
    publication = Publication(
        version=after,
        created=True,
        action=action,
        judged=judged.waived(waivers.approved(unit, contract), now) if judged else None,
        impact=touched,
        also=tuple(version.number for version in older),
        dry_run=dry_run,
    )
    gates = evidence.weigh(
        unit,
        Transition(
            action=action,
            number=number,
            contract=registered,
            actor=actor.name,
            now=now,
            version=before,
            forced=forced,
            reason=reason,
            sunset_at=sunset_at,
            successor=successor,
        ),
        ruleset,
        judged=judged,
        author=before.author,
        subscribers=tuple(entry.application for entry in touched.touched if entry.plan) if ends else (),
        ends=ends,
    )
    publication = evidence.admitted(publication, gates)
    if not dry_run:
        evidence.keep(unit, publication, ruleset, now=now)
        _write(unit, actor, action, before, after, reason, now)
        for version in older:
            along = msgspec.structs.replace(version, stage=target, **changes)
            _write(unit, actor, action, version, along, f"moves along with {number}", now)
    return publication


def preview(
    unit: Unit, actor: Actor, contract: str, number: str, applications: tuple[str, ...], *, now: int
) -> StoredVersion:
    """Name the applications that may call a version in review; empty takes it back.

    Raises `Conflict` when it is not in review, `Invalid` for an application that does not exist.
    """
    permissions.contract(unit, actor, "put_preview_applications", f"preview versions of {contract}", contract)
    before = catalogue.version(unit, contract, number, reader=actor)
    if before.stage is not Stage.IN_REVIEW:
        raise Conflict(f"{contract}@{number} is {before.stage}; only a version in review is previewed")
    _require_applications(unit, applications)
    after = msgspec.structs.replace(before, preview_applications=tuple(sorted(set(applications))))
    if after != before:
        unit.versions.put(after)
        record(unit, actor, "version.preview", _subject(after), before=before, after=after, now=now)
    return after


def put_rollout(unit: Unit, actor: Actor, rollout: Rollout, *, dry_run: bool = False, now: int) -> Saved[Rollout]:
    """Send a share of a major's traffic, or named applications, to one of its published versions.

    Raises `Invalid` (share, applications, upstream), `NotFound`, `Conflict` (the version is not published, or no other
    version of the major is left for everybody else).
    """
    doing = f"roll out versions of {rollout.contract}"
    registered = permissions.contract(unit, actor, "put_rollout", doing, rollout.contract)
    version = catalogue.version(unit, rollout.contract, rollout.version, reader=actor)
    _require_sound(unit, registered, rollout, version)
    before = unit.rollouts.get(rollout.contract, rollout.major)
    if before == rollout:
        return Saved(rollout, created=False, changed=False)
    if not dry_run:
        unit.rollouts.put(rollout)
        subject = f"contracts/{rollout.contract}/rollouts/{rollout.major}"
        record(unit, actor, "rollout.put", subject, before=before, after=rollout, now=now)
    return Saved(rollout, created=before is None, changed=True)


def end_rollout(unit: Unit, actor: Actor, contract: str, major: int, *, now: int) -> None:
    """Everybody gets the newest version of the major again. Raises `NotFound`."""
    permissions.contract(unit, actor, "end_rollout", f"roll out versions of {contract}", contract)
    before = unit.rollouts.get(contract, major)
    if before is None:
        raise NotFound(f"{contract} v{major} has no rollout")
    unit.rollouts.delete(contract, major)
    record(unit, actor, "rollout.end", f"contracts/{contract}/rollouts/{major}", before=before, now=now)


# -- what an action changes -------------------------------------------------------------------------------------------


def _changes(
    before: StoredVersion,
    action: Action,
    actor: Actor,
    reason: str | None,
    sunset_at: int | None,
    successor: str | None,
    until: int | None,
    now: int,
) -> dict[str, Any] | None:
    """The fields that the action sets beside the stage; ``None`` when it happened already."""
    stage = before.stage
    if action is Action.SUBMIT:
        return None if stage is Stage.IN_REVIEW else {"submitted_at": now}
    if action is Action.PUBLISH:
        done = {"published_at": now, "approver": actor.name, "preview_applications": ()}
        return None if stage is Stage.PUBLISHED else done
    if action is Action.DEPRECATE:
        if stage is Stage.DEPRECATED and (sunset_at, successor) == (before.sunset_at, before.successor):
            return None
        since = before.deprecated_at if stage is Stage.DEPRECATED else now
        return {"deprecated_at": since, "sunset_at": sunset_at, "successor": successor}
    if action is Action.RETIRE:
        named = {} if successor is None else {"successor": successor}
        return None if stage is Stage.RETIRED else {"retired_at": now, "block": None, **named}
    if action is Action.ARCHIVE:
        return None if stage is Stage.ARCHIVED else {"preview_applications": (), "block": None}
    if action is Action.BLOCK:
        block = Block(reason=reason or "", until=until)
        return None if block == before.block else {"block": block}
    return None if before.block is None else {"block": None}


def _successor(successor: str) -> str:
    """A version or a major; ``v2`` is written ``2``. Whether it is live is for the gate ``successor-named`` to say."""
    if match := _MAJOR.fullmatch(successor):
        return match[1]
    semver(successor, "/successor")
    return successor


def _older(unit: Unit, version: StoredVersion) -> list[StoredVersion]:
    live = catalogue.live(unit, version.contract, version.major)
    return [other for other in live if precedence(other.number) < precedence(version.number)]


def _survivors(unit: Unit, version: StoredVersion, older: list[StoredVersion]) -> bool:
    """Whether the major is still served once `version` and the older ones are gone."""
    gone = {version.number, *(other.number for other in older)}
    return any(other.number not in gone for other in catalogue.live(unit, version.contract, version.major))


def _write(
    unit: Unit,
    actor: Actor,
    action: Action,
    before: StoredVersion,
    after: StoredVersion,
    reason: str | None,
    now: int,
) -> None:
    unit.versions.put(after)
    rollout = unit.rollouts.get(after.contract, after.major)
    if rollout is not None and rollout.version == after.number and after.stage not in LIVE:
        unit.rollouts.delete(after.contract, after.major)
    record(unit, actor, f"version.{action}", _subject(after), before=before, after=after, reason=reason, now=now)


def _require_applications(unit: Unit, applications: tuple[str, ...]) -> None:
    for index, name in enumerate(applications):
        if unit.applications.get(name) is None:
            raise Invalid(f"/applications/{index}", f"there is no application {name!r}")


def _require_sound(unit: Unit, contract: Contract, rollout: Rollout, version: StoredVersion) -> None:
    if version.major != rollout.major:
        raise Invalid("/version", f"{version.number} is not a version of major {rollout.major}")
    if version.stage is not Stage.PUBLISHED:
        raise Conflict(f"{contract.name}@{version.number} is {version.stage}; only a published version is rolled out")
    if not 0 <= rollout.share <= 100:
        raise Invalid("/share", "is a percentage, 0 to 100")
    _require_applications(unit, rollout.applications)
    if rollout.upstream is not None and rollout.upstream not in contract.upstreams:
        if "://" not in rollout.upstream:
            raise Invalid("/upstream", f"is the name of an upstream of {contract.name}, or an address")
        require_sound_upstream(Upstream(url=rollout.upstream), "/upstream")
    others = [v for v in catalogue.live(unit, contract.name, rollout.major) if v.number != version.number]
    if not others and rollout.upstream is None:
        raise Conflict(f"no other version of {contract.name} v{rollout.major} is left for everybody else")


def _subject(version: StoredVersion) -> str:
    return f"contracts/{version.contract}/versions/{version.number}"

"""The publish line, top to bottom.

    register_contract(unit, actor, contract, *, dry_run, now) -> Saved[Contract]      idempotent create-or-replace
    delete_contract(unit, actor, name, *, dry_run, now)                               only while it has no versions
    publish(unit, actor, contract_name, parsed, *, number, stage, summary, dry_run, now) -> Publication

Reading is in `registry.catalogue`. A refused publish raises `Rejected` with the whole judgement and writes nothing.
Same number and same digest is success without effect; same number and another digest is a `Conflict`. Writers are
serial, so of two that race for a number the second finds what the first wrote. Judging is the slow part: do it first
with `dry_run` in a read unit, and the write unit that follows finds the judgement remembered.
"""

from __future__ import annotations

from typing import Literal, Protocol

from policies import rulesets
from policies.lifecycle import Action, Transition
from policies.model.contract import Stage
from policies.model.document import Document
from registry import evidence, permissions, waivers
from registry.audit import Actor, record
from registry.contracts import delete_contract, register_contract
from registry.errors import Conflict, Invalid
from registry.evidence import Publication
from registry.names import require_text, semver
from registry.store import Unit
from registry.store.records import StoredVersion

__all__ = ["Parsed", "Publication", "delete_contract", "publish", "register_contract"]


class Parsed(Protocol):
    """What `registry.documents.parse` returns: the document, and the text as its publisher wrote it."""

    @property
    def document(self) -> Document: ...
    @property
    def text(self) -> str: ...


def publish(
    unit: Unit,
    actor: Actor,
    contract_name: str,
    parsed: Parsed,
    *,
    number: str | None = None,
    stage: Literal["published", "draft"] = "published",
    summary: str = "",
    dry_run: bool = False,
    now: int,
) -> Publication:
    """Judge a document and, when it is admitted, make it a version.

    `number` defaults to the document's ``info.version``. A draft is judged too, but its judgement refuses nothing; a
    draft may be replaced until it is submitted. With `dry_run` everything is judged, nothing is written, and the unit
    may be a read unit. Raises `NotFound` (contract), `Invalid` (number), `Conflict` (number taken by another digest),
    `Forbidden`, `Rejected` (also of a dry run).
    """
    doing = f"publish versions of {contract_name}"
    contract = permissions.contract(unit, actor, "publish_version", doing, contract_name)
    require_text(summary, "/summary", "the summary", empty=True)
    document = parsed.document
    number = _number(document, number)

    before = unit.versions.get(contract_name, number)
    if before is not None and _stands_already(before, document.digest, stage):
        return Publication(version=before, created=False, action=_action(stage), dry_run=dry_run)

    ruleset = rulesets.load(contract.ruleset)
    judged = evidence.judge(unit, contract, number, document, ruleset)
    touched = evidence.touched(unit, contract_name, int(number.partition(".")[0]), judged=judged, now=now)
    author = before.author if before is not None and before.digest == document.digest else actor.name
    if stage == "published":
        permissions.require_approver(unit, actor, contract, author)
    version = StoredVersion(
        contract=contract_name,
        number=number,
        digest=document.digest,
        stage=Stage(stage),
        published_at=now if stage == "published" else None,
        author=author,
        approver=actor.name if stage == "published" else None,
        created_at=before.created_at if before is not None else now,
        submitted_at=before.submitted_at if before is not None else None,
        summary=summary,
    )
    publication = Publication(
        version=version,
        created=True,
        action=_action(stage),
        judged=judged.waived(waivers.approved(unit, contract_name), now),
        impact=touched,
        dry_run=dry_run,
    )
    if stage == "published":
        gates = evidence.weigh(
            unit,
            Transition(
                action=Action.PUBLISH, number=number, contract=contract, actor=actor.name, now=now, version=before
            ),
            ruleset,
            judged=judged,
            author=author,
        )
        publication = evidence.admitted(publication, gates)
    if not dry_run:
        unit.add_document(document.digest, dict(document.tree), parsed.text, now=now)
        unit.versions.put(version)
        evidence.keep(unit, publication, ruleset, now=now)
        subject = f"contracts/{contract_name}/versions/{number}"
        record(unit, actor, f"version.{_action(stage)}", subject, before=before, after=version, now=now)
    return publication


def _action(stage: str) -> str:
    return "publish" if stage == "published" else "draft"


def _number(document: Document, number: str | None) -> str:
    if number is not None:
        semver(number)
        return number
    claimed = document.number
    try:
        semver(claimed, "/info/version")
    except Invalid as fault:
        raise Invalid(fault.pointer, f"info.version is {claimed!r}; {fault.detail}") from None
    return claimed


def _stands_already(before: StoredVersion, digest: str, stage: str) -> bool:
    """Whether nothing has to happen. Raises `Conflict` where something else stands under the number."""
    name = f"{before.contract}@{before.number}"
    if before.digest != digest:
        if before.stage is Stage.DRAFT:
            return False
        raise Conflict(
            f"{name} is {before.stage} with another document ({before.digest[:19]}…); a version is never changed, "
            "publish the change under the next number"
        )
    if before.stage is Stage.ARCHIVED and before.published_at is None:
        raise Conflict(f"{name} was given up before it was published; publish the document under the next number")
    if stage == "draft":
        return True
    return before.stage not in (Stage.DRAFT, Stage.IN_REVIEW)

"""Contracts and the publish line.

    register_contract(unit, actor, contract, *, dry_run, now) -> Saved[Contract]      idempotent create-or-replace
    delete_contract(unit, actor, name, *, dry_run, now)                               only while it has no versions
    publish(unit, actor, contract_name, parsed, *, number, stage, summary, dry_run, now) -> Publication

Reading is in `registry.catalogue`. `publish` reads top to bottom as DESIGN's publish line; a refused one raises
`Rejected` with the whole judgement and writes nothing. Same number and same digest is success without effect; same
number and another digest is a `Conflict`.
"""

from __future__ import annotations

from typing import Literal, Protocol

from policies.model.contract import Contract
from policies.model.document import Document
from registry.audit import Actor, Saved
from registry.evidence import Publication
from registry.store import Unit


class Parsed(Protocol):
    """What `registry.documents.parse` returns: the document, and the text as its publisher wrote it."""

    @property
    def document(self) -> Document: ...
    @property
    def text(self) -> str: ...


def register_contract(
    unit: Unit, actor: Actor, contract: Contract, *, dry_run: bool = False, now: int
) -> Saved[Contract]:
    """Create or replace a contract. Members may register for their own team and change what their team owns.

    Raises `Invalid` (bad name, ruleset, upstream, default major), `NotFound` (owner team), `Forbidden`.
    """
    raise NotImplementedError


def delete_contract(unit: Unit, actor: Actor, name: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while the contract has any version."""
    raise NotImplementedError


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

    A draft is judged too, but only lint errors of the document are reported, never refused; a draft of the same number
    may be replaced until it is submitted. With `dry_run` the unit may be a read unit. Raises `NotFound` (contract),
    `Invalid` (number), `Conflict` (number taken by another digest), `Forbidden`, `Rejected`.
    """
    raise NotImplementedError

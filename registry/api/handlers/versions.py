"""Versions: publish, read, move."""

from __future__ import annotations

from typing import Any

import orjson

from policies.lifecycle import Action
from policies.model.contract import Stage
from registry import catalogue, documents, publishing, transitions
from registry.api.desk import Answer, Call
from registry.api.handlers.judging import parse
from registry.api.wire import evidence, moment, page, plain, publication
from registry.errors import Invalid, NotFound
from registry.names import precedence
from registry.store.records import StoredDocument

__all__ = [
    "get_document",
    "get_version",
    "get_version_document",
    "get_version_evidence",
    "list_versions",
    "move_version",
    "publish_version",
    "put_preview_applications",
]


def list_versions(
    call: Call,
    *,
    contract: str,
    stage: str | None = None,
    major: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Answer:
    with call.store.read() as unit:
        wanted = Stage(stage) if stage else None
        found = catalogue.versions(unit, contract, stage=wanted, major=major, reader=call.actor)
    return Answer(page(found, lambda version: version.number, plain, limit, cursor, precedence))


def get_version(call: Call, *, contract: str, number: str) -> Answer:
    with call.store.read() as unit:
        return Answer(plain(catalogue.version(unit, contract, number, reader=call.actor)))


def get_version_document(call: Call, *, contract: str, number: str) -> Answer:
    with call.store.read() as unit:
        found = catalogue.version(unit, contract, number, reader=call.actor)
        return _document(call, catalogue.document(unit, found.digest))


def get_document(call: Call, *, digest: str) -> Answer:
    with call.store.read() as unit:
        return _document(call, catalogue.document(unit, digest, reader=call.actor))


def _document(call: Call, found: StoredDocument) -> Answer:
    headers = {"ETag": f'"{found.digest}"'}
    return (
        Answer(status=304, headers=headers)
        if call.holds(found.digest)
        else Answer(orjson.dumps(found.tree), 200, headers)
    )


def get_version_evidence(call: Call, *, contract: str, number: str) -> Answer:
    with call.store.read() as unit:
        found = catalogue.evidence(unit, contract, number, reader=call.actor)
    if found is None:
        raise NotFound(f"{contract} {number} was never judged")
    return Answer(evidence(found))


def publish_version(
    call: Call,
    *,
    contract: str,
    dry_run: bool = False,
    number: str | None = None,
    stage: str | None = None,
    summary: str | None = None,
) -> Answer:
    if not call.body:  # an empty one arrives as an empty mapping, whatever its media type
        raise Invalid("", "the body is empty; send the document, or JSON that holds it")
    if isinstance(call.body, bytes):
        parsed = documents.parse(call.body)
        told: dict[str, Any] = {"number": number, "stage": stage, "summary": summary}
    else:
        if number or stage or summary:
            raise Invalid("/query", "number, stage and summary belong into the JSON body")
        parsed = parse(call.body["document"], call.body.get("files"))
        told = {name: call.body.get(name) for name in ("number", "stage", "summary")}
    particulars: dict[str, Any] = {
        "number": told["number"],
        "stage": told["stage"] or "published",
        "summary": told["summary"] or "",
        "now": call.now,
    }
    with call.store.read() as unit:  # judged here, so that the writers' lock is not held while the differ works
        made = publishing.publish(unit, call.actor, contract, parsed, dry_run=True, **particulars)
    if not dry_run:
        with call.store.write() as unit:
            made = publishing.publish(unit, call.actor, contract, parsed, **particulars)
    return Answer(publication(made), 201 if made.created else 200)


def move_version(call: Call, *, contract: str, number: str, dry_run: bool = False) -> Answer:
    body = call.body
    particulars: dict[str, Any] = {
        "reason": body.get("reason"),
        "sunset_at": moment(body.get("sunset_at"), "/sunset_at"),
        "successor": body.get("successor"),
        "until": moment(body.get("until"), "/until"),
        "forced": body.get("forced", False),
        "now": call.now,
    }
    action = Action(body["action"])
    with call.store.read() as unit:
        made = transitions.move(unit, call.actor, contract, number, action, dry_run=True, **particulars)
    if not (dry_run or body.get("dry_run", False)):
        with call.store.write() as unit:
            made = transitions.move(unit, call.actor, contract, number, action, **particulars)
    return Answer(publication(made))


def put_preview_applications(call: Call, *, contract: str, number: str) -> Answer:
    named = tuple(call.body["applications"])
    with call.store.write() as unit:
        return Answer(plain(transitions.preview(unit, call.actor, contract, number, named, now=call.now)))

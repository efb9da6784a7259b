"""Judging without publishing: lint one document, compare two."""

from __future__ import annotations

from typing import Any

import orjson

from policies import lint, rulesets
from policies.compat import Comparison, changelog
from policies.impact import Impact
from policies.model.document import Document
from policies.rulesets import Ruleset
from registry import catalogue, documents, evidence
from registry.api.desk import Answer, Call
from registry.api.wire import comparison, impact, report
from registry.documents import ParsedDocument
from registry.errors import Invalid
from registry.permissions import of_contract, sees

__all__ = ["diff_documents", "diff_versions", "lint_document"]

_PAGE = {
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


def lint_document(call: Call) -> Answer:
    ruleset = _ruleset(call.body.get("ruleset", "baseline"), "/ruleset")
    parsed = parse(call.body["document"], call.body.get("files"))
    return Answer(report(lint.check(parsed.document, ruleset)))


def diff_documents(call: Call) -> Answer:
    ruleset = _ruleset(call.body.get("ruleset", "baseline"), "/ruleset")
    old = parse(call.body["old"], call.body.get("old_files"))
    new = parse(call.body["new"], call.body.get("new_files"))
    made = evidence.compare(old.document, new.document, ruleset)
    return _compared(call, made, old.document.number, new.document.number)


def diff_versions(call: Call, *, contract: str, from_: str, to: str, ruleset: str | None = None) -> Answer:
    with call.store.read() as unit:
        about = catalogue.contract(unit, contract, reader=call.actor)
        chosen = _ruleset(ruleset or about.ruleset, "/query/ruleset")
        old, new = (
            Document(catalogue.document(unit, catalogue.version(unit, contract, number, reader=call.actor).digest).tree)
            for number in (from_, to)
        )
        made = evidence.compare(old, new, chosen)
        touched = None
        if sees(call.actor, "list_subscriptions", of_contract(about)):  # whom it touches is not for everybody
            major = int(from_.partition(".")[0])
            touched = evidence.hurt_by(unit, contract, major, made.report.findings, old, now=call.now)
    return _compared(call, made, f"{contract} {from_}", to, against=from_, touched=touched)


def _compared(
    call: Call, made: Comparison, old: str, new: str, *, against: str | None = None, touched: Impact | None = None
) -> Answer:
    """For programs, or as the changelog that people read."""
    wanted = call.prefers("application/json", "text/markdown", "text/html")
    if wanted == "application/json":
        told = comparison(against or old, made)
        return Answer({**told, "impact": impact(touched)} if touched else told, headers={"Vary": "Accept"})
    page = changelog.markdown if wanted == "text/markdown" else changelog.html
    return Answer(page(made, old, new).encode(), headers=_PAGE, media_type=f"{wanted}; charset=utf-8")


def parse(document: str | dict[str, Any], files: dict[str, str] | None = None) -> ParsedDocument:
    """A document as it stands in a JSON body, through the safe door. Raises `InvalidDocument`, `Invalid`."""
    try:
        data = document.encode() if isinstance(document, str) else orjson.dumps(document)
        others = {file: text.encode() for file, text in (files or {}).items()}
    except UnicodeEncodeError:
        raise Invalid("/document", "the text holds half of a surrogate pair") from None
    except orjson.JSONEncodeError as error:
        raise Invalid("/document", f"the document cannot be written as JSON: {error}") from None
    return documents.parse(data, files=others)


def _ruleset(name: str, pointer: str) -> Ruleset:
    try:
        return rulesets.load(name)
    except rulesets.UnknownRuleset as error:
        raise Invalid(pointer, str(error)) from None

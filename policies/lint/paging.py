"""Rules on lists: they grow, and a contract that forgot it breaks on the day they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.subjects import Body, is_json, types_of
from policies.model.document import Operation


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("components: {parameters: {Limit: {name: pageSize}, Cursor: {name: offset}}}",),
    bad=(
        "get: {parameters: []}\ncomponents: {parameters: {Limit: null, Cursor: null}}",
        "components: {schemas: {Page: {required: [items], properties: {page: null}}}}",
    ),
    options={
        "sizes": ["limit", "pageSize", "perPage", "maxResults"],
        "positions": ["cursor", "offset", "page", "pageToken", "after", "skip", "start", "startAt"],
        "members": ["page", "nextCursor", "next", "nextPageToken", "links", "_links", "paging", "pagination", "meta"],
    },
)
def lists_are_paginated(operation: Operation, context: Context) -> Iterator[Flaw]:
    """A GET that answers with a list takes a size and a position, and says how to go on.

    Every list outgrows one answer; then it is cut, times out, or gains pages that old clients do not ask for and so
    lose the rest without noticing. Add ``limit`` and ``cursor``, and answer ``{items, page: {nextCursor}}``. Options
    ``sizes``, ``positions`` and ``members``: the names that count.
    """
    # an object with a list in it, read by its identifier, is one thing
    if operation.method != "GET" or operation.path.rstrip("/").endswith("}"):
        return
    answers = [_shape(response.payloads, context) for response in operation.responses if response.status[0] == "2"]
    lists = [shape for shape in answers if shape is not None]
    if not lists:
        return
    names = {parameter.name for parameter in operation.parameters if parameter.place == "query"}
    missing = []
    if not names & set(context.options["sizes"]):
        missing.append("a parameter like limit")
    if not names & set(context.options["positions"]):
        missing.append("a parameter like cursor")
    headed = any(header.name.lower() == "link" for response in operation.responses for header in response.headers)
    if not headed and not all(members & set(context.options["members"]) for members in lists):
        missing.append("a member like page")
    if missing:
        listed = " and ".join(part for part in (", ".join(missing[:-1]), missing[-1]) if part)
        yield Flaw(operation.pointer, f"{operation.key} answers a list without {listed}", "add paging")


def _shape(payloads: Any, context: Context) -> set[str] | None:
    """The member names of an answer that is a list (none for a bare array); ``None`` when it is not a list."""
    for payload in payloads:
        if not is_json(payload.media_type) or payload.schema is None:
            continue
        raw = context.document.resolve(payload.schema.value, payload.schema.pointer).value
        if not isinstance(raw, Mapping):
            continue
        if "array" in types_of(raw):
            return set()
        members = {name: _resolved(entry, context) for name, entry in _members(raw, context).items()}
        if any("array" in types_of(entry) for entry in members.values()):
            return set(members)
    return None


def _members(raw: Mapping[str, Any], context: Context, depth: int = 0) -> dict[str, Any]:
    """The properties of an object, those of its ``allOf`` parts included."""
    members = dict(raw["properties"]) if isinstance(raw.get("properties"), Mapping) else {}
    parts = raw.get("allOf")
    for part in parts if isinstance(parts, list) and depth < 8 else ():
        members |= _members(_resolved(part, context), context, depth + 1)
    return members


def _resolved(raw: Any, context: Context) -> Mapping[str, Any]:
    value = context.document.resolve(raw, "").value
    return value if isinstance(value, Mapping) else {}


@rule(
    "body",
    severity=Severity.WARNING,
    good=("post: {responses: {'201': {content: {application/json: {schema: {$ref: '#/components/schemas/Item'}}}}}}",),
    bad=(
        "read: {responses: {'200': {content: {application/json: {example: [],"
        " schema: {$ref: null, type: array, items: {type: object}}}}}}}",
        "read: {responses: {'200': {content: {application/json: {example: a,"
        " schema: {$ref: null, type: string, maxLength: 9}}}}}}",
    ),
)
def bodies_are_objects(body: Body, context: Context) -> Iterator[Flaw]:
    """A JSON body is an object.

    A bare array or value has no room for anything beside it: a page, a warning, a total. Adding the first of them is
    then a breaking change. Wrap it: ``{items: [...]}``, with a new major.
    """
    if not body.is_json or body.payload.schema is None or body.lane == "error":
        return
    types = types_of(_resolved(body.payload.schema.value, context))
    if types and "object" not in types:
        kind = ", ".join(sorted(types - {"null"}))
        yield Flaw(body.pointer, f"the body is a bare {kind}", "wrap it in an object in the next major")

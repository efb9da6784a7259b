"""What happened, and what gateways are given: the audit log and the snapshot."""

from __future__ import annotations

from registry import audit
from registry.api.desk import Answer, Call
from registry.api.wire import paged, plain, uncursor
from registry.errors import Invalid, NotFound

__all__ = ["export_audit", "get_snapshot", "list_audit"]


def list_audit(call: Call, *, subject: str | None = None, limit: int = 50, cursor: str | None = None) -> Answer:
    before = None
    if cursor is not None:
        last = uncursor(cursor)
        if not (last.isdecimal() and last.isascii() and len(last) < 19):
            raise Invalid("/query/cursor", "this is no cursor of the audit log")
        before = int(last)
    with call.store.read() as unit:
        found = audit.entries(unit, subject=subject, before=before, limit=limit, reader=call.actor)
    return Answer(paged([plain(e) for e in found.entries], limit, None if found.next is None else str(found.next)))


def export_audit(call: Call, *, after: int = 0, limit: int = 1000) -> Answer:
    with call.store.read() as unit:
        lines = audit.exported(unit, after=after, limit=limit)
    return Answer(b"".join(line + b"\n" for line in lines), media_type="application/jsonl")


async def get_snapshot(call: Call, *, wait: int = 0) -> Answer:
    row = await call.desk.feed.current()
    if row is None:
        raise NotFound("there is no snapshot yet")
    if call.holds(row.digest):
        other = await call.desk.feed.other_than(row.digest, float(wait)) if wait else None
        if other is None:
            return Answer(status=304, headers=_headers(row.digest))
        row = other
    return Answer(row.data, headers=_headers(row.digest))


def _headers(digest: str) -> dict[str, str]:
    return {"ETag": f'"{digest}"', "Cache-Control": "no-cache"}

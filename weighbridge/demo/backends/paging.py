"""Pages and cursors: an opaque place in a list, bound to the filter that made it, good for a day.

Owns the cursor's text. The subtle thing: a cursor names the last record seen (change time and id), not an offset, so a
list that grows while it is swept loses nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from weighbridge.demo.backends.exchange import Call, Refusal
from weighbridge.demo.backends.store import Record
from weighbridge.demo.backends.values import instant, stamp

LIFETIME = timedelta(hours=24)
DEFAULT_LIMIT = 50


def page(
    call: Call,
    records: Iterable[Record],
    show: Callable[[Record], dict[str, Any] | None],
    *,
    newest_first: bool = False,
) -> dict[str, Any]:
    """``{items, page}`` of what `show` lets through; ``None`` hides a record.

    `records` stand in list order: by change time and id, rising unless `newest_first`.
    ``changedSince`` (inclusive), ``limit`` and ``cursor`` are read from the query. Raises `Refusal` ``CURSOR_INVALID``.
    """
    limit = int(call.query.get("limit") or DEFAULT_LIMIT)
    since = instant_of(call.query, "changedSince")
    after = _opened(call) if call.query.get("cursor") else None
    items: list[dict[str, Any]] = []
    last: Record | None = None
    for record in records:
        if since is not None and record.changed_at < since:
            continue
        if after is not None and not _is_behind((record.changed_at, record.id), after, newest_first):
            continue
        if (shown := show(record)) is None:
            continue
        if len(items) == limit:
            assert last is not None
            return {"items": items, "page": {"limit": limit, "nextCursor": _sealed(call, last)}}
        items.append(shown)
        last = record
    return {"items": items, "page": {"limit": limit}}


def _is_behind(place: tuple[datetime, str], after: tuple[datetime, str], newest_first: bool) -> bool:
    return place < after if newest_first else place > after


def instant_of(query: Mapping[str, Any], name: str) -> datetime | None:
    """A ``date-time`` query parameter. Raises `Refusal` for a text that is none."""
    text = query.get(name)
    if text is None:
        return None
    try:
        # a plus sign that was not escaped arrives as a blank
        return instant(str(text).replace(" ", "+"))
    except ValueError:
        raise Refusal(
            400,
            "VALIDATION_FAILED",
            f"{name} is no instant with an offset.",
            errors=[{"pointer": f"/query/{name}", "code": "FORMAT", "detail": "RFC 3339 date-time expected"}],
        ) from None


def _filter(call: Call) -> str:
    kept = {name: value for name, value in call.query.items() if name not in {"cursor", "limit"}}
    text = json.dumps([call.operation_id, call.site.site_id, call.caller.party, dict(call.path), kept], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:12]


def _sealed(call: Call, last: Record) -> str:
    text = json.dumps([stamp(last.changed_at), last.id, _filter(call), int(call.now.timestamp())])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _opened(call: Call) -> tuple[datetime, str]:
    text = str(call.query["cursor"])
    try:
        changed_at, key, bound_to, made_at = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        place, made = (instant(changed_at), str(key)), datetime.fromtimestamp(made_at, UTC)
    except (ValueError, TypeError, binascii.Error, OverflowError, OSError):
        raise _invalid("This is no cursor of ours.") from None
    if bound_to != _filter(call):
        raise _invalid("This cursor belongs to another filter.")
    if not made <= call.now <= made + LIFETIME:
        raise _invalid("This cursor has expired.")
    return place


def _invalid(why: str) -> Refusal:
    return Refusal(400, "CURSOR_INVALID", why + " Start again without one.")

"""Between the domain and JSON: structs and instants out, bodies and moments in, lists as pages.

Owns the rule that instants are unix seconds inside and RFC 3339 outside, and that digests of secrets never leave.
Knows nothing of HTTP. The subtle thing is `instants`: a witness in a finding is somebody's payload, and stays as it is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from policies.compat import Comparison
from policies.findings import Report
from policies.impact import Impact
from policies.lifecycle import Compared
from registry.errors import Invalid
from registry.evidence import Publication, comparison_dict, impact_dict, report_dict
from registry.store.records import Credential, Operator, SigningKey, StoredEvidence, StoredVersion

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

RULES = "/v1/rules/"
_INSTANTS = frozenset(
    "approved_at at compiled_at created_at deprecated_at expires_at last_at last_called_at last_used_at moved_at "
    "published_at retired_at revoked_at signs_from submitted_at sunset_at until".split()
)
_FOREIGN = frozenset({"witness", "jwks", "public_jwk"})
_PLACE = re.compile(r"^(.*?)(?: - at `(?:key in )?\$(.*)`)?$", re.DOTALL)


# -- out --------------------------------------------------------------------------------------------------------------


def instant(seconds: int | None) -> str | None:
    """Unix seconds as an RFC 3339 date-time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instants(tree: Any) -> Any:
    """The same tree with every instant of ours as text."""
    if isinstance(tree, Mapping):
        return {
            key: instant(value)
            if key in _INSTANTS and isinstance(value, int) and not isinstance(value, bool)
            else (value if key in _FOREIGN else instants(value))
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [instants(entry) for entry in tree]
    return tree


def plain(record: Struct) -> dict[str, Any]:
    """A record as JSON, without what only the registry may know."""
    tree: dict[str, Any] = msgspec.to_builtins(record)
    if isinstance(record, Operator | Credential):
        del tree["digest"]
    if isinstance(record, Credential):
        del tree["certificate"]  # its fingerprint is `subject`
    if isinstance(record, SigningKey):
        del tree["private_pem"]
    if isinstance(record, StoredVersion):
        tree["major"] = record.major
    shown: dict[str, Any] = instants(tree)
    return shown


def publication(made: Publication) -> dict[str, Any]:
    """A judgement: the reports under ``reports``, every finding with the address of its explanation."""
    tree = made.to_dict()
    reports = {name: tree.pop(name) for name in ("gates", "lint", "comparisons", "previous")}
    return {**instants(tree), "version": plain(made.version), "reports": _explained(instants(reports))}


def evidence(kept: StoredEvidence) -> dict[str, Any]:
    """What was kept, told in the shape of the publication that it was kept from."""
    tree = msgspec.to_builtins(kept)
    reports = {name: tree.pop(name) for name in ("gates", "lint")}
    own = kept.number.partition(".")[0]
    compared: dict[bool, list[Any]] = {True: [], False: []}
    for entry in tree.pop("comparisons"):
        compared[entry["against"].partition(".")[0] == own].append(entry)
    reports |= {"comparisons": compared[True], "previous": next(iter(compared[False]), None)}
    return {**instants(tree), "reports": _explained(instants(reports))}


def impact(made: Impact) -> dict[str, Any]:
    tree: dict[str, Any] = instants(impact_dict(made))
    return tree


def report(made: Report) -> dict[str, Any]:
    tree: dict[str, Any] = _explained(instants(report_dict(made)))
    return tree


def comparison(old: str, made: Comparison) -> dict[str, Any]:
    tree: dict[str, Any] = _explained(instants(comparison_dict(Compared(old, made))))
    return tree


def _explained(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_explained(entry) for entry in tree]
    if not isinstance(tree, dict):
        return tree
    out = {key: value if key in _FOREIGN else _explained(value) for key, value in tree.items()}
    if "rule" in out and "severity" in out:
        out["explanation"] = RULES + str(out["rule"])
    return out


# -- in ---------------------------------------------------------------------------------------------------------------


def moment(text: str | None, pointer: str) -> int | None:
    """Unix seconds of an RFC 3339 date-time, or of the first second (UTC) of a date. Raises `Invalid`."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError:
        raise Invalid(
            pointer, "not an RFC 3339 date-time or date, such as 2027-06-30T00:00:00Z or 2027-06-30"
        ) from None
    if parsed.tzinfo is None:
        if len(text) > len("2027-06-30"):
            raise Invalid(pointer, "a date-time needs its offset from UTC, such as a trailing Z")
        parsed = parsed.replace(tzinfo=UTC)
    if not 1970 < parsed.year < 9999:
        raise Invalid(pointer, "this instant is out of range")
    return int(parsed.timestamp())


def decode(kind: type[S], body: Mapping[str, Any], **named: str | int) -> S:
    """A struct from a body; `named` are the members that the address already says. Raises `Invalid`."""
    for name, value in named.items():
        if body.get(name, value) != value:
            raise Invalid(f"/{name}", f"the address says {value!r}")
    try:
        return msgspec.convert({**body, **named}, kind)
    except msgspec.ValidationError as error:
        match = _PLACE.match(str(error))
        place = (match[2] if match else "") or ""
        pointer = re.sub(r"\.|\[|\]\.?", "/", place).rstrip("/")
        raise Invalid(pointer, match[1] if match else str(error)) from None


# -- pages ------------------------------------------------------------------------------------------------------------


def page(
    items: Sequence[T],
    identity: Callable[[T], str],
    show: Callable[[T], dict[str, Any]],
    limit: int,
    cursor: str | None,
    order: Callable[[str], Any] = str,
) -> dict[str, Any]:
    """One page of a list. The cursor names the last item of the page before; is that gone, the next one by `order` of
    the identities is first. Raises `Invalid` for what was never a cursor."""
    start = 0
    if cursor is not None:
        last = uncursor(cursor)
        names = [identity(item) for item in items]
        if last in names:
            start = names.index(last) + 1
        else:
            try:
                start = next((index for index, name in enumerate(names) if order(name) > order(last)), len(names))
            except ValueError:
                raise _no_cursor() from None
    shown = items[start : start + limit]
    more = start + limit < len(items)
    return paged([show(item) for item in shown], limit, identity(shown[-1]) if more else None)


def paged(items: list[dict[str, Any]], limit: int, last: str | None) -> dict[str, Any]:
    return {"items": items, "page": {"limit": limit, "next_cursor": None if last is None else _cursor(last)}}


def _cursor(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def uncursor(cursor: str) -> str:
    """Raises `Invalid` for what was never a cursor."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise _no_cursor() from None


def _no_cursor() -> Invalid:
    return Invalid("/query/cursor", "this is no cursor of ours; pass page.next_cursor of the page before")

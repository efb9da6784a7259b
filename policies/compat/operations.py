"""Rules on whole operations, and on what stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from policies.compat.claims import Said, document, operation, rule
from policies.findings import Severity
from policies.model.document import Operation

_GET = "get: {responses: {'200': {description: found}}}"
_PUT = "put: {responses: {'204': {description: done}}}"
_BOTH = f"paths:\n  /orders:\n    {_GET}\n    {_PUT}"
_SUNSET = "deprecated: true\nx-sunset: '%s'"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STABILITY = {"draft": 0, "alpha": 1, "beta": 2, "stable": 3}
_ONE = f"paths:\n  /orders:\n    {_GET}"


@dataclass(frozen=True, slots=True)
class OperationPair:
    """One operation in both documents, met by method and path template; parameter names in the template do not
    count."""

    old: Operation | None
    new: Operation | None
    flipped: bool = False
    """A webhook or a callback: the service calls, the subscriber answers."""
    internal: tuple[bool, bool] = (False, False)
    """Whether it is kept from partners (`policies.model.audience`), before and now."""


@rule("operation", area="operation", action="removed", breaks=[document(_BOTH, _ONE)], safe=[document(_ONE, _BOTH)])
def operation_removed(pair: OperationPair) -> Iterator[Said]:
    """An operation is gone, or moved to another path or method.

    Every caller gets 404 or 405; where it is a webhook or a callback, subscribers wait for what never comes. Keep it,
    deprecated, until the next major.
    """
    if pair.old and not pair.new:
        said = "is no longer sent" if pair.flipped else "is gone"
        yield Said(f"{pair.old.key} {said}", fix="keep the operation, deprecated, until the next major")


@rule("operation", severity=Severity.INFO, area="operation", action="added", tells=[document(_ONE, _BOTH)])
def operation_added(pair: OperationPair) -> Iterator[Said]:
    """There is a new operation.

    Nobody is hurt: callers that know nothing of it call what they called. It takes a minor version.
    """
    if pair.new and not pair.old:
        yield Said(f"{pair.new.key} is new")


@rule(
    "operation",
    severity=Severity.WARNING,
    area="operation",
    action="renamed",
    breaks=[operation("operationId: createOrder", "operationId: placeOrder")],
    safe=[operation("operationId: createOrder", "operationId: createOrder")],
)
def operation_id_renamed(pair: OperationPair) -> Iterator[Said]:
    """An operationId changed.

    Calls on the wire go on; code generated from the contract no longer compiles. Keep the id.
    """
    if pair.old and pair.new and pair.old.operation_id and pair.old.operation_id != pair.new.operation_id:
        now = f"is now {pair.new.operation_id}" if pair.new.operation_id else "has no operationId any more"
        yield Said(f"{pair.old.operation_id} {now}", fix=f"keep operationId: {pair.old.operation_id}")


@rule(
    "operation",
    severity=Severity.INFO,
    area="operation",
    action="deprecated",
    tells=[operation("deprecated: false", _SUNSET % "2031-06-30")],
)
def operation_deprecated(pair: OperationPair) -> Iterator[Said]:
    """An operation was announced as deprecated, or the announcement was taken back."""
    if pair.old and pair.new and bool(pair.old.raw.get("deprecated")) != bool(pair.new.raw.get("deprecated")):
        yield Said(f"{pair.new.key} is {'now' if pair.new.raw.get('deprecated') else 'no longer'} deprecated")


def _sunset(operation: Operation | None) -> str:
    """The day given by ``x-sunset``, or nothing where there is none that can be read (RFC 3339 full-date)."""
    given = str(operation.raw.get("x-sunset", ""))[:10] if operation else ""
    return given if _DAY.fullmatch(given) else ""


@rule(
    "operation",
    severity=Severity.ERROR,
    area="operation",
    action="sunset",
    breaks=[operation(_SUNSET % "2031-06-30", _SUNSET % "2031-01-31")],
    safe=[operation(_SUNSET % "2031-01-31", _SUNSET % "2031-06-30")],
)
def operation_sunset_moved_earlier(pair: OperationPair) -> Iterator[Said]:
    """An operation ends sooner than was announced (``x-sunset``).

    Callers planned their change for the day they were told. Keep the day, or move it later.
    """
    old, new = _sunset(pair.old), _sunset(pair.new)
    if pair.new and old and new and new < old:
        yield Said(f"{pair.new.key} was to end on {old} and now ends on {new}", fix=f"keep x-sunset: {old}")


@rule(
    "operation",
    severity=Severity.INFO,
    area="operation",
    action="sunset",
    tells=[operation("deprecated: true", _SUNSET % "2031-06-30")],
)
def operation_sunset_announced(pair: OperationPair) -> Iterator[Said]:
    """The day on which an operation ends was announced, moved later or taken back (``x-sunset``)."""
    old, new = _sunset(pair.old), _sunset(pair.new)
    if pair.old and pair.new and old != new and not (old and new and new < old):
        yield Said(f"{pair.new.key} now ends on {new}" if new else f"{pair.new.key} no longer says when it ends")


@rule(
    "operation",
    severity=Severity.WARNING,
    area="operation",
    action="deprecated",
    breaks=[operation("deprecated: false", "deprecated: true")],
    safe=[operation("deprecated: false", _SUNSET % "2031-06-30")],
)
def operation_deprecated_without_sunset(pair: OperationPair) -> Iterator[Said]:
    """An operation was announced as deprecated and does not say until when it is served.

    Callers cannot plan. Add ``x-sunset`` with a day.
    """
    if not pair.old or not pair.new or _sunset(pair.new):
        return
    if pair.new.raw.get("deprecated") and not pair.old.raw.get("deprecated"):
        yield Said(f"{pair.new.key} is now deprecated, and until when is not said", fix="add x-sunset with a day")


@rule(
    "operation",
    severity=Severity.WARNING,
    area="operation",
    action="stability",
    no_mirror="more stability than was promised hurts nobody",
    breaks=[operation("x-stability: stable", "x-stability: beta")],
    safe=[operation("x-stability: beta", "x-stability: stable")],
)
def operation_stability_lowered(pair: OperationPair) -> Iterator[Said]:
    """An operation promises less stability than before (``x-stability``: draft, alpha, beta, stable).

    Callers built on the promise that was made. Keep it, and offer what is still moving as another operation.
    """
    old, new = (_STABILITY.get(str(side.raw.get("x-stability"))) if side else None for side in (pair.old, pair.new))
    if pair.old and pair.new and old is not None and new is not None and new < old:
        before, now = pair.old.raw["x-stability"], pair.new.raw["x-stability"]
        yield Said(f"{pair.new.key} was {before} and is now {now}", fix=f"keep x-stability: {before}")


@rule(
    "verdict",
    severity=Severity.INFO,
    area="prose",
    action="changed",
    bump="patch",
    tells=[operation("summary: Place an order", "summary: Place an order for delivery")],
)
def prose_changed(pair: object) -> Iterator[Said]:
    """Only words changed: descriptions, summaries, examples, contacts, tags."""
    return iter(())


@rule(
    "verdict",
    severity=Severity.INFO,
    area="servers",
    action="changed",
    tells=[document("paths: {}", "servers: [{url: /}, {url: 'https://api.example.com/v1'}]\npaths: {}")],
)
def server_added(pair: object) -> Iterator[Said]:
    """The document names a further address. Callers go on using the one they know."""
    return iter(())


@rule(
    "verdict",
    severity=Severity.WARNING,
    area="servers",
    action="changed",
    breaks=[
        document(
            "servers: [{url: 'https://api.example.com/v1'}]\npaths: {}",
            "servers: [{url: 'https://api.example.com/v2'}]\npaths: {}",
        )
    ],
)
def server_removed(pair: object) -> Iterator[Said]:
    """An address the document named is gone.

    Callers through the gateway keep their stable address and notice nothing; callers who took the address from the
    document lose it. Keep the old server listed until they moved.
    """
    return iter(())

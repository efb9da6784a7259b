"""Rules on whole operations, and on what stands around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.compat.claims import Said, document, operation, rule
from policies.findings import Severity
from policies.model.document import Operation

_GET = "get: {responses: {'200': {description: found}}}"
_PUT = "put: {responses: {'204': {description: done}}}"
_BOTH = f"paths:\n  /orders:\n    {_GET}\n    {_PUT}"
_ONE = f"paths:\n  /orders:\n    {_GET}"


@dataclass(frozen=True, slots=True)
class OperationPair:
    """One operation in both documents, met by method and path template; parameter names in the template do not
    count."""

    old: Operation | None
    new: Operation | None


@rule("operation", area="operation", action="removed", breaks=[document(_BOTH, _ONE)], safe=[document(_ONE, _BOTH)])
def operation_removed(pair: OperationPair) -> Iterator[Said]:
    """An operation is gone, or moved to another path or method.

    Every caller gets 404 or 405. Keep it, deprecated, until the next major.
    """
    if pair.old and not pair.new:
        yield Said(f"{pair.old.key} is gone", fix="keep the operation, deprecated, until the next major")


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
    tells=[operation("deprecated: false", "deprecated: true")],
)
def operation_deprecated(pair: OperationPair) -> Iterator[Said]:
    """An operation was announced as deprecated, or the announcement was taken back."""
    if pair.old and pair.new and bool(pair.old.raw.get("deprecated")) != bool(pair.new.raw.get("deprecated")):
        yield Said(f"{pair.new.key} is {'now' if pair.new.raw.get('deprecated') else 'no longer'} deprecated")


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

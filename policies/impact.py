"""Who is touched by a change: the applications subscribed to the major, and what of it each may call.

Pure over frozen facts. *Touched* means subscribed; *hurt* means that something it may call stops working as promised.
Subscriptions and scopes are declared use; observed use can only narrow it, so nobody who is hurt is missed.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from policies.findings import Finding, Severity
from policies.model.access import Application
from policies.model.document import Document, Operation


class Touched(Struct, frozen=True, kw_only=True):
    """One application. `operations` are those it may call and that break (``GET /orders``); empty when it is not hurt,
    or when all of them are."""

    application: str
    name: str
    consumer: str
    audience: str
    major: int
    plan: str
    hurt: bool
    operations: tuple[str, ...] = ()


class Impact(Struct, frozen=True, kw_only=True):
    """By application id. For a new major these are the subscribers of the one before: not hurt, but due to move."""

    contract: str
    major: int
    touched: tuple[Touched, ...] = ()

    @property
    def hurt(self) -> tuple[Touched, ...]:
        return tuple(touched for touched in self.touched if touched.hurt)


def of(
    contract: str,
    major: int,
    applications: Iterable[Application],
    *,
    findings: Iterable[Finding] = (),
    document: Document | None = None,
    ends: bool = False,
) -> Impact:
    """The subscribers of `major` among `applications`, and which of them `findings` (of the differ) hurt.

    `document` is the old one, whose security says who may call what; without it every finding hurts everybody. With
    `ends` the major stops being served, which hurts all.
    """
    broken = [finding for finding in findings if finding.severity is Severity.ERROR]
    operations = {operation.key: operation for operation in document.operations} if document else {}
    touched = []
    for application in sorted(applications, key=lambda application: application.id):
        plan = next(
            (s.plan for s in application.subscriptions if s.contract == contract and s.major == major),
            None,
        )
        if plan is None:
            continue
        scopes = frozenset(application.scopes)
        keys = set[str]()
        for finding in broken:
            operation = operations.get(finding.operation or "")
            if operation is None or not _is_inside(finding, operation):
                keys.add("")  # a shared definition: the finding names one of the operations that use it
            elif may_call(operation, scopes):
                keys.add(operation.key)
        touched.append(
            Touched(
                application=application.id,
                name=application.name,
                consumer=application.consumer,
                audience=application.audience,
                major=major,
                plan=plan,
                hurt=ends or bool(keys),
                operations=() if ends or "" in keys else tuple(sorted(keys)),
            )
        )
    return Impact(contract=contract, major=major, touched=tuple(touched))


def _is_inside(finding: Finding, operation: Operation) -> bool:
    place = finding.old_pointer if finding.old_pointer is not None else finding.pointer
    return place == operation.pointer or place.startswith(operation.pointer + "/")


def may_call(operation: Operation, scopes: frozenset[str]) -> bool:
    """Whether a caller with these scopes satisfies any of the operation's security alternatives."""
    if not operation.security:
        return True
    return any(
        all(requirement.kind == "apiKey" or scopes.issuperset(requirement.scopes) for requirement in alternative)
        for alternative in operation.security
    )

"""Who is touched by a change: the applications subscribed to the major or seen calling it, and what of it each calls.

Pure over frozen facts. *Touched* means subscribed, or served lately; *hurt* means that something it may call, or did
call, stops working as promised. Subscriptions and scopes are declared use; observed use can only add to it, so nobody
who is hurt is missed.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from policies.findings import Finding, Severity
from policies.model.access import Application
from policies.model.document import Document, Operation
from policies.traffic.authorize_scopes import may_call


class Observed(Struct, frozen=True, kw_only=True):
    """What one application was seen calling of a major. `application` is empty for callers without credentials,
    `operation` is an operationId. Of its `calls` within `days` days `served` were not refused (4xx)."""

    application: str
    operation: str
    calls: int
    served: int
    days: int
    last_called_at: int


class Called(Struct, frozen=True, kw_only=True):
    """An operation that was really called, ``GET /orders``, how often, and when last (unix seconds)."""

    operation: str
    calls_per_day: float
    last_called_at: int


class Touched(Struct, frozen=True, kw_only=True):
    """One application. `operations` are those it may call, or did, and that break (``GET /orders``); empty when it is
    not hurt, or when all of them are. `plan` is empty where there is no subscription (any more), `application` where
    the calls came without credentials. `calls` are what it was seen calling, the most called first."""

    application: str
    name: str
    consumer: str
    audience: str
    major: int
    plan: str
    hurt: bool
    operations: tuple[str, ...] = ()
    calls: tuple[Called, ...] = ()
    last_called_at: int | None = None


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
    observed: Iterable[Observed] = (),
) -> Impact:
    """The subscribers of `major` among `applications`, who else was seen calling it, and which of them `findings` (of
    the differ) hurt.

    `document` is the old one, whose security says who may call what; without it every finding hurts everybody. With
    `ends` the major stops being served, which hurts all.
    """
    broken = [finding for finding in findings if finding.severity is Severity.ERROR]
    operations = {operation.key: operation for operation in document.operations} if document else {}
    keys_by_id = {operation.operation_id or key: key for key, operation in operations.items()}
    seen: dict[str, list[tuple[str, Observed]]] = {}
    for use in observed:
        seen.setdefault(use.application, []).append((keys_by_id.get(use.operation, use.operation), use))
    known = {application.id: application for application in applications}
    strangers = {id_ for id_, uses in seen.items() if id_ not in known and any(use.served for _, use in uses)}
    touched = []
    for id_ in sorted(known.keys() | strangers):
        application = known.get(id_) or _stranger(id_)
        plan = next((s.plan for s in application.subscriptions if s.contract == contract and s.major == major), "")
        uses = seen.get(id_, [])
        if not plan and not any(use.served for _, use in uses):
            continue
        scopes = frozenset(application.scopes)
        served = {key for key, use in uses if use.served}
        keys = set[str]()
        for finding in broken:
            operation = operations.get(finding.operation or "")
            if operation is None or not _is_inside(finding, operation):
                keys.add("")  # a shared definition: the finding names one of the operations that use it
            elif operation.key in served or (plan and may_call(operation, scopes)):
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
                calls=_called(uses),
                last_called_at=max((use.last_called_at for _, use in uses), default=None),
            )
        )
    return Impact(contract=contract, major=major, touched=tuple(touched))


def _stranger(id_: str) -> Application:
    """Somebody that is registered no more, or never said who it is: for all we know, a partner."""
    return Application(id=id_, name=id_ or "callers without credentials", consumer="", audience="partner")


def _called(uses: list[tuple[str, Observed]]) -> tuple[Called, ...]:
    return tuple(
        Called(operation=key, calls_per_day=round(use.calls / max(1, use.days), 1), last_called_at=use.last_called_at)
        for key, use in sorted(uses, key=lambda entry: (-entry[1].calls, entry[0]))
    )


def _is_inside(finding: Finding, operation: Operation) -> bool:
    place = finding.old_pointer if finding.old_pointer is not None else finding.pointer
    return place == operation.pointer or place.startswith(operation.pointer + "/")

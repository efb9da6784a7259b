"""The consumer's own contract: a document reduced to what one application may call, as the gateway enforces it.

    callable_by(contract, document, application, major) -> frozenset of (path, method)
    view(View) -> dict                                      the reduced document, valid OpenAPI of the same dialect

What an application may call is asked of the very functions that the gateway's policies ask: scopes
(`authorize_scopes.may_call`), audience (`model.audience`), sites. Pure: facts in, a new tree out.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from policies.model.access import Application, Plan
from policies.model.audience import audience_of
from policies.model.contract import Contract, Version
from policies.model.document import Document
from policies.traffic.authorize_scopes import may_call
from policies.view.reducing import Reduction
from policies.view.sites import Sites


class View(Struct, frozen=True, kw_only=True):
    """What is shown to whom. `address` is where the gateway serves this major, `successor` the major to move to."""

    contract: Contract
    version: Version
    document: Document
    application: Application
    plan: Plan
    address: str
    successor: int | None = None


def callable_by(
    contract: Contract, document: Document, application: Application, major: int
) -> frozenset[tuple[str, str]]:
    """(path template, lower-case method) of every operation that is not refused whatever is sent."""
    scopes, sites = frozenset(application.scopes), Sites(contract, document, application, major)
    return frozenset(
        (operation.path, operation.method.lower())
        for operation in document.operations
        if may_call(operation, scopes)
        and (application.audience == "internal" or audience_of(contract, document, operation) == "partner")
        and sites.can_be_named(operation)
    )


def view(facts: View) -> dict[str, Any]:
    """A new tree; what of `facts.document` did not change is shared with it."""
    contract, application, major = facts.contract, facts.application, facts.version.major
    kept = callable_by(contract, facts.document, application, major)
    reduction = Reduction(
        facts.document,
        kept,
        frozenset(application.scopes),
        Sites(contract, facts.document, application, major),
        hides=application.audience == "partner",
        extensions=frozenset(contract.internal_extensions),
    )
    tree = reduction.reduced()
    tree["info"] = {**tree["info"], "x-weighbridge": _particulars(facts, kept)}
    ordered = {"openapi": tree.pop("openapi"), "info": tree.pop("info"), "servers": [{"url": facts.address}]}
    return ordered | tree


def _particulars(facts: View, kept: frozenset[tuple[str, str]]) -> dict[str, Any]:
    """What holds for this application beside the operations. Instants are unix seconds."""
    version, application = facts.version, facts.application
    names = {o.operation_id for o in facts.document.operations if (o.path, o.method.lower()) in kept}
    limits = []
    for limit in facts.plan.limits:
        operations = [name for name in limit.operations if name in names]
        if operations or not limit.operations:
            members = {**msgspec.to_builtins(limit), "operations": operations}
            limits.append({name: value for name, value in members.items() if value not in (None, [], {})})
    told = {
        "application": application.id,
        "consumer": application.consumer,
        "contract": facts.contract.name,
        "major": version.major,
        "version": version.number,
        "stage": str(version.stage),
        "plan": facts.plan.name,
        "limits": limits,
        "max_concurrent": facts.plan.max_concurrent,
        "sites": None if application.sites is None else sorted(application.sites),
        "deprecated_at": version.deprecated_at,
        "sunset_at": version.sunset_at,
        "successor": None if facts.successor is None else f"/{facts.contract.name}/v{facts.successor}",
        "blocked": version.block is not None,
    }
    return {name: value for name, value in told.items() if value is not None}

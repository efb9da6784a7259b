"""Rules on what is kept from partners: ``x-internal`` and ``x-audience``, as the gateway reads them."""

from __future__ import annotations

from collections.abc import Iterator

from policies.compat.claims import Said, document, operation, rule
from policies.compat.operations import OperationPair
from policies.compat.parameters import ParameterPair
from policies.model.audience import is_hidden

_QUERY = "parameters: [{name: trace, in: query, schema: {type: string}%s}]"
_OPEN = "paths: {/orders: {get: {responses: {'200': {description: found}}}}}"
_KEPT = "paths: {/orders: {x-audience: internal, get: {responses: {'200': {description: found}}}}}"


@rule(
    "operation",
    area="operation",
    action="hidden",
    no_mirror="whom it is opened to can do without it",
    breaks=[operation("x-internal: false", "x-internal: true"), document(_OPEN, _KEPT)],
    safe=[operation("x-internal: true", "x-internal: false"), operation("x-internal: true", "x-audience: internal")],
)
def operation_became_internal(pair: OperationPair) -> Iterator[Said]:
    """An operation is no longer for partners.

    Every partner that calls it gets 403, and it is gone from the document that partners read. Leave it open until the
    next major, and mark it there.
    """
    if pair.old and pair.new and not pair.flipped and pair.internal == (False, True):
        yield Said(f"{pair.new.key} is no longer for partners", fix="leave it open until the next major")


@rule(
    "parameter",
    direction="request",
    area="parameter",
    action="hidden",
    no_mirror="whom it is opened to can do without it",
    breaks=[operation(_QUERY % "", _QUERY % ", x-internal: true")],
    safe=[operation(_QUERY % ", x-internal: true", _QUERY % "")],
)
def parameter_became_internal(pair: ParameterPair) -> Iterator[Said]:
    """A parameter is no longer for partners.

    Every partner that sends it gets 403. Leave it open until the next major, and mark it there.
    """
    if pair.old and pair.new and is_hidden(pair.new) and not is_hidden(pair.old):
        yield Said(f"the {pair.called} is no longer for partners", fix="leave it open until the next major")

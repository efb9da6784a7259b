"""Which scopes a token may carry: those the application was granted, of those its subscriptions can use.

A scope that no contract it is subscribed to asks for opens nothing, and in a token that got out it would open what the
application is subscribed to next month. So it stays out, and a token is fetched anew after a new subscription.
"""

from __future__ import annotations

from policies.model.contract import LIVE, Stage
from policies.model.document import Document
from policies.subscribing import HELD
from policies.traffic.authorize_scopes import scopes_needed
from registry.store import Unit

_SERVED = LIVE | {Stage.IN_REVIEW}
_declared: dict[str, frozenset[str]] = {}  # by digest: documents never change


def usable(unit: Unit, application: str) -> frozenset[str] | None:
    """What the served versions of the majors ask for that it is subscribed to; ``None`` without any subscription. One
    that is suspended counts: its calls are to be told so."""
    subscriptions = [entry for entry in unit.subscriptions.all(application=application) if entry.state in HELD]
    if not subscriptions:
        return None
    served = {
        version.digest
        for subscription in subscriptions
        for version in unit.versions.all(contract=subscription.contract, major=subscription.major)
        if version.stage in _SERVED
    }
    return frozenset().union(*(_of(unit, digest) for digest in served))


def _of(unit: Unit, digest: str) -> frozenset[str]:
    known = _declared.get(digest)
    if known is None:
        alternatives = (
            scopes_needed(alternative)
            for operation in Document(unit.trees([digest])[digest]).operations
            for alternative in operation.security or ()
        )
        known = frozenset().union(*(needed for needed in alternatives if needed is not None))
        _declared[digest] = known
    return known

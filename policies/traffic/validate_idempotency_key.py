"""Read the ``Idempotency-Key`` of a call that is to be acted on once (draft-ietf-httpapi-idempotency-key-header-07).

Owns what a key is and which operations take one; who keeps answers, and what is said to a repeat, is the gateway's
(`gateway.keyed`). Whether a key has to be there, and what it looks like beyond that, is said by the document's own
parameter and judged with all others.
"""

from __future__ import annotations

import re

from policies.model.document import Operation
from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy

HEADER = "Idempotency-Key"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_BARE = re.compile(rb"[!#-+\--~]{1,255}")
_QUOTED = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')
"""A structured-field string, RFC 9651 section 3.3.3: what the draft asks for. Most clients send the bare value."""
_MALFORMED = Problem(
    status=400,
    slug="idempotency-key-malformed",
    title="The idempotency key is malformed",
    detail="Send one Idempotency-Key of 1 to 255 visible ASCII characters without comma, or a quoted string.",
)


class ValidateIdempotencyKey:
    __slots__ = ()
    phase = Phase.VALIDATE

    def decide(self, exchange: Exchange) -> Decision:
        sent: bytes | None = None
        for name, value in exchange.headers:
            if name == b"idempotency-key":
                if sent is not None:
                    return _MALFORMED
                sent = value
        if sent is None:
            return None
        key = _key(sent)
        if key is None:
            return _MALFORMED
        exchange.idempotency_key = key
        return None


def _key(sent: bytes) -> str | None:
    """The key itself: quoted and bare, it is the same one."""
    if quoted := _QUOTED.fullmatch(sent):
        return re.sub(rb"\\(.)", rb"\1", quoted[1]).decode("ascii")
    return sent.decode("ascii") if _BARE.fullmatch(sent) else None


def takes_key(operation: Operation) -> bool:
    """Does the document declare the header for an operation that changes something?"""
    return operation.method not in _SAFE_METHODS and any(
        parameter.place == "header" and parameter.name.lower() == HEADER.lower() for parameter in operation.parameters
    )


@policy
def validate_idempotency_key(facts: RouteFacts) -> Policy | None:
    """Lets a call that bears an Idempotency-Key be acted on once, where the document declares that header.

    After a timeout send the same request with the same key: you get the first answer again instead of a second write.
    """
    if facts.contract.idempotency == "backend" or not takes_key(facts.operation):
        return None
    return ValidateIdempotencyKey()

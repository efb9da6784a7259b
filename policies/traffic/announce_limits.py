"""Say on every counted reply where the caller stands: ``RateLimit-Policy`` and ``RateLimit``.

As draft-ietf-httpapi-ratelimit-headers has them: a structured-field list with one item per limit, ``q`` units per ``w``
seconds; ``r`` units remaining, more of them in ``t`` seconds. A rate with burst says how much it allows at once in a
parameter of its own (the draft wants those to bear a vendor's name), or ``r`` would exceed ``q`` without a reason.
"""

from __future__ import annotations

from policies.traffic import Decision, Exchange, Phase, Policy, RouteFacts, policy
from policies.traffic.limit_rate import Standing


class AnnounceLimits:
    __slots__ = ()
    phase = Phase.ANNOUNCE

    def decide(self, exchange: Exchange) -> Decision:
        standing: Standing | None = exchange.limits
        if standing is None:
            return None
        levels = standing.levels
        policies = ", ".join([level.charge.policy for level in levels])
        stands = ", ".join([f"{level.charge.label};r={level.remaining};t={level.reset}" for level in levels])
        exchange.reply_headers.append((b"RateLimit-Policy", policies.encode("ascii")))
        exchange.reply_headers.append((b"RateLimit", stands.encode("ascii")))
        return None


@policy
def announce_limits(facts: RouteFacts) -> Policy | None:
    """Tells every counted caller its limits, what is left of each, and when more comes.

    Slow down while units remain instead of waiting for a 429: ``RateLimit`` says how many are left and for how long.
    """
    return AnnounceLimits()

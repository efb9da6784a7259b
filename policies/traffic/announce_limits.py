"""Say on every counted reply where the caller stands: ``RateLimit-Policy`` and ``RateLimit``.

As draft-ietf-httpapi-ratelimit-headers has them: a structured-field list with one item per limit, ``q`` units per ``w``
seconds; ``r`` units remaining, more of them in ``t`` seconds. A rate with burst says how much it allows at once in a
parameter of its own (the draft wants those to bear a vendor's name), or ``r`` would exceed ``q`` without a reason;
a quota names its calendar period, whose length ``w`` is (a day may have 23 hours), and weighted units their cost.
The tightest limit comes first, for clients that read one item and stop.
"""

from __future__ import annotations

from policies.traffic import Decision, Exchange, Phase, Policy, RouteFacts, policy
from policies.traffic.limit_rate import Level, Standing


class AnnounceLimits:
    __slots__ = ()
    phase = Phase.ANNOUNCE

    def decide(self, exchange: Exchange) -> Decision:
        standing: Standing | None = exchange.limits
        if standing is None:
            return None
        levels = standing.levels if len(standing.levels) == 1 else tightest_first(standing.levels)
        policies = ", ".join([level.charge.policy for level in levels])
        stands = ", ".join([f"{level.charge.label};r={level.remaining};t={level.reset}" for level in levels])
        exchange.reply_headers.append((b"RateLimit-Policy", policies.encode("ascii")))
        exchange.reply_headers.append((b"RateLimit", stands.encode("ascii")))
        return None


def tightest_first(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """First what admits the fewest more calls like this one, and of equals what takes longest to come back."""
    tightest, least = levels[0], levels[0].remaining // levels[0].charge.weight
    for level in levels:
        calls = level.remaining // level.charge.weight
        if calls < least or (calls == least and level.reset > tightest.reset):
            tightest, least = level, calls
    if tightest is levels[0]:
        return levels
    return (tightest, *[level for level in levels if level is not tightest])


@policy
def announce_limits(facts: RouteFacts) -> Policy | None:
    """Tells every counted caller its limits, what is left of each, and when more comes.

    Slow down while units remain instead of waiting for a 429: ``RateLimit`` says how many are left and for how long.
    """
    return AnnounceLimits()

"""Find the caller's subscription to this contract major, and with it the plan that the call counts against."""

from __future__ import annotations

from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy
from policies.traffic.authorize_scopes import allows_anonymous


class AuthorizeSubscription:
    __slots__ = ("_line", "_optional", "_problem")
    phase = Phase.AUTHORIZE

    def __init__(self, line: tuple[str, int], *, optional: bool) -> None:
        self._line = line
        self._optional = optional
        self._problem = not_subscribed(*line)

    def decide(self, exchange: Exchange) -> Decision:
        caller = exchange.caller
        allowance = None if caller is None else caller.allowances.get(self._line)
        if allowance is None:
            agreed = None if caller is None else caller.terms.get(self._line)
            refusal = self._problem if agreed is None else agreed.judge(exchange)
            if refusal is not None and not self._optional:
                return refusal
            if agreed is not None and refusal is None:
                exchange.allowance = agreed.allowance
                exchange.plan = agreed.allowance.plan
                return None
            subject = f"peer {exchange.peer}" if caller is None else caller.application.id
            allowance = exchange.table.callers.anonymous(subject)
            if allowance is None:
                return None
        exchange.allowance = allowance
        exchange.plan = allowance.plan
        return None


def not_subscribed(contract: str, major: int) -> Problem:
    """What is said of a major that the application has no subscription to."""
    return Problem(
        status=403,
        slug="not-subscribed",
        title="The application is not subscribed",
        detail=f"This application has no subscription to {contract} v{major}.",
    )


@policy
def authorize_subscription(facts: RouteFacts) -> Policy | None:
    """Lets through only applications that subscribe to this major of the contract, on the plan they subscribed with.

    One that is suspended, or a trial that is over, lets nobody through; one that is limited to some sites only there.
    What is agreed with an application may name the version that it is served, and a newer one that it tries with a
    share of its calls. Too many of these failing, the gateway takes the version away again by itself.
    A subscription is what lets the owner know whom a change would touch. Ask the owning team for one; operations whose
    `security` is open need none and count against the plan named ``anonymous``.
    """
    # whoever comes to a retired version is told so, subscribed or not, and counted if subscribed
    optional = allows_anonymous(facts.operation) or facts.version.stage == "retired"
    return AuthorizeSubscription(facts.line, optional=optional)

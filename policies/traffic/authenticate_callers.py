"""Who stands behind a credential: applications with their allowances, made once per snapshot and caller.

Shared by the authenticators. Refusals are worded here too, so that all of them answer a bad credential alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo

from msgspec.structs import force_setattr, replace

from policies.model.access import Application, Plan, Subscription
from policies.traffic import Caller, Problem
from policies.traffic.authorize_terms import Agreed, agreed, narrowed
from policies.traffic.limit_allowance import Allowance, has_quota

ANONYMOUS_PLAN = "anonymous"
"""The plan of calls without credentials, where a contract allows them; counted by peer address."""
MOST_PEERS = 10_000
"""Addresses without credentials that are remembered; what they have used is not forgotten with them."""
REALM = 'Bearer realm="weighbridge"'


Line = tuple[str, int]


class Callers:
    """The applications of one snapshot. `zones` holds the time zones of its plans by name."""

    __slots__ = ("_allowances", "_anonymous", "_applications", "_peers", "_plans", "_zones")

    def __init__(
        self, applications: Iterable[Application], plans: Iterable[Plan], zones: Mapping[str, tzinfo] | None = None
    ) -> None:
        self._zones = zones
        self._peers: dict[str, Allowance] = {}
        self._applications = {application.id: application for application in applications}
        self._plans = {plan.name: plan for plan in plans}
        self._anonymous = self._plans.get(ANONYMOUS_PLAN)
        self._allowances: dict[str, tuple[dict[Line, Allowance], dict[Line, Agreed]]] = {}

    def application(self, id_: str) -> Application | None:
        return self._applications.get(id_)

    def caller(
        self,
        id_: str,
        credential: str,
        scopes: frozenset[str] | None,
        expires_at: float,
        sites: frozenset[str] | None = None,
    ) -> Caller | None:
        """The application as a caller. `scopes` are those of a token; ``None`` (an API key) grants all it has. `sites`
        are those a token is good for; ``None`` leaves the application's. Neither ever adds to what it has."""
        application = self._applications.get(id_)
        if application is None:
            return None
        granted = frozenset(application.scopes)
        if scopes is not None:
            granted &= scopes
        allowances, terms = self._of(application)
        if sites is not None:
            kept = sites if application.sites is None else sites & frozenset(application.sites)
            application = replace(application, sites=tuple(sorted(kept)))
        made = Caller(application, credential, granted, expires_at, allowances)
        if terms:
            force_setattr(made, "terms", {line: narrowed(agreed, made) for line, agreed in terms.items()})
        return made

    def anonymous(self, subject: str) -> Allowance | None:
        """What a caller without subscription may do where no credentials are asked for."""
        if self._anonymous is None:
            return None
        known = self._peers.get(subject)
        if known is None:
            if len(self._peers) >= MOST_PEERS:
                del self._peers[next(iter(self._peers))]
            known = self._peers[subject] = Allowance(self._anonymous, subject, zones=self._zones)
        return known

    def _of(self, application: Application) -> tuple[dict[Line, Allowance], dict[Line, Agreed]]:
        """What its plans allow, without and with terms. Suspending a subscription gives no quota back: it stays one of
        those that share the plan."""
        known = self._allowances.get(application.id)
        if known is None:
            by_plan: dict[str, list[Subscription]] = {}
            for subscription in (*application.subscriptions, *application.terms):
                by_plan.setdefault(subscription.plan, []).append(subscription)
            allowances: dict[Line, Allowance] = {}
            for name, subscriptions in by_plan.items():
                allowances |= self._share(self._plans[name], application.id, subscriptions)
            terms = {(t.contract, t.major): agreed(t, allowances.pop((t.contract, t.major))) for t in application.terms}
            known = self._allowances[application.id] = allowances, terms
        return known

    def _share(self, plan: Plan, application: str, on: list[Subscription]) -> dict[tuple[str, int], Allowance]:
        """The subscriptions that are on one plan share it; only quotas keep them apart."""
        if not has_quota(plan):
            shared = Allowance(plan, application)
            return {(s.contract, s.major): shared for s in on}
        lines = [f"{s.contract}@{s.major}" for s in on]
        return {
            (s.contract, s.major): Allowance(plan, application, line=line, lines=lines, zones=self._zones)
            for s, line in zip(on, lines, strict=True)
        }


def refused(detail: str, *, error: str | None = "invalid_token") -> Problem:
    """401 for a credential that is not good, RFC 6750 section 3. `detail` never repeats the credential."""
    challenge = REALM if error is None else f'{REALM}, error="{error}", error_description="{detail}"'
    return Problem(
        status=401,
        slug="credentials-invalid",
        title="The credentials are not valid",
        detail=detail,
        headers=(("WWW-Authenticate", challenge),),
    )


def ambiguous(detail: str) -> Problem:
    """400 for credentials sent in more than one way, RFC 6750 section 2."""
    return Problem(status=400, slug="bad-request", title="The request is ambiguous", detail=detail)

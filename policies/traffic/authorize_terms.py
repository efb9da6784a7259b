"""Subscriptions with terms: requested or suspended ones, trials that end, grants of some sites.

What is asked here is asked only of them: a subscription without terms never comes here. A refusal says what the
application may know of its own subscription, and neither who suspended it nor why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from policies.model.access import Terms
from policies.traffic.exchange import Exchange
from policies.traffic.limit_allowance import Allowance

if TYPE_CHECKING:
    from policies.traffic import Caller, Problem

EXPIRES = b"Weighbridge-Subscription-Expires"
"""When a trial ends, as ``Deprecation`` says instants: a structured-field date (RFC 9651 section 3.3.7)."""


class Agreed(Struct, frozen=True):
    """One subscription's terms with what its plan allows. `caller` is the application as this subscription lets it
    call: narrowed to the sites granted; ``None`` where it narrows nothing."""

    terms: Terms
    allowance: Allowance
    announced: tuple[bytes, bytes] | None = None
    caller: Caller | None = None

    def judge(self, exchange: Exchange) -> Problem | None:
        """Refuse, or let the exchange go on as what was agreed."""
        terms = self.terms
        if terms.state != "active":
            return _suspended(terms) if terms.state == "suspended" else _requested(terms)
        if self.announced is not None:
            exchange.reply_headers.append(self.announced)
            assert terms.expires_at is not None
            if exchange.now >= terms.expires_at:
                return _expired(terms)
        if self.caller is not None:
            exchange.caller = self.caller
        return None


def agreed(terms: Terms, allowance: Allowance) -> Agreed:
    announced = None if terms.expires_at is None else (EXPIRES, b"@%d" % terms.expires_at)
    return Agreed(terms, allowance, announced)


def narrowed(agreed: Agreed, caller: Caller) -> Agreed:
    """For one caller: a site is open where application, token and subscription all have it."""
    sites = agreed.terms.sites
    if sites is None:
        return agreed
    held = caller.application.sites
    kept = tuple(site for site in sites if held is None or site in held)
    return replace(agreed, caller=replace(caller, application=replace(caller.application, sites=kept)))


def _problem(slug: str, title: str, detail: str) -> Problem:
    from policies.traffic import Problem

    return Problem(status=403, slug=slug, title=title, detail=detail)


def _requested(terms: Terms) -> Problem:
    return _problem(
        "not-subscribed",
        "The application is not subscribed",
        f"The subscription to {terms.contract} v{terms.major} was requested and is not approved yet.",
    )


def _suspended(terms: Terms) -> Problem:
    return _problem(
        "subscription-suspended",
        "The subscription is suspended",
        f"The subscription to {terms.contract} v{terms.major} is suspended for now. Ask those who gave you access.",
    )


def _expired(terms: Terms) -> Problem:
    return _problem(
        "subscription-expired",
        "The subscription has expired",
        f"The trial of {terms.contract} v{terms.major} is over. Ask those who gave you access for a plan.",
    )

"""Keep what is internal from partners: operations and parameters that carry a mark (`policies.model.audience`).

Who did not say who it is counts as a partner. Bound only where something is marked.
"""

from __future__ import annotations

from policies.model.audience import audience_of, is_hidden
from policies.traffic import Decision, Exchange, Fault, Phase, Policy, Problem, RouteFacts, policy
from policies.traffic.authenticate_credentials import CredentialsNeeded
from policies.traffic.authorize_site import in_query

_TITLE = "This is not for partners"


class InternalOperation:
    """`needed` refuses a call without credentials."""

    __slots__ = ("_needed", "_problem")
    phase = Phase.AUTHORIZE

    def __init__(self) -> None:
        self._needed = CredentialsNeeded()
        self._problem = Problem(
            status=403,
            slug="not-for-partners",
            title=_TITLE,
            detail="Only internal applications may call this operation.",
        )

    def decide(self, exchange: Exchange) -> Decision:
        caller = exchange.caller
        if caller is None:
            return self._needed.decide(exchange)
        return None if caller.application.audience == "internal" else self._problem


class InternalParameters:
    """The names of parameters that a partner may not send."""

    __slots__ = ("_cookies", "_headers", "_query")
    phase = Phase.AUTHORIZE

    def __init__(self, query: tuple[str, ...], headers: tuple[str, ...], cookies: tuple[str, ...]) -> None:
        self._query = query
        self._headers = {name.lower().encode(): name for name in headers}
        self._cookies = frozenset(cookies)

    def decide(self, exchange: Exchange) -> Decision:
        caller = exchange.caller
        if caller is not None and caller.application.audience == "internal":
            return None
        for name in self._query:
            if in_query(exchange.query, name):
                return self._refused("query", name)
        for key, value in exchange.headers:
            if key in self._headers:
                return self._refused("header", self._headers[key])
            if key == b"cookie" and self._cookies:
                for pair in value.decode("latin-1").split(";"):
                    if (name := pair.partition("=")[0].strip()) in self._cookies:
                        return self._refused("cookie", name)
        return None

    def _refused(self, place: str, name: str) -> Problem:
        detail = "Only internal applications may send this parameter."
        fault = Fault(f"/{place}/{name}", "NOT_FOR_PARTNERS", detail)
        return Problem(status=403, slug="not-for-partners", title=_TITLE, detail=detail, errors=(fault,))


@policy
def authorize_audience(facts: RouteFacts) -> Policy | None:
    """Keeps partners out of operations, and from sending parameters, that the contract marks as internal.

    ``x-internal: true`` or ``x-audience: internal`` marks them; so does the audience of the contract. They are absent
    from the document that a partner gets of the contract: fetch that (``weighbridge apps contract``) and call what
    stands in it.
    """
    operation = facts.operation
    if audience_of(facts.contract, facts.document, operation) == "internal":
        return InternalOperation()
    hidden = [parameter for parameter in operation.parameters if is_hidden(parameter)]
    if not hidden:
        return None
    query, headers, cookies = (
        tuple(parameter.name for parameter in hidden if parameter.place == place)
        for place in ("query", "header", "cookie")
    )
    return InternalParameters(query, headers, cookies)

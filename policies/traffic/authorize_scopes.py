"""Any one alternative of the operation's `security` suffices, OpenAPI 3.1 section 4.8.10 (operation object).

Within an alternative every requirement counts. Requirements of OAuth 2, OpenID Connect and bearer schemes need their
scopes; an API key is an equal credential that carries its application's scopes; a scheme of type ``apiKey`` needs a
caller and nothing more; one of type ``mutualTLS`` needs a client certificate of the application, or to which its token
is bound. Schemes nobody can satisfy here (basic) void their alternative.
"""

from __future__ import annotations

from collections.abc import Iterable

from policies.model.document import Operation, Requirement
from policies.traffic import Decision, Exchange, Phase, Policy, Problem, RouteFacts, policy
from policies.traffic.authenticate_callers import REALM

_MUTUAL = "mutualTLS"
_SCOPED = frozenset({"oauth2", "openIdConnect", "http:bearer"})
_UNSCOPED = frozenset({"apiKey", _MUTUAL})


def allows_anonymous(operation: Operation) -> bool:
    """Whether an alternative is empty. An operation that declares no security at all is not open."""
    return operation.security is not None and any(not alternative for alternative in operation.security)


def scopes_needed(alternative: Iterable[Requirement]) -> frozenset[str] | None:
    """The scopes that satisfy an alternative; ``None`` when nothing can."""
    needed: set[str] = set()
    for requirement in alternative:
        if requirement.kind in _SCOPED:
            needed.update(requirement.scopes)
        elif requirement.kind not in _UNSCOPED:
            return None
    return frozenset(needed)


def may_call(operation: Operation, scopes: frozenset[str]) -> bool:
    """Whether a subscriber with these scopes satisfies any of the operation's alternatives."""
    if operation.security is None or allows_anonymous(operation):
        return True
    needed = [scopes_needed(alternative) for alternative in operation.security]
    return any(alternative is not None and alternative <= scopes for alternative in needed)


class AuthorizeScopes:
    __slots__ = ("_alternatives", "_first", "_problem")
    phase = Phase.AUTHORIZE

    def __init__(self, alternatives: tuple[frozenset[str], ...]) -> None:
        self._alternatives = alternatives
        self._first = alternatives[0] if alternatives else None
        fewest = min(alternatives, key=len, default=frozenset[str]())
        least = " ".join(sorted(fewest))
        challenge = f'{REALM}, error="insufficient_scope"' + (f', scope="{least}"' if least else "")
        told = " or ".join(" + ".join(sorted(alternative)) for alternative in alternatives)
        self._problem = Problem(
            status=403,
            slug="scope-missing",
            title="A scope is missing",
            detail=f"This operation needs {told}." if told else "No credential known here can satisfy this operation.",
            headers=(("WWW-Authenticate", challenge),),
        )

    def decide(self, exchange: Exchange) -> Decision:
        caller = exchange.caller
        if caller is None:  # an operation that needs a caller was refused before
            return None
        if self._first is not None and self._first <= caller.scopes:
            return None
        for alternative in self._alternatives:
            if alternative <= caller.scopes:
                return None
        return self._problem


class AuthorizeMutually(AuthorizeScopes):
    """Where some alternative asks for mutual TLS: `certified` are those that do, `open_` those that do not."""

    __slots__ = ("_certified",)

    def __init__(self, certified: tuple[frozenset[str], ...], open_: tuple[frozenset[str], ...]) -> None:
        super().__init__(open_ or certified)
        self._certified = certified
        if not open_:
            self._alternatives, self._first = (), None

    def decide(self, exchange: Exchange) -> Decision:
        problem = super().decide(exchange)
        caller = exchange.caller
        if problem is None or caller is None:
            return None
        fits = any(alternative <= caller.scopes for alternative in self._certified)
        if not fits:
            return problem
        return None if exchange.certified == caller.application.id else _NO_CERTIFICATE


_NO_CERTIFICATE = Problem(
    status=403,
    slug="certificate-missing",
    title="A client certificate is missing",
    detail="This operation needs mutual TLS with a certificate of the calling application, or its token bound to it.",
)


@policy
def authorize_scopes(facts: RouteFacts) -> Policy | None:
    """Lets through only callers whose scopes satisfy one alternative of the operation's `security`.

    A token carries the scopes that were asked for and that the application holds. Ask for the missing scope when
    fetching the token; if the application does not hold it, ask the contract's owner.
    """
    security = facts.operation.security
    if security is None or any(not alternative for alternative in security):
        return None
    satisfiable = [
        (needed, any(requirement.kind == _MUTUAL for requirement in alternative))
        for alternative in security
        if (needed := scopes_needed(alternative)) is not None
    ]
    certified, open_ = (
        tuple(needed for needed, is_mutual in satisfiable if is_mutual is kind) for kind in (True, False)
    )
    return AuthorizeMutually(certified, open_) if certified else AuthorizeScopes(open_)

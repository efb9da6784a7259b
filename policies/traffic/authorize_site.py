"""Resolve the site an exchange names, check the application may use it, and choose the upstream that serves it.

The site parameter belongs to the contract; where it stands in this operation was found when the route was bound. The
subtle thing is the answer to an application that is limited to some sites: it is the same whether another site exists
or not. The upstream receives the value as it was sent, alias or not.
"""

from __future__ import annotations

from urllib.parse import unquote

from msgspec import Struct

from policies.model.contract import DEFAULT_UPSTREAM, SiteParameter, Upstream
from policies.traffic import Decision, Exchange, Fault, Phase, Policy, Problem, RouteFacts, policy


class Backend(Struct, frozen=True):
    """One upstream of the contract with ``{major}`` filled in: `url` is scheme, authority and base path without a
    trailing slash, `key` names the backend for pools, breakers and metrics."""

    url: str
    spec: Upstream
    key: str


class AuthorizeSite:
    """`place` and `index` or `name` say where the parameter stands; ``place=""`` means this operation has none."""

    __slots__ = ("_aliases", "_any_site", "_backends", "_default", "_index", "_name", "_place")
    phase = Phase.AUTHORIZE

    def __init__(
        self, parameter: SiteParameter | None, index: int, backends: dict[str, Backend], default: Backend | None
    ) -> None:
        self._place = "" if parameter is None else parameter.place
        self._name = "" if parameter is None else parameter.name
        self._aliases = {} if parameter is None else parameter.aliases
        self._index = index
        self._backends = backends
        self._default = default
        # a contract that lists no sites leaves it to its one backend to know them
        self._any_site = not backends

    def decide(self, exchange: Exchange) -> Decision:
        place = self._place
        if not place:
            return self._to(exchange, self._default)
        if place == "path":
            values = [exchange.parameters[self._index]]
        elif place == "query":
            values = in_query(exchange.query, self._name)
        else:
            name = self._name.lower().encode("latin-1")
            values = [value.decode("latin-1") for key, value in exchange.headers if key == name]
        if not values:
            return self._absent() if self._default is None else self._to(exchange, self._default)
        if len(values) > 1:
            return self._invalid("REPEATED", "The site may be named once.")
        value = values[0]
        if place == "path" and "%" in value:
            value = unquote(value)
        return self._named(exchange, self._aliases.get(value, value))

    def _named(self, exchange: Exchange, site: str) -> Problem | None:
        caller = exchange.caller
        if caller is not None:
            allowed = caller.application.sites
            if allowed is not None and site not in allowed:
                return Problem(
                    status=403,
                    slug="site-not-allowed",
                    title="The application may not use this site",
                    detail="This application is limited to certain sites, and the one named is not among them.",
                )
        backend = self._default if self._any_site else self._backends.get(site)
        if backend is None and not self._any_site:
            return Problem(
                status=404,
                slug="site-unknown",
                title="There is no such site",
                detail="The contract is not offered at the site named.",
            )
        exchange.site = site
        return self._to(exchange, backend)

    def _to(self, exchange: Exchange, backend: Backend | None) -> Problem | None:
        if backend is None:
            return Problem(
                status=502,
                slug="upstream-unreachable",
                title="Nothing serves this contract",
                detail="The contract declares no upstream for this call.",
            )
        exchange.upstream = backend
        return None

    def _absent(self) -> Problem:
        return self._invalid("REQUIRED", "This contract is served per site: name one.")

    def _invalid(self, code: str, detail: str) -> Problem:
        fault = Fault(f"/{self._place}/{self._name}", code, detail)
        return Problem(
            status=400,
            slug="validation-failed",
            title="The request breaks the contract",
            detail=detail,
            errors=(fault,),
        )


def in_query(query: str, name: str) -> list[str]:
    """Every value of one query parameter, decoded as forms are (WHATWG URL section 5.1)."""
    if not query or (name not in query and "%" not in query):
        return []
    values = []
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key == name or (("%" in key or "+" in key) and unquote(key.replace("+", " ")) == name):
            values.append(unquote(value.replace("+", " ")) if "%" in value or "+" in value else value)
    return values


@policy
def authorize_site(facts: RouteFacts) -> Policy | None:
    """Lets an application reach only the sites it was granted, and routes the call to that site's backend.

    The answer to a site outside the grant is the same whether the site exists or not. Where a call names no site it
    goes to the contract's default upstream, which filters by the identity it is given.
    """
    major = facts.version.major
    backends = {
        site: Backend(
            spec.url.replace("{major}", str(major)).rstrip("/"), spec, f"{facts.contract.name}/v{major}/{site}"
        )
        for site, spec in facts.contract.upstreams.items()
    }
    default = backends.pop(DEFAULT_UPSTREAM, None)
    if facts.upstream is not None:
        rollout = rollout_backend(facts, backends, default)
        backends = dict.fromkeys(backends, rollout)
        default = rollout
    parameter = facts.contract.site_parameter(major)
    index = 0
    if parameter is not None:
        declared = [p for p in facts.operation.parameters if p.place == parameter.place]
        named = [p for p in declared if is_site(parameter, p.name)]
        if not named:
            parameter = None
        elif parameter.place == "path":
            index = template_names(facts.operation.path).index(parameter.name)
    return AuthorizeSite(parameter, index, backends, default)


def rollout_backend(facts: RouteFacts, backends: dict[str, Backend], default: Backend | None) -> Backend:
    """A rollout's upstream is the name of one of the contract's, or an address of its own."""
    name = facts.upstream or DEFAULT_UPSTREAM
    known = default if name == DEFAULT_UPSTREAM else backends.get(name)
    if known is not None:
        return known
    major = facts.version.major
    url = name.replace("{major}", str(major)).rstrip("/")
    return Backend(url, Upstream(url=name), f"{facts.contract.name}/v{major}/rollout")


def template_names(template: str) -> list[str]:
    """The parameters of a path template, in order."""
    return [part.partition("}")[0] for part in template.split("{")[1:]]


def is_site(parameter: SiteParameter, name: str) -> bool:
    """Whether a parameter of this name, standing where the contract says, carries the site."""
    if parameter.place == "header":
        return parameter.name.lower() == name.lower()
    return parameter.name == name

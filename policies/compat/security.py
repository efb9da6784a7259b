"""Rules on who may call. The ``security`` array is a list of alternatives; within one, every scheme and scope is
needed.

So a caller is safe as long as some alternative of the new document asks for no more than the one the caller fulfils
today. Schemes are known by what they are, not by their names: renaming one changes nothing. The flows of an OAuth
scheme are ways to the same token, so each is an alternative of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product

from policies.compat.claims import Said, document, rule
from policies.compat.shapes import canonical_value
from policies.findings import Severity
from policies.model.document import Document, Operation

_FLOWS = ("authorizationCode", "clientCredentials", "implicit", "password", "deviceAuthorization")
_MOST_WAYS = 64
"""Combinations of flows that are looked at for one alternative."""
Alternative = Mapping[str, frozenset[str]]
"""Scheme (by identity) to the scopes needed; empty means anonymous."""

_HEAD = """components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
    oauth: {type: oauth2, flows: {clientCredentials: {tokenUrl: /token, scopes: {read: r, write: w}}}}
paths:
  /orders:
    get:
      responses: {'200': {description: found}}
      security: """
_KEY, _OAUTH, _EITHER, _NONE, _MORE = (
    _HEAD + text
    for text in ("[{key: []}]", "[{oauth: [read]}]", "[{key: []}, {oauth: [read]}]", "[]", "[{oauth: [read, write]}]")
)


@dataclass(frozen=True, slots=True)
class SecurityPair:
    """The alternatives of one operation in both documents."""

    old: tuple[Alternative, ...]
    new: tuple[Alternative, ...]

    @property
    def lost(self) -> list[Alternative]:
        """Alternatives that callers fulfil today and that suffice no longer."""
        return [mine for mine in self.old if not any(_asks_no_more(theirs, mine) for theirs in self.new)]


def alternatives(document: Document, operation: Operation) -> tuple[Alternative, ...]:
    """Nothing declared, or an empty list, is the one alternative that asks for nothing."""
    if not operation.security:
        return ({},)
    found: dict[tuple[tuple[str, frozenset[str]], ...], None] = {}
    for alternative in operation.security:
        ways = [
            [(identity, frozenset(entry.scopes)) for identity in _identities(document, entry.scheme)]
            for entry in alternative
        ]
        found.update((way, None) for way in islice(product(*ways), _MOST_WAYS))
    return tuple(dict(way) for way in found)


def _identities(document: Document, name: str) -> list[str]:
    """What a caller has to do to use a scheme, one text for each way. Words, and the list of scopes that exist, are no
    part of it; the names of header fields and of HTTP schemes have no case."""
    raw = document.security_schemes.get(name)
    if raw is None:
        return [name]
    kept = {key: raw[key] for key in ("type", "scheme", "in", "name", "openIdConnectUrl") if key in raw}
    for key in ("scheme", "name"):
        if isinstance(kept.get(key), str) and (key == "scheme" or kept.get("in") == "header"):
            kept[key] = kept[key].lower()
    name = " ".join(str(kept[key]) for key in ("type", "scheme", "in", "name") if key in kept)
    flows = raw.get("flows")
    urls = {
        kind: {key: flow[key] for key in ("authorizationUrl", "tokenUrl") if key in flow}
        for kind, flow in (flows.items() if isinstance(flows, Mapping) else ())
        if isinstance(flow, Mapping)
    }
    if not urls:
        return [f"{name} {canonical_value(kept).decode()}"]
    return [f"{name} {canonical_value({**kept, kind: flow}).decode()}" for kind, flow in sorted(urls.items())]


def _asks_no_more(new: Alternative, old: Alternative) -> bool:
    return all(scheme in old and scopes <= old[scheme] for scheme, scopes in new.items())


def _scheme(identity: str) -> str:
    return identity.partition(" {")[0]


def _in_few_words(said: Iterable[Said]) -> Iterator[Said]:
    """What holds for every flow of a scheme is said once."""
    yield from {(one.message, one.fix): one for one in said}.values()


def _text(alternative: Alternative) -> str:
    parts = [
        _scheme(scheme) + (f" with {', '.join(sorted(scopes))}" if scopes else "")
        for scheme, scopes in sorted(alternative.items())
    ]
    return " and ".join(parts) or "no authentication"


def _text_beside(alternative: Alternative, others: tuple[Alternative, ...]) -> str:
    """The same, with the flows where they make the difference."""
    text = _text(alternative)
    if text not in map(_text, others):
        return text
    flows = [flow for scheme in sorted(alternative) for flow in _FLOWS if f'"{flow}":' in scheme]
    return f"{text} by {' and '.join(flows)}" if flows else f"{text} as it is now"


@rule(
    "security",
    direction="request",
    area="security",
    action="added",
    breaks=[document(_NONE, _KEY)],
    safe=[document(_KEY, _NONE)],
)
def security_added(pair: SecurityPair) -> Iterator[Said]:
    """Calls without credentials were answered and are refused now.

    Every anonymous caller is locked out. Announce it, and require credentials in the next major.
    """
    if any(not alternative for alternative in pair.lost):
        wanted = ", or ".join(_text(alternative) for alternative in pair.new)
        yield Said(f"anyone could call; now {wanted} is needed", fix="leave the empty alternative {} in place")


@rule(
    "security",
    direction="request",
    area="security",
    action="scoped",
    breaks=[document(_OAUTH, _MORE)],
    safe=[document(_MORE, _OAUTH)],
)
def security_scope_added(pair: SecurityPair) -> Iterator[Said]:
    """More scopes are needed than callers were granted.

    Their tokens are valid and suffice no longer. Grant the new scope to every holder of the old one first, or add the
    new scopes as a further alternative.
    """
    yield from _in_few_words(_scopes_added(pair))


def _scopes_added(pair: SecurityPair) -> Iterator[Said]:
    for alternative in pair.lost:
        wanted = [other for other in pair.new if other.keys() == alternative.keys() and alternative]
        if wanted:
            scopes = min((_missing(other, alternative) for other in wanted), key=len)
            yield Said(
                f"{_text(alternative)} no longer suffices: {', '.join(sorted(scopes))} is needed",
                fix="keep the old alternative beside the new one",
            )


def _missing(new: Alternative, old: Alternative) -> set[str]:
    return {scope for scheme, scopes in new.items() for scope in scopes - old.get(scheme, frozenset())}


@rule(
    "security",
    direction="request",
    area="security",
    action="removed",
    breaks=[document(_EITHER, _OAUTH), document(_KEY, _OAUTH)],
    safe=[document(_OAUTH, _EITHER)],
)
def security_alternative_removed(pair: SecurityPair) -> Iterator[Said]:
    """A way to authenticate is gone, or asks for a further credential.

    Whoever uses it is locked out. Keep it until the last subscriber moved.
    """
    yield from _in_few_words(
        Said(f"{_text_beside(alternative, pair.new)} no longer suffices", fix="keep the alternative")
        for alternative in pair.lost
        if alternative and not any(other.keys() == alternative.keys() for other in pair.new)
    )


@rule(
    "security",
    severity=Severity.INFO,
    direction="request",
    area="security",
    action="loosened",
    tells=[document(_KEY, _EITHER), document(_MORE, _OAUTH), document(_KEY, _NONE)],
)
def security_loosened(pair: SecurityPair) -> Iterator[Said]:
    """There is a further way to authenticate, or one asks for less."""
    yield from _in_few_words(
        Said(f"{_text_beside(alternative, pair.old)} now suffices")
        for alternative in pair.new
        if not any(_asks_no_more(old, alternative) for old in pair.old)
    )

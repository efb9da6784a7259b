"""Reading an issuer's own metadata: OpenID Connect Discovery 1.0 section 4, or RFC 8414 section 3.

    discover(actor, url, networks) -> Discovered

What is found is a proposal for `registry.issuers.put_issuer`, and nothing is stored. The metadata must name exactly
the issuer that was asked for (RFC 8414 section 3.3): else one issuer could hand out the keys of another, and a document
for many tenants (``{tenantid}``) would stand for each of them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from policies.outgoing import Networks
from policies.traffic.authenticate_jwt_keys import InvalidKeys, prepare
from registry.audit import Actor
from registry.errors import Invalid, Undiscovered
from registry.issuer_rules import ALGORITHMS, require_fetchable
from registry.outgoing import Unreachable, fetch_json
from registry.permissions import require

_WELL_KNOWN = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


class Discovered(Struct, frozen=True, kw_only=True):
    """What an issuer says of itself. `algorithms` are those that its keys verify and its metadata names; `kids` are of
    the keys that can be used."""

    issuer: str
    jwks_uri: str
    algorithms: tuple[str, ...]
    kids: tuple[str, ...]


async def discover(actor: Actor, url: str, networks: Networks) -> Discovered:
    """`url` is the issuer, or the address of its metadata. Admins only: it makes this registry connect elsewhere.

    Raises `Invalid` for an address that is not fetched from, `Undiscovered` when it does not answer with metadata of
    that very issuer, or its keys cannot be used.
    """
    require(actor, "discover_issuer", "discover issuers")
    require_fetchable(url, "/url", networks)
    if "?" in url:
        raise Invalid("/url", "an issuer has no query (OpenID Connect Core section 2)")
    place, metadata = await _metadata(url, networks)
    issuer = metadata.get("issuer")
    if not isinstance(issuer, str) or not _is_of(issuer, url):
        told = repr(issuer[:200]) if isinstance(issuer, str) else "no issuer"
        raise Undiscovered(f"{place} names {told}, which is not what was asked for: {url}")
    jwks_uri = metadata.get("jwks_uri")
    if not isinstance(jwks_uri, str):
        raise Undiscovered(f"{place} names no jwks_uri")
    try:
        require_fetchable(jwks_uri, "/jwks_uri", networks)
        keys = prepare(await fetch_json(jwks_uri, networks))
    except (Invalid, Unreachable, InvalidKeys) as fault:
        raise Undiscovered(f"the keys that {place} names cannot be used: {fault}") from None
    verified = frozenset[str]().union(*(key.algorithms for key in keys.values()))
    said = metadata.get("id_token_signing_alg_values_supported")
    named = (
        verified.intersection(each for each in said if isinstance(each, str)) if isinstance(said, list) else verified
    )
    algorithms = tuple(name for name in ALGORITHMS if name in (named or verified))
    if not algorithms:
        raise Undiscovered(f"none of the keys that {place} names can be used")
    return Discovered(
        issuer=issuer, jwks_uri=jwks_uri, algorithms=algorithms, kids=tuple(sorted(kid for kid in keys if kid))
    )


async def _metadata(url: str, networks: Networks) -> tuple[str, dict[str, object]]:
    places = [url] if _WELL_KNOWN[0] in url or _WELL_KNOWN[1] in url else _places(url)
    for place in places:
        try:
            return place, await fetch_json(place, networks)
        except Unreachable as fault:
            if fault.status != 404 or place == places[-1]:
                raise Undiscovered(f"{place} {fault}") from None
    raise AssertionError("there is always a last place")


def _places(issuer: str) -> list[str]:
    """OpenID Connect appends its name to the issuer, RFC 8414 puts it before the issuer's path."""
    parts = urlsplit(issuer)
    bare = issuer.rstrip("/")
    return [bare + _WELL_KNOWN[0], f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN[1]}{parts.path.rstrip('/')}"]


def _is_of(issuer: str, url: str) -> bool:
    """Equal, or the issuer whose metadata stand at that very address."""
    return issuer == url or url in _places(issuer)

"""What an issuer must look like before gateways may believe its tokens. A fault is `Invalid` with its pointer.

Owns no record and no transaction (`registry.issuers`). Keys are judged by the very code that gateways use, so that what
is registered can be used; addresses by `policies.outgoing`, as far as that can be said before a name is resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.model.access import Issuer
from policies.outgoing import Networks, UnsafeAddress, target
from policies.traffic.authenticate_jwt_keys import SUPPORTED, InvalidKeys, entries, prepare, unusable
from registry.errors import Invalid
from registry.names import require_slug, require_token

ALGORITHMS = tuple(sorted(SUPPORTED))
_SECRET_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")  # RFC 7518 section 6: private and symmetric material
_MOST_AUDIENCES = 20
_MOST_CLAIMS = 20
_MOST_MAPPED = 500
_LONGEST_LEEWAY = 300
_LIFETIMES = range(60, 366 * 86_400)


def require_sound(issuer: Issuer, networks: Networks) -> None:
    """Raises `Invalid`."""
    require_slug(issuer.name, "/name", "the name of an issuer")
    require_token(issuer.issuer, "/issuer", "the issuer", longest=500)
    if issuer.embedded:
        raise Invalid("/embedded", "only the registry itself is the embedded issuer")
    require_token(issuer.audience, "/audience", "the audience", longest=500)
    _require_few(issuer.audiences, "/audiences", _MOST_AUDIENCES)
    for index, audience in enumerate(issuer.audiences):
        require_token(audience, f"/audiences/{index}", "an audience", longest=500)
    for index, typ in enumerate(issuer.token_types):
        if typ:  # an empty one stands for tokens without a type
            require_token(typ, f"/token_types/{index}", "a type of tokens", longest=40)
    _require_algorithms(issuer.algorithms)
    _require_claims(issuer)
    if not 0 <= issuer.leeway <= _LONGEST_LEEWAY:
        raise Invalid("/leeway", f"is 0 to {_LONGEST_LEEWAY} seconds")
    if issuer.max_lifetime is not None and issuer.max_lifetime not in _LIFETIMES:
        raise Invalid("/max_lifetime", f"is {_LIFETIMES[0]} to {_LIFETIMES[-1]} seconds")
    if (issuer.jwks is None) == (issuer.jwks_uri is None):
        raise Invalid("/jwks_uri", "an issuer has either jwks or jwks_uri")
    if issuer.jwks_uri is not None:
        require_fetchable(issuer.jwks_uri, "/jwks_uri", networks)
    else:
        _require_public_keys(issuer.jwks or {}, issuer.algorithms)


def require_fetchable(url: str, pointer: str, networks: Networks) -> None:
    """An address that keys or metadata may be fetched from. What its name means is judged when it is connected to."""
    require_token(url, pointer, "the address", longest=500)
    try:
        place = target(url)
    except UnsafeAddress as unsafe:
        raise Invalid(pointer, f"the address {unsafe}") from None
    here = place.host == "localhost" or (place.address is not None and place.address.is_loopback)
    if place.scheme != "https" and not here:
        raise Invalid(pointer, "keys are fetched over https; http only from this machine's loopback address")
    refusal = None if place.address is None else networks.refuses(place.address)
    if refusal is not None:
        raise Invalid(pointer, f"{refusal}; WEIGHBRIDGE_REGISTRY_OUTGOING_NETWORKS says what is")


def _require_algorithms(algorithms: tuple[str, ...]) -> None:
    if not algorithms:
        raise Invalid("/algorithms", f"name at least one of {', '.join(ALGORITHMS)}")
    for index, algorithm in enumerate(algorithms):
        if algorithm not in ALGORITHMS:
            raise Invalid(f"/algorithms/{index}", f"{algorithm!r} is not one of {', '.join(ALGORITHMS)}")


def _require_claims(issuer: Issuer) -> None:
    _require_claim(issuer.subject_claim, "/subject_claim")
    _require_claim(issuer.scope_claim, "/scope_claim")
    _require_few(issuer.scope_claims, "/scope_claims", _MOST_CLAIMS)
    for index, claim in enumerate(issuer.scope_claims):
        _require_claim(claim, f"/scope_claims/{index}")
    if issuer.site_claim is not None:
        _require_claim(issuer.site_claim, "/site_claim")
    elif issuer.site_map:
        raise Invalid("/site_map", "maps the values of site_claim, which is not given")
    for name, what in (("scope_map", "a scope"), ("site_map", "a site")):
        known: Mapping[str, tuple[str, ...]] = getattr(issuer, name)
        _require_few(known, f"/{name}", _MOST_MAPPED)
        for theirs, ours in known.items():
            require_token(theirs, f"/{name}", "a value of the issuer's", longest=200)
            for index, value in enumerate(ours):
                require_token(value, f"/{name}/{_step(theirs)}/{index}", what, longest=200)
    _require_few(issuer.required_claims, "/required_claims", _MOST_CLAIMS)
    for claim, values in issuer.required_claims.items():
        _require_claim(claim, "/required_claims")
        if not 0 < len(values) <= _MOST_MAPPED or not all(0 < len(value) <= 500 for value in values):
            raise Invalid(f"/required_claims/{_step(claim)}", "lists the values that are accepted, none of them empty")


def _require_claim(name: str, pointer: str) -> None:
    """A name, or a pointer into nested claims."""
    require_token(name, pointer, "the name of a claim")
    if name.startswith("/"):
        steps = name[1:].split("/")
        bare = name.replace("~0", "").replace("~1", "")
        if not all(steps) or "~" in bare or len(steps) > 8:
            raise Invalid(pointer, "a nested claim is a JSON pointer such as /realm_access/roles (RFC 6901)")


def _require_few(values: Any, pointer: str, most: int) -> None:
    if len(values) > most:
        raise Invalid(pointer, f"holds at most {most}")


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _require_public_keys(jwks: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    """Every key but those for encryption can be used, and one of them with the issuer's algorithms."""
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise Invalid("/jwks/keys", "must be a list of at least one key (RFC 7517 section 5)")
    for index, key in enumerate(keys):
        if key.get("kty") not in ("EC", "OKP", "RSA"):
            raise Invalid(f"/jwks/keys/{index}/kty", "must be EC, OKP or RSA")
        for member in _SECRET_MEMBERS:
            if member in key:
                raise Invalid(f"/jwks/keys/{index}/{member}", "is private key material; register public keys only")
    try:
        entries(jwks)
    except InvalidKeys as invalid:
        raise Invalid("/jwks/keys", f"cannot be used: {invalid}") from None
    for index, key in enumerate(keys):
        reason = unusable(key)
        if reason is not None and key.get("use") != "enc":
            raise Invalid(f"/jwks/keys/{index}", f"no gateway could use this key: {reason}")
    verified = frozenset[str]().union(*(key.algorithms for key in prepare(jwks).values()))
    if verified.isdisjoint(algorithms):
        raise Invalid("/algorithms", "no key of the set verifies any of these")

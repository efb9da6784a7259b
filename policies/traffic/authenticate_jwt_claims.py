"""What the claims of a verified token must say, and what they grant: RFC 7519 section 4.1, RFC 9068 section 4.

An issuer's rules are bound once per snapshot (`Rules`); nothing here knows keys or signatures. A claim is named by its
name, taken whole (``https://acme.example/app`` is one name), or by a JSON pointer into nested claims
(``/realm_access/roles``, RFC 6901). Nothing is coerced: a number that is a string is no instant, an audience is equal
or it is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from policies.model.access import Issuer
from policies.traffic.authenticate_jwt_reading import InvalidToken

_LAST_INSTANT = 253_402_300_799  # the end of the year 9999
_TEXTS = ("sub", "jti")
_OF_OTHER_KINDS = ("at_hash", "c_hash", "events")
"""ID tokens (OpenID Connect Core section 3.3.2.11) and security events such as logouts (RFC 8417 section 2.2), which
older issuers type as plain JWTs: RFC 8725 section 3.12."""

Path = tuple[str, ...]


class Rules:
    """What one issuer's tokens must say."""

    __slots__ = (
        "_audiences",
        "_leeway",
        "_max_lifetime",
        "_required",
        "_scope_map",
        "_scopes",
        "_site_map",
        "_sites",
        "_subject",
        "_types",
    )

    def __init__(self, issuer: Issuer) -> None:
        self._audiences = frozenset((issuer.audience, *issuer.audiences))
        self._types = frozenset(media_type(name) for name in issuer.token_types)
        self._leeway = issuer.leeway
        self._max_lifetime = issuer.max_lifetime
        self._required = [(path_of(name), frozenset(values)) for name, values in sorted(issuer.required_claims.items())]
        self._subject = path_of(issuer.subject_claim)
        self._scopes = [path_of(name) for name in dict.fromkeys((issuer.scope_claim, *issuer.scope_claims))]
        self._scope_map = issuer.scope_map
        self._sites = None if issuer.site_claim is None else path_of(issuer.site_claim)
        self._site_map = issuer.site_map

    def check(self, typ: str, claims: Mapping[str, Any], now: float) -> float:
        """The instant from which the token is dead. Raises `InvalidToken`."""
        kind = media_type(typ)
        if kind not in self._types:
            raise InvalidToken("The token is not of a type accepted from its issuer.")
        if kind != "at+jwt" and any(name in claims for name in _OF_OTHER_KINDS):
            raise InvalidToken("The token is no access token.")
        for name in _TEXTS:
            if name in claims and not isinstance(claims[name], str):
                raise InvalidToken(f"The token's {name} is not a string.")
        audience = claims.get("aud")
        named = [audience] if isinstance(audience, str) else audience
        if (
            not isinstance(named, list)
            or not all(isinstance(each, str) for each in named)
            or self._audiences.isdisjoint(named)
        ):
            raise InvalidToken("The token is meant for somebody else.")
        for path, values in self._required:
            if values.isdisjoint(texts(at(claims, path), split=False)):
                raise InvalidToken(
                    "A claim that is required of its issuer's tokens is missing, or says something else."
                )
        return self._living(claims, now)

    def _living(self, claims: Mapping[str, Any], now: float) -> float:
        leeway = self._leeway
        if "exp" not in claims:
            raise InvalidToken("The token does not say when it expires.")
        expires_at = _instant(claims, "exp", inf)
        if now >= expires_at + leeway:
            raise InvalidToken("The token has expired.")
        not_before = _instant(claims, "nbf", -inf)
        if now < not_before - leeway:
            raise InvalidToken("The token is not valid yet.")
        issued_at = _instant(claims, "iat", -inf)
        if now < issued_at - leeway:
            raise InvalidToken("The token was issued in the future.")
        if expires_at <= issued_at or expires_at <= not_before:
            raise InvalidToken("The token expires before it begins.")
        if self._max_lifetime is not None:
            begins = now if issued_at == -inf else issued_at
            if expires_at - begins > self._max_lifetime:
                raise InvalidToken("The token lives longer than its issuer's may.")
        return expires_at + leeway

    def subject(self, claims: Mapping[str, Any]) -> str | None:
        """Who calls, in the issuer's words."""
        name = at(claims, self._subject)
        return name if isinstance(name, str) else None

    def scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """In our words: with a map, only what the map names."""
        return _mapped([text for path in self._scopes for text in texts(at(claims, path))], self._scope_map)

    def sites(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """The sites the token is good for; ``None`` where its issuer does not say so by claim. Where it does, a token
        without the claim is good for none."""
        if self._sites is None:
            return None
        return _mapped(texts(at(claims, self._sites)), self._site_map)


def path_of(name: str) -> Path:
    """``realm_access`` is a claim; ``/realm_access/roles`` is a pointer to one inside it."""
    if not name.startswith("/"):
        return (name,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/"))


def at(claims: Mapping[str, Any], path: Path) -> Any:
    """The value there, or ``None``."""
    value: Any = claims
    for part in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def texts(claim: object, *, split: bool = True) -> list[str]:
    """A space-separated string (RFC 8693 section 4.2), or a list of strings, as some issuers send."""
    if isinstance(claim, str):
        return [text for text in claim.split(" ") if text] if split else [claim]
    if isinstance(claim, list):
        return [text for text in claim if isinstance(text, str)]
    return []


def media_type(typ: str) -> str:
    """RFC 7515 section 4.1.9: case does not count, and ``application/`` may be left out where no other slash stands."""
    kind = typ.lower()
    bare = kind.removeprefix("application/")
    return bare if bare and "/" not in bare else kind  # application/ alone names something, though nothing known


def _mapped(names: list[str], known: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    if not known:
        return frozenset(names)
    return frozenset(ours for name in names for ours in known.get(name, ()))


def _instant(claims: Mapping[str, Any], name: str, absent: float) -> float:
    if name not in claims:
        return absent
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) == inf:
        raise InvalidToken(f"The token's {name} is not a number.")
    if not 0 <= value <= _LAST_INSTANT:
        raise InvalidToken(f"The token's {name} is out of range.")
    return value

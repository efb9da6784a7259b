"""Authenticate by ``X-API-Key``: look the secret's digest up. The secret itself is compared nowhere.

A lookup by SHA-256 digest leaks nothing by its timing: who can choose digests cannot choose their preimages.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from math import inf

from policies.model.access import ApiKey
from policies.model.generated import is_mistyped
from policies.traffic import Caller, Exchange, Policy, Problem, RouteFacts, policy
from policies.traffic.authenticate_callers import Callers, refused

_LONGEST = 512
_UNKNOWN = refused("The API key is unknown or was revoked.", error=None)
_MISTYPED = refused("The API key is mistyped: its last eight characters do not fit the rest.", error=None)


class ApiKeys:
    """The keys of one snapshot."""

    __slots__ = ("_callers", "_keys", "_made")

    def __init__(self, keys: Iterable[ApiKey], callers: Callers) -> None:
        self._keys = {key.digest: key for key in keys}
        self._callers = callers
        self._made: dict[str, Caller] = {}

    def judge(self, exchange: Exchange, secret: bytes) -> Problem | None:
        """Set `exchange.caller`, or say why the key is not good."""
        digest = sha256(secret).hexdigest()
        caller = self._made.get(digest)
        if caller is None:
            key = self._keys.get(digest) if len(secret) <= _LONGEST else None
            if key is None:
                return _UNKNOWN if not _is_mistyped(secret) else _MISTYPED
            expires_at = inf if key.expires_at is None else key.expires_at
            caller = self._callers.caller(key.application, key.id, None, expires_at)
            if caller is None:
                return _UNKNOWN
            self._made[digest] = caller
        if exchange.now >= caller.expires_at:
            return refused("The API key has expired.", error=None)
        exchange.caller = caller
        return None


def _is_mistyped(secret: bytes) -> bool:
    return len(secret) <= _LONGEST and is_mistyped(secret.decode("latin-1"))


@policy
def authenticate_api_key(facts: RouteFacts) -> Policy | None:
    """Recognises an application by the key in ``X-API-Key``; only the key's digest is kept anywhere.

    The key is shown once when it is made. Send it in the header, never in an address: addresses end up in logs.
    A key speaks with all scopes of its application; prefer tokens where calls should carry fewer.
    """
    return None  # nothing is bound per route: `ApiKeys` is asked before the route is known

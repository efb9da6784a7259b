"""Tokens that are good only with a client certificate: the ``cnf`` claim of RFC 7800 and RFC 8705 section 3.1."""

from __future__ import annotations

import re
from typing import Any

from policies.traffic.authenticate_jwt_reading import InvalidToken

_MEMBER = "x5t#S256"
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)  # 32 bytes, the spare bits zero


def confirmation(claims: dict[str, Any]) -> str | None:
    """The thumbprint that a token is bound to, ``None`` for a bearer token. Raises `InvalidToken` for a binding that is
    not understood: RFC 7800 section 3.1 lets nobody pass it over."""
    if "cnf" not in claims:
        return None
    members = claims["cnf"]
    if isinstance(members, dict) and "jkt" in members:
        # RFC 9449 section 7.1: whoever holds the token must prove the key too, and that is not asked for here
        raise InvalidToken("The token is bound to a key (DPoP), and is no bearer token.")
    if not isinstance(members, dict) or members.keys() != {_MEMBER}:
        raise InvalidToken("The token is bound to something that is not understood here.")
    thumbprint = members[_MEMBER]
    if not isinstance(thumbprint, str) or not _THUMBPRINT.fullmatch(thumbprint):
        raise InvalidToken("The token is not bound to a SHA-256 thumbprint.")
    return thumbprint

"""lowerCamelCase: which names are, and what the others would be called. Knows no rule."""

from __future__ import annotations

import re

_CAMEL = re.compile(r"[a-z][a-zA-Z0-9]*")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def is_camel_case(name: str) -> bool:
    return _CAMEL.fullmatch(name) is not None


def in_camel_case(name: str) -> str:
    """What to do about a name that is not lowerCamelCase, for the person who has to change it."""
    first, *others = _WORD.findall(name) or [""]
    better = first.lower() + "".join(word.capitalize() for word in others)
    return f"write it as {better}" if is_camel_case(better) else "write it like siteId"

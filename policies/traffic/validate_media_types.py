"""Media types: which declared one a ``Content-Type`` chooses, and which of them we can judge.

RFC 9110 section 8.3.1; OpenAPI 3.x lets ``content`` name ranges (``text/*``), and the most specific one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})


def essence(content_type: str) -> str:
    """``Application/JSON; charset=utf-8`` -> ``application/json``."""
    return content_type.partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    """``application/json`` and every structured syntax suffix ``+json``, RFC 6839."""
    kind = essence(media_type)
    return kind == "application/json" or kind.endswith("+json")


def is_utf8(content_type: str) -> bool:
    """JSON is UTF-8 (RFC 8259 section 8.1); a message that claims another charset cannot be judged."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower() in _UTF8
    return True


def chosen(declared: Mapping[str, T], content_type: str) -> T | None:
    """The entry for a media type: exact, else its range, else ``*/*``. Keys of `declared` are essences."""
    kind = essence(content_type)
    for candidate in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if candidate in declared:
            return declared[candidate]
    return None

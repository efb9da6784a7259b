"""From a path to one operation: contract, then version, then template, then method. One match serves everything after.

How a version is chosen is in `policies.serving`, how its templates are matched in `gateway.templates`. Must not know
what a route does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.templates import PathItem, Templates
from policies.traffic import Problem

T = TypeVar("T")
_MAJOR_SEGMENT = re.compile(r"v(0|[1-9][0-9]{0,8})")


@dataclass(slots=True)
class Served(Generic[T]):
    """One version as it is served. `fallback` answers what matches nothing: a retired version says 410 to all.
    `fields` are announced where a call meets the version and none of its operations."""

    number: str
    templates: Templates[T]
    fallback: T | None = None
    fields: tuple[tuple[bytes, bytes], ...] = ()


def accepted_version(accept: str) -> str | None:
    """The ``version`` parameter of the first media range in ``Accept`` that has one."""
    if "version" not in accept.lower():
        return None
    for media_range in accept.split(","):
        for parameter in media_range.split(";")[1:]:
            name, equals, value = parameter.partition("=")
            if equals and name.strip().lower() == "version":
                return value.strip().strip('"')
    return None


def is_major_segment(segment: str) -> bool:
    return _MAJOR_SEGMENT.fullmatch(segment) is not None


def not_found(detail: str) -> Problem:
    return Problem(status=404, slug="not-found", title="There is nothing here", detail=detail)


def method_not_allowed(item: PathItem[Any]) -> Problem:
    return Problem(
        status=405,
        slug="method-not-allowed",
        title="The method is not offered here",
        detail=f"This path answers {item.allow}.",
        headers=(("Allow", item.allow),),
    )

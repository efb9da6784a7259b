"""What rules are handed, where the model's own nouns do not say enough about use.

A definition is handed over once, however often it is used; its `lanes` say by whom. The lanes are ``request`` (what a
consumer sends), ``response`` (what a consumer reads when all is well) and ``error`` (what it reads otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from policies.model.document import Payload

Lane = Literal["request", "response", "error"]
Role = Literal["root", "parameter", "header", "property", "item", "branch", "part", "test"]
"""How a schema is reached: as a whole body, as a parameter or header, as a member, as an array's item, as one of
several branches (``anyOf``, ``oneOf``), as a part of a composition (``allOf``), or only to test (``not``, ``if``)."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path template as written, and the pointer of its key."""

    template: str
    pointer: str

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(segment for segment in self.template.split("/") if segment)


@dataclass(frozen=True, slots=True)
class Body:
    """One payload of a request or a response. `status` is as written, ``None`` for a request."""

    payload: Payload
    lane: Lane
    status: str | None
    pointer: str

    @property
    def is_json(self) -> bool:
        return is_json(self.payload.media_type)


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema object (booleans are not handed over) with who uses it and how it is reached."""

    raw: Mapping[str, Any]
    pointer: str
    lanes: frozenset[Lane]
    roles: frozenset[Role]
    types: frozenset[str]
    """See `types_of`."""

    @property
    def is_composed(self) -> bool:
        """Further constraints stand elsewhere, so what is missing here may be said there."""
        return any(keyword in self.raw for keyword in ("$ref", "allOf", "anyOf", "oneOf"))


@dataclass(frozen=True, slots=True)
class Property:
    """A named member of an object. `pointer` is where the owner declares it; `schema` is what it refers to."""

    name: str
    pointer: str
    schema: Mapping[str, Any]
    owner: Mapping[str, Any]
    lanes: frozenset[Lane]
    types: frozenset[str]
    """See `types_of`."""


def types_of(raw: Mapping[str, Any]) -> frozenset[str]:
    """The types a schema names, OpenAPI 3.0's ``nullable`` read as ``null``. Empty where none is named."""
    declared = raw.get("type")
    listed = declared if isinstance(declared, list) else [declared]
    types = {name for name in listed if isinstance(name, str)}
    if raw.get("nullable") is True and types:
        types.add("null")
    return frozenset(types)


def is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")

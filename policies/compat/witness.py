"""A concrete value that shows the break: the sender's schema admits it and the receiver's refuses it.

Owns how a value is derived from a schema and how it is checked: a value is handed out only if validators agree that
one side accepts it and the other does not. Deterministic: no randomness, a handful of candidates, no search.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import jsonschema_rs

from policies.compat.containment import remainder
from policies.model import schema as dialect


class _Nothing:
    def __repr__(self) -> str:
        return "NONE"


NONE: Final = _Nothing()
"""No witness (``None`` is JSON null, which is a fine witness)."""

_SAMPLES: dict[str, tuple[Any, ...]] = {
    "date": ("2026-03-31",),
    "date-time": ("2026-03-31T15:30:00Z",),
    "time": ("15:30:00Z",),
    "duration": ("P1D",),
    "email": ("someone@example.com",),
    "hostname": ("example.com",),
    "ipv4": ("192.0.2.1",),
    "ipv6": ("2001:db8::1",),
    "uri": ("https://example.com/a",),
    "uuid": ("0f6e7e4c-5d5a-4f5e-9d2b-3f0c1a2b3c4d",),
}
_TEXTS = (
    "",
    "a",
    "A",
    "AB",
    "ABC",
    "0",
    "1",
    "12",
    "123",
    "0142",
    "abc",
    "a b",
    "x" * 20,
    "é",
    "-1",
    "0.5",
    "1.2345678",
)
_NUMBERS = (0, 1, -1, 0.5, 2, 10, 100, 1000, -0.5, 0.01, 0.001, 0.0001, 0.0375, 2**31, 2**53, 10**12)
_LONGEST = 2000


def of_leaf(inner: Any, outer: Any) -> Any:
    """A value of `inner` that `outer` refuses, or `NONE`."""
    accepts, refuses = _validator(inner), _validator(outer)
    if accepts is None or refuses is None:
        return NONE
    for value in _candidates(inner, outer):
        try:
            if accepts.is_valid(value) and not refuses.is_valid(value):
                return value
        except ValueError:
            continue
    return NONE


def _candidates(inner: Any, outer: Any) -> Iterator[Any]:
    for schema in (remainder(inner, outer), inner, outer):
        if isinstance(schema, dict):
            yield from _near(schema)
    yield from _NUMBERS
    yield from _TEXTS
    for samples in _SAMPLES.values():
        yield from samples
    yield from (None, True, False, [], {}, ["a"], [1], {"a": 1})


def _near(schema: dict[str, Any]) -> Iterator[Any]:
    """Values at the edges of what a schema names."""
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key, ()):
            if isinstance(part, dict):
                yield from _near(part)
    for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
        bound = schema.get(key)
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            yield from (bound, bound + 1, bound - 1, bound / 2, bound * 3)
    for key in ("minLength", "maxLength"):
        if isinstance(schema.get(key), int) and schema[key] <= _LONGEST:
            for length in (schema[key], schema[key] + 1, max(schema[key] - 1, 0)):
                yield "x" * length
                yield "0" * length
    for key in ("minItems", "maxItems"):
        if isinstance(schema.get(key), int) and schema[key] <= _LONGEST:
            for length in (schema[key], schema[key] + 1, max(schema[key] - 1, 0)):
                yield list(range(length))
                yield [0] * length
    for key in ("minProperties", "maxProperties"):
        if isinstance(schema.get(key), int) and schema[key] <= _LONGEST:
            for length in (schema[key], schema[key] + 1, max(schema[key] - 1, 0)):
                yield {f"m{index}": 0 for index in range(length)}
    yield from _SAMPLES.get(str(schema.get("format")), ())


def _validator(schema: Any) -> jsonschema_rs.Draft202012Validator | None:
    try:
        return dialect.validator(schema)
    except Exception:
        # a pattern the linear engine cannot read, or a reference into nowhere
        return None

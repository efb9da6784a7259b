"""The judge: does one schema admit everything another admits? Answers yes, no or unknown, and never guesses.

Owns how the prover (`jsonschema_rs.canonicalize`) is asked: formats asserted, nothing fetched, every refusal or
failure of the prover read as *unknown*. Where it has no answer about texts, `patterns` may have one. It knows nothing
of OpenAPI. The subtle thing: only *yes* and *no* mean
anything; the remainder of a *no* is what was lost, as a schema.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Any, Literal

import jsonschema_rs
import orjson
from jsonschema_rs.canonical import Containment, Satisfiability

from policies.compat import patterns

ASSERTED = frozenset(
    "date date-time time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference "
    "uri-template uuid json-pointer relative-json-pointer regex".split()
)
"""The formats that the prover and the validators look at; to them any other is a remark."""
_LONGEST = 2000
"""The greatest length that is counted character by character."""
_LARGEST = 200_000
"""Bytes of schema text beyond which the prover is not asked: its work grows faster than its input."""


class Answer(Enum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def contained(inner: Any, outer: Any) -> Answer:
    """Whether `outer` admits every value that `inner` admits."""
    a, b = _text(inner), _text(outer)
    if a is None or b is None:
        return Answer.UNKNOWN
    answer = Answer.YES if a == b else _contained(a, b)
    if answer is Answer.UNKNOWN and _differ_as_texts_only(inner, outer) and lost_text(inner, outer) is True:
        return Answer.YES
    return answer


def lost_text(inner: Any, outer: Any) -> str | Literal[True] | None:
    """A text that the patterns and lengths of one schema admit and those of the other do not; ``True`` where it is
    proved that there is none. Whether the schemas say more is not looked at."""
    a, b = _texts(inner), _texts(outer)
    return None if a is None or not b else patterns.lost(a, b)


def remainder(inner: Any, outer: Any) -> Any:
    """What `inner` admits and `outer` does not, as a schema, or ``None`` where it cannot be written down."""
    a, b = _text(inner), _text(outer)
    return None if a is None or b is None else _remainder(a, b)


def disjoint(a: Any, b: Any) -> bool:
    """Whether it is proved that no value fits both."""
    x, y = _text(a), _text(b)
    return x is not None and y is not None and _disjoint(x, y)


def _text(schema: Any) -> bytes | None:
    try:
        text = orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError, RecursionError):
        return None
    return text if len(text) <= _LARGEST else None


def _texts(schema: Any) -> tuple[str, ...] | None:
    if not isinstance(schema, dict) or "string" not in _types(schema):
        return None
    parts = [part for part in (schema, *schema.get("allOf", ())) if isinstance(part, dict)]
    found = [part["pattern"] for part in parts if isinstance(part.get("pattern"), str)]
    low, high = int(schema.get("minLength", 0)), schema.get("maxLength")
    high = None if high is None else int(high)
    if low or high is not None:
        found.append(patterns.length(low, high))
    return tuple(found) if max(low, high or 0) <= _LONGEST else None


def _types(schema: dict[str, Any]) -> set[str]:
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _differ_as_texts_only(inner: Any, outer: Any) -> bool:
    if not isinstance(inner, dict) or not isinstance(outer, dict) or not _types(inner) <= _types(outer):
        return False
    if any(not isinstance(part, dict) or part.keys() != {"pattern"} for part in outer.get("allOf", ())):
        return False
    rest = outer.keys() - {"type", "pattern", "allOf", "minLength", "maxLength"}
    return all(key in inner and inner[key] == outer[key] for key in rest)


@lru_cache(maxsize=4096)
def _contained(inner: bytes, outer: bytes) -> Answer:
    a, b = _canonical(inner), _canonical(outer)
    if a is None or b is None:
        return Answer.UNKNOWN
    try:
        answer = b.covers(a)
    except Exception:
        return Answer.UNKNOWN
    if answer == Containment.YES:
        return Answer.YES
    return Answer.NO if answer == Containment.NO else Answer.UNKNOWN


@lru_cache(maxsize=4096)
def _disjoint(a: bytes, b: bytes) -> bool:
    x, y = _canonical(a), _canonical(b)
    if x is None or y is None:
        return False
    try:
        return bool(x.intersect(y).satisfiability() == Satisfiability.NO)
    except Exception:
        return False


@lru_cache(maxsize=4096)
def _remainder(inner: bytes, outer: bytes) -> Any:
    a, b = _canonical(inner), _canonical(outer)
    if a is None or b is None:
        return None
    try:
        schema = a.subtract(b).to_json_schema()
    except Exception:
        return None
    if isinstance(schema, dict):
        schema.pop("$schema", None)
    return schema


@lru_cache(maxsize=4096)
def _canonical(text: bytes) -> jsonschema_rs.CanonicalSchema | None:
    # a schema the prover cannot read (a lookahead in a pattern, a broken reference) is a schema nobody proves
    try:
        return jsonschema_rs.canonicalize(
            orjson.loads(text), draft=jsonschema_rs.Draft202012, validate_formats=True, offline=True
        )
    except Exception:
        return None

"""Rules on size and shape of schemas: what a backend must be ready for, and what can be checked at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import jsonschema_rs

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.subjects import Schema
from policies.model.document import Node, escape
from policies.model.schema import Direction, validator

_ANNOTATIONS = frozenset(
    "title description default example examples deprecated readOnly writeOnly externalDocs xml nullable "
    "$comment $anchor $id".split()
)


@rule(
    "schema",
    severity=Severity.WARNING,
    good=(
        "request: {note: {type: string, maxLength: 200}, sku: {type: string, pattern: '^[A-Z]{3}$'}}",
        "openapi: 3.0.3\nrequest: {kind: {type: string, enum: [A, B]}, neededDate: {type: string, format: date}}",
    ),
    bad=("request: {note: {type: string}}", "response: {note: {type: string, minLength: 1}}"),
)
def strings_are_bounded(schema: Schema, context: Context) -> Iterator[Flaw]:
    """A string has a greatest length, or an enum, pattern or format.

    What is unbounded in the contract is bounded in somebody's table: the value is cut or the call fails there, and no
    one knew. Give ``maxLength``; raising it in a request later is compatible. Problem texts are exempt.
    """
    if "string" not in schema.types or schema.lanes == {"error"} or schema.is_composed or schema.roles == {"test"}:
        return
    bounds = ("maxLength", "enum", "const", "pattern", "format", "x-extensible-enum", "contentEncoding")
    if not any(keyword in schema.raw for keyword in bounds):
        yield Flaw(schema.pointer, "string without a greatest length", "add maxLength, or an enum, pattern or format")


@rule(
    "schema",
    severity=Severity.WARNING,
    good=("request: {tags: {type: array, maxItems: 10, items: {type: string, maxLength: 9}}}",),
    bad=("request: {tags: {type: array, items: {type: string, maxLength: 9}}}",),
)
def request_arrays_are_bounded(schema: Schema, context: Context) -> Iterator[Flaw]:
    """An array that a consumer sends has a greatest number of items.

    Without ``maxItems`` one call may carry a month's work; the backend's own limit then shows as a time-out that no
    contract mentions. State it; raising it later is compatible.
    """
    if "array" not in schema.types or "request" not in schema.lanes or schema.is_composed or schema.roles == {"test"}:
        return
    if not any(keyword in schema.raw for keyword in ("maxItems", "enum", "const")):
        yield Flaw(schema.pointer, "array in a request without maxItems", "add maxItems")


@rule(
    "schema",
    severity=Severity.WARNING,
    good=(
        "request: {lines: {type: integer, minimum: 1, maximum: 100}, revision: {type: integer, format: int32}}",
        "response: {lines: {type: integer}}",
    ),
    bad=("request: {lines: {type: integer}}", "request: {lines: {type: integer, minimum: 1}}"),
)
def request_integers_are_bounded(schema: Schema, context: Context) -> Iterator[Flaw]:
    """An integer that a consumer sends has a least and a greatest value, or is int32 or int64.

    JSON integers have no end; the backend's column has. Between the two lies an error that only production finds.
    """
    if "integer" not in schema.types or "request" not in schema.lanes or schema.is_composed or schema.roles == {"test"}:
        return
    if any(keyword in schema.raw for keyword in ("enum", "const")) or schema.raw.get("format") in ("int32", "int64"):
        return
    low = {"minimum", "exclusiveMinimum"} & schema.raw.keys()
    high = {"maximum", "exclusiveMaximum"} & schema.raw.keys()
    if not (low and high):
        missing = " and ".join(name for name, there in (("minimum", low), ("maximum", high)) if not there)
        yield Flaw(schema.pointer, f"integer in a request without {missing}", "add minimum and maximum, or a format")


@rule(
    "schema",
    severity=Severity.INFO,
    good=("request: {item: {type: object, additionalProperties: false, properties: {day: {type: boolean}}}}",),
    bad=("request: {item: {type: object, properties: {day: {type: boolean}}}}",),
)
def request_objects_are_closed(schema: Schema, context: Context) -> Iterator[Flaw]:
    """An object that a consumer sends refuses members it does not know.

    In an open object a misspelt optional member is silently ignored, and the order ships without what was asked for.
    Write ``additionalProperties: false``. Closing it later is breaking, so do it with a new major. Objects in
    responses stay open, so that they can grow.
    """
    if "properties" not in schema.raw or "request" not in schema.lanes or schema.is_composed:
        return
    if schema.roles & {"part", "branch", "test"} or schema.lanes != {"request"}:
        return  # closing a part of a composition refuses the members of the other parts
    if not {"additionalProperties", "unevaluatedProperties"} & schema.raw.keys():
        yield Flaw(schema.pointer, "object in a request accepts unknown members", "add additionalProperties: false")


@rule(
    "schema",
    severity=Severity.WARNING,
    good=("request: {note: {type: string, maxLength: 9}}",),
    bad=("request: {note: {}}", "response: {note: {description: Anything at all.}}"),
)
def schemas_say_something(schema: Schema, context: Context) -> Iterator[Flaw]:
    """A schema constrains something.

    An empty schema accepts everything, so nothing is validated and nothing can be generated, though the contract looks
    complete. Give it a type.
    """
    if schema.roles == {"test"} or "error" in schema.lanes:
        return
    if not any(keyword not in _ANNOTATIONS and not keyword.startswith("x-") for keyword in schema.raw):
        yield Flaw(schema.pointer, "schema that accepts anything", "give it a type")


@rule(
    "schema",
    severity=Severity.ERROR,
    good=("request: {size: {type: integer, minimum: 1, maximum: 9}}",),
    bad=(
        "request: {size: {type: integer, minimum: '1', maximum: 9}}",
        "response: {size: {type: object, required: size}}",
    ),
)
def schemas_are_valid(schema: Schema, context: Context) -> Iterator[Flaw]:
    """A schema is valid JSON Schema, so that a validator can be made of it.

    Tools skip what they do not understand, each something else, and the gateway cannot enforce any of it. Usually it is
    a number in quotes or a list that is none.
    """
    if not schema.roles & {"root", "parameter", "header"}:
        return  # the parts are judged with the whole they belong to
    directions: list[Direction] = ["request"] if "request" in schema.lanes else []
    directions += ["response"] if schema.lanes - {"request"} else []
    for direction in directions:
        fault = context.judge.invalidity(Node(schema.raw, schema.pointer), direction)
        if fault is not None:
            yield Flaw(schema.pointer, f"no valid JSON Schema: {fault}", "correct the keyword")
            return


@cache
def _compiles(pattern: str) -> bool:
    try:
        validator({"pattern": pattern})
    except jsonschema_rs.ValidationError:
        return False
    return True


@rule(
    "schema",
    severity=Severity.ERROR,
    good=("request: {sku: {type: string, pattern: '^[A-Z0-9-]{3,30}$'}}",),
    bad=(
        "request: {sku: {type: string, pattern: '^(?!X)[A-Z]{3}$'}}",
        "request: {sku: {type: string, pattern: '^[A-Z{3}$'}}",
        "response: {prices: {type: object, patternProperties: {'^(?=P)': {type: boolean}}}}",
    ),
)
def patterns_are_linear(schema: Schema, context: Context) -> Iterator[Flaw]:
    r"""A pattern is a regular expression that can be matched in linear time.

    The gateway matches without back-tracking, so that no message can make it hang; look-around and back-references do
    not exist there and such a contract cannot be served. Spell the alternatives out, or say the rest in prose.
    """
    keys = schema.raw.get("patternProperties")
    patterns = [("/pattern", schema.raw.get("pattern"))]
    patterns += [(f"/patternProperties/{escape(key)}", key) for key in keys or () if isinstance(keys, Mapping)]
    for place, pattern in patterns:
        if isinstance(pattern, str) and not _compiles(pattern):
            yield Flaw(
                schema.pointer + place,
                f"pattern {pattern} is not a regular expression of the linear kind",
                "avoid look-around and back-references",
            )


@rule(
    "schema",
    severity=Severity.WARNING,
    good=("request: {sku: {type: string, pattern: '^[A-Z]{3}$'}}",),
    bad=("request: {sku: {type: string, pattern: '[A-Z]{3}'}}", "request: {sku: {type: string, pattern: '^A|B$'}}"),
)
def patterns_are_anchored(schema: Schema, context: Context) -> Iterator[Flaw]:
    """A pattern begins with ``^`` and ends with ``$``.

    JSON Schema looks for a match anywhere: ``[A-Z]{3}`` accepts a whole novel with three capitals in it. With
    alternatives, put them in parentheses: ``^(A|B)$``.
    """
    pattern = schema.raw.get("pattern")
    if isinstance(pattern, str) and schema.roles != {"test"} and not _is_anchored(pattern):
        yield Flaw(f"{schema.pointer}/pattern", f"pattern {pattern} matches within a longer text", "write ^(...)$")


def _is_anchored(pattern: str) -> bool:
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return False
    depth, in_class, escaped = 0, False, False
    for sign in pattern:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "|" and depth == 0:
            return False
    return not escaped

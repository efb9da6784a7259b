"""Rules on examples and defaults: they are what an integrator copies first."""

from __future__ import annotations

from collections.abc import Iterator

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.subjects import Body, Schema, is_json
from policies.model.document import Node, Operation, Parameter, Payload
from policies.model.schema import Direction


@rule(
    "body",
    severity=Severity.ERROR,
    good=(
        "components: {schemas: {Item: {properties: {itemId: {readOnly: true}}}}}\n"
        "post: {requestBody: {content: {application/json: {example: {name: Cable}}}}}",
    ),
    bad=(
        "post: {requestBody: {content: {application/json: {example: {name: 7}}}}}",
        "read: {responses: {'200': {content: {application/json: {example: {itemId: 7}}}}}}",
    ),
)
def examples_match_their_schema(body: Body, context: Context) -> Iterator[Flaw]:
    """An example of a body is valid by the schema beside it.

    Integrators copy the example before they read the schema. One that is refused costs each of them an hour, and shows
    that nobody has run it. Correct whichever of the two is wrong.
    """
    if body.is_json or not body.payload.media_type:
        yield from _faults(body.payload, ("request",) if body.lane == "request" else ("response",), context)


@rule(
    "parameter",
    severity=Severity.ERROR,
    good=("components: {parameters: {Limit: {example: 50}}}",),
    bad=("components: {parameters: {Limit: {example: 500}}}",),
)
def parameter_examples_match(parameter: Parameter, context: Context) -> Iterator[Flaw]:
    """An example of a parameter is valid by its schema.

    It is pasted into the first call an integrator makes, and the gateway refuses that call. Give the value as it is
    meant, not as it is encoded: a list for an array.
    """
    if not parameter.payload.media_type or is_json(parameter.payload.media_type):
        yield from _faults(parameter.payload, ("request",), context)


def _faults(payload: Payload, directions: tuple[Direction, ...], context: Context) -> Iterator[Flaw]:
    for pointer, value in payload.examples if payload.schema is not None else ():
        assert payload.schema is not None
        fault = context.judge.fault(payload.schema, value, directions)
        if fault is not None:
            yield Flaw(pointer, f"example breaks its schema: {fault}", "correct the example or the schema")


@rule(
    "schema",
    severity=Severity.ERROR,
    good=(
        "request: {lines: {type: integer, minimum: 1, maximum: 9, example: 3}}",
        "request: {lines: {type: integer, minimum: 1, maximum: 9, examples: [3, 4], default: 1}}",
    ),
    bad=(
        "request: {lines: {type: integer, minimum: 1, maximum: 9, example: 30}}",
        "request: {lines: {type: integer, minimum: 1, maximum: 9, examples: [3, 30]}}",
        "request: {lines: {type: integer, minimum: 1, maximum: 9, default: 0}}",
    ),
)
def schema_examples_match(schema: Schema, context: Context) -> Iterator[Flaw]:
    """An example or default inside a schema is valid by that schema.

    A default that the schema refuses is a value which may be left out but not sent; an example that it refuses teaches
    the wrong thing. Correct whichever of the two is wrong.
    """
    if schema.roles == {"test"}:
        return
    directions: tuple[Direction, ...] = ("request",) if schema.lanes == {"request"} else ("response",)
    if "request" in schema.lanes and len(schema.lanes) > 1:
        directions = ("request", "response")
    node = Node(schema.raw, schema.pointer)
    listed = schema.raw.get("examples")
    values = [(f"examples/{index}", value) for index, value in enumerate(listed if isinstance(listed, list) else ())]
    values += [(keyword, schema.raw[keyword]) for keyword in ("example", "default") if keyword in schema.raw]
    for place, value in values:
        fault = context.judge.fault(node, value, directions)
        if fault is not None:
            what = "default" if place == "default" else "example"
            yield Flaw(f"{schema.pointer}/{place}", f"{what} breaks its schema: {fault}", f"correct the {what}")


@rule(
    "operation",
    severity=Severity.WARNING,
    good=(
        "read: {responses: {'200': {content: {application/json: {example: null,"
        " examples: {one: {value: {itemId: A}}}}}}}}",
        "components: {schemas: {Item: {example: {itemId: A}}}}\n"
        "read: {responses: {'200': {content: {application/json: {example: null}}}}}",
    ),
    bad=(
        "read: {responses: {'200': {content: {application/json: {example: null}}}}}",
        "post: {requestBody: {content: {application/json: {example: null}}}}",
    ),
)
def bodies_have_examples(operation: Operation, context: Context) -> Iterator[Flaw]:
    """The request and each success response of an operation show at least one example.

    An example answers in a second what a schema answers in minutes: which members are really filled, and how. It also
    feeds mock servers and portals. Put it beside the schema or into it.
    """
    if operation.request_body is not None:
        yield from _missing(operation.request_body.payloads, "the request", operation, context)
    for response in operation.responses:
        if response.status.startswith("2"):
            yield from _missing(response.payloads, f"response {response.status}", operation, context)


def _missing(payloads: tuple[Payload, ...], what: str, operation: Operation, context: Context) -> Iterator[Flaw]:
    for payload in payloads:
        if is_json(payload.media_type) and not payload.examples and not _shown_in_schema(payload, context):
            yield Flaw(payload.pointer, f"{what} of {operation.key} shows no example", "add one beside the schema")


def _shown_in_schema(payload: Payload, context: Context) -> bool:
    if payload.schema is None:
        return True  # nothing to show
    raw = context.document.resolve(payload.schema.value, payload.schema.pointer)
    return any(node.get(keyword) is not None for node in (raw, payload.schema) for keyword in ("example", "examples"))

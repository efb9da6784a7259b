"""Rules on the names and the make-up of operations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.spelling import in_camel_case, is_camel_case
from policies.model.document import Document, Operation

_GENERATED = re.compile(r"__|_(get|put|post|delete|patch)$|^(operation|endpoint|handler|route)_?\d|[vV]\d+$|\d{2,}$")


@rule(
    "operation",
    severity=Severity.ERROR,
    good=("read: {operationId: getItem}",),
    bad=("read: {operationId: null}",),
)
def operations_have_ids(operation: Operation, context: Context) -> Iterator[Flaw]:
    """Every operation has an operationId.

    Limits, usage and metrics name operations by it, and so do generated clients. Without one, each tool invents its
    own name and it changes with the path. Give the operation a verb and a noun: ``listItems``.
    """
    if not operation.operation_id:
        yield Flaw(operation.pointer, f"{operation.key} has no operationId", "add operationId, a verb and a noun")


@rule(
    "document",
    severity=Severity.ERROR,
    good=("read: {operationId: getItem}",),
    bad=("read: {operationId: listItems}",),
)
def operation_ids_are_unique(document: Document, context: Context) -> Iterator[Flaw]:
    """No two operations share an operationId.

    A limit or a metric for that id would speak of both, and client generators drop one of the two. Rename the one that
    fewer consumers have generated code for.
    """
    counts = Counter(operation.operation_id for operation in document.operations if operation.operation_id)
    for operation in document.operations:
        if operation.operation_id and counts[operation.operation_id] > 1:
            yield Flaw(
                f"{operation.pointer}/operationId",
                f"{counts[operation.operation_id]} operations are called {operation.operation_id}",
                "give each operation an id of its own",
            )


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("read: {operationId: getItem}",),
    bad=("read: {operationId: get-item}", "read: {operationId: GetItem}"),
)
def operation_ids_are_camel_case(operation: Operation, context: Context) -> Iterator[Flaw]:
    """operationIds are lowerCamelCase.

    They become method names in generated clients; other spellings are rewritten differently by each generator. Once
    published, an id is part of the contract: choose the spelling before the first consumer does.
    """
    given = operation.operation_id
    # an id made by a framework is operation_ids_are_stable's to speak of
    if given and not is_camel_case(given) and not _GENERATED.search(given):
        yield Flaw(
            f"{operation.pointer}/operationId",
            f"operationId {given} is not lowerCamelCase",
            in_camel_case(given),
        )


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("read: {operationId: getItem}",),
    bad=("read: {operationId: read_item_items__item_id__get}", "read: {operationId: getItemV2}"),
)
def operation_ids_are_stable(operation: Operation, context: Context) -> Iterator[Flaw]:
    """operationIds name what is done, not where or in which version.

    An id made by a framework from path and method changes when either does, and one that carries a version changes with
    every major; each time, consumers' generated code breaks without any change in behaviour. Write the id by hand.
    """
    if operation.operation_id and _GENERATED.search(operation.operation_id):
        yield Flaw(
            f"{operation.pointer}/operationId",
            f"operationId {operation.operation_id} looks generated or carries a version",
            "write a verb and a noun by hand: getItem",
        )


@rule(
    "operation",
    severity=Severity.ERROR,
    good=("read: {responses: {'200': {description: The item.}}}",),
    bad=(
        "read: {responses: {'200': null}}",
        "read: {responses: null}",
    ),
)
def success_is_declared(operation: Operation, context: Context) -> Iterator[Flaw]:
    """Every operation says what it answers when all is well.

    Without a 2xx or 3xx response nobody knows what to expect, nothing can be generated or verified, and the gateway
    cannot judge what the backend sends. Declare the status, and the body where there is one.
    """
    if not any(response.status[:1] in ("1", "2", "3") for response in operation.responses):
        yield Flaw(
            f"{operation.pointer}/responses" if "responses" in operation.raw else operation.pointer,
            f"{operation.key} declares no response for success",
            "declare the 2xx status it answers, with its body",
        )


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("post: {requestBody: {required: true}}",),
    bad=("post: {requestBody: {required: false}}", "post: {requestBody: {required: null}}"),
)
def request_bodies_are_required(operation: Operation, context: Context) -> Iterator[Flaw]:
    """A request body of POST, PUT or PATCH is required.

    OpenAPI's default is *optional*, so a body that was left out passes validation and fails in the backend, or worse,
    does not. Write ``required: true``; where leaving the body out means something, offer a second operation.
    """
    body = operation.request_body
    if body is not None and not body.required and operation.method in ("POST", "PUT", "PATCH"):
        yield Flaw(body.pointer, f"the body of {operation.key} may be left out", "write required: true")


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("read: {requestBody: null}",),
    bad=(
        "read: {requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Item'},"
        " example: {itemId: ITM-1}}}}}",
    ),
)
def reads_have_no_body(operation: Operation, context: Context) -> Iterator[Flaw]:
    """GET, HEAD and DELETE take no body.

    RFC 9110 section 9.3 gives such a body no meaning: proxies drop it, caches ignore it, some clients cannot send it.
    Use query parameters, or a POST to a noun: ``POST /availability-checks``.
    """
    if operation.request_body is not None and operation.method in ("GET", "HEAD", "DELETE"):
        yield Flaw(
            operation.request_body.pointer,
            f"{operation.key} takes a body, which has no meaning there",
            "use query parameters, or a POST",
        )


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("post: {parameters: [{$ref: '#/components/parameters/IdempotencyKey'}]}",),
    bad=(
        "post: {parameters: []}\ncomponents: {parameters: {IdempotencyKey: null}}",
        "components: {parameters: {IdempotencyKey: {required: false}}}",
    ),
    options={"header": "Idempotency-Key"},
)
def creating_posts_are_idempotent(operation: Operation, context: Context) -> Iterator[Flaw]:
    """A POST that creates something requires an Idempotency-Key header.

    A connection that breaks after the request leaves the caller not knowing whether it took effect. Without a key it
    can only risk a second order or lose the first. With one it simply sends again. Option ``header``: its name.
    """
    header = str(context.options["header"])
    creates = any(response.status in ("201", "202") for response in operation.responses)
    if operation.method != "POST" or not creates:
        return
    keys = [p for p in operation.parameters if p.place == "header" and p.name.lower() == header.lower()]
    if not keys:
        yield Flaw(operation.pointer, f"{operation.key} creates without {header}", f"add a required header {header}")
    elif not keys[0].required:
        yield Flaw(keys[0].pointer, f"{header} may be left out of {operation.key}", "write required: true")

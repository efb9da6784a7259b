"""Rules on what is answered when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.walk import is_error
from policies.model.document import Operation, Response

PROBLEM = "application/problem+json"


@rule(
    "response",
    severity=Severity.WARNING,
    good=("read: {responses: {'404': {$ref: '#/components/responses/Problem'}}}",),
    bad=(
        "read: {responses: {'409': {description: d, content: {application/json: {schema: {type: object}}}}}}",
        "read: {responses: {'409': {description: d}}}",
    ),
)
def errors_are_problems(response: Response, context: Context) -> Iterator[Flaw]:
    """4xx, 5xx and default responses are application/problem+json (RFC 9457).

    The gateway answers its own refusals that way. A second shape of error means a second parser in every client, and
    the one that is rarely exercised is the one that fails at night. Offer problem+json, if need be beside the old type.
    """
    offered = [payload.media_type.partition(";")[0].strip().lower() for payload in response.payloads]
    if is_error(response.status) and PROBLEM not in offered:
        said = f"is {', '.join(sorted(offered))}" if offered else "has no body"
        yield Flaw(response.pointer, f"response {response.status} {said}", f"declare {PROBLEM}")


@rule(
    "operation",
    severity=Severity.WARNING,
    good=(
        "read: {responses: {'403': null, 4XX: {$ref: '#/components/responses/Problem'}}}",
        "read: {responses: {'403': null, default: {$ref: '#/components/responses/Problem'}}}",
    ),
    bad=("read: {responses: {'403': null}}", "read: {responses: {'400': null}}"),
    options={"always": ["429"], "secured": ["401", "403"], "with_input": ["400"]},
)
def refusals_are_declared(operation: Operation, context: Context) -> Iterator[Flaw]:
    """An operation declares the refusals every caller must be ready for.

    The gateway answers 400 to what the contract refuses, 401 and 403 to whom it does not know or allow, 429 to whoever
    calls too often. A client generated from a document without them treats the first one as a bug. A range (``4XX``) or
    ``default`` counts. Options ``always``, ``secured``, ``with_input``: the statuses.
    """
    if not operation.responses:
        return  # success_is_declared speaks of that
    wanted = list(context.options["always"])
    if any(operation.security or ()):
        wanted += context.options["secured"]
    if operation.parameters or operation.request_body:
        wanted += context.options["with_input"]
    declared = {response.status for response in operation.responses}
    missing = sorted(s for s in wanted if not declared & {s, f"{s[0]}XX", "default"})
    if missing:
        yield Flaw(
            f"{operation.pointer}/responses",
            f"{operation.key} does not declare {', '.join(missing)}",
            "refer to a shared problem response for them",
        )


@rule(
    "response",
    severity=Severity.WARNING,
    good=("read: {responses: {'304': {description: Not modified.}}}",),
    bad=(
        "read: {responses: {'204': {description: d, content: {text/plain: {schema: {type: string, maxLength: 9}}}}}}",
    ),
)
def empty_statuses_have_no_body(response: Response, context: Context) -> Iterator[Flaw]:
    """204, 205 and 304 declare no body.

    HTTP forbids one there (RFC 9110 section 15), so what is declared never arrives. Use 200 to send something.
    """
    if response.status in ("204", "205", "304") and response.payloads:
        yield Flaw(response.pointer, f"response {response.status} declares a body", "use 200, or remove the content")

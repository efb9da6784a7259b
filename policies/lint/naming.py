"""Rules on the names of parameters, headers and properties."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.spelling import in_camel_case, is_camel_case
from policies.lint.subjects import Property
from policies.model.document import Parameter

_HEADER = re.compile(r"[A-Z][A-Za-z0-9]*(-[A-Z0-9][A-Za-z0-9]*)*")


@rule(
    "parameter",
    severity=Severity.WARNING,
    good=("parameters: [{name: siteId, in: query, description: d, schema: {type: string, maxLength: 9}}]",),
    bad=(
        "parameters: [{name: site_id, in: query, description: d, schema: {type: string, maxLength: 9}}]",
        "parameters: [{name: site-id, in: query, description: d, schema: {type: string, maxLength: 9}}]",
    ),
)
def parameters_are_camel_case(parameter: Parameter, context: Context) -> Iterator[Flaw]:
    """Path, query and cookie parameters are lowerCamelCase, like the properties they correspond to.

    A consumer who reads ``siteId`` in an answer writes ``siteId`` in the next question; a second spelling is a refused
    call. In a published major, add the new name beside the old and deprecate that.
    """
    name = parameter.name
    if parameter.place != "header" and not is_camel_case(name):
        yield Flaw(parameter.pointer, f"parameter {name} is not lowerCamelCase", in_camel_case(name))


@rule(
    "parameter",
    severity=Severity.INFO,
    good=("parameters: [{name: Site-Id, in: header, description: d, schema: {type: string, maxLength: 9}}]",),
    bad=("parameters: [{name: site_id, in: header, description: d, schema: {type: string, maxLength: 9}}]",),
)
def headers_are_kebab_case(parameter: Parameter, context: Context) -> Iterator[Flaw]:
    """Header parameters are written ``Site-Id``.

    Header names ignore case, but an underscore is dropped by many proxies, so the header never arrives. Use dashes.
    """
    if parameter.place == "header" and not _HEADER.fullmatch(parameter.name):
        yield Flaw(parameter.pointer, f"header {parameter.name} is not written like Site-Id", "use dashes and capitals")


@rule(
    "parameter",
    severity=Severity.WARNING,
    good=("parameters: [{name: Correlation-Id, in: header, description: d, schema: {type: string, maxLength: 9}}]",),
    bad=(
        "parameters: [{name: Authorization, in: header, description: d, schema: {type: string, maxLength: 9}}]",
        "parameters: [{name: X-Request-Id, in: header, description: d, schema: {type: string, maxLength: 9}}]",
    ),
    options={
        "reserved": [
            "accept", "authorization", "content-type", "api-version", "x-api-key", "x-request-id", "traceparent",
        ],
        "prefixes": ["weighbridge-", "ratelimit"],
    },
)  # fmt: skip
def headers_of_the_gateway_are_not_parameters(parameter: Parameter, context: Context) -> Iterator[Flaw]:
    """No header is declared that belongs to OpenAPI itself or to the gateway.

    OpenAPI 3 ignores ``Accept``, ``Authorization`` and ``Content-Type`` as parameters, and the gateway reads or
    overwrites the others before the backend sees them: declaring one promises what cannot be kept. Say it with
    ``security`` and media types. Options ``reserved`` and ``prefixes``: names in lower case.
    """
    name = parameter.name.lower()
    if parameter.place != "header":
        return
    if name in context.options["reserved"] or name.startswith(tuple(context.options["prefixes"])):
        yield Flaw(parameter.pointer, f"header {parameter.name} is not the contract's to declare", "remove it")


@rule(
    "property",
    severity=Severity.WARNING,
    good=("response: {siteName: {type: string, maxLength: 9}}",),
    bad=("response: {site_name: {type: string, maxLength: 9}}", "response: {SiteName: {type: string, maxLength: 9}}"),
)
def properties_are_camel_case(member: Property, context: Context) -> Iterator[Flaw]:
    """Properties are lowerCamelCase.

    All contracts of a distributor are read by the same integrators and often land in the same table. One spelling
    spares each of them a mapping. In a published major, send both names for a while and deprecate the old.
    """
    if not is_camel_case(member.name):
        yield Flaw(member.pointer, f"property {member.name} is not lowerCamelCase", in_camel_case(member.name))


@rule(
    "property",
    severity=Severity.INFO,
    good=(
        "response: {expectedAt: {type: string, format: date-time}, asOf: {type: string, format: date-time}}",
        "response: {requestedDate: {type: string, format: date}}",
    ),
    bad=(
        "response: {created: {type: string, format: date-time}}",
        "response: {requestedDay: {type: string, format: date}}",
    ),
    options={
        "instants": ["At", "AsOf", "Since", "From", "Until", "To"],
        "days": ["Date", "On", "From", "Until", "To"],
    },
)
def instants_are_named_at(member: Property, context: Context) -> Iterator[Flaw]:
    """A point in time is named ``...At``, a calendar day ``...Date`` or ``...On``.

    Whoever maps a field must know whether it has a time and an offset before looking it up; days that are read as
    midnights move across time zones. Options ``instants`` and ``days``: accepted endings.
    """
    kind = member.schema.get("format")
    if "string" not in member.types or kind not in ("date-time", "date"):
        return
    endings = context.options["instants" if kind == "date-time" else "days"]
    if member.name[:1].upper() + member.name[1:] not in endings and not member.name.endswith(tuple(endings)):
        wanted = "an instant and should end in At" if kind == "date-time" else "a day and should end in Date"
        yield Flaw(member.pointer, f"property {member.name} is {wanted}", "rename it in the next major")


@rule(
    "property",
    severity=Severity.WARNING,
    good=("response: {expectedAt: {type: string, format: date-time}}",),
    bad=("response: {expectedAt: {type: string, maxLength: 30}}", "response: {expectedAt: {type: integer}}"),
)
def instants_are_date_times(member: Property, context: Context) -> Iterator[Flaw]:
    """What is named ``...At`` is a string of format date-time.

    Free text and epoch numbers leave open which zone, which unit and which precision is meant; RFC 3339 says all three
    and every language reads it. Add ``format: date-time``; from numbers, move in the next major.
    """
    if not re.search(r"[a-z]At$", member.name) or not member.types & {"string", "integer", "number"}:
        return
    if "string" not in member.types or member.schema.get("format") != "date-time":
        yield Flaw(member.pointer, f"property {member.name} is no date-time", "use type string, format date-time")


@rule(
    "property",
    severity=Severity.WARNING,
    good=("response: {orderId: {type: string, maxLength: 20}}",),
    bad=("response: {orderId: {type: integer}}",),
)
def identifiers_are_strings(member: Property, context: Context) -> Iterator[Flaw]:
    """Identifiers are strings.

    Nobody calculates with them. As numbers they lose leading zeros in spreadsheets and digits beyond 2**53 in
    JavaScript, and can never gain a letter without a new major.
    """
    if re.search(r"(^id|[a-z]Ids?)$", member.name) and member.types & {"integer", "number"}:
        yield Flaw(member.pointer, f"identifier {member.name} is a number", "make it a string in the next major")

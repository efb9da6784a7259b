"""Rules on values: what numbers, absence and codes mean."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.subjects import Property, Schema

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# a word after which a number is no longer the measure itself: quantityCount, priceDecimals, amountPercent
_COUNTS = frozenset(
    "count counts days decimals factor hours id index level line minutes months multiple multiplier number pages "
    "percent percentage position precision rank rate ratio scale seconds sequence version weeks years".split()
)


@rule(
    "property",
    severity=Severity.WARNING,
    good=(
        "response: {price: {type: object, properties: {amount: {type: string, maxLength: 20},"
        " currency: {type: string, pattern: '^[A-Z]{3}$'}}}}",
    ),
    bad=(
        "response: {unitPrice: {type: number}}",
        "request: {totalAmount: {anyOf: [{type: number}, {type: 'null'}]}}",
    ),
    options={
        "words": ["price", "amount", "cost", "fee", "charge", "discount", "tax", "surcharge"],
        "companions": ["currency", "currencyCode"],
    },
)
def money_carries_currency(member: Property, context: Context) -> Iterator[Flaw]:
    """Money is never a bare number: it stands beside its currency.

    With sites in two countries a price without a currency is wrong half of the time, and a binary float rounds cents.
    Use ``{amount, currency}`` with the amount as a decimal string. Options ``words``, ``companions``.
    """
    if _is_bare(member, context):
        yield Flaw(
            member.pointer,
            f"{member.name} is money as a bare number",
            'use {"amount": "12.50", "currency": "USD"}',
        )


@rule(
    "property",
    severity=Severity.WARNING,
    good=(
        "response: {available: {type: object, properties: {value: {type: string, maxLength: 20},"
        " unit: {type: string, pattern: '^[A-Z]{3}$'}}}}",
        "response: {weight: {type: number}, unit: {type: string, maxLength: 3}}",
        "response: {lineCount: {type: integer}}",
    ),
    bad=("response: {orderedQuantity: {type: number}}", "response: {qtyOnHand: {type: integer}}"),
    options={
        "words": ["quantity", "qty", "weight", "volume", "length", "height", "width", "stock"],
        "companions": ["unit", "units", "uom", "unitOfMeasure", "unitCode"],
    },
)
def quantities_carry_units(member: Property, context: Context) -> Iterator[Flaw]:
    """A quantity is never a bare number: it stands beside its unit of measure.

    Cable is stocked in metres here and in feet there, screws by the piece and by the box; 100 without a unit ships a
    hundred of the wrong thing. Use ``{value, unit}`` with UN/ECE codes. Options ``words``, ``companions``.
    """
    if _is_bare(member, context):
        yield Flaw(
            member.pointer,
            f"{member.name} is a quantity as a bare number",
            'use {"value": "12.5", "unit": "MTR"}',
        )


def _is_bare(member: Property, context: Context) -> bool:
    if not member.types & {"number", "integer"}:
        return False
    words = [word.lower() for word in _WORD.findall(member.name)]
    if not set(words) & set(context.options["words"]) or words[-1] in _COUNTS:
        return False
    beside = member.owner["properties"].keys()
    companions = set(context.options["companions"])
    own = {f"{member.name}{companion[:1].upper()}{companion[1:]}" for companion in companions}
    return not beside & (companions | own)


@rule(
    "schema",
    severity=Severity.WARNING,
    good=("response: {note: {type: string, maxLength: 9}}", "request: {note: {type: [string, 'null'], maxLength: 9}}"),
    bad=(
        "response: {note: {type: [string, 'null'], maxLength: 9}}",
        "openapi: 3.0.3\nresponse: {note: {type: string, nullable: true, maxLength: 9}}",
    ),
)
def responses_send_no_null(schema: Schema, context: Context) -> Iterator[Flaw]:
    """A response leaves a member out instead of sending null.

    Null and absent are two ways to say one thing, and every client treats them differently: one crashes, one prints
    "null". Absent means unknown or not applicable. Make the member optional and stop sending null with a new major.
    """
    if "response" in schema.lanes and "null" in schema.types and schema.roles != {"test"}:
        yield Flaw(schema.pointer, "null may be sent in a response", "make the member optional instead")


@rule(
    "property",
    severity=Severity.WARNING,
    good=(
        "response: {status: {type: string, pattern: '^[A-Z_]{1,40}$', x-extensible-enum: [OPEN, SHIPPED]}}",
        "response: {phase: {type: string, enum: [ACTIVE, DONE]}}",
        "request: {status: {type: string, enum: [OPEN, SHIPPED]}}",
    ),
    bad=("response: {status: {type: string, enum: [OPEN, SHIPPED]}}",),
    options={"closed": ["phase", "purpose", "freshness", "outcome"]},
)
def response_codes_are_open(member: Property, context: Context) -> Iterator[Flaw]:
    """A code in a response can gain values.

    A client generated from a closed ``enum`` fails on the first value it does not know, so every new status is a
    breaking change. Use a string with ``x-extensible-enum`` listing today's values, and a coarse closed ``phase``
    beside it that never grows. Option ``closed``: names of codes that are meant to stay closed.
    """
    values = member.schema.get("enum")
    if "response" not in member.lanes or member.name in context.options["closed"]:
        return
    # one value alone is a tag, booleans and numbers are no codes
    if isinstance(values, list) and len([value for value in values if isinstance(value, str)]) > 1:
        yield Flaw(member.pointer, f"{member.name} is a closed list of codes in a response", "use x-extensible-enum")

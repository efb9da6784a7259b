"""The value objects of the trade: quantities with a unit, money, instants, identifiers with check digits.

Owns their arithmetic and their text. Decimals travel as strings (``"12.5"``) and are never floats here. The subtle
thing: two quantities are equal by value, not by text, and the scale that was measured is kept when nothing is computed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

COUNTED = frozenset({"EA", "PR", "SET", "DZN", "CEN", "MIL", "XBX", "XCT", "XCS", "XRO", "XPX"})
"""Rec 20 and Rec 21 units that take no fraction."""


def plain(number: Decimal) -> str:
    """A decimal without exponent and without idle zeros: ``3800``, ``12.5``."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: Decimal | int | str, unit: str) -> dict[str, str]:
    return {"value": plain(Decimal(value)), "unit": unit}


def money(amount: Decimal, currency: str) -> dict[str, str]:
    """A total: rounded once, half up, to the two minor digits of USD and CAD."""
    return {"amount": str(amount.quantize(Decimal("0.01"), ROUND_HALF_UP)), "currency": currency}


def unit_price(amount: Decimal, currency: str, per: Decimal | int, unit: str) -> dict[str, Any]:
    """A price per quantity; four decimals, because fasteners cost fractions of a cent."""
    return {"amount": f"{amount:.4f}", "currency": currency, "per": quantity(per, unit)}


def stamp(at: datetime) -> str:
    """RFC 3339 to the second; UTC is written ``Z``, any other offset as it is."""
    text = at.replace(microsecond=0).isoformat()
    return text.replace("+00:00", "Z") if at.utcoffset() == timedelta(0) else text


def zulu(at: datetime) -> str:
    """The same in UTC: how a machine stamps what it knows (``asOf``). Promises keep the offset of their site."""
    return stamp(at.astimezone(UTC))


def instant(text: str) -> datetime:
    """The instant of an RFC 3339 text. Raises `ValueError` for anything else, also for a text without offset."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return at.astimezone(UTC)


def check_digit(digits: str) -> str:
    """The GS1 check digit of GTIN, GLN and SSCC: weights 3 and 1 from the right."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def gtin(number: int) -> str:
    """The GTIN-14 of Larkfield's `number`-th item, in the range that GS1 keeps for examples."""
    body = f"09521001{number:05d}"
    return body + check_digit(body)


def sscc(number: int) -> str:
    body = f"09521001{number:09d}"
    return body + check_digit(body)


def is_sscc(text: str) -> bool:
    return len(text) == 18 and text.isdigit() and check_digit(text[:-1]) == text[-1]

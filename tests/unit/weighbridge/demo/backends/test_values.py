from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from weighbridge.demo.backends import values


@pytest.mark.parametrize(
    ("number", "text"),
    [("3800", "3800"), ("12.50", "12.5"), ("0.000", "0"), ("1E+3", "1000"), ("0.000001", "0.000001"), ("100", "100")],
)
def test_plain_decimals(number: str, text: str) -> None:
    assert values.plain(Decimal(number)) == text


def test_money_is_rounded_once_and_half_up() -> None:
    assert values.money(Decimal("74.205"), "USD") == {"amount": "74.21", "currency": "USD"}
    assert values.unit_price(Decimal("24.735"), "USD", 100, "EA") == {
        "amount": "24.7350",
        "currency": "USD",
        "per": {"value": "100", "unit": "EA"},
    }


def test_instants_need_an_offset() -> None:
    assert values.instant("2026-03-31T16:40:00-06:00") == datetime(2026, 3, 31, 22, 40, tzinfo=UTC)
    with pytest.raises(ValueError, match="no offset"):
        values.instant("2026-03-31T16:40:00")
    assert values.stamp(datetime(2026, 3, 31, 1, 2, 3, 999, tzinfo=UTC)) == "2026-03-31T01:02:03Z"
    local = timezone(-timedelta(hours=2, minutes=30))
    assert values.stamp(datetime(2026, 3, 31, 1, 2, 3, tzinfo=local)) == "2026-03-31T01:02:03-02:30"


def test_check_digits_are_those_of_the_documents() -> None:
    assert values.gtin(11) == "09521001000116"
    assert values.sscc(17) == "095210010000000178"
    assert values.is_sscc("095210010000000178")
    assert not values.is_sscc("095210010000000179")
    assert not values.is_sscc("09521001000000017")

"""`weighbridge usage`: items of the registry as lines for people."""

from __future__ import annotations

from datetime import date

import pytest

from weighbridge.cli import main
from weighbridge.commands.usage import lines
from weighbridge.errors import Exit

ITEM = {
    "contract": "shipment",
    "major": 1,
    "number": "1.2.0",
    "application": "oakhurst",
    "operation": "getShipment",
    "status_class": "2xx",
    "calls": 40,
    "first_day": "2027-01-12",
    "last_at": "2027-01-14T09:30:59Z",
}


def test_outcomes_stand_side_by_side() -> None:
    refused = {**ITEM, "status_class": "4xx", "calls": 9, "last_at": "2027-01-15T07:00:01Z"}
    failed = {**ITEM, "status_class": "5xx", "calls": 1, "first_day": "2027-01-13"}
    nameless = {**ITEM, "application": None, "calls": 3, "first_day": "2027-01-15"}
    assert lines([ITEM, refused, failed, nameless], today=date(2027, 1, 15), daily=False) == [
        ("(no credentials)", "shipment@1.2.0", "getShipment", 3, "", "", "3.0", "2027-01-14 09:30"),
        ("oakhurst", "shipment@1.2.0", "getShipment", 50, 9, 1, "12.5", "2027-01-15 07:00"),
    ]


def test_days_stand_apart() -> None:
    later = {**ITEM, "first_day": "2027-01-13", "calls": 2}
    assert lines([later, ITEM], today=date(2027, 1, 15), daily=True) == [
        ("2027-01-12", "oakhurst", "shipment@1.2.0", "getShipment", 40, "", "", "2027-01-14 09:30"),
        ("2027-01-13", "oakhurst", "shipment@1.2.0", "getShipment", 2, "", "", "2027-01-14 09:30"),
    ]


@pytest.mark.parametrize("reference", ["shipment@1.2.0", "shipment@", "@1"])
def test_what_is_no_major_is_a_usage_error(capsys: pytest.CaptureFixture[str], reference: str) -> None:
    assert main(["usage", reference]) == Exit.UNREADABLE
    assert "Traceback" not in capsys.readouterr().err

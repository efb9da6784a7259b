"""What people are told of a subscription."""

from __future__ import annotations

import pytest

from weighbridge.commands import major_of
from weighbridge.commands.subscribing import terms_of
from weighbridge.errors import CommandError


def test_what_was_agreed_is_told_as_long_as_it_holds() -> None:
    held = {"state": "active", "sites": ["DAL-2", "[red]"], "expires_at": "2027-06-30T08:00:00Z"}
    assert terms_of(held) == ", at DAL-2, \\[red] only, until 2027-06-30 08:00"
    assert terms_of({**held, "state": "ended"}) == ""
    assert terms_of({"state": "active", "sites": None, "expires_at": None}) == ""


def test_what_is_subscribed_to_is_a_major() -> None:
    assert major_of("shipment@12") == ("shipment", "12")
    for wrong in ("shipment", "shipment@1.2.0", "shipment@"):
        with pytest.raises(CommandError):
            major_of(wrong)

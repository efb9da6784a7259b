from __future__ import annotations

from itertools import pairwise

import pytest

from weighbridge.demo.backends import states
from weighbridge.demo.backends.states import ORDER_LINE, Table, allowed, least_advanced, path_to, phase

TABLES = {
    "ORDER_LINE": states.ORDER_LINE,
    "SHIPMENT": states.SHIPMENT,
    "ACKNOWLEDGEMENT": states.ACKNOWLEDGEMENT,
    "RESERVATION": states.RESERVATION,
    "TRANSFER": states.TRANSFER,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_closed_and_whole(name: str) -> None:
    table: Table = TABLES[name]
    for status, (stage, followers) in table.items():
        assert stage in {"PENDING", "ACTIVE", "DONE", "ENDED"}
        assert set(followers) <= set(table)
        # what is done or ended stays so
        assert (followers == ()) == (stage in {"DONE", "ENDED"}), status
        way = path_to(table, status)
        assert way[-1] == status
        assert all(later in allowed(table, earlier) for earlier, later in pairwise(way))


def test_the_way_to_a_delivered_line() -> None:
    assert path_to(ORDER_LINE, "DELIVERED") == (
        "RECEIVED", "ACCEPTED", "ALLOCATED", "PICKING", "PACKED", "AWAITING_PICKUP", "DELIVERED",
    )  # fmt: skip
    with pytest.raises(LookupError, match="LOST cannot be reached"):
        path_to(ORDER_LINE, "LOST")


def test_an_order_is_as_far_as_its_least_advanced_line() -> None:
    assert least_advanced(["DELIVERED", "PICKING", "CANCELLED"]) == "PICKING"
    assert least_advanced(["DELIVERED", "CANCELLED"]) == "DELIVERED"
    assert least_advanced(["CANCELLED", "REJECTED"]) == "CANCELLED"
    assert phase(ORDER_LINE, "PICKING") == "ACTIVE"


def test_major_1_has_a_word_for_every_status() -> None:
    assert states.ORDER_LINE_MAJOR_1.keys() == ORDER_LINE.keys()
    assert set(states.ORDER_LINE_MAJOR_1.values()) == {"RECEIVED", "OPEN", "SHIPPED", "DELIVERED", "CANCELLED"}

"""The states that all sites share, as literal tables: what may follow what, and the phase a reader may rely on.

Owns statuses and phases of order lines, shipments, acknowledgements and reservations. Knows no storage and no contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Table = Mapping[str, tuple[str, tuple[str, ...]]]
"""status -> (phase, statuses that may follow); in the order of advance."""

ORDER_LINE: Table = {
    "RECEIVED": ("PENDING", ("ACCEPTED", "REJECTED")),
    "ACCEPTED": ("PENDING", ("ALLOCATED", "PARTIALLY_ALLOCATED", "BACKORDERED", "ON_HOLD", "CANCELLED")),
    "ON_HOLD": ("PENDING", ("ACCEPTED", "CANCELLED")),
    "BACKORDERED": ("PENDING", ("ALLOCATED", "PARTIALLY_ALLOCATED", "CANCELLED")),
    "PARTIALLY_ALLOCATED": ("ACTIVE", ("ALLOCATED", "PICKING", "CANCELLED")),
    "ALLOCATED": ("ACTIVE", ("PICKING", "BACKORDERED", "CANCELLED")),
    "PICKING": ("ACTIVE", ("PACKED", "BACKORDERED")),
    "PACKED": ("ACTIVE", ("AWAITING_PICKUP", "PARTIALLY_SHIPPED", "SHIPPED")),
    "AWAITING_PICKUP": ("ACTIVE", ("DELIVERED", "CANCELLED")),
    "PARTIALLY_SHIPPED": ("ACTIVE", ("SHIPPED", "CLOSED_SHORT")),
    "SHIPPED": ("ACTIVE", ("DELIVERED",)),
    "DELIVERED": ("DONE", ()),
    "CLOSED_SHORT": ("ENDED", ()),
    "CANCELLED": ("ENDED", ()),
    "REJECTED": ("ENDED", ()),
}

SHIPMENT: Table = {
    "ANNOUNCED": ("PENDING", ("DEPARTED", "CANCELLED")),
    "DEPARTED": ("ACTIVE", ("ARRIVED", "LOST")),
    "ARRIVED": ("ACTIVE", ("RECEIVING", "DELIVERED", "REFUSED")),
    "RECEIVING": ("ACTIVE", ("RECEIVED", "RECEIVED_WITH_VARIANCE")),
    "RECEIVED": ("DONE", ()),
    "RECEIVED_WITH_VARIANCE": ("DONE", ()),
    "DELIVERED": ("DONE", ()),
    "CANCELLED": ("ENDED", ()),
    "LOST": ("ENDED", ()),
    "REFUSED": ("ENDED", ()),
}

_ANSWERS = ("PARTIAL", "ACCEPTED", "ACCEPTED_WITH_CHANGES", "REJECTED")
ACKNOWLEDGEMENT: Table = {
    "AWAITED": ("PENDING", (*_ANSWERS, "OVERDUE")),
    "OVERDUE": ("PENDING", _ANSWERS),
    "PARTIAL": ("PENDING", _ANSWERS),
    "ACCEPTED_WITH_CHANGES": ("ACTIVE", ("AGREED", "DISPUTED")),
    "DISPUTED": ("ACTIVE", ("ACCEPTED", "ACCEPTED_WITH_CHANGES", "REJECTED")),
    "ACCEPTED": ("DONE", ()),
    "AGREED": ("DONE", ()),
    "REJECTED": ("ENDED", ()),
}

RESERVATION: Table = {
    "ACTIVE": ("ACTIVE", ("CONSUMED", "RELEASED", "EXPIRED")),
    "CONSUMED": ("DONE", ()),
    "RELEASED": ("ENDED", ()),
    "EXPIRED": ("ENDED", ()),
}

TRANSFER: Table = {
    "REQUESTED": ("PENDING", ("APPROVED", "REJECTED", "CANCELLED")),
    "APPROVED": ("PENDING", ("SHIPPED", "CANCELLED")),
    "SHIPPED": ("ACTIVE", ("RECEIVED", "RECEIVED_WITH_VARIANCE")),
    "RECEIVED": ("ACTIVE", ("RECONCILED",)),
    "RECEIVED_WITH_VARIANCE": ("ACTIVE", ("RECONCILED",)),
    "RECONCILED": ("DONE", ()),
    "REJECTED": ("ENDED", ()),
    "CANCELLED": ("ENDED", ()),
}

ORDER_LINE_MAJOR_1: Mapping[str, str] = {
    "RECEIVED": "RECEIVED",
    "ACCEPTED": "OPEN",
    "ON_HOLD": "OPEN",
    "BACKORDERED": "OPEN",
    "PARTIALLY_ALLOCATED": "OPEN",
    "ALLOCATED": "OPEN",
    "PICKING": "OPEN",
    "PACKED": "OPEN",
    "AWAITING_PICKUP": "OPEN",
    "PARTIALLY_SHIPPED": "SHIPPED",
    "SHIPPED": "SHIPPED",
    "DELIVERED": "DELIVERED",
    "CLOSED_SHORT": "DELIVERED",
    "CANCELLED": "CANCELLED",
    "REJECTED": "CANCELLED",
}
"""Order status 1.x knew five statuses; this is how today's are told to its readers."""


def phase(table: Table, status: str) -> str:
    """``PENDING``, ``ACTIVE``, ``DONE`` or ``ENDED``."""
    return table[status][0]


def allowed(table: Table, status: str) -> tuple[str, ...]:
    """The statuses that may follow `status`."""
    return table[status][1]


def least_advanced(statuses: Iterable[str]) -> str:
    """The status of an order: that of its least advanced line. Ended lines count only where nothing else is left."""
    order = list(ORDER_LINE)
    return min(statuses, key=order.index)


def path_to(table: Table, status: str) -> tuple[str, ...]:
    """The shortest way from the table's first status to `status`, both included: what a history must contain."""
    first = next(iter(table))
    ways: list[tuple[str, ...]] = [(first,)]
    seen = {first}
    while ways:
        way = ways.pop(0)
        if way[-1] == status:
            return way
        for follower in allowed(table, way[-1]):
            if follower not in seen:
                seen.add(follower)
                ways.append((*way, follower))
    raise LookupError(f"{status} cannot be reached from {first}")

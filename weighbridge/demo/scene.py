"""The people of the demo as plain literals: plans, consumers, applications and what they subscribe to.

Owns no behaviour: `staging` sends these through the management API. The fields are those of `policies.model.access`,
with the subscriptions beside the application that holds them. Each application is there for something it shows.
"""

from __future__ import annotations

from typing import Any

TIME_ZONE = "America/Chicago"
"""Larkfield's head office: when a partner's day begins."""

GOOD_SKU = "CBL-THHN-12-BK"
"""Kept at every site, in another quantity each: what makes site routing visible."""

TIGHT_REQUESTS = 5
TIGHT_WINDOW = 10
TIGHT_PATH = "supplier-acknowledgement/v2/sites/DAL-2/purchase-orders"
"""What the supplier calls once too often."""

REFUSED_FILE = "specs/services/inventory-availability/refused/2.2.0.yaml"
"""A version that breaks somebody although its number claims a minor."""


def _limits(rate: int, burst: int, quota: int | None, stock: int, check: int, poll: int, write: int) -> list[Any]:
    """A plan's limits: a rate with burst, a quota per day, and tighter ones for operations that cost more.

    Writes have no burst: they are counted exactly.
    """
    limits: list[dict[str, Any]] = [
        {"name": "rate", "requests": rate, "window": 1, "burst": burst},
        {"name": "stock-list", "requests": stock, "window": 1, "burst": 5 * stock, "operations": ["listAvailability"]},
        {"name": "check", "requests": check, "window": 1, "burst": 4 * check, "operations": ["checkAvailability"]},
        {"name": "order-poll", "requests": poll, "window": 1, "burst": 5 * poll, "operations": ["listOrders"]},
        {"name": "notices", "requests": write, "window": 1, "operations": ["acknowledge", "announceShipment"]},
    ]
    if quota is not None:
        limits.insert(1, {"name": "quota", "requests": quota, "period": "day"})
    return limits


def _quoting(quotes: int, per_day: int | None) -> list[Any]:
    limits: list[dict[str, Any]] = [
        {"name": "quotes", "requests": quotes, "window": 1, "burst": 4 * quotes, "operations": ["quotePrices"]}
    ]
    if per_day is not None:
        limits.append({"name": "quotes-a-day", "requests": per_day, "period": "day", "operations": ["quotePrices"]})
    return limits


PLANS: list[dict[str, Any]] = [
    {
        "name": "partner-standard",
        "title": "Most suppliers, small customers",
        "limits": _limits(rate=5, burst=20, quota=20_000, stock=1, check=5, poll=2, write=2),
        "time_zone": TIME_ZONE,
        "max_concurrent": 4,
        "on_counter_loss": "local",
    },
    {
        "name": "partner-plus",
        "title": "Large customers, carriers, marketplaces",
        "limits": _limits(rate=20, burst=80, quota=250_000, stock=5, check=20, poll=10, write=10),
        "time_zone": TIME_ZONE,
        "max_concurrent": 16,
        "on_counter_loss": "local",
    },
    {
        "name": "partner-plus-pricing",
        "title": "Prices for large customers: a scraper must not profit from a dead counter",
        "limits": [
            {"name": "rate", "requests": 20, "window": 1, "burst": 80},
            {"name": "quota", "requests": 250_000, "period": "day"},
            *_quoting(quotes=5, per_day=20_000),
        ],
        "time_zone": TIME_ZONE,
        "max_concurrent": 16,
        "on_counter_loss": "closed",
    },
    {
        "name": "internal",
        "title": "Larkfield's own",
        "limits": _limits(rate=100, burst=400, quota=None, stock=50, check=100, poll=50, write=50),
        "max_concurrent": 64,
        "on_counter_loss": "open",
    },
    {
        "name": "demo-tight",
        "title": "So tight that its limit can be met by hand",
        "limits": [{"name": "tight", "requests": TIGHT_REQUESTS, "window": TIGHT_WINDOW}],
        "max_concurrent": 4,
        "on_counter_loss": "local",
    },
]

CONSUMERS: list[dict[str, Any]] = [
    {"id": "brightwater-cable", "name": "Brightwater Cable", "audience": "partner"},
    {"id": "oakhurst-mechanical", "name": "Oakhurst Mechanical", "audience": "partner"},
    {"id": "larkfield-finance", "name": "Larkfield finance", "audience": "internal"},
]

APPLICATIONS: list[dict[str, Any]] = [
    {
        # still on acknowledgement 1.x: holds up a retirement, and would be hurt by shipment 2.0.0
        "id": "brightwater-edi-bridge",
        "name": "Brightwater EDI bridge",
        "consumer": "brightwater-cable",
        "party": "SUP-10021",
        "sites": ["DAL-2", "PHX-1", "TOR-1"],
        "scopes": ["acknowledgements:read", "acknowledgements:write", "shipments:read", "shipments:write"],
        "pins": {"supplier-acknowledgement": 1},
        "subscriptions": [
            {"contract": "supplier-acknowledgement", "major": 1, "plan": "partner-standard"},
            {"contract": "supplier-acknowledgement", "major": 2, "plan": "demo-tight"},
            {"contract": "shipment", "major": 1, "plan": "partner-standard"},
        ],
    },
    {
        # pinned to inventory 1.x, so it is told of the deprecation; 2.0.0 of pricing would take its net prices away
        "id": "oakhurst-procurement",
        "name": "Oakhurst procurement",
        "consumer": "oakhurst-mechanical",
        "party": "CUS-20041",
        "sites": ["DAL-2", "PHX-1", "ATL-1"],
        "scopes": ["inventory:read", "orders:read", "shipments:read", "prices:read", "prices:quote"],
        "pins": {"inventory-availability": 1},
        "subscriptions": [
            {"contract": "inventory-availability", "major": 1, "plan": "partner-plus"},
            {"contract": "inventory-availability", "major": 2, "plan": "partner-plus"},
            {"contract": "order-status", "major": 2, "plan": "partner-plus"},
            {"contract": "shipment", "major": 1, "plan": "partner-plus"},
            {"contract": "pricing", "major": 1, "plan": "partner-plus-pricing"},
        ],
    },
    {
        # sweeps everything at month end
        "id": "close-reconciler",
        "name": "Month-end reconciler",
        "consumer": "larkfield-finance",
        "party": "INT-90001",
        "sites": None,
        "scopes": [
            "acknowledgements:read",
            "inventory:read",
            "orders:read",
            "prices:cost",
            "prices:net",
            "prices:read",
            "shipments:read",
        ],
        "pins": {},
        "subscriptions": [
            {"contract": "inventory-availability", "major": 2, "plan": "internal"},
            {"contract": "order-status", "major": 2, "plan": "internal"},
            {"contract": "pricing", "major": 2, "plan": "internal"},
            {"contract": "shipment", "major": 1, "plan": "internal"},
            {"contract": "supplier-acknowledgement", "major": 2, "plan": "internal"},
        ],
    },
]

SCENE: dict[str, list[dict[str, Any]]] = {"plans": PLANS, "consumers": CONSUMERS, "applications": APPLICATIONS}

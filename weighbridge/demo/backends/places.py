"""Larkfield's places: the hub and five sites, with the ways in which each really works.

Owns every quirk of the demo, as data: the rest of the code reads fields and never asks for a site by name. A quirk
follows from these fields and the clock, never from chance, so a test can name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from weighbridge.demo.backends.values import stamp

HUB = "HUB"
Freshness = Literal["REALTIME", "BATCH", "MANUAL"]

EVERYWHERE = ("inventory-availability", "order-status", "shipment", "supplier-acknowledgement")


@dataclass(frozen=True, slots=True)
class CutOff:
    service: str
    at: time


@dataclass(frozen=True, slots=True)
class Site:
    """One place. `code` is the four-digit branch number of major 1, where the site has one."""

    site_id: str
    gln: str
    name: str
    kind: str
    country: str
    region: str
    zone: str
    currency: str
    port_offset: int
    code: str | None = None
    cut_offs: tuple[CutOff, ...] = ()
    contracts: tuple[str, ...] = EVERYWHERE
    first_major: tuple[tuple[str, int], ...] = ()
    """Contracts that the site joined late, with the oldest major it offers."""
    behind: tuple[tuple[str, int], ...] = ()
    """Contracts of which the site runs an older minor, with the number of minors it is behind."""
    freshness: Freshness = "REALTIME"
    posted_at: tuple[time, ...] = ()
    """Local times at which stock is posted; empty where it is posted at once."""
    closed_weekdays: frozenset[int] = frozenset()
    """Weekdays (Monday is 0) without shipping or receiving."""
    decimal_comma: bool = False
    """Its system prints metre quantities in French locale, and says ``null`` where it knows no next receipt."""
    answer_seconds: float = 0.0
    at_once: int | None = None
    """How many calls its system works on at the same time."""
    backup: tuple[time, time] | None = None
    """Local times between which it answers 503."""

    @property
    def is_hub(self) -> bool:
        return self.site_id == HUB

    def local(self, now: datetime) -> datetime:
        return now.astimezone(ZoneInfo(self.zone))

    def offers(self, contract: str, major: int) -> bool:
        return contract in self.contracts and major >= dict(self.first_major).get(contract, 1)

    def minors_behind(self, contract: str) -> int:
        return dict(self.behind).get(contract, 0)

    def posted(self, now: datetime) -> datetime:
        """The instant of the newest stock posting: now, unless the site posts at fixed times of its working days."""
        if not self.posted_at:
            return now - timedelta(minutes=1) if self.is_hub else now
        return max(at for at in self._postings(now) if at <= now)

    def next_posting(self, now: datetime) -> datetime:
        """When fresher stock can be had."""
        if not self.posted_at:
            return now
        return min(at for at in self._postings(now) if at > now)

    def is_closed(self, now: datetime) -> bool:
        return self.local(now).weekday() in self.closed_weekdays

    def reopens(self, now: datetime) -> datetime:
        """The next midnight that begins a working day."""
        day = self.local(now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        while day.weekday() in self.closed_weekdays:
            day += timedelta(days=1)
        return day

    def backup_ends(self, now: datetime) -> datetime | None:
        """The end of the backup that runs at `now`, or ``None``."""
        if self.backup is None:
            return None
        local = self.local(now)
        starts, ends = (datetime.combine(local.date(), at, local.tzinfo) for at in self.backup)
        return ends if starts <= local < ends else None

    def next_cut_off(self, cut_off: CutOff, now: datetime) -> str:
        """RFC 3339 in the site's own offset."""
        local = self.local(now)
        at = datetime.combine(local.date(), cut_off.at, local.tzinfo)
        while at <= local or at.weekday() in self.closed_weekdays:
            at = datetime.combine(at.date() + timedelta(days=1), cut_off.at, local.tzinfo)
        return stamp(at)

    def _postings(self, now: datetime) -> list[datetime]:
        local = self.local(now)
        days = [local.date() + timedelta(days=offset) for offset in range(-3, 4)]
        return [
            datetime.combine(day, at, local.tzinfo)
            for day in days
            if day.weekday() not in self.closed_weekdays
            for at in self.posted_at
        ]


WEEKEND = frozenset({5, 6})

SITES: tuple[Site, ...] = (
    Site(
        site_id=HUB,
        gln="9520001000102",
        name="Larkfield network office",
        kind="NETWORK_OFFICE",
        country="US",
        region="US-TX",
        zone="America/Chicago",
        currency="USD",
        port_offset=0,
        contracts=(*EVERYWHERE, "pricing"),
    ),
    Site(
        site_id="DAL-2",
        code="0142",
        gln="9520001000119",
        name="Dallas distribution center",
        kind="DISTRIBUTION_CENTER",
        country="US",
        region="US-TX",
        zone="America/Chicago",
        currency="USD",
        port_offset=1,
        cut_offs=(CutOff("PARCEL", time(15, 30)), CutOff("FREIGHT", time(13, 0))),
    ),
    Site(
        site_id="PHX-1",
        code="0155",
        gln="9520001000126",
        name="Phoenix fulfillment center",
        kind="FULFILLMENT_CENTER",
        country="US",
        region="US-AZ",
        zone="America/Phoenix",
        currency="USD",
        port_offset=2,
        cut_offs=(CutOff("PARCEL", time(17, 0)),),
        behind=(("inventory-availability", 1),),
    ),
    Site(
        site_id="ATL-1",
        code="0118",
        gln="9520001000133",
        name="Atlanta cross-dock",
        kind="CROSS_DOCK",
        country="US",
        region="US-GA",
        zone="America/New_York",
        currency="USD",
        port_offset=3,
        cut_offs=(CutOff("FREIGHT", time(18, 0)),),
        freshness="BATCH",
        posted_at=(time(6, 0), time(14, 0), time(22, 0)),
    ),
    Site(
        site_id="TOR-1",
        code="0810",
        gln="9520001000140",
        name="Toronto distribution center",
        kind="DISTRIBUTION_CENTER",
        country="CA",
        region="CA-ON",
        zone="America/Toronto",
        currency="CAD",
        port_offset=4,
        cut_offs=(CutOff("PARCEL", time(15, 0)), CutOff("FREIGHT", time(12, 0))),
        decimal_comma=True,
    ),
    Site(
        site_id="STJ-1",
        gln="9520001000157",
        name="St. John's branch",
        kind="BRANCH",
        country="CA",
        region="CA-NL",
        zone="America/St_Johns",
        currency="CAD",
        port_offset=5,
        cut_offs=(CutOff("PARCEL", time(14, 0)),),
        contracts=("inventory-availability", "order-status"),
        first_major=(("inventory-availability", 2),),
        freshness="MANUAL",
        posted_at=(time(8, 0),),
        closed_weekdays=WEEKEND,
        answer_seconds=0.9,
        at_once=2,
        backup=(time(2, 0), time(2, 20)),
    ),
)

BY_ID = {site.site_id: site for site in SITES}
BY_CODE = {site.code: site for site in SITES if site.code}
YARDS = tuple(site for site in SITES if not site.is_hub)
"""The five places that hold stock."""

"""The catalogue: sixty items with the traits that make the trade hard, and a few hundred plain ones.

Owns SKUs, GTINs, pack tables, who supplies what and under which part number. Everything is computed from the literals
below; nothing is drawn by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from weighbridge.demo.backends.values import gtin

FIRST_NUMBER = 11
"""GTINs count from here: the first item is 09521001000116."""


@dataclass(frozen=True, slots=True)
class Item:
    """`packs` maps every unit in which the item may be asked for to its size in the base `unit`. `list_price` is USD
    for `per` base units. `cap` is the most that customers are shown."""

    sku: str
    gtin: str
    description: str
    group: str
    unit: str
    packs: dict[str, str]
    suppliers: tuple[str, ...]
    list_price: Decimal
    per: int
    cap: int
    by_lot: bool = False
    by_serial: bool = False
    discontinued: bool = False
    successor: str | None = None
    promoted: bool = False
    customer_parts: dict[str, str] = field(default_factory=dict)

    def supplier_part(self, party: str) -> str:
        """The supplier's own name for it: unlike ours, with blanks and slashes as they occur."""
        named = SUPPLIER_PARTS.get((party, self.sku))
        return named or f"{self.sku[4:].replace('-', '/')} {party[-2:]}"


SUPPLIER_PARTS = {("SUP-10021", "CBL-THHN-12-BK"): "THHN12-BLK"}
CUSTOMER_PARTS = {
    "FST-HXB-M10X50": {"CUS-20041": "OM/7781 a"},
    "CBL-THHN-12-BK": {"CUS-20041": "OM/1200 bk", "CUS-20043": "TY-000812"},
    "GLV-NIT-L": {"CUS-20041": "OM/3303"},
}
SHARED = {"CBL-THHN-12-BK": "SUP-10026", "FST-NUT-M10": "SUP-10024"}
"""Items that a second supplier delivers too; neither may learn of the other."""
DISCONTINUED = {"FST-HXB-M6X20": "FST-HXB-M6X30", "TLS-DRL-12V": "TLS-DRL-18V", "CHM-CUT-20L": "CHM-CUT-5L"}
PROMOTED = "GLV-NIT-L"

FASTENER = ("fastener", "EA", {"EA": "1", "CEN": "100", "MIL": "1000", "XCT": "100"}, "SUP-10022", 100, 5000)
FEET = ("cable", "FOT", {"FOT": "1", "XRO": "500"}, "SUP-10021", 1000, 1000)
METRES = ("cable", "MTR", {"MTR": "1", "XRO": "150"}, "SUP-10021", 100, 500)
CHEMICAL = ("chemical", "EA", {"EA": "1", "XCS": "12"}, "SUP-10023", 1, 200)
TOOL = ("tool", "EA", {"EA": "1"}, "SUP-10024", 1, 10)
WEAR = ("wear", "PR", {"PR": "1", "DZN": "12", "XBX": "12"}, "SUP-10025", 1, 250)
POUNDS = ("welding", "LBR", {"LBR": "1", "XPX": "1320"}, "SUP-10026", 1, 400)
KILOS = ("welding", "KGM", {"KGM": "1", "XPX": "600"}, "SUP-10026", 1, 200)
PIECE = ("plain", "EA", {"EA": "1", "XBX": "25", "XCT": "100"}, "SUP-10022", 1, 500)

_NAMED: tuple[tuple[tuple[str, str, dict[str, str], str, int, int], tuple[tuple[str, str, str], ...]], ...] = (
    (
        FEET,
        (
            ("CBL-THHN-12-BK", "Building wire THHN 12 AWG black", "187.25"),
            ("CBL-THHN-12-RD", "Building wire THHN 12 AWG red", "187.25"),
            ("CBL-THHN-10-BK", "Building wire THHN 10 AWG black", "291.40"),
            ("CBL-THHN-14-WH", "Building wire THHN 14 AWG white", "121.80"),
            ("CBL-THHN-8-GN", "Building wire THHN 8 AWG green", "468.00"),
        ),
    ),
    (
        METRES,
        (
            ("CBL-NMD-14-2", "NMD90 cable 14/2", "118.40"),
            ("CBL-NMD-12-2", "NMD90 cable 12/2", "176.90"),
            ("CBL-TECK-12-3", "TECK90 armoured cable 12/3", "512.00"),
            ("CBL-TECK-10-3", "TECK90 armoured cable 10/3", "688.50"),
            ("CBL-RW90-6-BK", "RW90 wire 6 AWG black", "301.75"),
        ),
    ),
    (
        FASTENER,
        (
            *(
                (f"FST-HXB-M{size}X{length}", f"Hex bolt M{size} x {length} zinc", f"{6.4 + size * length / 20:.2f}")
                for size in (6, 8, 10, 12)
                for length in (20, 30, 50, 80)
            ),
            *((f"FST-NUT-M{size}", f"Hex nut M{size} zinc", f"{size * 0.65:.2f}") for size in (6, 8, 10, 12)),
        ),
    ),
    (
        CHEMICAL,
        (
            ("CHM-CUT-5L", "Cutting fluid, 5 L can", "8.90"),
            ("CHM-CUT-20L", "Cutting fluid, 20 L drum", "7.95"),
            ("CHM-ISO-4L", "Isopropyl alcohol, 4 L can", "31.40"),
            ("CHM-EPX-A", "Epoxy resin part A", "22.10"),
            ("CHM-EPX-B", "Epoxy hardener part B", "27.60"),
            ("CHM-PUL-1L", "Cable pulling lubricant", "9.15"),
            ("CHM-CLN-1L", "Contact cleaner", "14.75"),
            ("CHM-SEA-1L", "Duct sealant", "11.30"),
        ),
    ),
    (
        TOOL,
        (
            ("TLS-DRL-12V", "Drill driver 12 V", "119.00"),
            ("TLS-DRL-18V", "Drill driver 18 V", "189.00"),
            ("TLS-HDR-18V", "Hammer drill 18 V", "249.00"),
            ("TLS-IMP-18V", "Impact driver 18 V", "179.00"),
            ("TLS-SAW-165", "Circular saw 165 mm", "219.00"),
            ("TLS-SAW-190", "Circular saw 190 mm", "259.00"),
            ("TLS-BND-PRT", "Portable band saw", "389.00"),
            ("TLS-RCP-18V", "Reciprocating saw 18 V", "209.00"),
        ),
    ),
    (
        WEAR,
        (
            *((f"GLV-NIT-{size}", f"Nitrile work glove {size}", "4.85") for size in ("S", "M", "L", "XL")),
            *((f"BOT-SAF-{size}", f"Safety boot size {size}", "96.00") for size in ("8", "9", "10", "11")),
        ),
    ),
    (POUNDS, tuple((f"WLD-ER70S-{size}", f"Welding wire ER70S-6 .{size}", "2.35") for size in ("030", "035", "045"))),
    (KILOS, tuple((f"WLD-ER308-{size}", f"Welding wire ER308L {size}", "17.80") for size in ("08", "09", "12"))),
)

_PLAIN = (
    ("ELC-BOX", "Outlet box", 40, Decimal("1.90")),
    ("ELC-CON", "EMT connector", 40, Decimal("0.85")),
    ("IND-WSH", "Flat washer", 40, Decimal("0.05")),
    ("IND-BIT", "Twist drill bit", 40, Decimal("3.20")),
)


def catalogue() -> tuple[Item, ...]:
    """220 items, the sixty with traits first."""
    return tuple(_numbered())


def _numbered() -> Iterator[Item]:
    number = FIRST_NUMBER
    for (group, unit, packs, supplier, per, cap), members in _NAMED:
        for sku, description, price in members:
            second = (SHARED[sku],) if sku in SHARED else ()
            yield Item(
                sku=sku,
                gtin=gtin(number),
                description=description,
                group=group,
                unit=unit,
                packs=packs,
                suppliers=(supplier, *second),
                list_price=Decimal(price),
                per=per,
                cap=cap,
                by_lot=group == "chemical",
                by_serial=group == "tool",
                discontinued=sku in DISCONTINUED,
                successor=DISCONTINUED.get(sku),
                promoted=sku == PROMOTED,
                customer_parts=CUSTOMER_PARTS.get(sku, {}),
            )
            number += 1
    group, unit, packs, supplier, per, cap = PIECE
    for prefix, description, count, base_price in _PLAIN:
        for place in range(1, count + 1):
            yield Item(
                sku=f"{prefix}-{place:03d}",
                gtin=gtin(number),
                description=f"{description} type {place}",
                group=group,
                unit=unit,
                packs=packs,
                suppliers=(supplier,),
                list_price=base_price + Decimal(place) / 100,
                per=per,
                cap=cap,
            )
            number += 1

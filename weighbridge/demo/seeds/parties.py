"""Who trades with Larkfield: suppliers, customers, carriers. Invented names, stable numbers."""

from __future__ import annotations

from typing import NamedTuple


class Party(NamedTuple):
    party_id: str
    name: str
    gln: str
    currency: str = "USD"
    scac: str | None = None


SUPPLIERS = (
    Party("SUP-10021", "Brightwater Cable", "9520002000109"),
    Party("SUP-10022", "Ferris Bolt", "9520002000208"),
    Party("SUP-10023", "Northgate Chemical", "9520002000307"),
    Party("SUP-10024", "Tamarack Power", "9520002000406"),
    Party("SUP-10025", "Selwyn Safety", "9520002000505"),
    Party("SUP-10026", "Corran Wire", "9520002000604"),
)

CUSTOMERS = (
    Party("CUS-20041", "Oakhurst Mechanical", "9520003000108"),
    Party("CUS-20042", "Pell Marine", "9520003000207", "CAD"),
    Party("CUS-20043", "Tradeyard Marketplace", "9520003000306"),
    Party("CUS-20044", "Gannet Construction", "9520003000405"),
    Party("CUS-20045", "Rook Electric", "9520003000504"),
    Party("CUS-20046", "Alder & Son", "9520003000603"),
    Party("CUS-20047", "Summit Fence", "9520003000702"),
    Party("CUS-20048", "Fogo Fisheries", "9520003000801", "CAD"),
)
CREDIT_HELD = "CUS-20044"

CARRIERS = (
    Party("CAR-30011", "Harbourline", "9520004000107", scac="HBLN"),
    Party("CAR-30012", "Blue Mesa Freight", "9520004000206", scac="BMFT"),
    Party("CAR-30013", "Quickpost", "9520004000305", scac="QKPT"),
    Party("CAR-30014", "Larkfield vans", "9520004000404", scac="LKFD"),
)

CURRENCY = {party.party_id: party.currency for party in (*SUPPLIERS, *CUSTOMERS, *CARRIERS)}

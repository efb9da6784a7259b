"""One line of the access log: its members, and how many of them become text at once.

Apart from `gateway.telemetry`, which makes them, because that is compiled where `gateway.native` is used, and the
compiler would drop what a struct is declared with. Must not know: what of an exchange is told, and which exchanges are.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.json import Encoder


class AccessRecord(Struct, tag_field="event", tag="access", omit_defaults=True, gc=False):
    """One exchange as one line of JSON, member by member; what does not apply is left out."""

    at: str
    request_id: str
    method: str
    path: str
    status: int
    ms: float
    received: int
    sent: int
    peer: str
    upstream_ms: float | None = None
    contract: str | None = None
    major: str | None = None
    operation: str | None = None
    version: str | None = None
    site: str | None = None
    application: str | None = None
    credential: str | None = None
    problem: str | None = None
    request_faults: list[str] | None = None
    response_faults: list[str] | None = None
    aborted: bool | None = None
    trace_id: str | None = None
    """The caller's; a trace that began here has the request's id."""


encode_records = Encoder().encode_lines

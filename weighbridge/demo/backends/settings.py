"""Settings of the demo backends, from ``WEIGHBRIDGE_DEMO_*`` or arguments."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

SPECS = Path(__file__).resolve().parents[3] / "specs" / "services"


class Settings(BaseSettings):
    """`base_port` is the hub's; the sites follow in the order DAL-2, PHX-1, ATL-1, TOR-1, STJ-1.

    `require_identity` refuses calls that carry no identity headers; without it such a call counts as coming from
    inside. `follow_parent` ends the backends when the process that started them dies. `starts_at` sets the demo clock:
    time runs on from there.
    """

    model_config = SettingsConfigDict(env_prefix="WEIGHBRIDGE_DEMO_", frozen=True)

    host: str = "127.0.0.1"
    base_port: int = 9101
    data: Path = Path(".weighbridge/demo")
    specs: Path = SPECS
    require_identity: bool = False
    follow_parent: bool = False
    starts_at: datetime | None = None

"""Settings of the demo backends, from ``WEIGHBRIDGE_DEMO_*`` or arguments."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

SPECS = Path(__file__).resolve().parents[3] / "specs" / "services"


class Settings(BaseSettings):
    """Raises `pydantic.ValidationError` for a value that is not what its field says."""

    model_config = SettingsConfigDict(env_prefix="WEIGHBRIDGE_DEMO_", frozen=True)

    host: str = "127.0.0.1"
    """Address all of them listen on."""
    base_port: int = 9101
    """The hub's; the sites follow in the order DAL-2, PHX-1, ATL-1, TOR-1, STJ-1."""
    data: Path = Path(".weighbridge/backends")
    """Folder of their files, one for each site."""
    specs: Path = SPECS
    """Folder of the contracts they serve; by default the one that is shipped."""
    require_identity: bool = False
    """Refuse calls that carry no identity headers. Without it such a call counts as coming from inside."""
    follow_parent: bool = False
    """End when the process that started them dies."""
    starts_at: datetime | None = None
    """What the demo clock shows at the start, as RFC 3339; time runs on from there."""

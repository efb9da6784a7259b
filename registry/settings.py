"""Every setting of the registry: its environment variable is ``WEIGHBRIDGE_REGISTRY_`` and the field's name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment; keyword arguments win."""

    model_config = SettingsConfigDict(env_prefix="WEIGHBRIDGE_REGISTRY_", frozen=True)

    host: str = "127.0.0.1"
    """Address the management API listens on."""
    port: int = Field(8080, ge=0, le=65535)
    """Port of the management API; ``0`` picks a free one."""
    database_url: str = Field("sqlite:///.weighbridge/registry.db", repr=False)  # may carry a password
    """Where the registry keeps everything: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/DATABASE``."""
    admin_key: SecretStr | None = Field(None, min_length=16)
    """The bootstrap key of the platform admin, 32 random characters or more; create operators with it, then unset it. A
    shorter one is not taken from a source that sent too many wrong keys."""
    issuer: str = "http://127.0.0.1:8080"
    """Issuer of the tokens that the registry signs: its own external address."""
    audience: str = "weighbridge"
    """Audience of the tokens that the registry signs."""
    token_seconds: int = Field(3600, ge=60, le=86400)
    """How long a token is valid, in seconds."""
    key_guesses: int = Field(20, ge=1, le=1_000_000)
    """Wrong management keys that one source (an IPv4 address, an IPv6 /64) may send in a minute before it gets 429, and
    as many guesses at one operator's key, wherever they come from."""
    trusted_proxies: str = ""
    """Addresses of proxies, with commas between, whose ``X-Forwarded-For`` says who asks; without, nobody's does."""
    log: Literal["json", "console"] = "json"
    """How log lines are written, to standard error."""

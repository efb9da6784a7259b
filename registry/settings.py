"""Every setting of the registry: its environment variable is ``WEIGHBRIDGE_REGISTRY_`` and the field's name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from policies.outgoing import Networks


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
    """The bootstrap key of the platform admin; create operators with it, then unset it."""
    issuer: str = "http://127.0.0.1:8080"
    """Issuer of the tokens that the registry signs: its own external address."""
    audience: str = "weighbridge"
    """Audience of the tokens that the registry signs."""
    token_seconds: int = Field(3600, ge=60, le=86400)
    """How long a token is valid, in seconds."""
    log: Literal["json", "console"] = "json"
    """How log lines are written, to standard error."""
    outgoing_networks: str = "public,loopback"
    """Where the registry connects to on an administrator's word (issuers' metadata and keys): any of ``public``,
    ``private``, ``loopback`` and networks such as 10.20.0.0/16. Link-local addresses and clouds' metadata services are
    refused whatever is set."""

    @field_validator("outgoing_networks")
    @classmethod
    def _say_networks(cls, value: str) -> str:
        Networks.parse(value)
        return value

    @property
    def networks(self) -> Networks:
        return Networks.parse(self.outgoing_networks)

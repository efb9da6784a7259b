"""Every setting of the registry: its environment variable is ``WEIGHBRIDGE_REGISTRY_`` and the field's name."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from policies.model.networks import listed
from policies.outgoing import Networks

Proxies = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(listed)]


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
    gateway_url: str = Field("http://127.0.0.1:8000", pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$")
    """Where consumers reach the gateway from outside: what documents that are theirs name as the server."""
    token_seconds: int = Field(3600, ge=60, le=86400)
    """How long a token is valid, in seconds."""
    usage_days: int = Field(400, ge=1, le=3660)
    """How long the daily numbers of who called what are kept, in days."""
    assertion_audience: Literal["issuer", "issuer-or-endpoint"] = "issuer-or-endpoint"
    """What a client assertion (`private_key_jwt`) may be meant for (`aud`): the issuer alone, which is safer, or the
    token endpoint too."""
    assertion_seconds: int = Field(3600, ge=30, le=86400)
    """How far ahead a client assertion may expire (`exp`). Each is accepted once, however long it lives; some libraries
    sign for an hour unless they are told less."""
    signing_algorithm: Literal["ES256", "EdDSA"] = "ES256"
    """What tokens are signed with: ECDSA on P-256, or Ed25519. A change takes effect by rotation."""
    signing_key_days: int = Field(90, ge=0, le=3650)
    """Days until tokens are signed with a new key; ``0``: only when an admin rotates."""
    signing_key_lead_seconds: int = Field(3600, ge=60, le=604800)
    """How long a new key is published before it signs, so that nobody meets a key that is not known yet."""
    secrets_key: SecretStr | None = None
    """What private keys are encrypted with in the database: 32 random bytes in base64 (`weighbridge keygen --secrets`).
    Several, the current one first, are parted by commas. SQLite does without: a file is made beside the database."""
    secrets_key_file: Path | None = None
    """A file with such keys instead, one on each line."""
    key_guesses: int = Field(20, ge=1, le=1_000_000)
    """Wrong management keys that one source (an IPv4 address, an IPv6 /64) may send in a minute before it gets 429, and
    as many guesses at one operator's key, wherever they come from."""
    trusted_proxies: Proxies = ()
    """Networks of the proxies in front of the registry, separated by commas. Who asks is believed in their
    ``X-Forwarded-For`` field, and a client's certificate at the token endpoint in their ``Client-Cert`` (RFC 9440); in
    nobody else's."""
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

"""Everything an operator can turn, with its default. Read once when a process starts, from ``WEIGHBRIDGE_GATEWAY_*``.

Units are in the names: ``_seconds``, ``_bytes``. Limits on clients guard the process, not the contract: a contract's
own body cap comes with the snapshot.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from policies.model.networks import listed
from policies.outgoing import Networks


class Settings(BaseSettings):
    """Raises `pydantic.ValidationError` for a value that is not what its field says."""

    model_config = SettingsConfigDict(env_prefix="WEIGHBRIDGE_GATEWAY_", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    """Address that callers reach; ``0.0.0.0`` for all."""
    port: int = Field(8000, ge=0, le=65535)
    """``0`` takes a free port (tests)."""
    admin_host: str = "127.0.0.1"
    """Address of the operator's door."""
    admin_port: int = Field(8001, ge=0, le=65535)
    """``/healthz``, ``/readyz`` and ``/metrics``. Never expose it to clients."""

    tls_certificate: Path | None = None
    """A PEM file with the certificate chain: the public listener then speaks TLS 1.2 or newer, HTTP/2 and HTTP/1.1."""
    tls_key: Path | None = None
    """Its private key, where that is not in the same file."""

    tls_client_certificates: Literal["auto", "off", "required"] = "auto"
    """``auto``: clients are asked for a certificate while the registry knows trust anchors or registered certificates;
    ``required``: a handshake without one fails; ``off``: none is asked for."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(listed)] = ()
    """Networks of the proxies in front of the gateway, separated by commas, such as ``10.0.7.0/24``. Their
    ``X-Forwarded-For`` is believed to name the client (for limits of anonymous callers, the access log, the upstream),
    and their ``Client-Cert`` (RFC 9440) its certificate; nobody else's is. They may hold any number of connections."""

    registry_url: str = "http://127.0.0.1:8080"
    """Where the snapshot is fetched; https outside one machine."""
    registry_key: SecretStr = SecretStr("")
    """A management key of the role ``gateway``, for the snapshot feed and the usage reports."""
    usage_report_seconds: float = Field(10.0, ge=0)
    """How often each worker tells the registry who called what; ``0`` never does."""
    state_dir: Path = Path(".weighbridge/gateway")
    """The last good snapshot is kept here, and what quotas have used where there is no Redis to keep it."""
    counters_url: str = "memory://"
    """``memory://`` (rates are counted by each worker for itself, quotas by all of one gateway together, in
    ``state_dir``) or ``redis://host:port/db`` (all gateways count together)."""

    idempotency_url: str = "sqlite://"
    """Where answers to calls with an ``Idempotency-Key`` are kept: ``sqlite://`` (a file in the state folder, for the
    workers of this gateway), ``sqlite:///path``, or ``redis://host:port/db`` (all gateways; it has to persist)."""
    idempotency_seconds: float = Field(259_200.0, ge=1)
    """How long an answer is kept: three days."""
    idempotency_max_answer_bytes: int = Field(65_536, ge=0)
    """A larger answer streams through and is not kept: a repeat is told so, and not acted on."""
    idempotency_on_loss: Literal["refuse", "forward"] = "refuse"
    """While answers cannot be kept, a call with a key is answered with 503; or it is forwarded, perhaps twice, and its
    reply says ``Idempotency-Kept: false``."""

    workers: int = Field(1, ge=1, le=64)
    """Processes that share the port: one for each core that is to spare."""
    drain_seconds: float = Field(10.0, ge=0)
    """From SIGTERM to the moment in which unfinished exchanges are cut."""
    drain_notice_seconds: float = Field(0.0, ge=0)
    """Between "not ready" and "no longer accepting": the time a load balancer needs to notice. Part of the drain."""

    log: Literal["json", "console"] = "json"
    """How the process's own log lines are written, to standard error."""
    access_log: str = "-"
    """A path, ``-`` for standard output, or empty for none."""
    access_log_share: float = Field(1.0, ge=0, le=1)
    """Share of the exchanges that went well that is recorded, chosen by chance. Errors, refusals, breaches of contract,
    replies that broke off and slow ones are recorded always, and everything is counted in the metrics."""
    access_log_slow_seconds: float = Field(1.0, ge=0)
    """An exchange that took this long is recorded whatever the share."""

    metrics_applications: int = Field(1_000, ge=0)
    """Applications that ``/metrics`` names, per worker; calls of any further ones are counted as ``(other)``."""
    otlp_endpoint: str = ""
    """Where traces are exported: the address of an OpenTelemetry collector, ``http://host:4318``, to which
    ``/v1/traces`` is added (OTLP/HTTP, JSON). Empty: nowhere, and the caller's trace context is passed on."""
    otlp_headers: SecretStr = SecretStr("")
    """Headers for the collector, such as its credentials: ``name=value,name=value``, percent-encoded where needed."""
    trace_ratio: float = Field(0.1, ge=0, le=1)
    """Share of the traces that begin here that is sampled. Where the caller sent a trace, the caller decides."""
    trace_limit: int = Field(1_000, ge=1)
    """Exchanges a second that a worker traces at most, whoever decided so: callers that always ask for it must not make
    traffic dearer. More pass untraced and are counted."""

    max_connections: int = Field(10_000, ge=1)
    """Per worker; fewer, and the log says so, where the process may not open two files for each (``ulimit -n``).
    Connections beyond are closed as soon as they are accepted."""
    max_connections_per_address: int = Field(2_000, ge=0)
    """Per worker, and of those; an IPv6 address counts with its /64. ``0`` for no bound."""
    max_requests_per_connection: int = Field(1_000_000, ge=1)
    """The last one's reply closes the connection; with HTTP/2, no stream is accepted behind it."""
    max_requests_per_second: int = Field(20_000, ge=1)
    """On one connection; no more is read from it until the second is over. Trusted proxies are not held up."""
    max_head_bytes: int = Field(32_768, ge=1024)
    """A longer head of a request is answered with 431."""
    max_target_bytes: int = Field(8_192, ge=64)
    """A longer path and query is answered with 414."""
    max_headers: int = Field(100, ge=8)
    """More header lines are answered with 431."""
    max_json_depth: int = Field(100, ge=1, le=1000)
    """Arrays and objects within each other in a request body that is validated; a deeper one is refused with 400."""
    max_number_length: int = Field(400, ge=16)
    """Characters of one number in such a body. The largest double, written out, has 309."""
    head_seconds: float = Field(10.0, gt=0)
    """From the first byte of a head to its last."""
    idle_seconds: float = Field(75.0, gt=0)
    """A kept-alive connection without a request."""
    body_idle_seconds: float = Field(30.0, gt=0)
    """Between two reads of a request body, or two writes of a reply that the client does not take."""
    body_grace_seconds: float = Field(20.0, gt=0)
    """A request body may take so long, and a second more for every ``min_body_rate`` bytes of it; then it gets 408."""
    min_body_rate: int = Field(500, ge=0)
    """Bytes per second; ``0`` for a body that may trickle for ever. Time in which we do not read does not count."""
    max_held_bytes: int = Field(268_435_456, ge=0)
    """Per worker: bodies and replies over 16 KiB that are held to be judged, all together. Beyond it a request that has
    to be judged is answered with 503, and a reply streams through and is counted as not evaluated."""

    upstream_idle_seconds: float = Field(30.0, gt=0)
    """Between two reads of a reply from upstream. The other upstream timeouts come with the contract."""
    upstream_keepalive_seconds: float = Field(45.0, gt=0)
    """A pooled upstream connection without a request."""
    upstream_max_idle: int = Field(128, ge=0)
    """Pooled connections kept per upstream."""
    max_judged_response_bytes: int = Field(1_048_576, ge=0)
    """A larger response streams through and is counted as not evaluated."""

    upstream_networks: str = "public,private,loopback"
    """Where upstreams may be: any of ``public``, ``private``, ``loopback`` and networks such as 10.20.0.0/16. Addresses
    are judged when they are connected to; link-local ones and clouds' metadata services are refused whatever is set."""
    keys_networks: str = "public,loopback"
    """Where issuers' keys may be fetched from, said in the same words: name the networks of an internal issuer. Over
    https, or over http from this machine alone."""

    @field_validator("upstream_networks", "keys_networks")
    @classmethod
    def _say_networks(cls, value: str) -> str:
        Networks.parse(value)
        return value

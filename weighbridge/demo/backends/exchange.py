"""One call as a handler sees it, and the three ways to answer: a `Reply`, a `Refusal`, or a bug.

Owns the caller's identity (which the gateway vouches for in headers) and the shape of problems. Handlers are plain
functions `Call -> Reply` that raise `Refusal`; they know no web framework.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from weighbridge.demo.backends.places import HUB, Site
from weighbridge.demo.backends.store import Records
from weighbridge.demo.backends.values import stamp

PROBLEMS = "https://weighbridge.example/problems/"
PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the gateway says. `party` is ``SUP-10021``, ``CUS-20041``, ``CAR-30011`` or ``INT-90001``."""

    application: str
    consumer: str
    party: str
    audience: Literal["internal", "partner"]
    scopes: frozenset[str]
    sites: frozenset[str] | None
    """``None``: all."""

    @property
    def is_internal(self) -> bool:
        return self.audience == "internal"

    @property
    def is_supplier(self) -> bool:
        return self.party.startswith("SUP-")

    @property
    def is_carrier(self) -> bool:
        return self.party.startswith("CAR-")

    def may_see(self, *owners: str) -> bool:
        """Own business only; inside, everybody's."""
        return self.is_internal or (self.party != "" and self.party in owners)


INSIDE = Caller(
    application="inside", consumer="larkfield", party="INT-90000", audience="internal", scopes=frozenset(), sites=None
)
"""Whoever reaches a backend's own port without passing the gateway, where that is allowed: inside, with no scope."""


def caller_of(headers: Mapping[str, str], *, require_identity: bool) -> Caller:
    """Read the gateway's identity headers (lower-case names). Raises `Refusal` 401 when there are none and must be."""
    application = headers.get("weighbridge-application")
    if application is None:
        if require_identity:
            raise Refusal(401, "CREDENTIALS_MISSING", "Calls come through the gateway; this one carries no identity.")
        return INSIDE
    sites = headers.get("weighbridge-sites", "*").replace(" ", "")
    return Caller(
        application=application,
        consumer=headers.get("weighbridge-consumer", ""),
        party=headers.get("weighbridge-party", ""),
        audience="internal" if headers.get("weighbridge-audience") == "internal" else "partner",
        scopes=frozenset(headers.get("weighbridge-scopes", "").split()),
        sites=None if sites == "*" else frozenset(sites.split(",")),
    )


@dataclass(frozen=True, slots=True)
class Call:
    """`path` and `query` hold typed values of declared parameters; `headers` has lower-case names."""

    site: Site
    records: Records
    caller: Caller
    now: datetime
    contract: str
    number: str
    operation_id: str
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def major(self) -> int:
        return int(self.number.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Reply:
    """`as_of` is the instant of the oldest fact in the body: it becomes ``Data-As-Of``."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    as_of: datetime | None = None


class Refusal(Exception):
    """A stopping code. `errors` is a list of ``{pointer, code, detail}`` with pointers like the gateway's
    (``/body/lines/0``, ``/query/limit``); `more` is added to the problem's members."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        retryable: bool | None = None,
        **more: Any,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.retryable = status in {409, 503} and "Retry-After" in self.headers if retryable is None else retryable
        self.more = more

    def problem(self, request_id: str, site_id: str, correlation_id: str | None = None) -> dict[str, Any]:
        """The RFC 9457 body that all contracts share."""
        body: dict[str, Any] = {
            "type": PROBLEMS + self.code.lower().replace("_", "-"),
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail[:1000],
            "code": self.code,
            "requestId": request_id[:128],
            "retryable": self.retryable,
        }
        if site_id != HUB:
            body["siteId"] = site_id
        if correlation_id and len(correlation_id) <= 64:
            body["correlationId"] = correlation_id
        if self.errors:
            body["errors"] = self.errors
        return body | self.more


def entity_tag(body: Any, ignoring: frozenset[str] = frozenset()) -> str:
    """A weak tag over the content; `ignoring` names members that move although nothing happened (``asOf``)."""
    kept = {key: value for key, value in body.items() if key not in ignoring}
    return 'W/"' + sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:20] + '"'


def conditional(call: Call, body: Any, *, as_of: datetime, ignoring: frozenset[str] = frozenset()) -> Reply:
    """200 with ``ETag``, or 304 where the caller already has it (RFC 9110 section 13.1.2)."""
    tag = entity_tag(body, ignoring)
    known = {part.strip() for part in call.headers.get("if-none-match", "").split(",")}
    if "*" in known or tag in known or tag.removeprefix("W/") in known:
        return Reply(304, None, {"ETag": tag}, as_of)
    return Reply(200, body, {"ETag": tag}, as_of)


def retry_after(now: datetime, then: datetime) -> dict[str, str]:
    """``Retry-After`` in whole seconds, at least one."""
    return {"Retry-After": str(max(1, round((then - now).total_seconds())))}


def reopens(site: Site, now: datetime) -> Refusal:
    at = site.reopens(now)
    return Refusal(
        409,
        "SITE_CLOSED",
        f"{site.site_id} neither ships nor receives today; it opens again at {stamp(at)}.",
        headers=retry_after(now, at),
        retryable=True,
        reopensAt=stamp(at),
    )

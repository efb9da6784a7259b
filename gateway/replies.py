"""Problem -> RFC 9457: the only place of the data plane that renders one.

Must not know: connections. The one subtle thing: the standard members win over extensions of the same name, and a
header value can never end its line.
"""

from __future__ import annotations

import http

import orjson

from gateway.fields import Fields, safe_value
from policies.traffic import Problem

TYPE_BASE = "https://weighbridge.example/problems/"
MEDIA_TYPE = b"application/problem+json"

RETRYABLE = frozenset(
    "counters-unavailable gateway-exhausted idempotency-in-flight idempotency-unavailable limit-exceeded not-ready "
    "request-timeout too-many-concurrent upstream-overloaded upstream-timeout upstream-unreachable "
    "version-blocked".split()
)
"""Sending the same request again later may succeed."""

NOT_READY = Problem(
    status=503,
    slug="not-ready",
    title="Not ready",
    detail="The gateway has no snapshot to serve yet.",
    headers=(("Retry-After", "1"),),
)
INTERNAL = Problem(
    status=500,
    slug="internal-error",
    title="Internal error",
    detail="The gateway failed on this request. Name the request id when you report it.",
)
NOT_IMPLEMENTED = Problem(
    status=501, slug="not-implemented", title="Not implemented", detail="This gateway does not know the method."
)
REQUEST_TIMEOUT = Problem(
    status=408, slug="request-timeout", title="Request timeout", detail="The request did not arrive in time."
)
PAYLOAD_TOO_LARGE = Problem(
    status=413, slug="payload-too-large", title="Payload too large", detail="The body is larger than this API accepts."
)
UPSTREAM_OVERLOADED = Problem(
    status=503,
    slug="upstream-overloaded",
    title="Upstream overloaded",
    detail="The service behind this API is at its limit of concurrent requests.",
    headers=(("Retry-After", "1"),),
)
EXHAUSTED = Problem(
    status=503,
    slug="gateway-exhausted",
    title="Gateway exhausted",
    detail="This gateway cannot open another connection right now. Try again shortly.",
    headers=(("Retry-After", "1"),),
)
CROWDED = Problem(
    status=503,
    slug="gateway-exhausted",
    title="Gateway exhausted",
    detail="This gateway holds as many large bodies as it may. Try again shortly.",
    headers=(("Retry-After", "1"),),
)
UPSTREAM_UNREACHABLE = Problem(
    status=502,
    slug="upstream-unreachable",
    title="Upstream unreachable",
    detail="The service behind this API could not be reached.",
)
UPSTREAM_INVALID = Problem(
    status=502,
    slug="upstream-unreachable",
    title="Upstream unreachable",
    detail="The service behind this API gave no usable HTTP answer.",
)
UPSTREAM_TIMEOUT = Problem(
    status=504,
    slug="upstream-timeout",
    title="Upstream timeout",
    detail="The service behind this API did not answer in time.",
)
KEY_IN_FLIGHT = Problem(
    status=409,
    slug="idempotency-in-flight",
    title="The first call is still under way",
    detail="A call with this Idempotency-Key is being worked on. Send it again shortly to get its answer.",
    headers=(("Retry-After", "1"),),
)
KEY_REUSED = Problem(
    status=422,
    slug="idempotency-key-reused",
    title="The idempotency key stands for another request",
    detail="This Idempotency-Key was used for another request: choose a new one.",
)
KEY_OUTCOME_UNKNOWN = Problem(
    status=409,
    slug="idempotency-outcome-unknown",
    title="Nobody knows what became of the first call",
    detail="A call with this Idempotency-Key was sent and its answer was lost: it may have been carried out. "
    "Find out before you send it again, with a new key.",
)
KEY_ANSWER_NOT_KEPT = Problem(
    status=409,
    slug="idempotency-answer-not-kept",
    title="The first call was answered",
    detail="A call with this Idempotency-Key was carried out, and its answer cannot be given again. "
    "Read the resource instead.",
)
KEYS_UNAVAILABLE = Problem(
    status=503,
    slug="idempotency-unavailable",
    title="Idempotency keys are unavailable",
    detail="The gateway cannot keep answers now, and will not risk carrying this call out twice. Try again shortly.",
    headers=(("Retry-After", "1"),),
)


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}".encode("ascii")


STATUS_LINES = {status: _status_line(status) for status in range(100, 1000)}


def render(problem: Problem, request_id: str, instance: str = "") -> tuple[Fields, bytes]:
    """The header fields that belong to a problem (spelled as sent) and its body.

    `instance` is the canonical path the problem is about. ``Content-Length`` and what the connection itself says are
    the caller's to add.
    """
    body = {
        **problem.extensions,
        "type": TYPE_BASE + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "requestId": request_id,
        "retryable": problem.slug in RETRYABLE,
    }
    if instance:
        body["instance"] = instance
    if problem.errors:
        body["errors"] = [
            {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail} for fault in problem.errors
        ]
    fields = [(b"Content-Type", MEDIA_TYPE), (b"Cache-Control", b"no-store")]
    fields += [(name.encode("latin-1", "replace"), safe_value(value)) for name, value in problem.headers]
    return fields, orjson.dumps(body)

"""Every error of the registry as application/problem+json (RFC 9457): the one renderer of this plane.

Owns the shape and the translation from exceptions to it. An exception that nobody foresaw becomes one opaque 500 with
the request's id: never a stack, never a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import orjson
import structlog
from starlette.exceptions import HTTPException

from policies import traffic
from registry.api.wire import publication
from registry.documents import InvalidDocument
from registry.errors import Invalid, Refused, RegistryError, Rejected, Unauthenticated

MEDIA_TYPE = "application/problem+json"
TYPES = "https://weighbridge.example/problems/"
CHALLENGE = 'Bearer realm="weighbridge"'
_SLUGS = {
    400: "bad-request",
    401: "credentials-missing",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "payload-too-large",
    415: "unsupported-media-type",
}
_MORE = {
    404: "nothing has this address; /v1/openapi.json tells all of them",
    405: "this address does not answer that method; the header Allow names those that it does",
}
"""What to say where starlette says nothing."""
_log = structlog.get_logger("registry")


class Problem(Exception):
    """An error as it will be sent."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, Any]] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors
        self.extensions = dict(extensions or {})

    def body(self, *, instance: str, request_id: str) -> bytes:
        tree: dict[str, Any] = {
            "type": TYPES + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.slug.upper().replace("-", "_"),
            "requestId": request_id,
            "retryable": self.status >= 500 or self.status == 429,
            **({"errors": self.errors} if self.errors is not None else {}),
            **self.extensions,
        }
        return orjson.dumps(tree)


def of(error: Exception, request_id: str) -> Problem:
    """The problem that tells this exception."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Rejected):
        judged = publication(error.publication)
        told = {"bump": judged["bump"], "reports": judged["reports"], "impact": judged["impact"]}
        return Problem(error.status, error.slug, error.title, error.detail, extensions=told)
    if isinstance(error, InvalidDocument):
        faults = [
            {"pointer": fault.pointer, "code": "DOCUMENT_INVALID", "detail": fault.detail, "line": fault.line}
            for fault in error.faults
        ]
        return Problem(422, "document-invalid", "The document is not acceptable", str(error), errors=faults)
    if isinstance(error, Refused):
        return _of_policy(error.problem)
    if isinstance(error, RegistryError):
        return _of_registry(error)
    if isinstance(error, HTTPException):  # connexion's and starlette's own
        status = error.status_code
        headers = dict(error.headers or {})
        if status == 401:
            headers["WWW-Authenticate"] = CHALLENGE
        if status < 500:
            title = HTTPStatus(status).phrase.capitalize()
            detail = (
                error.detail if error.detail and error.detail != HTTPStatus(status).phrase else _MORE.get(status, "")
            )
            return Problem(status, _SLUGS.get(status, "bad-request"), title, detail, headers=headers)
    _log.error("unforeseen", request_id=request_id, error=type(error).__name__, exc_info=error)
    return Problem(500, "internal-error", "The registry failed", "The log knows more under this requestId.")


def _of_registry(error: RegistryError) -> Problem:
    errors = None
    headers = {}
    if isinstance(error, Invalid):
        errors = [{"pointer": pointer, "code": "INVALID", "detail": detail} for pointer, detail in error.faults]
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = CHALLENGE + ', error="invalid_token"'
    if error.status == 503:
        headers["Retry-After"] = "1"
    return Problem(error.status, error.slug, error.title, error.detail, headers=headers, errors=errors)


def _of_policy(problem: traffic.Problem) -> Problem:
    """What the gateway would say, in its words."""
    return Problem(
        problem.status,
        problem.slug,
        problem.title,
        problem.detail,
        headers=dict(problem.headers),
        errors=[msgspec.to_builtins(fault) for fault in problem.errors] or None,
        extensions=problem.extensions,
    )

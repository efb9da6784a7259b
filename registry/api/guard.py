"""The gate in front of connexion: what it would answer wrongly never reaches it.

Owns request ids, the routing table of the specification (404, and 405 with the true ``Allow``), the cap on bodies, JSON
that is no JSON (bytes that are not UTF-8, NaN, nesting without end), the headers that keep answers out of caches and
frames, and the last resort: whatever escapes becomes one opaque 500. Who asks is found out (`registry.api.security`)
before a byte of the body is read. The subtle thing: connexion takes a body without ``Content-Length`` for absent, so a
chunked one is given the length it had.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from policies import governance
from registry.api.desk import ACTOR, DESK, REQUEST_ID, Desk
from registry.api.problems import MEDIA_TYPE, Problem, of
from registry.api.security import Door

MAX_BODY = 16 * 1024 * 1024
MAX_OPEN_BODY = 128 * 1024
"""Bytes of a body that everybody may send, such as a request for a token."""
MAX_DEPTH = 128
MAX_BRACKETS = 500_000
"""Opening brackets in a JSON body, those in strings included: three times what the safe door lets a document hold."""
MAX_COMMAS = 1_000_000
"""And as many commas as such a document, prose and all, will never hold."""
MAX_SEGMENT = 200
_METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TAKEN_AS = {b"application/openapi+json": b"application/openapi+yaml"}
"""Connexion parses whatever ends in ``json``. A document is for the safe door to parse, and JSON is YAML to it."""
_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}
"""Of every answer that does not say otherwise."""
_log = structlog.get_logger("registry.access")


class Guard:
    """The outermost application. `governed` serves the paths of the specification, `open_` everything else."""

    def __init__(self, specification: Mapping[str, Any], governed: ASGIApp, open_: ASGIApp, desk: Desk) -> None:
        base = str(specification["servers"][0]["url"])
        self._routes = [
            (_pattern(base + path), {method.upper(): _operation(item[method]) for method in _METHODS if method in item})
            for path, item in specification["paths"].items()
        ]
        self._governed = governed
        self._open = open_
        self._desk = desk
        self._door = Door(desk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._open(scope, receive, send)
            return
        given = _header(scope, b"x-request-id")
        request_id = given.decode() if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope = {**scope, DESK: self._desk, REQUEST_ID: request_id, "headers": _spelled(scope["headers"])}
        method = scope["method"]
        reply = _Reply(scope, send, request_id)
        started = time.perf_counter()
        try:
            operation = self._route(scope)
            if operation is None:
                app = self._open
                receive = await _read(scope, receive, most=MAX_OPEN_BODY)
            else:
                app = self._governed
                await self._door.admit(scope, *operation)
                receive = await _read(scope, receive, by_default=b"json")
            if method == "HEAD":
                scope["method"] = "GET"
            await app(scope, receive, reply)
        except ClientDisconnect:
            pass  # nobody is left to be answered
        except Exception as error:
            await reply.fail(error)
        actor = {"actor": scope[ACTOR].name} if ACTOR in scope else {}
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        _log.info(
            "request",
            request_id=request_id,
            method=method,
            path=scope["path"],
            status=reply.status,
            ms=milliseconds,
            **actor,
        )

    def _route(self, scope: Scope) -> tuple[str, str] | None:
        """The operation that was asked for, and what it does; ``None`` for what is beside the specification."""
        path: str = scope["path"]
        if any(len(segment) > MAX_SEGMENT for segment in path.split("/")):
            raise Problem(404, "not-found", "No such thing", "nothing has an address as long as this")
        for pattern, methods in self._routes:
            if pattern.fullmatch(path):
                allowed = (*methods, "HEAD") if "GET" in methods else (*methods,)
                if scope["method"] not in allowed:
                    raise Problem(
                        405,
                        "method-not-allowed",
                        "Method not allowed",
                        f"{path} answers {', '.join(allowed)}",
                        headers={"Allow": ", ".join(allowed)},
                    )
                return methods["GET" if scope["method"] == "HEAD" else scope["method"]]
        return None


class _Reply:
    """Sends what the application sends, with the request's id; knows whether anything was sent."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._without_body = scope["method"] == "HEAD"
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self._request_id.encode())]
            said = {name.lower() for name, _ in headers}
            if b"etag" in said and b"cache-control" not in said:  # to be kept by who asked, and asked for again
                said.add(b"cache-control")
                headers.append((b"cache-control", b"private, no-cache"))
            headers += [(name, value) for name, value in _HEADERS.items() if name not in said]
            message = {**message, "headers": headers}
        elif self._without_body:
            message = {**message, "body": b""}
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        problem = of(error, self._request_id)
        if self.status:
            return  # half an answer is out; all that can be done is to break off
        body = problem.body(instance=self._scope["path"], request_id=self._request_id)
        headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await self({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", path))
    )


def _operation(operation: Mapping[str, Any]) -> tuple[str, str]:
    """(operationId, what it does). Raises `KeyError` when `policies.governance` does not say who may."""
    name, summary = operation["operationId"], operation["summary"]
    if name not in governance.TABLE and name not in governance.OWN:
        raise KeyError(f"{name} has no row in policies.governance: who may?")
    return name, summary[0].lower() + summary[1:]


def _spelled(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The media type as connexion needs it: in lower case, though none is wrong (RFC 9110 section 8.3.1)."""
    spelled = []
    for name, value in headers:
        if name == b"content-type":
            kind, semicolon, rest = value.partition(b";")
            value = _TAKEN_AS.get(kind.lower(), kind.lower()) + semicolon + rest
        spelled.append((name, value))
    return spelled


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


async def _read(scope: Scope, receive: Receive, *, most: int = MAX_BODY, by_default: bytes = b"") -> Receive:
    """The whole body, judged; a `receive` that gives it again. `by_default` is the media type when none is given."""
    too_large = Problem(413, "payload-too-large", "Too large", f"a body has at most {most} bytes")
    length = _header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length[:20]) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":  # half a YAML document may well be one: it must not be published
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large
        more = message.get("more_body", False)
    body = b"".join(parts)
    if body and b"json" in (_header(scope, b"content-type") or by_default).lower():
        _require_json(body)
    headers = [(key, value) for key, value in scope["headers"] if key not in (b"content-length", b"transfer-encoding")]
    scope["headers"] = [*headers, (b"content-length", str(len(body)).encode())] if body else headers
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _require_json(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8: byte {error.start} starts no character") from None
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:  # parsing a million takes a second
        raise Problem(413, "payload-too-large", "Too large", f"a body has at most {MAX_BRACKETS} brackets")
    if body.count(b",") > MAX_COMMAS:
        raise Problem(413, "payload-too-large", "Too large", f"a body has at most {MAX_COMMAS} commas")
    too_deep = _malformed(f"nested more than {MAX_DEPTH} levels deep")
    try:
        level = _containers([orjson.loads(body)])
    except orjson.JSONDecodeError as error:
        raise too_deep if str(error).startswith("depth limit") else _malformed(str(error)) from None
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _containers(outer)]
    if level:
        raise too_deep


def _containers(node: Any) -> list[Any]:
    return [value for value in (node.values() if isinstance(node, dict) else node) if isinstance(value, dict | list)]


def _malformed(detail: str) -> Problem:
    fault = {"pointer": "", "code": "MALFORMED", "detail": detail}
    return Problem(400, "bad-request", "Not JSON", f"the body is not JSON: {detail}", errors=[fault])

"""The front door of one site: what happens to every call before and after the contract's own application.

Owns health, the guards that connexion lacks (body size, UTF-8, depth, ``Allow``), the identity of the caller, the way
the site behaves (slow, few at once, backup), and how answers are written. The subtle thing: an answer is judged by
nobody here. A site whose system breaks the contract breaks it on the wire; seeing that is the gateway's work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from weighbridge.demo.backends.contracts import STATE, Outcome, Served
from weighbridge.demo.backends.exchange import PROBLEM_JSON, Call, Refusal, Reply, caller_of, retry_after
from weighbridge.demo.backends.places import Site
from weighbridge.demo.backends.store import Records
from weighbridge.demo.backends.values import stamp, zulu

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY = 1_048_576
DRAINED = 8 * MAX_BODY
MAX_DEPTH = 64
log = logging.getLogger("weighbridge.demo")


@dataclass(slots=True)
class Front:
    """ASGI application of one site. `apps` maps a base path (``/pricing/v2``) to its version and application."""

    site: Site
    records: Records
    apps: Mapping[str, tuple[Served, Any]]
    clock: Callable[[], datetime]
    require_identity: bool = False
    turn: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/healthz":
            await _write(send, 200, orjson.dumps({"status": "ok", "site": self.site.site_id}), {}, "application/json")
            return
        if self.site.at_once is not None and self.turn is None:
            self.turn = asyncio.Semaphore(self.site.at_once)
        if self.turn is None:
            await self._answer(scope, receive, send)
        else:
            async with self.turn:
                await asyncio.sleep(self.site.answer_seconds)
                await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["method"] == "HEAD"
        ):  # what answers GET answers HEAD, RFC 9110 section 9.3.2; the server drops the body
            scope = {**scope, "method": "GET"}
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        served: Served | None = None
        call: Call | None = None
        try:
            served, app = self._application(scope["path"])
            self._admit(served, scope)
            call = self._call(served, headers)
            body = await _body(receive)
            call = replace(call, body=_json(body, headers.get("content-type", "")))
            outcome = await _run(app, scope, body, call)
            call = outcome.call
            if outcome.refusal is not None:
                raise outcome.refusal
            if outcome.reply is None:
                raise Refusal(500, "INTERNAL_ERROR", "Something broke here.")
            await self._reply(send, outcome.reply, call, scope["method"])
        except Refusal as refusal:
            await self._refuse(send, refusal, headers, served)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await self._refuse(send, Refusal(500, "INTERNAL_ERROR", "Something broke here."), headers, served)

    def _application(self, path: str) -> tuple[Served, Any]:
        base = "/".join(path.split("/", 3)[:3])
        if base not in self.apps:
            raise Refusal(404, "NOT_FOUND", f"{self.site.site_id} offers nothing at this path.")
        return self.apps[base]

    def _admit(self, served: Served, scope: Scope) -> None:
        operations = served.operations_at(scope["path"].removeprefix(served.base_path))
        if not operations:
            raise Refusal(404, "NOT_FOUND", f"{served.contract} {served.number} has no such path.")
        methods = sorted({operation.method for operation in operations})
        if scope["method"] not in methods:
            allow = {"Allow": ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))}
            raise Refusal(405, "METHOD_NOT_ALLOWED", f"Only {allow['Allow']} here.", headers=allow)

    def _call(self, served: Served, headers: Mapping[str, str]) -> Call:
        now = self.clock()
        ends = self.site.backup_ends(now)
        if ends is not None:
            raise Refusal(
                503,
                "SITE_IN_BACKUP",
                f"{self.site.site_id} backs up its books until {stamp(ends)}.",
                headers=retry_after(now, ends),
            )
        return Call(
            site=self.site,
            records=self.records,
            caller=caller_of(headers, require_identity=self.require_identity),
            now=now,
            contract=served.contract,
            number=served.number,
            operation_id="",
            headers=headers,
        )

    async def _reply(self, send: Send, reply: Reply, call: Call, method: str) -> None:
        headers = {**self._told(call.headers), **reply.headers}
        if method == "GET":
            headers.setdefault("Data-As-Of", zulu(reply.as_of or self.site.posted(call.now)))
        body = b"" if reply.body is None else orjson.dumps(reply.body)
        await _write(send, reply.status, body, headers, "application/json")

    async def _refuse(self, send: Send, refusal: Refusal, headers: Mapping[str, str], served: Served | None) -> None:
        problem = refusal.problem(
            headers.get("x-request-id", "none"), self.site.site_id, headers.get("correlation-id") or None
        )
        media_type = PROBLEM_JSON
        if served is not None and hasattr(served.module, "error_body"):
            # an old major with an error shape of its own
            problem, media_type = served.module.error_body(problem), "application/json"
        told = {**self._told(headers), **refusal.headers}
        await _write(send, refusal.status, orjson.dumps(problem), told, media_type)

    def _told(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of every answer, whatever came of the call: who served it, and the flow it belongs to."""
        told = {"X-Served-By": self.site.site_id}
        if correlation := headers.get("correlation-id"):
            told["Correlation-Id"] = correlation
        return told


async def _body(receive: Receive) -> bytes:
    """The whole body. One that is too large is read on for a while, so that its sender lives to see the answer."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "VALIDATION_FAILED", "The body ended early.")
        size += len(message.get("body", b""))
        if size <= MAX_BODY:
            chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
        if size > MAX_BODY and (not more or size > DRAINED):
            raise Refusal(413, "PAYLOAD_TOO_LARGE", f"At most {MAX_BODY} octets.", headers={"Connection": "close"})
        if not more:
            return b"".join(chunks)


def _json(body: bytes, media_type: str) -> Any:
    # another media type is for the contract's application to refuse
    if not body or "json" not in media_type:
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise Refusal(400, "VALIDATION_FAILED", f"The body is not JSON in UTF-8: {fault}.") from None
    if _depth(value) > MAX_DEPTH:
        raise Refusal(400, "VALIDATION_FAILED", f"Nested deeper than {MAX_DEPTH} levels.")
    return value


def _depth(value: Any) -> int:
    level, deep = [value], 0
    while level and deep <= MAX_DEPTH:
        deep += 1
        level = [
            member
            for entry in level
            if isinstance(entry, dict | list)
            for member in (entry.values() if isinstance(entry, dict) else entry)
        ]
    return deep


async def _run(app: Any, scope: Scope, body: bytes, call: Call) -> Outcome:
    """Hand the call to connexion; its own answer is only looked at where it came to no outcome of ours."""
    outcome = Outcome(call)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({**scope, STATE: outcome}, receive, send)
    if outcome.reply is None and outcome.refusal is None:
        status = next((message["status"] for message in sent if message["type"] == "http.response.start"), 500)
        code = "VALIDATION_FAILED" if status < 500 else "INTERNAL_ERROR"
        outcome.refusal = Refusal(status if status >= 400 else 500, code, "The call does not follow the contract.")
    return outcome


async def _write(send: Send, status: int, body: bytes, headers: Mapping[str, str], media_type: str) -> None:
    lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    if body:
        lines.append((b"content-type", media_type.encode()))
    if status not in {204, 304}:
        lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body if status not in {204, 304} else b""})

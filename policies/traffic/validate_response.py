"""Judge what the backend answers: status, media type, headers and JSON body, in ``report`` or ``block`` mode.

A status matches its own entry, else its range (``2XX``), else ``default``. In ``report`` mode faults are noted for the
owner and the client gets the answer; in ``block`` mode the client gets a 502 that leaks nothing of it. 304 is HTTP's
own and needs no declaration. A coded body is decoded up to a cap; one that cannot be is said to be not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson
from msgspec import Struct

from policies.traffic import Exchange, Fault, Phase, Problem, RouteFacts
from policies.traffic.validate_content_codings import CODINGS, decoded
from policies.traffic.validate_media_types import chosen, essence, is_json
from policies.traffic.validate_parameters import Reader, bound, field_text, missing
from policies.traffic.validate_request_body import BoundPayload, bound_payloads
from policies.traffic.validate_schemas import MOST_FAULTS, Seen

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case."""
_MOST_DECODED = 4 * 1024 * 1024
_MOST_SPELLINGS = 32
"""Remembered per response: how its backend writes ``Content-Type``."""
_GATEWAY_FIELDS = frozenset(
    {"api-version", "deprecation", "sunset", "link", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"}
)


class BoundResponse:
    """One declared response."""

    __slots__ = ("_chosen", "headers", "payloads")

    def __init__(self, payloads: dict[str, BoundPayload], headers: dict[bytes, Reader]) -> None:
        self.payloads = payloads
        self.headers = headers
        self._chosen: dict[bytes, BoundPayload | None] = {}

    def payload(self, content_type: bytes) -> BoundPayload | None:
        """The declared payload that a ``Content-Type`` chooses."""
        if content_type in self._chosen:
            return self._chosen[content_type]
        text = field_text(content_type)
        payload = chosen(self.payloads, text)
        if payload is not None and payload.media_type.endswith("/*") and is_json(text):
            payload = BoundPayload(essence(text), True, payload.checker)
        if len(self._chosen) < _MOST_SPELLINGS:
            self._chosen[content_type] = payload
        return payload


class Reply(Struct, frozen=True, gc=False):
    """One reply's head, with what the operation declares for it found once."""

    method: str
    status: int
    headers: Headers
    response: BoundResponse | None
    content_type: bytes | None
    coding: bytes | None
    payload: BoundPayload | None


class ResponseJudge:
    """All declared responses of one operation. Not a link of the chain: the pipeline asks it about each reply."""

    __slots__ = ("_by_status", "_default", "_ranges", "_seen", "blocks")
    phase = Phase.VALIDATE

    def __init__(self, responses: dict[str, BoundResponse], seen: Seen, *, blocks: bool) -> None:
        self.blocks = blocks
        self._seen = seen
        self._by_status = {int(status): response for status, response in responses.items() if status.isdigit()}
        self._ranges = {int(s[0]): response for s, response in responses.items() if s.endswith("XX")}
        self._default = responses.get("default")

    def declared(self, status: int) -> BoundResponse | None:
        return self._by_status.get(status) or self._ranges.get(status // 100) or self._default

    def wants_body(self, exchange: Exchange, status: int, headers: Headers) -> bool:
        """Whether the body must be held back to be judged. In ``report`` mode what is wrong without it is noted now."""
        if status == 304:
            return False
        reply = exchange.reply = self._reply(exchange, status, headers)
        payload = reply.payload
        if payload is not None and payload.judged and payload.checker is not None and exchange.method != "HEAD":
            return True
        faults = self._head_faults(reply)
        if not faults:
            return False
        if not self.blocks:
            exchange.faults = tuple(faults)
        return self.blocks

    def judge(self, exchange: Exchange, status: int, headers: Headers, body: bytes) -> Problem | None:
        """Judge a whole reply. In ``block`` mode the Problem replaces it."""
        reply: Reply | None = exchange.reply
        if reply is None or reply.headers is not headers:
            reply = self._reply(exchange, status, headers)
        faults = self._head_faults(reply)
        payload = reply.payload
        if payload is not None and payload.judged and exchange.method != "HEAD":
            found = self._body_faults(payload, reply, body)
            if found:
                faults = [*faults, *found]
        if not faults:
            return None
        exchange.faults = tuple(faults[:MOST_FAULTS])
        if not self.blocks:
            return None
        return Problem(
            status=502,
            slug="response-invalid",
            title="The backend's answer breaks the contract",
            detail="The answer was withheld. The contract's owner has been told; quote the request id.",
        )

    def _reply(self, exchange: Exchange, status: int, headers: Headers) -> Reply:
        response = self.declared(status)
        content_type = coding = payload = None
        for name, value in headers:
            if name == b"content-type":
                if content_type is None:
                    content_type = value
            elif name == b"content-encoding" and coding is None:
                coding = value
        if response is not None and content_type is not None:
            payload = response.payload(content_type)
        return Reply(exchange.method, status, headers, response, content_type, coding, payload)

    def _head_faults(self, reply: Reply) -> Sequence[Fault]:
        response = reply.response
        if response is None:
            return (Fault("/status", "UNDECLARED", f"The operation declares no response {reply.status}."),)
        if not response.headers and reply.payload is not None:
            return ()
        faults: list[Fault] = []
        for name, reader in response.headers.items():
            values = [field_text(value) for key, value in reply.headers if key == name]
            if not values:
                if reader.required:
                    faults.append(missing(reader))
            elif found := reader.judge(values):
                faults.extend(found)
        if reply.content_type is not None:
            if reply.payload is None and _has_body(reply):
                faults.append(Fault("/header/Content-Type", "UNDECLARED", "The media type is not declared."))
        elif response.payloads and _has_body(reply):
            faults.append(Fault("/header/Content-Type", "REQUIRED", "The reply does not name its media type."))
        return faults

    def _body_faults(self, payload: BoundPayload, reply: Reply, body: bytes) -> Sequence[Fault]:
        coding, checker = reply.coding, payload.checker
        polled = checker if reply.method == "GET" and coding is None else None
        if polled is not None and self._seen.holds(polled, body):
            return ()
        if coding and coding.lower() != b"identity":
            packed = field_text(coding).lower()
            plain = decoded(body, packed, _MOST_DECODED) if packed in CODINGS else None
            if not isinstance(plain, bytes):
                return (Fault("/body", "NOT_EVALUATED", "The body's content coding could not be undone."),)
            body = plain
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return (Fault("/body", "JSON", "The body is not JSON."),)
        if checker is None:
            return ()
        if checker.is_valid(value):
            if polled is not None:
                self._seen.add(polled, body)
            return ()
        return checker.faults(value, "/body")


def _has_body(reply: Reply) -> bool:
    if reply.method == "HEAD" or reply.status in (204, 205, 304):
        return False
    return next((value for name, value in reply.headers if name == b"content-length"), None) != b"0"


def validate_response(facts: RouteFacts) -> ResponseJudge | None:
    """Bind the judge of one operation's replies, or ``None`` where responses are not validated."""
    mode = facts.contract.response_validation
    if mode == "off":
        return None
    responses = {
        response.status: BoundResponse(
            bound_payloads(facts, response.payloads, "response"),
            {
                header.name.lower().encode("latin-1", "replace"): bound(facts, header, "response")
                for header in response.headers
                if header.name.lower() not in _GATEWAY_FIELDS and header.name.lower() != "content-type"
            },
        )
        for response in facts.operation.responses
    }
    return ResponseJudge(responses, facts.schemas.seen, blocks=mode == "block")

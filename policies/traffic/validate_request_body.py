"""Judge the request's media type before its body is read, and the body once it is whole.

`decide` runs with the other policies and looks at headers only; `check` is called by the pipeline with the body. Only
JSON is judged, packed with gzip or deflate too; other declared media types pass as they are, and all is sent on as it
came. orjson refuses NaN, bad UTF-8 and depth beyond 1024. What
it does not refuse is an object that names a member twice (RFC 8259 section 4): we would judge the last one, and a
backend that reads the first would act on what nobody judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec import Struct

from policies.model.document import Payload
from policies.model.schema import Direction
from policies.traffic import Decision, Exchange, Fault, Phase, Policy, Problem, RouteFacts, policy
from policies.traffic.validate_content_codings import CODINGS, Undecodable, decoded
from policies.traffic.validate_json_bounds import JsonBounds
from policies.traffic.validate_media_types import chosen, essence, is_json, is_utf8
from policies.traffic.validate_parameters import STRICT_FROM_MAJOR, field_text, refusal
from policies.traffic.validate_schemas import Checker


class BoundPayload(Struct, frozen=True):
    """One declared media type or range. `judged` means JSON; `checker` is ``None`` where no schema is declared;
    `coding` is what one message of it was packed with."""

    media_type: str
    judged: bool
    checker: Checker | None
    coding: str = ""


class ValidateRequestBody:
    """`payloads` empty means that the operation declares no body."""

    __slots__ = ("_bounds", "_exact", "_most", "_payloads", "_report", "_required", "_strict", "_unsupported")
    phase = Phase.VALIDATE

    def __init__(
        self,
        payloads: dict[str, BoundPayload],
        *,
        required: bool,
        strict: bool,
        report: bool,
        bounds: JsonBounds,
        most: int,
    ) -> None:
        self._payloads = payloads
        self._bounds = bounds
        self._most = most  # bytes, unpacked
        # what clients send as a rule is found without parsing
        self._exact = {kind.encode("latin-1", "replace"): payload for kind, payload in payloads.items()}
        self._required = required
        self._strict = strict
        self._report = report
        self._unsupported = Problem(
            status=415,
            slug="unsupported-media-type",
            title="The media type is not supported",
            detail=f"This operation accepts {', '.join(payloads)}.",
            headers=(("Accept", ", ".join(payloads)),),
        )

    @property
    def needs_body(self) -> bool:
        """Whether a body must be read whole to be judged."""
        return self._required or any(payload.judged for payload in self._payloads.values())

    def decide(self, exchange: Exchange) -> Decision:
        content_type = length = coding = None
        chunked = False
        for name, value in exchange.headers:
            if name == b"content-type":
                if content_type is not None:
                    return _TYPED_TWICE
                content_type = value
            elif name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
            elif name == b"content-encoding":
                coding = value if coding is None else b"%b, %b" % (coding, value)
        if not chunked and (length is None or length == b"0"):
            return None  # whether a missing body is a fault is said by `check`, which sees that it is missing
        if not self._payloads:
            if not self._strict:
                return None
            return refusal(exchange, [UNDECLARED_BODY], report=self._report)
        payload = self._exact.get(content_type) if content_type is not None else None
        if payload is None:
            payload = self._chosen(content_type)
            if payload is None:
                return self._refused_type(exchange, "CONTENT_TYPE", self._unsupported)
        if payload.judged and coding is not None and (packed := field_text(coding).strip().lower()) != "identity":
            if packed not in CODINGS:
                return self._refused_type(exchange, "CONTENT_ENCODING", _ENCODED)
            payload = BoundPayload(payload.media_type, True, payload.checker, packed)
        exchange.payload = payload
        return None

    def check(self, exchange: Exchange) -> Problem | None:
        """Judge `exchange.body`; call it once, after `decide` let the exchange pass."""
        body = exchange.body
        payload: BoundPayload | None = exchange.payload
        if not body:
            if self._required:
                fault = Fault("/body", "REQUIRED", "The operation needs a body.")
                return refusal(exchange, [fault], report=self._report)
            return None
        if payload is None or not payload.judged:
            return None
        if payload.coding:
            plain = decoded(body, payload.coding, self._most)
            if not isinstance(plain, bytes):
                return self._refused_coding(exchange, plain)
            body = plain
        if (beyond := self._bounds.fault(body)) is not None:
            return refusal(exchange, [beyond], report=self._report)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            fault = Fault("/body", "JSON", f"The body is not JSON: {error.msg} at line {error.lineno}.")
            return refusal(exchange, [fault], report=self._report)
        checker = payload.checker
        if checker is None:
            return None
        if isinstance(value, dict | list) and (doubled := _doubled(body, value)) is not None:
            return refusal(exchange, [doubled], report=self._report)
        if checker.is_valid(value):
            return None
        return refusal(exchange, checker.faults(value, "/body"), report=self._report)

    def _chosen(self, content_type: bytes | None) -> BoundPayload | None:
        if content_type is None:
            return None
        text = field_text(content_type)
        payload = chosen(self._payloads, text)
        if payload is not None and payload.media_type.endswith("/*") and is_json(text):
            payload = BoundPayload(essence(text), True, payload.checker)
        return payload if payload is None or not payload.judged or is_utf8(text) else None

    def _refused_coding(self, exchange: Exchange, why: Undecodable) -> Problem | None:
        if why == "too-large" and not self._report:
            return _UNPACKED_TOO_LARGE
        detail = "The body is too large, unpacked." if why == "too-large" else "The body is not packed as it says."
        return refusal(exchange, [Fault("/body", "CONTENT_ENCODING", detail)], report=self._report)

    def _refused_type(self, exchange: Exchange, code: str, problem: Problem) -> Problem | None:
        if not self._report:
            return problem
        exchange.request_faults += (Fault("/header/Content-Type", code, problem.detail),)
        return None


class _Doubled(Exception):
    pass


def _named_once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Doubled


_read_again = json.JSONDecoder(object_pairs_hook=_named_once, parse_int=str, parse_float=str).decode


def _doubled(body: bytes, value: Any) -> Fault | None:
    """A second reading, of what is known to be JSON, for the sake of its names alone."""
    if _names_are_single(body, value):
        return None
    try:
        _read_again(body.decode())
    except _Doubled:
        return Fault("/body", "DUPLICATE_MEMBER", "An object in the body names a member twice.")
    except RecursionError:
        return Fault("/body", "JSON", "The body is nested too deeply.")
    return None


def _names_are_single(body: bytes, value: Any) -> bool:
    """Whether that is so at first sight: every member brings a colon, and reading drops all but one of a name. With no
    colon written as an escape, none can come back, so as many colons in `value` as in `body` mean that none was lost.
    """
    try:
        kept = orjson.dumps(value).count(b":")
    except orjson.JSONEncodeError:  # nested more deeply than it writes
        return False
    return kept == body.count(b":") and (b"\\" not in body or b"\\u003" not in body)


UNDECLARED_BODY = Fault("/body", "UNDECLARED", "The operation takes no body.")
_ENCODED = Problem(
    status=415,
    slug="unsupported-media-type",
    title="The content coding is not supported",
    detail="Send the body with gzip, deflate or no content coding: it is validated before it is passed on.",
    headers=(("Accept-Encoding", "gzip, deflate"),),  # RFC 9110 section 12.5.3
)
_UNPACKED_TOO_LARGE = Problem(
    status=413,
    slug="payload-too-large",
    title="Payload too large",
    detail="The body is larger than this API accepts, once it is unpacked.",
)
_TYPED_TWICE = Problem(
    status=400,
    slug="bad-request",
    title="The request is ambiguous",
    detail="Content-Type was sent more than once.",
)


def bound_payloads(facts: RouteFacts, payloads: Iterable[Payload], direction: Direction) -> dict[str, BoundPayload]:
    """Media types by essence; schemas are compiled only where JSON may meet them."""
    bound = {}
    for payload in payloads:
        kind = essence(payload.media_type)
        judged = is_json(kind)
        wanted = judged or kind.endswith("/*")
        checker = facts.schemas.of_payload(facts.document, payload, direction) if wanted else None
        bound[kind] = BoundPayload(kind, judged, checker)
    return bound


@policy
def validate_request_body(facts: RouteFacts) -> Policy | None:
    """Refuses a body that breaks the contract, naming every place in it by JSON pointer, and media types not declared.

    Validate against the published document in your own tests: what passes there passes here, byte for byte.
    """
    mode = facts.contract.request_validation
    if mode == "off":
        return None
    body = facts.operation.request_body
    return ValidateRequestBody(
        bound_payloads(facts, body.payloads, "request") if body is not None else {},
        required=body is not None and body.required,
        strict=facts.version.major >= STRICT_FROM_MAJOR,
        report=mode == "report",
        bounds=facts.bounds or JsonBounds(),
        most=facts.contract.max_body_bytes,
    )

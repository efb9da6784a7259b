"""Rules on bodies, media types and statuses: what is there at all. Schemas are for `schemas`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.compat.claims import Said, document, operation, rule
from policies.findings import Severity
from policies.model.document import Payload, RequestBody, Response
from policies.model.schema import Direction

_JSON = "application/json: {schema: {type: object}}"
_CALLED = "paths: {}\nwebhooks: {changed: {post: {%s, responses: {'204': {description: taken}}}}}"
_NO_BODY = "summary: no body"
_BODY = f"requestBody: {{content: {{{_JSON}}}}}"
_BODY_REQUIRED = f"requestBody: {{required: true, content: {{{_JSON}}}}}"
_BODY_TWO = f"requestBody: {{content: {{{_JSON}, text/csv: {{schema: {{type: string}}}}}}}}"
_OK = "responses: {'200': {description: found, content: {application/json: {schema: {type: object}}}}}"
_OK_EMPTY = "responses: {'200': {description: found}}"
_OK_TWO = "responses: {'200': {description: found, content: {application/json: {}, text/csv: {}}}}"
_OK_ONE = "responses: {'200': {description: found, content: {application/json: {}}}}"
_OK_AND = "responses:\n  '200': {description: found, content: {application/json: {schema: {type: object}}}}\n"


@dataclass(frozen=True, slots=True)
class BodyPair:
    """The request body of one operation in both documents."""

    old: RequestBody | None
    new: RequestBody | None
    flipped: bool = False
    """The body of a webhook or a callback: the service sends it, the subscriber reads it."""


@rule(
    "body",
    direction="request",
    area="body",
    action="added",
    breaks=[operation(_NO_BODY, _BODY_REQUIRED)],
    safe=[operation(_NO_BODY, _BODY)],
)
def request_body_added_as_required(pair: BodyPair) -> Iterator[Said]:
    """A body must be sent where none was known.

    Every existing call is refused. Make the body optional.
    """
    if pair.new and not pair.old and pair.new.required and not pair.flipped:
        yield Said("a request body must now be sent", fix="make the body optional")


@rule(
    "body", severity=Severity.INFO, direction="request", area="body", action="added", tells=[operation(_NO_BODY, _BODY)]
)
def request_body_added(pair: BodyPair) -> Iterator[Said]:
    """A body may be sent where none was known.

    Callers without one are served as before. It takes a minor version.
    """
    if pair.new and not pair.old and (pair.flipped or not pair.new.required):
        yield Said("a request body now comes" if pair.flipped else "a request body may now be sent")


@rule(
    "body",
    direction="request",
    area="body",
    action="removed",
    breaks=[operation(_BODY, _NO_BODY)],
    safe=[operation(_NO_BODY, _BODY)],
)
def request_body_removed(pair: BodyPair) -> Iterator[Said]:
    """A body that could be sent is no longer known.

    It is refused, or ignored in silence. Keep accepting it.
    """
    if pair.old and not pair.new:
        yield Said("the request body is gone", fix="keep accepting the body")


@rule(
    "body",
    direction="request",
    area="body",
    action="required",
    breaks=[operation(_BODY, _BODY_REQUIRED)],
    safe=[operation(_BODY_REQUIRED, _BODY)],
)
def request_body_became_required(pair: BodyPair) -> Iterator[Said]:
    """A body that could be left out must be sent.

    Whoever rightly left it out is refused. Keep it optional.
    """
    if pair.old and pair.new and pair.new.required and not pair.old.required and not pair.flipped:
        yield Said("the request body was optional and must now be sent", fix="keep the body optional")


@rule(
    "body",
    severity=Severity.INFO,
    direction="request",
    area="body",
    action="optional",
    tells=[operation(_BODY_REQUIRED, _BODY)],
)
def request_body_became_optional(pair: BodyPair) -> Iterator[Said]:
    """A body that had to be sent may be left out.

    Whoever sends one is served as before. Say what a call without a body means.
    """
    if not pair.old or not pair.new:
        return
    if pair.flipped and pair.new.required and not pair.old.required:
        yield Said("the request body now always comes")
    elif not pair.flipped and pair.old.required and not pair.new.required:
        yield Said("the request body may now be left out")


@rule(
    "body",
    direction="response",
    area="body",
    action="optional",
    no_mirror="a body that now always comes is told by request-body-became-optional",
    breaks=[document(_CALLED % _BODY_REQUIRED, _CALLED % _BODY)],
    safe=[document(_CALLED % _BODY, _CALLED % _BODY_REQUIRED)],
)
def webhook_body_became_optional(pair: BodyPair) -> Iterator[Said]:
    """The body of a webhook or a callback always came and may now be absent.

    Subscribers parse it and fail. Keep sending it.
    """
    if pair.old and pair.new and pair.flipped and pair.old.required and not pair.new.required:
        yield Said("the request body always came and may now be absent", fix="keep the body required")


@dataclass(frozen=True, slots=True)
class MediaPair:
    """One media type of a body in both documents; wildcards and parameters are considered when they are paired."""

    direction: Direction
    media_type: str
    old: Payload | None
    new: Payload | None


@rule(
    "media",
    direction="request",
    area="media-type",
    action="removed",
    breaks=[operation(_BODY_TWO, _BODY)],
    safe=[operation(_BODY, _BODY_TWO), operation(_BODY, _BODY.replace("application/json", "'*/*'"))],
)
def request_media_type_removed(pair: MediaPair) -> Iterator[Said]:
    """A media type is no longer accepted.

    Senders get 415. Keep accepting it.
    """
    if pair.direction == "request" and pair.old and not pair.new:
        yield Said(f"{pair.media_type} is no longer accepted", fix=f"keep accepting {pair.media_type}")


@rule(
    "media",
    direction="response",
    area="media-type",
    action="removed",
    breaks=[operation(_OK_TWO, _OK_ONE)],
    safe=[operation(_OK_ONE, _OK_TWO)],
)
def response_media_type_removed(pair: MediaPair) -> Iterator[Said]:
    """A media type is no longer sent.

    Readers of it get something they cannot parse. Keep offering it to those who ask.
    """
    if pair.direction == "response" and pair.old and not pair.new:
        yield Said(f"{pair.media_type} is no longer sent", fix=f"keep offering {pair.media_type}")


@rule("media", severity=Severity.INFO, area="media-type", action="added", tells=[operation(_BODY, _BODY_TWO)])
def media_type_added(pair: MediaPair) -> Iterator[Said]:
    """A further media type is accepted, or offered to those who ask."""
    if pair.new and not pair.old:
        yield Said(f"{pair.media_type} is new")


@dataclass(frozen=True, slots=True)
class ResponsePair:
    """One status in both documents. A status the other side does not name may be covered by its ``2XX`` or
    ``default``: then that response stands in, and `fallback` is its status."""

    status: str
    old: Response | None
    new: Response | None
    bodies_before: bool = True
    """Some success of the old operation has a body."""
    fallback: str | None = None
    flipped: bool = False
    """What a subscriber answers to a webhook or a callback: one more is taken, and none that was is missed."""

    @property
    def is_success(self) -> bool:
        return self.status.startswith("2")


@rule(
    "response",
    direction="response",
    area="status",
    action="removed",
    breaks=[operation(_OK_AND + "  '202': {description: later}", _OK)],
    safe=[operation(_OK_AND + "  '404': {description: missing}", _OK)],
)
def response_status_removed(pair: ResponsePair) -> Iterator[Said]:
    """A success that callers wait for never comes again.

    Callers check for the status they know. Keep it, or keep answering it by default.
    """
    if pair.is_success and pair.old and not pair.new:
        yield Said(f"{pair.status} is no longer answered", fix=f"keep answering {pair.status}")


@rule(
    "response",
    severity=Severity.INFO,
    direction="response",
    area="status",
    action="removed",
    tells=[operation(_OK_AND + "  '404': {description: missing}", _OK)],
)
def response_error_removed(pair: ResponsePair) -> Iterator[Said]:
    """An error is no longer declared. Whoever handles it loses nothing."""
    if not pair.is_success and pair.old and not pair.new:
        yield Said(f"{pair.status} is no longer declared")


@rule(
    "response",
    direction="response",
    area="status",
    action="added",
    breaks=[operation(_OK, _OK_AND + "  '204': {description: nothing}")],
    safe=[operation(_OK, _OK_AND + "  '404': {description: missing}")],
)
def response_success_added_without_body(pair: ResponsePair) -> Iterator[Said]:
    """A success without a body may come where successes had one.

    Readers parse the body of every success and fail on nothing. Answer 200 with an empty list.
    """
    if pair.flipped:
        return
    if pair.is_success and pair.new and not pair.old and not pair.new.payloads and pair.bodies_before:
        yield Said(f"{pair.status} without a body may now be answered", fix="answer 200 with an empty body object")


@rule(
    "response",
    severity=Severity.WARNING,
    direction="response",
    area="status",
    action="added",
    breaks=[operation(_OK, _OK_AND + "  '202': {description: later, content: {application/json: {}}}")],
    safe=[operation(_OK, _OK_AND + "  '404': {description: missing}")],
)
def response_success_added(pair: ResponsePair) -> Iterator[Said]:
    """A further success may come.

    Callers who check for one status take the other for a failure. Offer the new outcome to those who ask for it
    (``Prefer: respond-async``).
    """
    if pair.flipped:
        return
    if pair.is_success and pair.new and not pair.old and (pair.new.payloads or not pair.bodies_before):
        yield Said(f"{pair.status} may now be answered")


@rule(
    "response",
    severity=Severity.INFO,
    direction="response",
    area="status",
    action="added",
    tells=[operation(_OK, _OK_AND + "  '404': {description: missing}")],
)
def response_error_added(pair: ResponsePair) -> Iterator[Said]:
    """A further error or redirection is declared. Callers handle classes of errors, and it is better to know."""
    if pair.new and not pair.old and (pair.flipped or not pair.is_success):
        yield Said(f"{pair.status} is now declared")


@rule(
    "response",
    direction="response",
    area="body",
    action="removed",
    breaks=[operation(_OK, _OK_EMPTY)],
    safe=[operation(_OK_EMPTY, _OK)],
)
def response_body_removed(pair: ResponsePair) -> Iterator[Said]:
    """A response that had a body has none.

    Readers parse it and fail. Keep sending it.
    """
    if pair.old and pair.new and pair.old.payloads and not pair.new.payloads:
        yield Said(f"{pair.status} no longer has a body", fix="keep the body")


@rule(
    "response",
    severity=Severity.INFO,
    direction="response",
    area="body",
    action="added",
    tells=[operation(_OK_EMPTY, _OK)],
)
def response_body_added(pair: ResponsePair) -> Iterator[Said]:
    """A response that had no body has one.

    Readers that expected none do not look at it. It takes a minor version.
    """
    if pair.old and pair.new and pair.new.payloads and not pair.old.payloads:
        yield Said(f"{pair.status} now has a body")

"""The embedded issuer over HTTP, for applications: RFC 6749, 7009, 7662, 8414, and the JWKS.

    POST /oauth/token   POST /oauth/revoke   POST /oauth/introspect
    GET  /.well-known/jwks.json              GET  /.well-known/oauth-authorization-server

Owns the form (parameters once, nothing in the query, one Authorization), the errors of RFC 6749 section 5.2 and the
counting of failed attempts. What is decided is decided in `registry.client_authentication` and `registry.tokens`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from policies.model.certificate import InvalidCertificate
from policies.model.networks import is_within
from policies.traffic.authenticate_certificate import Presented, forwarded
from registry import signing, tokens
from registry.api.desk import PEER, Desk
from registry.api.security import is_guessable
from registry.audit import Actor
from registry.client_authentication import Client, OAuthError, Question, authenticate
from registry.errors import Unauthenticated

MAX_BODY = 64 * 1024
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_BASIC = 'Basic realm="weighbridge", charset="UTF-8"'
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 50
_SEVERAL = "resource"  # RFC 8707 section 2: the one parameter that may be repeated
_log = structlog.get_logger("registry.oauth")


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent: parameters once, but for ``resource``. Those without a value were not sent (section 3.2)."""

    fields: Mapping[str, str] = field(repr=False)
    resources: tuple[str, ...]
    authorization: str | None = field(repr=False)

    def __getitem__(self, name: str) -> str:
        if name not in self.fields:
            raise OAuthError("invalid_request", f"{name} is missing")
        return self.fields[name]


class Issuer:
    """The endpoints of one registry."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store = desk.store
        self._settings = desk.settings

    def routes(self) -> list[Route]:
        path = urlsplit(self._settings.issuer).path.rstrip("/")
        # RFC 8414 section 3.1: an issuer with a path has it after the well-known part
        described = {tokens.METADATA_PATH, tokens.METADATA_PATH + path}
        return [
            Route(tokens.TOKEN_PATH, self._endpoint(self._token), methods=["POST"]),
            Route(tokens.REVOCATION_PATH, self._endpoint(self._revoke), methods=["POST"]),
            Route(tokens.INTROSPECTION_PATH, self._endpoint(self._introspect), methods=["POST"]),
            Route(tokens.JWKS_PATH, self._jwks),
            *(Route(path, self._metadata) for path in sorted(described)),
        ]

    async def _token(self, request: Request, form: Form) -> Response:
        if form["grant_type"] != "client_credentials":
            raise OAuthError("unsupported_grant_type", "only client_credentials is supported")
        client = await self._client(request, form)
        named = (form.fields["audience"],) if "audience" in form.fields else ()
        wish = tokens.Wish(form.fields.get("scope"), (*form.resources, *named))
        answer = await run_in_threadpool(
            tokens.issue, self._store, self._settings, self._desk.keyring, client, wish, now=self._desk.now()
        )
        return JSONResponse(answer, headers=_NO_STORE)

    async def _revoke(self, request: Request, form: Form) -> Response:
        client = await self._client(request, form)
        source = request.client.host if request.client else None
        await run_in_threadpool(
            tokens.revoke, self._store, self._settings, client, form["token"], source=source, now=self._desk.now()
        )
        return Response(headers=_NO_STORE)

    async def _introspect(self, request: Request, form: Form) -> Response:
        asker: str | Actor
        if (form.authorization or "").partition(" ")[0].lower() == "bearer":
            asker = await self._operator(request, form)
        else:
            asker = (await self._client(request, form)).application
        answer = await run_in_threadpool(
            tokens.introspect, self._store, self._settings, form["token"], asker=asker, now=self._desk.now()
        )
        return JSONResponse(answer, headers=_NO_STORE)

    async def _jwks(self, _request: Request) -> Response:
        def keys() -> dict[str, Any]:
            with self._store.read() as unit:
                return signing.jwks(unit, now=self._desk.now())

        # no longer than the shortest lead of a new key
        return JSONResponse(await run_in_threadpool(keys), headers={"Cache-Control": "public, max-age=60"})

    async def _metadata(self, _request: Request) -> Response:
        return JSONResponse(tokens.metadata(self._settings), headers={"Cache-Control": "public, max-age=3600"})

    # -- who asks -----------------------------------------------------------------------------------------------------

    async def _client(self, request: Request, form: Form) -> Client:
        base = self._settings.issuer.rstrip("/")
        question = Question(
            form.fields,
            form.authorization,
            issuer=self._settings.issuer,
            endpoint=base + tokens.TOKEN_PATH,
            issuer_only=self._settings.assertion_audience == "issuer",
            longest_life=self._settings.assertion_seconds,
            certificate=self._presented(request),
        )

        def judge() -> Client:
            return authenticate(self._store, question, now=self._desk.now())

        client: Client = await self._counted(request, question.client or "", judge)
        return client

    def _presented(self, request: Request) -> Presented | None:
        """The client's certificate, as a trusted proxy tells it (RFC 9440); nobody else is listened to."""
        proxies = self._settings.trusted_proxies
        peer = request.scope.get(PEER, request.scope.get("client"))
        if not proxies or peer is None or not is_within(peer[0], proxies):
            return None
        told = [
            [value for field, value in request.headers.raw if field == name]
            for name in (b"client-cert", b"client-cert-chain")
        ]
        try:
            return forwarded(*told)
        except InvalidCertificate as refused:
            raise OAuthError("invalid_request", str(refused)) from None

    async def _operator(self, request: Request, form: Form) -> Actor:
        if form.fields.keys() & {"client_secret", "client_assertion"}:
            raise OAuthError("invalid_request", "the request proves itself twice")
        key = (form.authorization or "").partition(" ")[2].strip()

        def judge() -> Actor:
            try:
                return self._desk.actor_of(key)
            except Unauthenticated as refused:
                raise OAuthError("invalid_client", refused.detail, 401) from None

        actor: Actor = await self._counted(
            request, key.rpartition("_")[0], judge, guessable=is_guessable(self._settings, key)
        )
        return actor

    async def _counted(self, request: Request, name: str, judge: Callable[[], Any], *, guessable: bool = False) -> Any:
        """A good proof is let in whoever fails beside it, behind the same address or under the same name: secrets are
        generated, 256 bits long, and not guessed. Only a short bootstrap key, which somebody may have made up, is not
        looked at when its source has failed too often."""
        source, attempts = request.client.host if request.client else "", self._desk.attempts
        wait = attempts.wait(source, name, self._desk.clock())
        slow = OAuthError("slow_down", "too many failed attempts from here; wait", 429, retry_after=wait)
        if wait and guessable:
            raise slow
        try:
            return await run_in_threadpool(judge)
        except OAuthError as refused:
            if refused.code != "invalid_client":
                raise
            if wait:
                raise slow from None
            attempts.failed(source, name, self._desk.clock())
            raise

    # -- in and out ---------------------------------------------------------------------------------------------------

    def _endpoint(
        self, act: Callable[[Request, Form], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await act(request, _form(request, await request.body()))
            except OAuthError as refused:
                _log.info("refused", path=request.url.path, error=refused.code)
                return _told(refused, request)

        return answer


def _told(refused: OAuthError, request: Request) -> Response:
    headers = dict(_NO_STORE)
    if refused.status == 401:
        bearer = request.headers.get("authorization", "").lower().startswith("bearer")
        operators_too = request.url.path == tokens.INTROSPECTION_PATH
        headers["WWW-Authenticate"] = 'Bearer realm="weighbridge"' if bearer and operators_too else _BASIC
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    # the grammar of error_description has neither quotes nor backslashes
    description = str(refused).translate({34: "'", 92: "/"})
    return JSONResponse({"error": refused.code, "error_description": description}, refused.status, headers)


def _form(request: Request, body: bytes) -> Form:
    """Raises `OAuthError`."""
    kind, _, parameters = _once(request, "content-type").partition(";")
    if kind.strip().lower() != _FORM:
        raise OAuthError("invalid_request", f"the body must be {_FORM}")
    charset = parameters.strip().lower().replace('"', "")
    if charset.startswith("charset=") and charset != "charset=utf-8":
        raise OAuthError("invalid_request", "the body must be UTF-8")
    if request.url.query:
        raise OAuthError("invalid_request", "parameters belong into the body; addresses end up in logs")
    if len(body) > MAX_BODY:
        raise OAuthError("invalid_request", f"the body is longer than {MAX_BODY} bytes", 413)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", "the body is malformed") from None
    fields = dict(pairs)
    repeated = sorted({name for name in fields if sum(name == other for other, _ in pairs) > 1} - {_SEVERAL})
    if repeated:
        raise OAuthError("invalid_request", "a parameter is given twice")
    resources = tuple(value for name, value in pairs if name == _SEVERAL and value)
    authorization = _once(request, "authorization") if "authorization" in request.headers else None
    return Form({name: value for name, value in fields.items() if value}, resources, authorization)


def _once(request: Request, name: str) -> str:
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise OAuthError("invalid_request", f"{name.title()} is sent more than once")
    return values[0] if values else ""

"""The embedded issuer: tokens for client credentials, their keys, and the metadata that names both.

    POST /oauth/token                                RFC 6749 section 4.4, errors of section 5.2
    GET  /.well-known/jwks.json                      RFC 7517
    GET  /.well-known/oauth-authorization-server     RFC 8414

Tokens are signed ``at+jwt`` (RFC 9068). Besides its claims they carry ``cid``, the id of the secret they were
obtained with: the gateway refuses a token whose ``cid`` is no live credential, so revoking a secret kills its tokens
with the next snapshot. Outside the management API: applications, not operators, come here.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import jwt
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from registry import credentials, signing, subscriptions
from registry.errors import NotFound, Unauthenticated
from registry.sealing import Keyring
from registry.settings import Settings
from registry.store import Store

TOKEN_PATH = "/oauth/token"  # noqa: S105  # an address
JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_log = structlog.get_logger("registry.tokens")


class TokenRefused(Exception):
    """An error of RFC 6749 section 5.2; `code` is its ``error``."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.status = status


def issue(
    store: Store, settings: Settings, keyring: Keyring, client: str, secret: str, scope: str | None, *, now: int
) -> dict[str, Any]:
    """The answer of the token endpoint (RFC 6749 section 5.1).

    The token carries the requested scopes that the application has, or all it has when none is requested. Raises
    `TokenRefused`: ``invalid_client``, or ``invalid_scope`` when nothing of what was requested may be granted.
    """
    with store.read() as unit:
        try:
            credential = credentials.verify_client_secret(unit, client, secret, now=now)
            application = subscriptions.application(unit, client)
        except (Unauthenticated, NotFound):
            raise TokenRefused("invalid_client", "the client is not known, or its secret is not valid", 401) from None
        key = signing.current(unit, now=now)
    requested = None if scope is None else scope.split()
    granted = [name for name in application.scopes if requested is None or name in requested]
    if requested and not granted:
        raise TokenRefused("invalid_scope", "the application has none of the requested scopes")
    seconds = settings.token_seconds
    if credential.expires_at is not None:
        seconds = min(seconds, credential.expires_at - now)
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": client,
        "client_id": client,
        "scope": " ".join(granted),
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_hex(16),
        "cid": credential.id,
    }
    private = signing.private_key(keyring, key)
    headers = {"typ": "at+jwt", "kid": key.kid}
    token = jwt.encode(claims, private, algorithm=key.public_jwk["alg"], headers=headers)
    return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": " ".join(granted)}


def metadata(settings: Settings) -> dict[str, Any]:
    """Authorization server metadata, RFC 8414 section 2."""
    base = settings.issuer.rstrip("/")
    return {
        "issuer": settings.issuer,
        "token_endpoint": base + TOKEN_PATH,
        "jwks_uri": base + JWKS_PATH,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def routes(store: Store, settings: Settings, keyring: Callable[[], Keyring], clock: Callable[[], float]) -> list[Route]:
    """The three addresses, as Starlette routes."""

    async def token(request: Request) -> Response:
        try:
            client, secret, scope = _asked(request, await request.body())
            answer = await run_in_threadpool(issue, store, settings, keyring(), client, secret, scope, now=int(clock()))
        except TokenRefused as refused:
            _log.info("token refused", error=refused.code)
            headers = dict(_NO_STORE)
            if refused.status == 401:
                headers["WWW-Authenticate"] = 'Basic realm="weighbridge", charset="UTF-8"'
            content = {"error": refused.code, "error_description": str(refused)}
            return JSONResponse(content, refused.status, headers)
        return JSONResponse(answer, headers=_NO_STORE)

    async def jwks(_request: Request) -> Response:
        def keys() -> dict[str, Any]:
            with store.read() as unit:
                return signing.jwks(unit, now=int(clock()))

        return JSONResponse(await run_in_threadpool(keys), headers={"Cache-Control": "public, max-age=60"})

    async def described(_request: Request) -> Response:
        return JSONResponse(metadata(settings), headers={"Cache-Control": "public, max-age=3600"})

    return [
        Route(TOKEN_PATH, token, methods=["POST"]),
        Route(JWKS_PATH, jwks),
        Route(METADATA_PATH, described),
    ]


def _asked(request: Request, body: bytes) -> tuple[str, str, str | None]:
    """(client id, client secret, scope). Raises `TokenRefused`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise TokenRefused("invalid_request", "the body must be application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=False, errors="strict", max_num_fields=50)
    except ValueError:
        raise TokenRefused("invalid_request", "the body is malformed") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise TokenRefused("invalid_request", "a parameter is given twice")
    grant = fields.get("grant_type")
    if grant is None:
        raise TokenRefused("invalid_request", "grant_type is missing")
    if grant != "client_credentials":
        raise TokenRefused("unsupported_grant_type", "only client_credentials is supported")
    client, secret = _credentials(request, fields)
    return client, secret, fields.get("scope")


def _credentials(request: Request, fields: dict[str, str]) -> tuple[str, str]:
    header = request.headers.get("authorization")
    if header is None:
        if "client_id" not in fields or "client_secret" not in fields:
            raise TokenRefused("invalid_client", "client credentials are missing", 401)
        return fields["client_id"], fields["client_secret"]
    if "client_secret" in fields:
        raise TokenRefused("invalid_request", "client credentials are given twice")
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError(name)
    except (ValueError, binascii.Error):
        raise TokenRefused("invalid_client", "the Authorization header is not Basic credentials", 401) from None
    client = unquote_plus(name)  # both are form-urlencoded before they are joined, RFC 6749 section 2.3.1
    if fields.get("client_id", client) != client:
        raise TokenRefused("invalid_request", "client_id contradicts the Authorization header")
    return client, unquote_plus(secret)

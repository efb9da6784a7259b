"""What is served outside the management API, to everybody: health, and the embedded issuer's public face.

Kubernetes asks ``/healthz`` (the process lives) and ``/readyz`` (the database answers and there is a snapshot);
gateways and clients ask for tokens and keys (`registry.api.oauth_routes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from registry import documents, upkeep
from registry.api import oauth_routes, problems
from registry.api.desk import REQUEST_ID, Desk
from registry.errors import RegistryError


def create(desk: Desk, specification: Mapping[str, Any]) -> Starlette:
    """The routes beside the specification."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        row = await run_in_threadpool(desk.store.snapshot)
        if row is None:
            raise problems.Problem(503, "not-ready", "Not ready", "there is no snapshot yet")
        return JSONResponse({"status": "ready", "revision": row.revision})

    described = JSONResponse(specification).body  # once: everybody may ask, and as often as they like

    async def openapi(_request: Request) -> Response:
        return Response(described, media_type="application/json")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(documents.warm)
        upkept = asyncio.create_task(upkeep.run(desk.store, desk.settings, lambda: desk.keyring, desk.clock))
        yield
        upkept.cancel()
        await run_in_threadpool(documents.close)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/v1/openapi.json", openapi),
            *oauth_routes.Issuer(desk).routes(),
        ],
        exception_handlers={HTTPException: _problem, RegistryError: _problem, problems.Problem: _problem},
        lifespan=lifespan,
    )


async def _problem(request: Request, error: Exception) -> Response:
    request_id = request.scope[REQUEST_ID]
    problem = problems.of(error, request_id)
    body = problem.body(instance=request.scope["path"], request_id=request_id)
    return Response(body, problem.status, headers=problem.headers, media_type=problems.MEDIA_TYPE)

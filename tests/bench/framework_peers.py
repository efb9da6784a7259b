"""The peers that people build themselves: express with express-openapi-validator, and Starlette with httpx.

Each verifies the token, checks scope and contract, counts a limit in its process and proxies; neither validates replies.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench import ours

EXPRESS = {
    "express": "5",
    "express-openapi-validator": "5",
    "jsonwebtoken": "9",
    "undici": "7",
}
_EXPRESS = """
const express = require('express');
const fs = require('fs');
const jwt = require('jsonwebtoken');
const { Agent, request } = require('undici');
const OpenApiValidator = require('express-openapi-validator');
const [port, backend, folder] = process.argv.slice(2);
const key = fs.readFileSync(folder + '/RS256.pub');
const agent = new Agent({ connections: 256, pipelining: 1 });
const app = express();
app.use((req, res, next) => {
  if (!req.path.startsWith('/orders/v1/')) return res.status(404).json({ status: 404 });
  const [scheme, token] = (req.headers.authorization || '').split(' ');
  try {
    if (scheme !== 'Bearer') throw new Error('no token');
    req.claims = jwt.verify(token, key, { algorithms: ['RS256'], issuer: '%(issuer)s', audience: '%(audience)s' });
  } catch (error) { return res.status(401).json({ status: 401 }); }
  if (!req.claims.scope.includes('orders:')) return res.status(403).json({ status: 403 });
  next();
});
const windows = new Map();
app.use((req, res, next) => {
  const second = Math.floor(Date.now() / 1000);
  const seen = windows.get(req.claims.client_id);
  if (seen && seen.second === second) { if (++seen.count > 1000000) return res.status(429).json({ status: 429 }); }
  else windows.set(req.claims.client_id, { second, count: 1 });
  next();
});
app.use(express.json({ limit: '1mb' }));
app.use(OpenApiValidator.middleware({
  apiSpec: folder + '/express.json', validateRequests: true, validateResponses: false, validateSecurity: false,
}));
app.use(async (req, res) => {
  const answer = await request('http://127.0.0.1:' + backend + req.originalUrl, {
    method: req.method, dispatcher: agent, headers: { 'content-type': 'application/json', 'x-consumer': req.claims.client_id },
    body: req.method === 'POST' ? JSON.stringify(req.body) : undefined,
  });
  res.status(answer.statusCode);
  res.setHeader('content-type', answer.headers['content-type']);
  answer.body.pipe(res);
});
app.use((error, req, res, next) => res.status(error.status || 500).json({ status: error.status || 500 }));
app.listen(Number(port), '127.0.0.1', 4096);
"""
_STARLETTE = """
import json
import sys
import time
from pathlib import Path

import httpx
import jsonschema_rs
import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

port, backend, folder = sys.argv[1:]
key = (Path(folder) / "RS256.pub").read_text()
tree = json.loads((Path(folder) / "express.json").read_text())["paths"]
order = jsonschema_rs.validator_for(
    tree["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"])
checks = [jsonschema_rs.validator_for(p["schema"]) for p in tree["/sites/{siteId}/orders/{orderId}"]["get"]["parameters"]]
client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{backend}", limits=httpx.Limits(max_connections=256))
windows = {}

def refused(status):
    return JSONResponse({"status": status}, status)

def problem(request, validate):
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        claims = jwt.decode(token, key, ["RS256"], issuer="%(issuer)s", audience="%(audience)s")
    except jwt.InvalidTokenError:
        return 401, None
    if "orders:" not in claims["scope"]:
        return 403, None
    second = int(time.time())
    seen = windows.setdefault(claims["client_id"], [second, 0])
    if seen[0] != second:
        seen[:] = [second, 0]
    seen[1] += 1
    return (429 if seen[1] > 1_000_000 else None if validate() else 400), claims

async def forward(request, claims, body=None):
    answer = await client.request(request.method, str(request.url.path), params=request.query_params, content=body,
                                  headers={"content-type": "application/json", "x-consumer": claims["client_id"]})
    return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

async def get(request):
    def valid():
        limit = request.query_params.get("limit", "1")
        values = [request.path_params["site"], request.path_params["order"], int(limit) if limit.isdigit() else limit]
        return all(check.is_valid(value) for check, value in zip(checks, values))
    status, claims = problem(request, valid)
    return refused(status) if status else await forward(request, claims)

async def post(request):
    body = await request.body()
    status, claims = problem(request, lambda: order.is_valid(json.loads(body)))
    return refused(status) if status else await forward(request, claims, body)

app = Starlette(routes=[Route("/orders/v1/sites/{site}/orders/{order}", get), Route("/orders/v1/orders", post, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error", access_log=False, backlog=4096)
"""


def express(folder: Path, cache: Path, port: int, backend: int) -> list[str]:
    """Installs from npm into `cache` once."""
    if not (cache / "node_modules" / "express").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "package.json").write_text(json.dumps({"private": True, "dependencies": EXPRESS}))
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=cache, check=True)
    (cache / "peer.js").write_text(_EXPRESS % {"issuer": ours.ISSUER, "audience": ours.AUDIENCE})
    _write_document(folder)
    return ["node", str(cache / "peer.js"), str(port), str(backend), str(folder)]


def starlette(folder: Path, port: int, backend: int) -> list[str]:
    (folder / "peer.py").write_text(_STARLETTE % {"issuer": ours.ISSUER, "audience": ours.AUDIENCE})
    _write_document(folder)
    return [sys.executable, str(folder / "peer.py"), str(port), str(backend), str(folder)]


def is_there() -> bool:
    return shutil.which("npm") is not None


def _write_document(folder: Path) -> None:
    tree = {**ours.document(), "openapi": "3.0.3", "servers": [{"url": "/orders/v1"}]}
    (folder / "express.json").write_text(json.dumps(tree))

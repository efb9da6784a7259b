"""The peers' configurations, written for each run: nginx as backend and as bare proxy, HAProxy in two ways."""

from __future__ import annotations

from pathlib import Path

from tests.bench.load import W1_REPLY, W2_REPLY
from tests.bench.ours import AUDIENCE, ISSUER

_NGINX = """\
worker_processes 1;
daemon off;
pid {folder}/nginx-{name}.pid;
error_log {folder}/nginx-{name}.error.log;
{modules}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  keepalive_timeout 75s; keepalive_requests 100000000;
  client_body_buffer_size 64k;
{body}
}}
"""


def nginx_backend(folder: Path, port: int) -> str:
    """Answers both workloads from memory."""
    body = f"""\
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    location / {{ return 200 '{W1_REPLY.decode()}'; }}
    location = /orders {{ return 201 '{W2_REPLY.decode()}'; }}
    location = /orders/v1/orders {{ return 201 '{W2_REPLY.decode()}'; }}
  }}"""
    return _NGINX.format(folder=folder, name="backend", modules="", body=body)


def nginx_bare(folder: Path, port: int, backend: int, tls: int | None = None) -> str:
    """A proxy that governs nothing."""
    secure = (
        f"listen 127.0.0.1:{tls} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;"
        if tls
        else ""
    )
    body = f"""\
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; {secure}
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}"""
    return _NGINX.format(folder=folder, name="bare", modules="", body=body)


_HAPROXY = """\
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 30s
  http-reuse always
backend limits
  stick-table type string len 64 size 100k expire 60s store http_req_rate(1s)
{table}
frontend gateway
  bind 127.0.0.1:{port}
{tls}
  acl contract path_beg /orders/v1/
  http-request return status 404 content-type application/problem+json string '{{"status":404}}' unless contract
  http-request return status 401 content-type application/problem+json string '{{"status":401}}' unless {{ req.hdr(authorization) -m beg "Bearer " }}
  http-request set-var(txn.token) http_auth_bearer
{verify}
  http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request return status 401 content-type application/problem+json string '{{"status":401}}' if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request set-var(txn.scope) http_auth_bearer,jwt_payload_query('$.scope')
  http-request return status 403 content-type application/problem+json string '{{"status":403}}' unless {{ var(txn.scope) -m sub orders: }}
  http-request set-var(txn.client) http_auth_bearer,jwt_payload_query('$.client_id')
  http-request track-sc0 var(txn.client) table limits
  http-request return status 429 content-type application/problem+json string '{{"status":429}}' if {{ sc_http_req_rate(0) gt 1000000 }}
  http-request return status 400 content-type application/problem+json string '{{"status":400}}' if METH_GET !{{ path_reg ^/orders/v1/sites/[A-Z]{{3}}-[1-9]/orders/SO-[0-9]{{8}}$ }}
  http-request return status 400 content-type application/problem+json string '{{"status":400}}' if METH_GET !{{ url_param(limit) -m reg ^(1?[0-9]{{1,2}}|200)$ }}
  http-request set-header X-Consumer %[var(txn.client)]
  default_backend service
backend service
  server one 127.0.0.1:{backend}
"""
_VERIFY = """\
  http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')
  http-request set-var(txn.iss) http_auth_bearer,jwt_payload_query('$.iss')
  http-request set-var(txn.aud) http_auth_bearer,jwt_payload_query('$.aud')
  http-request return status 401 content-type application/problem+json string '{{"status":401}}' unless {known}{{ var(txn.alg) -m str {algorithm} }} {{ var(txn.iss) -m str {issuer} }} {{ var(txn.aud) -m str {audience} }}
  http-request return status 401 content-type application/problem+json string '{{"status":401}}' unless {known}{{ http_auth_bearer,jwt_verify(txn.alg,"{folder}/{algorithm}.pub") -m int 1 }}
"""


def haproxy(
    folder: Path, port: int, backend: int, *, remembers: bool, tls: int | None = None, algorithm: str = "RS256"
) -> str:
    """JWT, limit and version routing as documented. With `remembers`, a second stick table keeps the digests of tokens
    that were verified: what an expert makes of it."""
    said = {"issuer": ISSUER, "audience": AUDIENCE, "folder": folder, "algorithm": algorithm}
    table, verify = "", _VERIFY.format(**said, known="")
    if remembers:
        table = "backend verified\n  stick-table type binary len 32 size 100k expire 300s store gpt0"
        verify = (
            "  http-request track-sc1 http_auth_bearer,sha2(256) table verified\n"
            "  acl known sc1_get_gpt0 eq 1\n"
            + _VERIFY.format(**said, known="known || ")
            + "  http-request sc-set-gpt0(1) 1 unless known\n"
        )
    secure = f"  bind 127.0.0.1:{tls} ssl crt {folder}/both.pem" if tls else ""
    return _HAPROXY.format(port=port, backend=backend, table=table, verify=verify, tls=secure)

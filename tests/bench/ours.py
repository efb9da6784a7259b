"""Our gateway as it is measured: a snapshot on disk with everything switched on, and no registry."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from policies.model.access import Application, Issuer, Limit, Plan, Subject, Subscription
from policies.model.contract import Contract, SiteParameter, Stage, Upstream, Version
from policies.model.document import digest
from policies.model.snapshot import Snapshot, dumps
from tests.bench.load import CONTRACT

ISSUER = "https://issuer.example"
AUDIENCE = "weighbridge"
CLIENT = "bench-client"


@dataclass(frozen=True)
class Identity:
    """The signing keys of one run, and tokens of it."""

    rsa: rsa.RSAPrivateKey
    ec: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls) -> Identity:
        return cls(
            rsa.generate_private_key(public_exponent=65537, key_size=2048), ec.generate_private_key(ec.SECP256R1())
        )

    @property
    def jwks(self) -> dict[str, Any]:
        keys = [(RSAAlgorithm, self.rsa, "r1", "RS256"), (ECAlgorithm, self.ec, "e1", "ES256")]
        return {
            "keys": [
                {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "alg": alg, "use": "sig"}
                for kind, key, kid, alg in keys
            ]
        }

    def token(self, algorithm: str = "RS256", **claims: Any) -> str:
        key, kid = (self.rsa, "r1") if algorithm == "RS256" else (self.ec, "e1")
        now = int(time.time())
        said = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": CLIENT, "client_id": CLIENT, "iat": now, "exp": now + 86_400,
            "scope": "orders:read orders:write", **claims,
        }  # fmt: skip
        return jwt.encode(said, key, algorithm, headers={"kid": kid, "typ": "at+jwt"})

    def write_public_keys(self, folder: Path) -> None:
        """``RS256.pub`` and ``ES256.pub``, as HAProxy reads them."""
        for key, name in ((self.rsa, "RS256"), (self.ec, "ES256")):
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            (folder / f"{name}.pub").write_bytes(pem)


def document(routes: int = 60) -> dict[str, Any]:
    """The contract: W1, W2 and as many further operations as make `routes`."""
    quantity = {
        "type": "object",
        "required": ["value", "unit"],
        "properties": {
            "value": {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$"},
            "unit": {"type": "string", "pattern": "^[A-Z0-9]{2,3}$"},
        },
        "additionalProperties": False,
    }
    item = {
        "type": "object",
        "required": ["sku", "quantity", "status"],
        "properties": {
            "sku": {"type": "string", "maxLength": 30},
            "quantity": quantity,
            "status": {"type": "string", "maxLength": 40},
        },
    }
    line = {
        "type": "object",
        "required": ["lineNumber", "sku", "quantity"],
        "properties": {
            "lineNumber": {"type": "integer", "minimum": 1, "maximum": 9999},
            "sku": {"type": "string", "minLength": 3, "maxLength": 30},
            "quantity": quantity,
            "note": {"type": "string", "maxLength": 400},
        },
        "additionalProperties": False,
    }
    site = {
        "name": "siteId",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Z]{3}-[1-9]$"},
    }
    order = {
        "name": "orderId",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^SO-[0-9]{8}$"},
    }
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}}

    def answered(status: str, schema: Any) -> dict[str, Any]:
        return {status: {"description": "done", "content": {"application/json": {"schema": schema}}}}

    read = [{"oauth": ["orders:read"]}]
    body = {"type": "object", "required": ["lines"], "additionalProperties": False, "properties": {
        "customerPoNumber": {"type": "string", "maxLength": 22},
        "lines": {"type": "array", "minItems": 1, "maxItems": 100, "items": line},
    }}  # fmt: skip
    page = {"type": "object", "required": ["items", "page"], "properties": {
        "items": {"type": "array", "items": item}, "page": {"type": "object"},
    }}  # fmt: skip
    paths: dict[str, Any] = {
        "/sites/{siteId}/orders/{orderId}": {
            "get": {
                "operationId": "getOrder",
                "security": read,
                "parameters": [site, order, limit],
                "responses": answered("200", page),
            }
        },
        "/orders": {
            "post": {
                "operationId": "createOrder",
                "security": [{"oauth": ["orders:write"]}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": answered("201", {"type": "object", "required": ["orderId"], "properties": {
                    "orderId": {"type": "string"}}}),
            }
        },
    }  # fmt: skip
    for index in range(routes - len(paths)):
        paths[f"/things{index}/{{orderId}}"] = {
            "get": {
                "operationId": f"getThing{index}",
                "security": read,
                "parameters": [order],
                "responses": answered("200", page),
            }
        }
    scopes = {"orders:read": "r", "orders:write": "w"}
    scheme = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": scopes}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1.0.0"},
        "components": {"securitySchemes": {"oauth": scheme}},
        "paths": paths,
    }


def snapshot(identity: Identity, backend: str, *, routes: int = 60, applications: int = 100) -> bytes:
    """Everything of the main job switched on: scopes, subscription, site, limits, parameters, bodies, responses."""
    tree = document(routes)
    plan = Plan(
        name="bench",
        limits=(
            Limit(name="rate", requests=1_000_000, window=1, burst=2_000_000),
            Limit(name="quota", requests=1_000_000_000, window=86_400),
        ),
        max_concurrent=1024,
    )
    names = [CLIENT, *(f"application-{index}" for index in range(applications - 1))]
    return dumps(
        Snapshot(
            revision=1,
            compiled_at=int(time.time()),
            contracts=(
                Contract(
                    name=CONTRACT,
                    title="Orders",
                    owner="desk",
                    audience="partner",
                    site=SiteParameter(place="path", name="siteId"),
                    upstreams={"default": Upstream(url=backend), "DAL-2": Upstream(url=backend)},
                ),
            ),
            versions=(Version(contract=CONTRACT, number="1.0.0", digest=digest(tree), stage=Stage.PUBLISHED),),
            documents={digest(tree): tree},
            applications=tuple(
                Application(
                    id=name,
                    name=name,
                    consumer="bench",
                    audience="partner",
                    scopes=("orders:read", "orders:write"),
                    sites=("DAL-2",),
                    subscriptions=(Subscription(contract=CONTRACT, major=1, plan="bench"),),
                )
                for name in names
            ),
            subjects=tuple(Subject(id=name, issuer=ISSUER, subject=name, application=name) for name in names),
            plans=(plan,),
            issuers=(Issuer(name="bench", issuer=ISSUER, audience=AUDIENCE, jwks=identity.jwks),),
        )
    )


def environment(state: Path, port: int, admin: int, *, counters: str = "memory://", workers: int = 1) -> dict[str, str]:
    return {
        "WEIGHBRIDGE_GATEWAY_PORT": str(port),
        "WEIGHBRIDGE_GATEWAY_ADMIN_PORT": str(admin),
        "WEIGHBRIDGE_GATEWAY_REGISTRY_URL": "http://127.0.0.1:9",
        "WEIGHBRIDGE_GATEWAY_STATE_DIR": str(state),
        "WEIGHBRIDGE_GATEWAY_ACCESS_LOG": str(state / "access.log"),
        "WEIGHBRIDGE_GATEWAY_COUNTERS_URL": counters,
        "WEIGHBRIDGE_GATEWAY_WORKERS": str(workers),
    }

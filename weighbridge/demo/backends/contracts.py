"""The contracts that the backends answer for: read from ``specs/services``, served by connexion.

Owns the way from a document to a running application and from an operationId to its handler: a function of the same
name in snake case, in ``services/<contract>_v<major>.py``. A missing handler stops the start. The subtle thing: the
documents go in as dictionaries, down-converted and without security, because this framework renders spec *files* as
templates and reads nothing newer than 3.0; who may call is the gateway's matter.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import connexion
import yaml
from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver

from policies.model.document import Document, Operation
from weighbridge.demo.backends.downgrade import to_openapi_30
from weighbridge.demo.backends.exchange import PROBLEM_JSON, Call, Refusal, Reply
from weighbridge.demo.backends.replays import answered_once

Handler = Callable[[Call], Reply]
_SEMVER = re.compile(r"^(\d+)\.(\d+)\.(\d+)$")
log = logging.getLogger("weighbridge.demo")
STATE = "weighbridge"
"""Key of the ASGI scope under which `front` leaves the `Call` and finds the `Outcome`."""


class _Loader(yaml.CSafeLoader):
    """YAML as JSON sees it: dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Served:
    """One version of one contract, ready to be served."""

    contract: str
    number: str
    document: Document
    routes: tuple[tuple[re.Pattern[str], Operation], ...] = field(repr=False)

    @property
    def major(self) -> int:
        return int(self.number.partition(".")[0])

    @property
    def base_path(self) -> str:
        return f"/{self.contract}/v{self.major}"

    @cached_property
    def module(self) -> Any:
        return import_module(f"weighbridge.demo.backends.services.{self.contract.replace('-', '_')}_v{self.major}")

    def handler(self, operation_id: str) -> Handler:
        """Raises `LookupError` naming the function that is missing."""
        name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", operation_id).lower()
        found = getattr(self.module, name, None)
        if found is None:
            raise LookupError(f"{self.contract} {self.number}: no handler {self.module.__name__}.{name}")
        return found  # type: ignore[no-any-return]

    def operations_at(self, rest: str) -> list[Operation]:
        """The operations whose template matches the path below the base path; literal templates win."""
        matching = [operation for pattern, operation in self.routes if pattern.fullmatch(rest)]
        if not matching:
            return []
        best = min(operation.path.count("{") for operation in matching)
        return [operation for operation in matching if operation.path.count("{") == best]


def read(contract: str, path: Path) -> Served:
    tree = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a safe loader, minus its dates
    document = Document(tree)
    routes = tuple((_pattern(operation.path), operation) for operation in document.operations)
    return Served(contract, document.number, document, routes)


def newest(specs: Path, contract: str, behind: int = 0) -> dict[int, Served]:
    """The newest version of each major below ``specs/<contract>``, or the one `behind` minors before it."""
    by_major: dict[int, list[tuple[tuple[int, ...], Path]]] = {}
    for path in (specs / contract).glob("*.yaml"):
        if match := _SEMVER.match(path.stem):
            number = tuple(int(part) for part in match.groups())
            by_major.setdefault(number[0], []).append((number, path))
    return {
        major: read(contract, sorted(versions)[max(0, len(versions) - 1 - behind)][1])
        for major, versions in sorted(by_major.items())
    }


def application(served: Served) -> Any:
    """The ASGI application of one version. Raises `LookupError` for an operation without handler."""
    app = connexion.AsyncApp(
        f"{served.contract}-{served.number}",
        specification_dir="/",
        swagger_ui_options=SwaggerUIOptions(swagger_ui=False, serve_spec=False),
    )
    tree = to_openapi_30(served.document.tree)
    tree.pop("security", None)
    tree.pop("servers", None)
    tree.get("components", {}).pop("securitySchemes", None)
    for item in tree["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    functions = {
        operation.operation_id: _adapter(served, operation)
        for operation in served.document.operations
        if operation.operation_id
    }
    app.add_api(
        tree,
        base_path=served.base_path,
        resolver=Resolver(functions.__getitem__),
        # undeclared query parameters: ignored in major 1, refused from major 2 on
        strict_validation=served.major >= 2,
    )
    app.add_error_handler(ProblemException, _refused_by_connexion)
    app.add_error_handler(Exception, _failed)
    return app


@dataclass(slots=True)
class Outcome:
    """What `front` and the handlers share during one call: the call as far as it is known, then its end."""

    call: Call
    reply: Reply | None = None
    refusal: Refusal | None = None


def _adapter(served: Served, operation: Operation) -> Callable[..., Any]:
    handler = served.handler(str(operation.operation_id))
    declared_query = {parameter.name for parameter in operation.parameters if parameter.place == "query"}
    declared_path = {parameter.name for parameter in operation.parameters if parameter.place == "path"}
    creates = operation.method == "POST" and any(
        parameter.place == "header" and parameter.name.lower() == "idempotency-key"
        for parameter in operation.parameters
    )

    async def answer(**arguments: Any) -> Any:
        outcome: Outcome = connexion.request.scope[STATE]
        call = replace(
            outcome.call,
            operation_id=str(operation.operation_id),
            path={name: value for name, value in arguments.items() if name in declared_path},
            query={name: value for name, value in arguments.items() if name in declared_query and value is not None},
        )
        outcome.call = call
        try:
            outcome.reply = answered_once(call, handler) if creates else handler(call)
        except Refusal as refusal:
            outcome.refusal = refusal
        # front writes the true answer: this framework's own way of writing one adds nothing and loses 304 bodies
        return ConnexionResponse(status_code=204, body=b"")

    return answer


def _refused_by_connexion(request: ConnexionRequest, exc: Exception) -> ConnexionResponse:
    assert isinstance(exc, ProblemException)
    outcome: Outcome = request.scope[STATE]
    detail = str(exc.detail or exc.title or "")
    if exc.status >= 500:
        log.error("%s %s failed: %s", outcome.call.contract, outcome.call.operation_id, detail)
        outcome.refusal = Refusal(exc.status, "INTERNAL_ERROR", "Something broke here.")
    else:
        outcome.refusal = _refusal(exc.status, detail)
    return ConnexionResponse(status_code=exc.status, body="", mimetype=PROBLEM_JSON)


def _refusal(status: int, detail: str) -> Refusal:
    # the first line says what is wrong; a body's fault ends with its dotted path, the rest is the schema printed out
    said = detail.partition("\n")[0]
    message, _, path = said.rpartition(" - '")
    errors = None
    if message and path.endswith("'"):
        pointer = "/body/" + path[:-1].replace(".", "/")
        errors = [{"pointer": pointer[:300], "code": "VALIDATION_FAILED", "detail": message[:1000]}]
    return Refusal(status, "VALIDATION_FAILED", said[:1000], errors=errors)


def _failed(request: ConnexionRequest, exc: Exception) -> ConnexionResponse:
    outcome: Outcome = request.scope[STATE]
    log.error("%s %s failed", outcome.call.contract, outcome.call.operation_id, exc_info=exc)
    outcome.refusal = Refusal(500, "INTERNAL_ERROR", "Something broke here.")
    return ConnexionResponse(status_code=500, body="", mimetype=PROBLEM_JSON)


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", template)
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))

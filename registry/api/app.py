"""The management API assembled: our specification served by connexion, between the guard and the handlers.

The specification is read by ourselves and handed over as a tree: given a *file*, connexion would render it as a
template first. Published documents never come near it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import connexion
import yaml
from connexion.exceptions import BadRequestProblem, ProblemException
from connexion.json_schema import Draft4RequestValidator
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver
from connexion.validators import VALIDATOR_MAP, JSONRequestBodyValidator, ParameterValidator
from jsonschema import Draft4Validator, ValidationError  # type: ignore[import-untyped]
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from policies.model.document import escape
from registry.api import plain_routes, problems
from registry.api.desk import CALLER, DESK, REQUEST_ID, Answer, Call, Desk
from registry.api.guard import Guard
from registry.api.handlers import HANDLERS
from registry.documents import InvalidDocument
from registry.errors import Invalid, RegistryError

_ROOT = Path(__file__).resolve().parents[2]
SPECIFICATION = _ROOT / "specs" / "registry" / "v1" / "openapi.yaml"


@cache
def specification() -> dict[str, Any]:
    """The management API's own OpenAPI document. Do not change it."""
    tree: dict[str, Any] = yaml.load(SPECIFICATION.read_text(), yaml.CSafeLoader)
    return tree


def create(desk: Desk) -> ASGIApp:
    """The ASGI application of a registry: management API, token endpoint, health."""
    tree = specification()
    return Guard(tree, _governed(), plain_routes.create(desk, tree), desk)


@cache
def _governed() -> ASGIApp:
    """The part that connexion serves. It holds no state of a registry: the guard brings the desk with each request."""
    logging.getLogger("connexion").setLevel(logging.CRITICAL)  # it repeats every problem that we log ourselves
    app = connexion.AsyncApp(
        "registry",
        resolver=Resolver(lambda name: _endpoint(HANDLERS[name])),
        strict_validation=True,
        swagger_ui_options=SwaggerUIOptions(serve_spec=False, swagger_ui=False),
        validator_map={
            "parameter": _Parameters,
            "body": {**VALIDATOR_MAP["body"], "application/json": _JsonBody},
        },
    )
    app.add_api(deepcopy(specification()))
    for kind in (RegistryError, InvalidDocument, problems.Problem, ProblemException, HTTPException, Exception):
        app.add_error_handler(kind, _problem)
    governed: ASGIApp = app
    return governed


def _endpoint(handler: Callable[..., Any]) -> Callable[..., Any]:
    """What connexion calls: unpacks the request for the handler. Synchronous ones run in a worker thread."""

    def call(given: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
        request = connexion.request
        desk: Desk = request.scope[DESK]
        actor = given.pop("token_info")["actor"]
        given.pop("user", None)
        body = given.pop("body", None)
        named = {"from_" if name == "from" else name: value for name, value in given.items()}
        return Call(desk, actor, body, request.headers, desk.now(), request.scope.get(CALLER)), named

    if asyncio.iscoroutinefunction(handler):

        async def waiting(**given: Any) -> Any:
            made, named = call(given)
            answer: Answer = await handler(made, **named)
            return answer.response()

        return waiting

    def working(**given: Any) -> Any:
        made, named = call(given)
        answer: Answer = handler(made, **named)
        return answer.response()

    return working


async def _problem(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    request_id = request.scope[REQUEST_ID]
    problem = problems.of(error, request_id)
    return ConnexionResponse(
        status_code=problem.status,
        mimetype=problems.MEDIA_TYPE,
        body=problem.body(instance=request.scope["path"], request_id=request_id),
        headers=problem.headers,
    )


class _JsonBody(JSONRequestBodyValidator):  # type: ignore[misc]
    """Tells every fault with its pointer; connexion's tells the first, in prose. And a name given twice is a fault."""

    async def _parse(self, stream: AsyncGenerator[bytes, None], scope: Any) -> Any:
        body = b"".join([message async for message in stream])
        return json.loads(body, object_pairs_hook=_unique) if body else None

    def _validate(self, body: Any) -> None:
        if body is None and not self._nullable:
            raise Invalid("", "the body is empty")
        judge = Draft4RequestValidator(self._schema, format_checker=Draft4Validator.FORMAT_CHECKER)
        faults = [
            ("".join(f"/{escape(str(token))}" for token in error.absolute_path), _told(error))
            for error in judge.iter_errors(body)
        ]
        if faults:
            faults.sort()
            raise Invalid(*faults[0], *faults[1:20])


class _Parameters(ParameterValidator):  # type: ignore[misc]
    @staticmethod
    def validate_parameter(
        parameter_type: str, value: Any, param: dict[str, Any], param_name: Any = None
    ) -> str | None:
        pointer = f"/{parameter_type}/{param['name']}"
        if value is None:
            if param.get("required"):
                raise Invalid(pointer, f"the {parameter_type} parameter {param['name']} is missing")
            return None
        judge = Draft4Validator(param["schema"], format_checker=Draft4Validator.FORMAT_CHECKER)
        for error in judge.iter_errors(value):
            raise Invalid(pointer, _told(error))
        return None

    def validate_query_parameter_list(self, request: Any, security_params: Any = None) -> set[str]:
        unknown: set[str] = super().validate_query_parameter_list(request, security_params)
        if unknown:
            faults = [(f"/query/{escape(name)}", "there is no such parameter here") for name in sorted(unknown)]
            raise Invalid(*faults[0], *faults[1:20])
        return unknown

    def validate(self, scope: Any) -> None:
        try:
            super().validate(scope)
        except (ValueError, OverflowError) as error:  # numbers of thousands of digits
            raise BadRequestProblem(detail=f"a parameter is malformed: {type(error).__name__}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 section 4 leaves open which one counts; the sender and we might not choose the same."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        if name in tree:
            raise Invalid("", f"the member {_short(name)!r} stands twice in one object")
        tree[name] = value
    return tree


def _told(error: ValidationError) -> str:
    """An example says more than a pattern."""
    if error.validator == "pattern" and "example" in error.schema:
        return f"{_short(repr(error.instance))} is not written as it must be, which is like {error.schema['example']}"
    return _short(error.message)


def _short(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:200]} ... {message[-80:]}"

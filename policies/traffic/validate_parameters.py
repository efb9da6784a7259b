"""Judge path, query, header and cookie parameters against the operation, OpenAPI 3.x parameter objects.

Every parameter's way from text to value, and its compiled schema, are bound per route. A scalar given twice is refused,
because gateway and backend could read different ones. Undeclared query parameters are refused from major 2 on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from policies.model.document import Parameter
from policies.model.schema import Direction, standalone
from policies.traffic import Decision, Exchange, Fault, Phase, Policy, Problem, RouteFacts, policy
from policies.traffic.authorize_site import template_names
from policies.traffic.validate_media_types import is_json
from policies.traffic.validate_parameter_styles import Raw, Reading, reading
from policies.traffic.validate_parameter_values import Malformed, Shape, coercion, percent_decoded, shape_of
from policies.traffic.validate_schemas import MOST_FAULTS, Checker

STRICT_FROM_MAJOR = 2
_NOT_PARAMETERS = frozenset({"accept", "content-type", "authorization"})  # OpenAPI 3.1 section 4.8.12.1


class Reader:
    """One bound parameter: raw texts in, faults out (``None`` when good)."""

    __slots__ = (
        "_allow_empty",
        "_checker",
        "_coerce",
        "_fallback",
        "_is_valid",
        "_reading",
        "name",
        "pointer",
        "required",
        "shape",
    )

    def __init__(self, parameter: Parameter, read: Reading, shape: Shape, checker: Checker | None) -> None:
        self.name = parameter.name
        self.required = parameter.required
        self.pointer = f"/{parameter.place}/{parameter.name.replace('~', '~0').replace('/', '~1')}"
        self.shape = shape
        self._reading = read
        self._checker = checker
        self._is_valid = None if checker is None else checker.is_valid
        self._coerce = structured(shape)
        self._fallback = self._coerce is not None and shape.is_primitive and "string" in shape.kinds
        self._allow_empty = parameter.raw.get("allowEmptyValue") is True

    def judge(self, values: list[str]) -> Sequence[Fault] | None:
        if self._allow_empty and values == [""]:
            return None
        try:
            raw = self._reading(values)
        except Malformed as malformed:
            return (Fault(self.pointer, malformed.code, malformed.detail),)
        coerce, is_valid = self._coerce, self._is_valid
        if is_valid is None or is_valid(raw if coerce is None else coerce(raw)):
            return None
        return self.judge_raw(raw)

    def judge_raw(self, raw: Any) -> Sequence[Fault] | None:
        value = raw if self._coerce is None else self._coerce(raw)
        checker = self._checker
        if checker is None or checker.is_valid(value):
            return None
        if self._fallback and value is not raw and checker.is_valid(raw):
            return None
        return checker.faults(value, self.pointer)


def structured(shape: Shape) -> Callable[[Any], Any] | None:
    """Coercion of texts inside lists and dicts too; ``None`` where everything stays text."""
    if shape.is_primitive:
        return coercion(shape.kinds)
    scalar = coercion(shape.kinds - {"array", "object"})
    item = structured(shape.items) if shape.items is not None else None
    members = {name: structured(member) for name, member in shape.properties.items()}

    def coerce(raw: Raw) -> Any:
        if isinstance(raw, list):
            if len(raw) == 1 and "string" in shape.kinds and "array" not in shape.kinds:
                return raw[0]
            return raw if item is None else [item(text) for text in raw]
        if isinstance(raw, dict):
            return {name: (change(text) if (change := members.get(name)) else text) for name, text in raw.items()}
        return raw if scalar is None else scalar(raw)

    return coerce


class Spread:
    """An object whose members are query parameters of their own: ``deepObject``, or exploded ``form``."""

    __slots__ = ("deep", "prefix", "reader")

    def __init__(self, reader: Reader, *, deep: bool) -> None:
        self.reader = reader
        self.deep = deep
        self.prefix = f"{reader.name}["

    def claims(self, key: str) -> str | None:
        """The member that a query name stands for, if it is one of this object's."""
        if self.deep:
            return key[len(self.prefix) : -1] if key.startswith(self.prefix) and key.endswith("]") else None
        shape = self.reader.shape
        return key if key in shape.properties or (shape.open and not shape.properties) else None

    def judge(self, members: Mapping[str, list[str]]) -> Sequence[Fault] | None:
        raw: dict[str, Any] = {}
        for name, values in members.items():
            member = self.reader.shape.properties.get(name)
            pointer = f"{self.reader.pointer}/{name}"
            try:
                decoded = [percent_decoded(value.replace("+", " ")) for value in values]
            except Malformed as malformed:
                return (Fault(pointer, malformed.code, malformed.detail),)
            if member is not None and "array" in member.kinds:
                raw[name] = decoded
            elif len(decoded) > 1:
                return (Fault(pointer, "REPEATED", "The member may be given once."),)
            else:
                raw[name] = decoded[0]
        return self.reader.judge_raw(raw)


class ValidateParameters:
    __slots__ = ("_cookies", "_headers", "_path", "_query", "_report", "_required", "_spread", "_strict")
    phase = Phase.VALIDATE

    def __init__(self, facts: RouteFacts) -> None:
        order = template_names(facts.operation.path)
        self._report = facts.contract.request_validation == "report"
        self._strict = facts.version.major >= STRICT_FROM_MAJOR
        self._path: list[tuple[int, Reader]] = []
        self._query: dict[str, Reader | None] = {}
        self._headers: dict[bytes, Reader] = {}
        self._cookies: dict[str, Reader] = {}
        self._spread: list[Spread] = []
        for parameter in facts.operation.parameters:
            reader = bound(facts, parameter)
            if parameter.place == "path":
                if parameter.name in order:
                    self._path.append((order.index(parameter.name), reader))
            elif parameter.place == "header":
                if parameter.name.lower() not in _NOT_PARAMETERS:
                    self._headers[parameter.name.lower().encode("latin-1", "replace")] = reader
            elif parameter.place == "cookie":
                self._cookies[parameter.name] = reader
            elif "object" in reader.shape.kinds and not parameter.payload.media_type and _is_spread(parameter):
                self._spread.append(Spread(reader, deep=parameter.style == "deepObject"))
            else:
                self._query[parameter.name] = reader
        for scheme in facts.document.security_schemes.values():
            if scheme.get("type") == "apiKey" and scheme.get("in") == "query":
                self._query.setdefault(str(scheme.get("name")), None)
        self._required = tuple(reader for reader in self._query.values() if reader is not None and reader.required)

    def decide(self, exchange: Exchange) -> Decision:
        faults: list[Fault] = []
        for index, reader in self._path:
            if found := reader.judge([exchange.parameters[index]]):
                faults.extend(found)
        query = exchange.query
        if query or self._required or self._spread:
            self._judge_query(query, faults)
        if self._headers:
            self._judge_headers(exchange, faults)
        if self._cookies:
            self._judge_cookies(exchange, faults)
        return refusal(exchange, faults, report=self._report) if faults else None

    def _judge_query(self, query: str, faults: list[Fault]) -> None:
        seen: dict[str, list[str]] = {}
        for pair in query.split("&"):
            if not pair:
                continue
            key, _, value = pair.partition("=")
            if "%" in key or "+" in key:
                try:
                    key = percent_decoded(key.replace("+", " "))
                except Malformed as malformed:
                    faults.append(Fault("/query", malformed.code, malformed.detail))
                    continue
            if key in seen:
                seen[key].append(value)
            else:
                seen[key] = [value]
        for reader in self._required:
            if reader.name not in seen:
                faults.append(missing(reader))
        if self._spread:
            self._judge_spread(seen, faults)
        declared = self._query
        for key, values in seen.items():
            if key not in declared:
                if self._strict:
                    name = key.replace("~", "~0").replace("/", "~1")
                    faults.append(Fault(f"/query/{name}", "UNDECLARED", "The operation has no such parameter."))
                continue
            known = declared[key]
            if known is not None and (found := known.judge(values)):
                faults.extend(found)

    def _judge_spread(self, seen: dict[str, list[str]], faults: list[Fault]) -> None:
        for spread in self._spread:
            members = {
                member: key for key in seen if key not in self._query and (member := spread.claims(key)) is not None
            }
            if members:
                if found := spread.judge({member: seen.pop(key) for member, key in members.items()}):
                    faults.extend(found)
            elif spread.reader.required:
                faults.append(missing(spread.reader))

    def _judge_headers(self, exchange: Exchange, faults: list[Fault]) -> None:
        given: dict[bytes, list[str]] = {}
        for name, value in exchange.headers:
            if name in self._headers:
                given.setdefault(name, []).append(field_text(value))
        self._judge_named(self._headers, given, faults)

    def _judge_cookies(self, exchange: Exchange, faults: list[Fault]) -> None:
        given: dict[str, list[str]] = {}
        for name, value in exchange.headers:
            if name == b"cookie":
                for pair in field_text(value).split(";"):
                    key, _, text = pair.strip().partition("=")
                    if key in self._cookies:
                        given.setdefault(key, []).append(text)
        self._judge_named(self._cookies, given, faults)

    @staticmethod
    def _judge_named(readers: Mapping[Any, Reader], given: Mapping[Any, list[str]], faults: list[Fault]) -> None:
        for key, reader in readers.items():
            values = given.get(key)
            if values is None:
                if reader.required:
                    faults.append(missing(reader))
            elif found := reader.judge(values):
                faults.extend(found)


def bound(facts: RouteFacts, parameter: Parameter, direction: Direction = "request") -> Reader:
    """Bind one parameter or response header. With ``content`` it holds a document of that media type, not a style."""
    payload = parameter.payload
    checker = facts.schemas.of_payload(facts.document, payload, direction)
    if payload.media_type:
        return Reader(parameter, document_reading(parameter), Shape(frozenset()), checker)
    shape = Shape(frozenset({"string"}))
    if payload.schema is not None:
        shape = shape_of(standalone(facts.document, payload.schema, direction))
    return Reader(parameter, reading(parameter, shape), shape, checker)


def document_reading(parameter: Parameter) -> Reading:
    plain = reading(parameter, Shape(frozenset({"string"})))
    if not is_json(parameter.payload.media_type):
        return plain

    def read(values: list[str]) -> Raw:
        try:
            value: Raw = orjson.loads(str(plain(values)))
        except orjson.JSONDecodeError:
            raise Malformed("JSON", "The parameter does not hold JSON.") from None
        return value

    return read


def field_text(value: bytes) -> str:
    """A header field as text: UTF-8 where it is, else one character per byte (RFC 9110 section 5.5)."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def missing(reader: Reader) -> Fault:
    return Fault(reader.pointer, "REQUIRED", "The parameter is missing.")


def refusal(exchange: Exchange, faults: Sequence[Fault], *, report: bool) -> Problem | None:
    """400 with every fault found; in ``report`` mode they are noted and the exchange goes on."""
    told = tuple(faults[:MOST_FAULTS])
    if report:
        exchange.request_faults += told
        return None
    more = len(faults) - 1
    first = f"{faults[0].pointer}: {faults[0].detail}"
    return Problem(
        status=400,
        slug="validation-failed",
        title="The request breaks the contract",
        detail=first if not more else f"{first} ({more} more in errors)",
        errors=told,
    )


def _is_spread(parameter: Parameter) -> bool:
    return parameter.style == "deepObject" or (parameter.style == "form" and parameter.explode)


@policy
def validate_parameters(facts: RouteFacts) -> Policy | None:
    """Refuses a call whose parameters break the contract, before it reaches the backend, naming each fault.

    Send only declared parameters (from major 2 on others are refused), each scalar once, encoded in the declared style.
    """
    if facts.contract.request_validation == "off":
        return None
    return ValidateParameters(facts)

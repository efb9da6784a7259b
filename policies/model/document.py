"""The document: one parsed OpenAPI 3.0 or 3.1 description, read the same way by lint, compat and the gateway.

Owns how a document is read: references, the merge of path and operation parameters, security defaults. It never
fetches: only ``#/...`` references exist here (`registry.documents` bundles files before). The subtle thing is that
nothing is inlined: every node keeps the JSON pointer of its *definition*, so recursion costs nothing and findings point
at a place. Schemas become JSON Schema 2020-12 in `policies.model.schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import unquote

import orjson

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
Place = Literal["path", "query", "header", "cookie"]
DEFAULT_STYLE = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}


class UnresolvedReference(LookupError):
    """A ``$ref`` that leads nowhere inside the document, or in a circle. Carries the `pointer` of the reference."""

    def __init__(self, pointer: str, reference: str) -> None:
        super().__init__(f"{pointer}: $ref {reference!r} leads nowhere inside this document")
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the document: the value, the pointer of its definition, the pointer where it was used."""

    value: Any
    pointer: str
    used_at: str = ""

    def get(self, key: str, default: Any = None) -> Any:
        return self.value.get(key, default) if isinstance(self.value, Mapping) else default


@dataclass(frozen=True, slots=True)
class Payload:
    """The schema of one media type, of a parameter or of a header. `schema` is ``None`` where none is declared."""

    media_type: str
    schema: Node | None
    pointer: str
    examples: tuple[tuple[str, Any], ...] = ()
    """(pointer, value) of every example beside the schema."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: Place
    required: bool
    style: str
    explode: bool
    allow_reserved: bool
    payload: Payload
    """`payload.media_type` is empty unless the parameter uses ``content``."""
    pointer: str
    deprecated: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestBody:
    required: bool
    payloads: tuple[Payload, ...]
    pointer: str


@dataclass(frozen=True, slots=True)
class Response:
    """`status` as written: ``200``, ``2XX`` or ``default``."""

    status: str
    payloads: tuple[Payload, ...]
    headers: tuple[Parameter, ...]
    pointer: str
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One scheme inside one security alternative. `kind` is the scheme's ``type``, with ``http`` as ``http:bearer``."""

    scheme: str
    kind: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    """Upper case."""
    path: str
    """The template as written, ``/sites/{siteId}/availability``."""
    operation_id: str | None
    parameters: tuple[Parameter, ...]
    request_body: RequestBody | None
    responses: tuple[Response, ...]
    security: tuple[tuple[Requirement, ...], ...] | None
    """Alternatives, each a conjunction; an empty conjunction means *no authentication*. ``None``: nothing declared."""
    pointer: str
    raw: Mapping[str, Any] = field(default_factory=dict)
    servers: tuple[Mapping[str, Any], ...] = ()
    """Where it is served: its own servers, or else those of its path, or else the document's."""

    @property
    def key(self) -> str:
        """``GET /sites/{siteId}/availability``, the name findings use."""
        return f"{self.method} {self.path}"


def escape(token: str) -> str:
    """One JSON pointer token, RFC 6901 section 3."""
    return token.replace("~", "~0").replace("/", "~1")


def canonical(tree: Any) -> bytes:
    """Equal content gives equal bytes: sorted keys, no blanks, UTF-8."""
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)


def digest(tree: Any) -> str:
    """The identity of a document's content."""
    return "sha256:" + sha256(canonical(tree)).hexdigest()


class Document:
    """A parsed document. `tree` must be JSON: string keys, no dates. Treat it as frozen.

    Reading an operation raises `UnresolvedReference` for a dangling or circular ``$ref``; `registry.documents` refuses
    such a document at the door, so nobody behind it meets one.
    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree

    @cached_property
    def digest(self) -> str:
        return digest(self.tree)

    @property
    def openapi(self) -> str:
        return str(self.tree.get("openapi", ""))

    @property
    def is_30(self) -> bool:
        return self.openapi.startswith("3.0")

    @property
    def title(self) -> str:
        return str(self.tree.get("info", {}).get("title", ""))

    @property
    def number(self) -> str:
        """``info.version``, the semver claimed."""
        return str(self.tree.get("info", {}).get("version", ""))

    def at(self, pointer: str) -> Any:
        """The value at a JSON pointer (with or without ``#``). Raises `LookupError`, also for an anchor (``#name``)."""
        first, *tokens = pointer.removeprefix("#").split("/")
        if first:
            raise LookupError(f"{pointer} is not a JSON pointer")
        value: Any = self.tree
        for token in tokens:
            key = token.replace("~1", "/").replace("~0", "~")
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value

    def resolve(self, value: Any, pointer: str, *, schema: bool = False) -> Node:
        """Follow references until something that is not one. What stands beside a ``$ref`` counts in 3.1 schemas only:
        with `schema` such a place is where the following ends."""
        used_at = pointer
        seen: set[str] = set()
        while isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
            reference: str = value["$ref"]
            if reference in seen or not reference.startswith("#"):
                raise UnresolvedReference(pointer, reference)
            if schema and seen and len(value) > 1 and not self.is_30:
                break
            seen.add(reference)
            named = reference != "#" and not reference.startswith("#/")
            target = self.anchors.get(reference[1:], reference) if named else _unquote(reference)
            try:
                value = self.at(target)
            except (LookupError, ValueError, TypeError):
                raise UnresolvedReference(pointer, reference) from None
            pointer = target.removeprefix("#")
        return Node(value, pointer, used_at)

    @cached_property
    def anchors(self) -> dict[str, str]:
        """The pointer of every schema that has a name of its own (``$anchor``). A name given twice names nothing."""
        found: dict[str, str | None] = {}
        todo: list[tuple[Any, str]] = [(self.tree, "")]
        while todo:
            value, pointer = todo.pop()
            if isinstance(value, Mapping):
                if isinstance(value.get("$anchor"), str):
                    found[value["$anchor"]] = None if value["$anchor"] in found else pointer
                todo += ((entry, f"{pointer}/{escape(str(key))}") for key, entry in value.items())
            elif isinstance(value, list):
                todo += ((entry, f"{pointer}/{index}") for index, entry in enumerate(value))
        return {name: pointer for name, pointer in found.items() if pointer is not None}

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation under ``paths``, in the document's order."""
        return tuple(self._operations("/paths", self.tree.get("paths") or {}))

    @cached_property
    def webhooks(self) -> tuple[Operation, ...]:
        """3.1 webhooks: operations whose direction is reversed."""
        return tuple(self._operations("/webhooks", self.tree.get("webhooks") or {}))

    def callbacks(self, operation: Operation) -> dict[str, tuple[Operation, ...]]:
        """By name, the calls that the service makes back to whoever called `operation`: the direction is reversed, and
        `Operation.path` is the runtime expression of the address."""
        base = f"{operation.pointer}/callbacks"
        found: dict[str, tuple[Operation, ...]] = {}
        for name, raw in (operation.raw.get("callbacks") or {}).items():
            callback = self.resolve(raw, f"{base}/{escape(name)}")
            found[name] = tuple(self._operations(callback.pointer, callback.value))
        return found

    @cached_property
    def one_way(self) -> frozenset[str]:
        """Which of ``readOnly`` and ``writeOnly`` stand anywhere in the document."""
        found: set[str] = set()
        todo: list[Any] = [self.tree]
        while todo:
            value = todo.pop()
            if isinstance(value, Mapping):
                found.update(value.keys() & {"readOnly", "writeOnly"})
                todo += value.values()
            elif isinstance(value, list):
                todo += value
        return frozenset(found)

    @cached_property
    def security_schemes(self) -> dict[str, Mapping[str, Any]]:
        schemes = (self.tree.get("components") or {}).get("securitySchemes") or {}
        base = "/components/securitySchemes"
        return {name: self.resolve(raw, f"{base}/{escape(name)}").value for name, raw in schemes.items()}

    # -- reading ------------------------------------------------------------------------------------------------------

    def _operations(self, base: str, paths: Mapping[str, Any]) -> Iterator[Operation]:
        for path, raw_item in paths.items():
            if path.startswith("x-"):
                continue
            item = self.resolve(raw_item, f"{base}/{escape(path)}")
            for method in METHODS:
                if isinstance(item.get(method), Mapping):
                    yield self._operation(path, method, item)

    def _operation(self, path: str, method: str, item: Node) -> Operation:
        raw: Mapping[str, Any] = item.value[method]
        pointer = f"{item.pointer}/{method}"
        merged: dict[tuple[str, str], Parameter] = {}
        for owner, at in ((item.value, item.pointer), (raw, pointer)):
            for index, entry in enumerate(owner.get("parameters") or ()):
                parameter = self.parameter(self.resolve(entry, f"{at}/parameters/{index}"))
                merged[parameter.place, parameter.name] = parameter
        body = raw.get("requestBody")
        responses = raw.get("responses") or {}
        return Operation(
            method=method.upper(),
            path=path,
            operation_id=raw.get("operationId"),
            parameters=tuple(merged.values()),
            request_body=self._body(self.resolve(body, f"{pointer}/requestBody")) if body is not None else None,
            responses=tuple(
                self._response(str(status), self.resolve(entry, f"{pointer}/responses/{escape(str(status))}"))
                for status, entry in responses.items()
                if not str(status).startswith("x-")
            ),
            security=self._security(raw),
            pointer=pointer,
            raw=raw,
            servers=_listed(raw.get("servers") or item.get("servers") or self.tree.get("servers")),
        )

    def parameter(self, node: Node, *, header: str | None = None) -> Parameter:
        """Read a parameter object, or (with `header`) a response header object of that name."""
        place: Place = "header" if header is not None else node.value["in"]
        style = node.get("style") or DEFAULT_STYLE[place]
        if content := node.get("content"):
            media_type, entry = next(iter(content.items()))
            payload = self._payload(media_type, entry, f"{node.pointer}/content/{escape(media_type)}")
        else:
            payload = self._payload("", node.value, node.pointer)
        return Parameter(
            name=header if header is not None else node.value["name"],
            place=place,
            required=bool(node.get("required", False)) or place == "path",
            style=style,
            explode=bool(node.get("explode", style == "form")),
            allow_reserved=bool(node.get("allowReserved", False)),
            payload=payload,
            pointer=node.pointer,
            deprecated=bool(node.get("deprecated", False)),
            raw=node.value,
        )

    def _body(self, node: Node) -> RequestBody:
        return RequestBody(bool(node.get("required", False)), self._payloads(node), node.pointer)

    def _response(self, status: str, node: Node) -> Response:
        headers = node.get("headers") or {}
        return Response(
            status=status.upper() if status != "default" else status,
            payloads=self._payloads(node),
            headers=tuple(
                self.parameter(self.resolve(entry, f"{node.pointer}/headers/{escape(name)}"), header=name)
                for name, entry in headers.items()
            ),
            pointer=node.pointer,
            raw=node.value,
        )

    def _payloads(self, node: Node) -> tuple[Payload, ...]:
        content = node.get("content") or {}
        return tuple(
            self._payload(media_type, entry, f"{node.pointer}/content/{escape(media_type)}")
            for media_type, entry in content.items()
        )

    def _payload(self, media_type: str, entry: Mapping[str, Any], pointer: str) -> Payload:
        schema = entry.get("schema")
        examples: list[tuple[str, Any]] = []
        if "example" in entry:
            examples.append((f"{pointer}/example", entry["example"]))
        for name, raw in (entry.get("examples") or {}).items():
            example = self.resolve(raw, f"{pointer}/examples/{escape(name)}")
            if isinstance(example.value, Mapping) and "value" in example.value:
                examples.append((f"{example.pointer}/value", example.value["value"]))
        node = None if schema is None else Node(schema, f"{pointer}/schema", f"{pointer}/schema")
        return Payload(media_type, node, pointer, tuple(examples))

    def _security(self, raw: Mapping[str, Any]) -> tuple[tuple[Requirement, ...], ...] | None:
        declared = raw.get("security", self.tree.get("security"))
        if declared is None:
            return None
        return tuple(
            tuple(Requirement(name, self._kind(name), tuple(scopes)) for name, scopes in alternative.items())
            for alternative in declared
        ) or ((),)

    def _kind(self, scheme: str) -> str:
        raw = self.security_schemes.get(scheme, {})
        kind = str(raw.get("type", ""))
        return f"http:{str(raw.get('scheme', '')).lower()}" if kind == "http" else kind


def _listed(value: Any) -> tuple[Mapping[str, Any], ...]:
    return tuple(entry for entry in value if isinstance(entry, Mapping)) if isinstance(value, list) else ()


def _unquote(reference: str) -> str:
    # a fragment is percent-encoded, RFC 6901 section 6
    return unquote(reference) if "%" in reference else reference

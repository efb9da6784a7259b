"""Walks a document once and hands out subjects: every definition one time, whoever uses it and however often.

The subtle thing is the lanes: a shared schema is visited again only when somebody reaches it in a new lane, so
recursion ends and the work stays proportional to the document. A ``readOnly`` member is not part of what a consumer
sends, nor a ``writeOnly`` one of what it reads, and lanes stop there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.lint.rule import Target
from policies.lint.subjects import Body, Lane, Path, Property, Role, Schema, types_of
from policies.model.document import Document, Node, Operation, Parameter, Payload, Response, UnresolvedReference, escape

_ONE: Mapping[str, Role] = {
    "items": "item",
    "additionalProperties": "property",
    "unevaluatedItems": "item",
    "unevaluatedProperties": "property",
    "contains": "test",
    "contentSchema": "test",
    "propertyNames": "test",
    "not": "test",
    "if": "test",
    "then": "part",
    "else": "part",
}
_MANY: Mapping[str, Role] = {"allOf": "part", "anyOf": "branch", "oneOf": "branch", "prefixItems": "item"}
_NAMED: Mapping[str, Role] = {
    "properties": "property",
    "patternProperties": "property",
    "dependentSchemas": "part",
    "$defs": "test",
    "definitions": "test",
}


class Walk:
    """`subjects` maps a target to its subjects; `operation_of` names the operation that holds a pointer, if any."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._bodies: dict[tuple[str, str | None], Body] = {}
        self._responses: dict[tuple[str, str], Response] = {}
        self._parameters: dict[str, Parameter] = {}
        self._seen: dict[str, tuple[Mapping[str, Any], set[Lane], set[Role]]] = {}
        self._todo: list[tuple[Node, frozenset[Lane], Role]] = []
        self._targets: dict[str, Node] = {}
        self._holders = {op.pointer: op.key for op in (*document.operations, *document.webhooks)}
        for operation in document.operations:
            self._operation(operation, "request", "response")
        for webhook in document.webhooks:
            # a webhook's body is read by the consumer, and the consumer answers
            self._operation(webhook, "response", "request")
        self._schemas()
        schemas = tuple(
            Schema(raw, pointer, frozenset(lanes), frozenset(roles), types_of(raw))
            for pointer, (raw, lanes, roles) in self._seen.items()
        )
        self.subjects: Mapping[Target, tuple[Any, ...]] = {
            "document": (document,),
            "path": tuple(self._paths()),
            "operation": document.operations,
            "parameter": tuple(self._parameters.values()),
            "body": tuple(self._bodies.values()),
            "response": tuple(self._responses.values()),
            "schema": schemas,
            "property": tuple(self._properties(schemas)),
        }

    def operation_of(self, pointer: str) -> str | None:
        """Named only where the operation's own text is at fault: what components hold belongs to nobody alone."""
        tokens = pointer.split("/")
        return self._holders.get("/".join(tokens[:4])) if len(tokens) > 3 else None

    # -- from the outside in ------------------------------------------------------------------------------------------

    def _paths(self) -> Iterator[Path]:
        for template in self.document.tree.get("paths") or ():
            if not template.startswith("x-"):
                yield Path(template, f"/paths/{escape(template)}")

    def _operation(self, operation: Operation, sent: Lane, read: Lane) -> None:
        for parameter in operation.parameters:
            self._parameters.setdefault(parameter.pointer, parameter)
            self._payload(parameter.payload, sent, "parameter")
        if operation.request_body is not None:
            for payload in operation.request_body.payloads:
                self._body(payload, sent, None)
        for response in operation.responses:
            self._responses.setdefault((response.pointer, response.status), response)
            lane: Lane = "error" if is_error(response.status) and read == "response" else read
            for header in response.headers:
                self._payload(header.payload, lane, "header")
            for payload in response.payloads:
                self._body(payload, lane, response.status)

    def _body(self, payload: Payload, lane: Lane, status: str | None) -> None:
        self._bodies.setdefault((payload.pointer, status), Body(payload, lane, status, payload.pointer))
        self._payload(payload, lane, "root")

    def _payload(self, payload: Payload, lane: Lane, role: Role) -> None:
        if payload.schema is not None:
            self._todo.append((payload.schema, frozenset({lane}), role))

    # -- schemas ------------------------------------------------------------------------------------------------------

    def _schemas(self) -> None:
        while self._todo:
            node, lanes, role = self._todo.pop()
            if not isinstance(node.value, Mapping):
                continue
            raw, known, roles = self._seen.setdefault(node.pointer, (node.value, set(), set()))
            roles.add(role)
            if lanes <= known:
                continue
            known |= lanes
            if isinstance(raw.get("$ref"), str):
                self._follow(raw, node.pointer, lanes, role)
                if self.document.is_30:
                    continue  # a 3.0 reference hides what stands beside it
            self._children(raw, node.pointer, lanes)

    def _follow(self, raw: Mapping[str, Any], pointer: str, lanes: frozenset[Lane], role: Role) -> None:
        try:
            self._todo.append((self._target(raw["$ref"], pointer), lanes, role))
        except UnresolvedReference:
            return  # the safe door refuses such documents with a better message

    def _children(self, raw: Mapping[str, Any], pointer: str, lanes: frozenset[Lane]) -> None:
        for keyword, role in _ONE.items():
            if keyword in raw:
                self._child(raw[keyword], f"{pointer}/{keyword}", lanes, role)
        for keyword, role in _MANY.items():
            if isinstance(raw.get(keyword), list):
                for index, entry in enumerate(raw[keyword]):
                    self._child(entry, f"{pointer}/{keyword}/{index}", lanes, role)
        for keyword, role in _NAMED.items():
            if isinstance(raw.get(keyword), Mapping):
                for name, entry in raw[keyword].items():
                    self._child(entry, f"{pointer}/{keyword}/{escape(name)}", lanes, role)

    def _child(self, value: Any, pointer: str, lanes: frozenset[Lane], role: Role) -> None:
        if isinstance(value, Mapping):
            reached = self._visible(value, lanes)
            if reached:
                self._todo.append((Node(value, pointer, pointer), reached, role))

    def _properties(self, schemas: tuple[Schema, ...]) -> Iterator[Property]:
        for owner in schemas:
            properties = owner.raw.get("properties")
            if not isinstance(properties, Mapping):
                continue
            for name, entry in properties.items():
                lanes = self._visible(entry, owner.lanes) if isinstance(entry, Mapping) else frozenset[Lane]()
                if lanes:
                    schema = self.seen_through(entry)
                    pointer = f"{owner.pointer}/properties/{escape(name)}"
                    yield Property(name, pointer, schema, owner.raw, lanes, types_of(schema))

    def seen_through(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a member's schema refers to, also through an ``allOf``, ``anyOf`` or ``oneOf`` with a single branch
        besides null: 3.0 and 3.1 write *that or null* this way."""
        inner = raw
        for _ in range(8):
            try:
                found = self._target(inner["$ref"], "").value if isinstance(inner.get("$ref"), str) else _lone(inner)
            except UnresolvedReference:
                return inner
            if not isinstance(found, Mapping):
                break
            inner = found
        return inner

    def _target(self, reference: str, pointer: str) -> Node:
        if reference not in self._targets:
            self._targets[reference] = self.document.resolve({"$ref": reference}, pointer)
        return self._targets[reference]

    def _visible(self, raw: Mapping[str, Any], lanes: frozenset[Lane]) -> frozenset[Lane]:
        target = self.seen_through(raw) if "$ref" in raw else raw
        if raw.get("readOnly") is True or target.get("readOnly") is True:
            return lanes - {"request"}
        if raw.get("writeOnly") is True or target.get("writeOnly") is True:
            return lanes & {"request"}
        return lanes


def is_error(status: str) -> bool:
    """4xx, 5xx and ``default``, which stands for whatever was not foreseen."""
    return status[:1] in ("4", "5") or status == "default"


def _lone(raw: Mapping[str, Any]) -> Any:
    """The only branch there is besides null; ``None`` where the schema says something itself or there are several."""
    if "type" in raw:
        return None
    for keyword in ("allOf", "anyOf", "oneOf"):
        branches = raw.get(keyword)
        if isinstance(branches, list):
            left = [branch for branch in branches if branch != {"type": "null"}]
            return left[0] if len(left) == 1 else None
    return None

"""Both documents walked in step: who is paired with whom, from the document down to the schemas.

Owns the pairing (operations by method and template, parameters by place and name, statuses with their fallbacks,
media types with their wildcards) and nothing else: what a difference means is for the rules, whether it hurts for
`values`. What is not understood and differs is never passed over: it becomes ``compat.unproven``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from policies.compat.claims import Said
from policies.compat.headers import HeaderPair
from policies.compat.ledger import Ledger, Where
from policies.compat.links import LinkPair
from policies.compat.operations import OperationPair
from policies.compat.parameters import ParameterPair
from policies.compat.payloads import BodyPair, MediaPair, ResponsePair
from policies.compat.sameness import same_raw
from policies.compat.security import SecurityPair, alternatives
from policies.compat.shapes import canonical_value
from policies.compat.values import Values
from policies.model.audience import is_marked
from policies.model.document import Document, Operation, Parameter, Payload, Response, UnresolvedReference
from policies.model.schema import Direction

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
Servers = tuple[Mapping[str, Any], ...]
_DEFAULT_SERVERS: Servers = ({"url": "/"},)
"""What a document that names no server means."""
_NOT_PARAMETERS = frozenset({"accept", "content-type", "authorization"})
"""Header parameters of these names are to be ignored (OpenAPI, Parameter Object): bodies and security speak of them."""
_FLIPPED: dict[Direction, Direction] = {"request": "response", "response": "request"}


class Walk:
    """One walk over two documents. `coverage` counts the pairs looked at."""

    def __init__(self, old: Document, new: Document) -> None:
        self.old = old
        self.new = new
        self.ledger = Ledger()
        self.values = Values(old, new, self.ledger)
        self.coverage = dict.fromkeys(("operations", "parameters", "statuses", "media_types", "schemas"), 0)

    def documents(self) -> None:
        """Everything, in the order of the old document."""
        try:
            self._operations(self.old.operations, self.new.operations)
            self._webhooks()
        except UnresolvedReference as error:
            self._unproven(Where(None, None), f"the document cannot be read: {error}")
        self._servers(_listed(self.old), _listed(self.new), Where("/servers", "/servers"))
        for key in ("jsonSchemaDialect",):
            if self.old.tree.get(key) != self.new.tree.get(key):
                self._unproven(Where(f"/{key}", f"/{key}"), f"{key} differs")

    def words_changed(self) -> None:
        """Say that only prose differs."""
        where = Where("", "")
        self.ledger.write(
            "compat.prose-changed", Said("only words changed: descriptions, examples, contacts or tags"), where
        )

    # -- operations ---------------------------------------------------------------------------------------------------

    def _operations(
        self,
        old: Iterable[Operation],
        new: Iterable[Operation],
        *,
        flipped: bool = False,
        key: Callable[[Operation], Hashable] | None = None,
    ) -> None:
        key = key or _template
        counterparts = {key(operation): operation for operation in new}
        for operation in old:
            self._operation(operation, counterparts.pop(key(operation), None), flipped=flipped)
        for operation in counterparts.values():
            self._operation(None, operation, flipped=flipped)

    def _webhooks(self) -> None:
        """The service calls and the subscriber answers, so the direction is reversed."""
        self._operations(self.old.webhooks, self.new.webhooks, flipped=True)

    def _operation(self, old: Operation | None, new: Operation | None, *, flipped: bool) -> None:
        self.coverage["operations"] += 1
        named = new or old
        where = Where(
            old.pointer if old else None, new.pointer if new else None, operation=named.key if named else None
        )
        internal = (
            old is not None and is_marked(self.old, old),
            new is not None and is_marked(self.new, new),
        )
        self.ledger.apply("operation", OperationPair(old, new, flipped, internal), where)
        if old is None or new is None:
            return
        request: Direction = "response" if flipped else "request"
        if not flipped:
            self._security(old, new, where)
        elif old.raw.get("security") != new.raw.get("security"):
            self._unproven(where, f"what {new.key} authenticates with differs, and only its receiver can tell")
        self._parameters(old, new, where, request)
        self._body(old, new, where, request)
        self._responses(old, new, where, _FLIPPED[request])
        self._callbacks(old, new, flipped=flipped)
        if old.servers != _listed(self.old) or new.servers != _listed(self.new):
            self._servers(old.servers, new.servers, where)

    def _callbacks(self, old: Operation, new: Operation, *, flipped: bool) -> None:
        """Met by name and by the expression of their address, word for word."""
        mine, theirs = self.old.callbacks(old), self.new.callbacks(new)
        for name in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(name, ()), theirs.get(name, ())
            self._operations(a, b, flipped=not flipped, key=lambda operation: (operation.method, operation.path))

    def _security(self, old: Operation, new: Operation, where: Where) -> None:
        pair = SecurityPair(alternatives(self.old, old), alternatives(self.new, new))
        if pair.old == pair.new:
            return
        # most operations share the document's security, so the same change is told once
        key = ("security", tuple(tuple(sorted(side.items())) for side in (*pair.old, {"": frozenset()}, *pair.new)))
        there = Where(_security_at(old), _security_at(new), operation=where.operation, direction="request")
        with self.ledger.once(key, where.operation) as first:
            if first:
                self.ledger.apply("security", pair, there)

    # -- parameters ---------------------------------------------------------------------------------------------------

    def _parameters(self, old: Operation, new: Operation, where: Where, direction: Direction) -> None:
        mine, theirs = _by_place(old), _by_place(new)
        for key in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(key), theirs.get(key)
            there = Where(
                a.pointer if a else None, b.pointer if b else None, operation=where.operation, direction=direction
            )
            with self.ledger.once(("parameter", there.old, there.new, direction), where.operation) as first:
                if first:
                    self._parameter(a, b, there)

    def _parameter(self, old: Parameter | None, new: Parameter | None, where: Where) -> None:
        self.coverage["parameters"] += 1
        scalar = all(self._is_scalar(document, p) for document, p in ((self.old, old), (self.new, new)) if p)
        pair: ParameterPair | HeaderPair = ParameterPair(old, new, scalar)
        if where.direction == "request":
            self.ledger.apply("parameter", pair, where)
        else:
            named = new or old
            pair = HeaderPair(old, new, scalar, f"{named.place} parameter" if named else "")
            self.ledger.apply("header", pair, where)
        if old and new and old.payload.media_type == new.payload.media_type:
            self._payload(old.payload, new.payload, _named(where, pair.called, wire=not new.payload.media_type))

    def _is_scalar(self, document: Document, parameter: Parameter) -> bool:
        node = parameter.payload.schema
        return node is not None and self.values.is_scalar(document, node)

    # -- bodies -------------------------------------------------------------------------------------------------------

    def _body(self, old: Operation, new: Operation, where: Where, direction: Direction) -> None:
        a, b = old.request_body, new.request_body
        there = Where(
            a.pointer if a else old.pointer, b.pointer if b else new.pointer, "body", where.operation, direction
        )
        if a is None and b is None:
            return
        with self.ledger.once(("body", there.old, there.new, direction), where.operation) as first:
            if not first:
                return
            self.ledger.apply("body", BodyPair(a, b, flipped=direction == "response"), there)
            if a and b:
                self._media_types(a.payloads, b.payloads, there, direction)

    def _media_types(
        self, old: tuple[Payload, ...], new: tuple[Payload, ...], where: Where, direction: Direction
    ) -> None:
        mine, theirs = ({_media(payload.media_type): payload for payload in side} for side in (old, new))
        for media_type in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(media_type), theirs.get(media_type)
            if b is None:
                b = _covering(media_type, theirs)
            elif a is None:
                a = _covering(media_type, mine)
            self.coverage["media_types"] += 1
            there = where.at(a.pointer if a else where.old, b.pointer if b else where.new)
            self.ledger.apply("media", MediaPair(direction, media_type, a, b), there)
            if a and b:
                self._payload(a, b, _named(there, where.name, media_type=media_type))

    def _payload(self, old: Payload, new: Payload, where: Where) -> None:
        self.coverage["schemas"] += 1
        self.values.compare(old.schema, new.schema, where)
        a, b = (document.at(payload.pointer) for document, payload in ((self.old, old), (self.new, new)))
        for key in ("encoding", "itemSchema", "itemEncoding", "prefixEncoding"):
            if a.get(key) != b.get(key) and not same_raw(self.old, a.get(key), self.new, b.get(key)):
                self._unproven(where, f"{key} of {where.name} differs and is not compared")

    # -- responses ----------------------------------------------------------------------------------------------------

    def _responses(self, old: Operation, new: Operation, where: Where, direction: Direction) -> None:
        mine, theirs = ({response.status: response for response in side.responses} for side in (old, new))
        bodies = any(response.payloads for status, response in mine.items() if status.startswith("2"))
        for status in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(status), theirs.get(status)
            fallback: str | None = None
            if b is None:
                b = _fallback(status, theirs)
                fallback = b.status if b else None
            elif a is None:
                a = _fallback(status, mine)
                fallback = a.status if a else None
            pair = ResponsePair(status, a, b, bodies, fallback, flipped=direction == "request")
            there = Where(
                a.pointer if a else old.pointer,
                b.pointer if b else new.pointer,
                f"{status} body",
                where.operation,
                direction,
            )
            with self.ledger.once((there.old, there.new, status, direction, bodies), where.operation) as first:
                if first:
                    self._response(pair, there, direction)

    def _response(self, pair: ResponsePair, where: Where, direction: Direction) -> None:
        self.coverage["statuses"] += 1
        self.ledger.apply("response", pair, where)
        if not pair.old or not pair.new:
            return
        if pair.old.payloads and pair.new.payloads:
            self._media_types(pair.old.payloads, pair.new.payloads, where, direction)
        mine, theirs = (
            {header.name.lower(): header for header in side.headers if header.name.lower() != "content-type"}
            for side in (pair.old, pair.new)
        )
        for name in sorted(mine.keys() | theirs.keys()):
            self._header(mine.get(name), theirs.get(name), where)
        self._links(pair, where)

    def _links(self, pair: ResponsePair, where: Where) -> None:
        assert pair.old is not None
        assert pair.new is not None
        mine, theirs = (side.raw.get("links") or {} for side in (pair.old, pair.new))
        for name in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(name), theirs.get(name)
            if not same_raw(self.old, a, self.new, b):
                self.ledger.apply("link", LinkPair(name, pair.status, a, b), where)

    def _header(self, old: Parameter | None, new: Parameter | None, where: Where) -> None:
        scalar = all(self._is_scalar(document, p) for document, p in ((self.old, old), (self.new, new)) if p)
        pair: ParameterPair | HeaderPair = HeaderPair(old, new, scalar)
        there = where.at(old.pointer if old else where.old, new.pointer if new else where.new)
        if where.direction == "response":
            self.ledger.apply("header", pair, there)
        else:
            pair = ParameterPair(old, new, scalar)
            self.ledger.apply("parameter", pair, there)
        if old and new and old.payload.media_type == new.payload.media_type:
            self._payload(old.payload, new.payload, _named(there, pair.called, wire=not new.payload.media_type))
        elif old and new:
            self._unproven(there, f"the {pair.called} is serialised as another media type")

    # -- around -------------------------------------------------------------------------------------------------------

    def _servers(self, old: Servers, new: Servers, where: Where) -> None:
        mine, theirs = (
            {canonical_value({k: v for k, v in server.items() if k != "description"}): server for server in side}
            for side in (old or _DEFAULT_SERVERS, new or _DEFAULT_SERVERS)
        )
        gone, came = mine.keys() - theirs.keys(), theirs.keys() - mine.keys()
        for text in sorted(gone):
            said = Said(
                f"the server {mine[text].get('url', '/')} is gone", fix="keep it listed until its callers moved"
            )
            self.ledger.write("compat.server-removed", said, where)
        # where one is gone the others are what it moved to
        for text in () if gone else sorted(came):
            self.ledger.write("compat.server-added", Said(f"the server {theirs[text].get('url', '/')} is new"), where)

    def _unproven(self, where: Where, reason: str) -> None:
        claim = self.ledger.write("compat.unproven", Said(reason), where, hurts=False)
        claim.proof = "unproven"


def _listed(document: Document) -> Servers:
    servers = document.tree.get("servers")
    return tuple(server for server in servers if isinstance(server, Mapping)) if isinstance(servers, list) else ()


def _template(operation: Operation) -> tuple[str, str]:
    return operation.method, _PLACEHOLDER.sub("{}", operation.path)


def _by_place(operation: Operation) -> dict[tuple[str, str], Parameter]:
    """Path parameters are known by their position in the template, header names without case."""
    names = [name[1:-1] for name in _PLACEHOLDER.findall(operation.path)]
    keyed: dict[tuple[str, str], Parameter] = {}
    for parameter in operation.parameters:
        name = parameter.name
        if parameter.place == "header" and name.lower() in _NOT_PARAMETERS:
            continue
        if parameter.place == "path" and name in names:
            name = f"{names.index(name):03}"
        elif parameter.place == "header":
            name = name.lower()
        keyed[parameter.place, name] = parameter
    return keyed


def _media(media_type: str) -> str:
    kind, *parameters = (part.strip().lower() for part in media_type.split(";"))
    # charset says how text is written, and JSON has but one
    kept = sorted(part for part in parameters if part and not part.startswith("charset="))
    return ";".join((kind, *kept))


def _covering(media_type: str, payloads: Mapping[str, Payload]) -> Payload | None:
    kind = media_type.partition("/")[0]
    return payloads.get(f"{kind}/*") or payloads.get("*/*")


def _fallback(status: str, responses: Mapping[str, Response]) -> Response | None:
    if status == "default":
        return None
    return responses.get(f"{status[0]}XX") or responses.get("default")


def _security_at(operation: Operation) -> str:
    return f"{operation.pointer}/security" if "security" in operation.raw else "/security"


def _named(where: Where, name: str, *, wire: bool = False, media_type: str = "") -> Where:
    return Where(where.old, where.new, name, where.operation, where.direction, wire, media_type)

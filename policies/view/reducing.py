"""Copies a document from its kept operations outwards: what is not reached from them is not in the copy.

Walks by the grammar, so that data (examples, extensions) is never taken for schema. A reference to a component is
followed and copied once; one that leads anywhere else (into an operation that may be gone, to an anchor) becomes a
component of its own, ``Shared1``. Path items that are references are copied out, since the same item may be kept here
and not there. The subtle thing is an empty list of security: it would mean *open to everybody*, and is never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import unquote

from policies.model.audience import MARKS, is_hidden, is_internal
from policies.model.document import METHODS, Document, Node, Operation, Parameter, escape
from policies.model.grammar import GRAMMAR, SECTIONS, List, Map, is_reference
from policies.traffic.authorize_scopes import scopes_needed
from policies.view.hiding import Hiding
from policies.view.remains import holds, in_order, subtypes, tag, with_scopes
from policies.view.sites import Sites, narrowed

_KINDS = {section: kind for kind, section in SECTIONS.items()}


class Reduction:
    """One document being reduced. `kept` is (path, method) of operations; `hides` leaves out what is marked internal,
    and the `extensions` named."""

    def __init__(
        self,
        document: Document,
        kept: frozenset[tuple[str, str]],
        scopes: frozenset[str],
        sites: Sites,
        *,
        hides: bool,
        extensions: frozenset[str] = frozenset(),
    ) -> None:
        self._document = document
        self._components: Mapping[str, Any] = document.tree.get("components") or {}
        self._kept = {(o.path, o.method.lower()): o for o in document.operations if (o.path, o.method.lower()) in kept}
        self._ids = {operation.operation_id for operation in self._kept.values()}
        self._scopes = scopes
        self._sites = sites
        self._hides = hides
        self._left_out = (MARKS | extensions) if hides else frozenset[str]()
        self._hiding = Hiding(document)
        self._copies: dict[tuple[str, str], Any] = {}
        self._todo: list[tuple[str, str, Any]] = []
        self._moved: dict[tuple[str, str], str] = {}
        self._tags: set[str] = set()
        self._required: dict[str, set[str]] = {}
        """Scopes by security scheme, of what is left."""
        self._inlined: list[str] = []

    def reduced(self) -> dict[str, Any]:
        """The copy, without ``servers``: these are not the document's to say."""
        tree = self._document.tree
        out = {key: value for key, value in tree.items() if key not in GRAMMAR["document"] and self._is_shown(key)}
        out.pop("servers", None)
        out["info"] = self._extensions(tree["info"])
        self._shared_security(out)
        out["paths"] = self._paths(tree.get("paths") or {})
        if webhooks := self._webhooks(tree.get("webhooks") or {}):
            out["webhooks"] = webhooks
        self._copy_components()
        tag(out, self._tags)
        extensions = {k: v for k, v in self._components.items() if k.startswith("x-") and self._is_shown(k)}
        if components := extensions | in_order(self._components, self._copies):
            out["components"] = components
        return out

    # -- operations ---------------------------------------------------------------------------------------------------

    def _paths(self, paths: Mapping[str, Any]) -> dict[str, Any]:
        out = {}
        for path, raw in paths.items():
            if path.startswith("x-"):
                if self._is_shown(path):
                    out[path] = raw
                continue
            item = self._document.resolve(raw, f"/paths/{escape(path)}").value
            methods = [method for method in METHODS if (path, method) in self._kept]
            if methods:
                own = {key: value for key, value in item.items() if key not in METHODS or key in methods}
                copied = self._fields(own, "path_item")
                for method in methods:
                    self._secured(copied[method], self._kept[path, method])
                out[path] = copied
        return out

    def _webhooks(self, webhooks: Mapping[str, Any]) -> dict[str, Any]:
        """A webhook is a call to the consumer: it needs no scope of the consumer's."""
        return {
            name: self._outward(item)
            for name, item in webhooks.items()
            if not (self._hides and is_internal(self._target(item)))
        }

    def _secured(self, copied: dict[str, Any], operation: Operation) -> None:
        """Leave the alternatives that the application satisfies: there is one, or the operation was not kept."""
        if "security" in operation.raw:
            copied["security"] = self._alternatives(operation.raw["security"], operation)

    def _shared_security(self, out: dict[str, Any]) -> None:
        declared = out.pop("security", None)
        heir = next((operation for operation in self._kept.values() if "security" not in operation.raw), None)
        if declared is not None and heir is not None:
            out["security"] = self._alternatives(declared, heir)

    def _alternatives(self, declared: list[Any], operation: Operation) -> list[Any]:
        """`operation` has read `declared`, alternative by alternative."""
        left = []
        for raw, alternative in zip(declared, operation.security or (), strict=False):
            needed = scopes_needed(alternative)
            if needed is not None and needed <= self._scopes:
                left.append(raw)
                self._require(raw)
        return left

    def _require(self, alternative: Mapping[str, Any]) -> None:
        for scheme, scopes in alternative.items():
            self._required.setdefault(scheme, set()).update(scopes)

    # -- copying ------------------------------------------------------------------------------------------------------

    def _node(self, value: Any, kind: str) -> Any:
        if not isinstance(value, Mapping):
            return value
        if not is_reference(value, kind):
            return self._fields(value, kind)
        if kind == "path_item":
            return self._inline(value)
        reference = {"$ref": self._reference(value["$ref"], kind)}
        if self._document.is_30:
            return reference
        if kind == "schema":  # what stands beside it counts
            return reference | self._fields({key: entry for key, entry in value.items() if key != "$ref"}, kind)
        return reference | {key: value[key] for key in ("summary", "description") if key in value}

    def _inline(self, value: Mapping[str, Any]) -> dict[str, Any]:
        pointer = value["$ref"]
        if pointer in self._inlined:
            return {}
        self._inlined.append(pointer)
        copied = self._fields(self._target(value), "path_item")
        self._inlined.pop()
        return copied

    def _fields(self, value: Mapping[str, Any], kind: str) -> dict[str, Any]:
        value = self._shown(value, kind)
        out: dict[str, Any] = {}
        for key, entry in value.items():
            child = GRAMMAR[kind].get(key)
            if kind == "callback" and not key.startswith("x-"):
                out[key] = self._outward(entry)
            elif child is None:
                if self._is_shown(key):
                    out[key] = entry
            elif isinstance(child, str):
                out[key] = self._node(entry, child)
            elif isinstance(child, List):
                out[key] = [self._node(item, child.kind) for item in entry] if isinstance(entry, list) else entry
            elif isinstance(entry, Mapping):
                out[key] = self._map(entry, child, kind)
            else:
                out[key] = entry
        self._finish(out, kind)
        return out

    def _map(self, entries: Mapping[str, Any], child: Map, kind: str) -> dict[str, Any]:
        if kind == "operation" and child.kind == "response":
            mere = {key: entry for key, entry in entries.items() if key.startswith("x-") and self._is_shown(key)}
            return mere | {k: self._node(e, child.kind) for k, e in entries.items() if not k.startswith("x-")}
        return {key: self._node(entry, child.kind) for key, entry in entries.items()}

    def _shown(self, value: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
        """The node without what this application does not see, before anything in it is copied."""
        if kind in ("operation", "path_item"):
            value = {key: entry for key, entry in value.items() if key != "servers"}
            if isinstance(value.get("parameters"), list):
                value["parameters"] = [entry for entry in value["parameters"] if self._is_sent(entry)]
        elif kind == "response" and isinstance(value.get("links"), Mapping):
            links = {name: link for name, link in value["links"].items() if self._leads(link)}
            value = {key: entry for key, entry in value.items() if key != "links"} | ({"links": links} if links else {})
        elif kind == "schema" and self._hides:
            value = self._hiding.schema(value)
        elif kind in ("media_type", "parameter", "header"):
            if kind == "parameter" and (values := self._sites.accepted(self._parameter(value))):
                value = narrowed(value, values)
            if self._hides and self._hiding.needed:
                value = self._with_examples(value)
        return value

    def _with_examples(self, value: Mapping[str, Any]) -> dict[str, Any]:
        out, schema = dict(value), value.get("schema")
        if "example" in out:
            out["example"] = self._hiding.example(out["example"], schema)
        if isinstance(out.get("examples"), Mapping):
            out["examples"] = {name: self._example(entry, schema) for name, entry in out["examples"].items()}
        return out

    def _example(self, entry: Any, schema: Any) -> Any:
        held = self._target(entry)
        if not isinstance(held, Mapping) or "value" not in held:
            return entry
        shown = self._hiding.example(held["value"], schema)
        return entry if shown == held["value"] else {**held, "value": shown}

    def _finish(self, out: dict[str, Any], kind: str) -> None:
        if kind == "operation":
            self._tags.update(tag for tag in out.get("tags") or () if isinstance(tag, str))
        elif kind == "schema":
            out.pop("$anchor", None)  # references to it were made references to components
            if isinstance(out.get("discriminator"), Mapping):
                out["discriminator"] = self._discriminator(out["discriminator"])
            if isinstance(out.get("$dynamicRef"), str):
                out["$dynamicRef"] = self._dynamic(out["$dynamicRef"])
        elif kind == "link":
            out.pop("server", None)

    def _outward(self, item: Any) -> Any:
        """A path item of a callback or webhook, whose operations the consumer serves, with security of its own."""
        copied = self._node(item, "path_item")
        for method in METHODS:
            for alternative in (copied.get(method) or {}).get("security") or ():
                self._require(alternative)
        return copied

    def _is_sent(self, entry: Any) -> bool:
        parameter = self._parameter(self._target(entry))
        if self._hides and is_hidden(parameter):
            return False
        return parameter.required or self._sites.accepted(parameter) != ()

    def _parameter(self, raw: Any) -> Parameter:
        return self._document.parameter(Node(raw, ""))

    def _leads(self, link: Any) -> bool:
        """Whether a link leads to an operation that is left, or out of the document."""
        held = self._target(link)
        if "operationId" in held:
            return held["operationId"] in self._ids
        reference = str(held.get("operationRef", ""))
        if not reference.startswith("#/paths/"):
            return not reference.startswith("#")
        path, _, method = unquote(reference.removeprefix("#/paths/")).rpartition("/")
        return (path.replace("~1", "/").replace("~0", "~"), method) in self._kept

    # -- references ---------------------------------------------------------------------------------------------------

    def _target(self, value: Any) -> Any:
        return self._document.resolve(value, "").value

    def _reference(self, reference: str, kind: str) -> str:
        """The reference to what will stand in the copy."""
        if not reference.startswith("#"):
            return reference
        named = len(reference) > 1 and not reference.startswith("#/")
        pointer = self._document.anchors.get(reference[1:], "") if named else unquote(reference[1:])
        section = SECTIONS[kind]
        tokens = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
        if len(tokens) == 3 and tokens[:2] == ["components", section]:
            return self._component(section, tokens[2])
        if (kind, pointer) not in self._moved:
            taken = {*(self._components.get(section) or {}), *self._moved.values()}
            name = next(n for i in count(1) if (n := f"Shared{i}") not in taken)
            self._moved[kind, pointer] = name
            self._todo.append((section, name, self._document.at(pointer)))
        return f"#/components/{section}/{self._moved[kind, pointer]}"

    def _is_there(self, reference: str) -> bool:
        try:
            self._document.resolve({"$ref": reference}, "")
        except LookupError:
            return False
        return True

    def _component(self, section: str, name: str) -> str:
        if (section, name) not in self._copies:
            self._copies[section, name] = None  # on its way: a schema may refer to itself
            self._todo.append((section, name, self._components[section][name]))
        return f"#/components/{section}/{escape(name)}"

    def _discriminator(self, discriminator: Mapping[str, Any]) -> dict[str, Any]:
        """A mapping's values are references, or names of schemas."""
        mapping = discriminator.get("mapping")
        if not isinstance(mapping, Mapping):
            return dict(discriminator)
        schemas = self._components.get("schemas") or {}
        led = {}
        for word, to in mapping.items():
            reference = f"#/components/schemas/{escape(to)}" if to in schemas else to
            # nobody requires that it leads anywhere
            led[word] = self._reference(reference, "schema") if self._is_there(reference) else to
        return {**discriminator, "mapping": led}

    def _dynamic(self, reference: str) -> str:
        """Whichever schema has that dynamic anchor may be meant: all components that hold it stay."""
        if reference.startswith("#/"):
            return self._reference(reference, "schema") if self._is_there(reference) else reference
        for name, schema in (self._components.get("schemas") or {}).items():
            if holds(schema, "$dynamicAnchor", reference.removeprefix("#")):
                self._component("schemas", name)
        return reference

    # -- components ---------------------------------------------------------------------------------------------------

    def _copy_components(self) -> None:
        while self._todo or self._heirs():
            section, name, value = self._todo.pop()
            self._copies[section, name] = self._node(value, _KINDS[section])
        for name in self._required:
            scheme = self._document.security_schemes.get(name)
            if scheme is not None:
                shown = self._extensions(scheme)
                self._copies["securitySchemes", name] = with_scopes(shown, self._required[name])

    def _heirs(self) -> bool:
        for name in subtypes(self._components.get("schemas") or {}, {n for s, n in self._copies if s == "schemas"}):
            self._component("schemas", name)
        return bool(self._todo)

    def _extensions(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {key: entry for key, entry in value.items() if self._is_shown(key)}

    def _is_shown(self, key: str) -> bool:
        return key not in self._left_out

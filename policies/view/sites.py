"""Which values of the contract's site parameter an application may send, as `authorize_site` accepts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.model.access import Application
from policies.model.contract import DEFAULT_UPSTREAM, Contract
from policies.model.document import Document, Operation, Parameter, canonical
from policies.model.schema import standalone, validator
from policies.traffic.authorize_site import is_site


class Sites:
    """Of one application at one major of a contract."""

    def __init__(self, contract: Contract, document: Document, application: Application, major: int) -> None:
        self._document = document
        self._parameter = None if application.sites is None else contract.site_parameter(major)
        self._values: tuple[str, ...] = ()
        self._known: dict[bytes, tuple[str, ...] | None] = {}
        if self._parameter is not None:
            aliases = self._parameter.aliases
            served = contract.upstreams.keys() - {DEFAULT_UPSTREAM}
            # a contract that lists no sites leaves it to its one backend to know them
            granted = [site for site in application.sites or () if not served or site in served]
            named = [site for site in granted if aliases.get(site, site) == site]
            self._values = tuple(
                dict.fromkeys([*named, *(alias for alias, site in aliases.items() if site in granted)])
            )

    def accepted(self, parameter: Parameter) -> tuple[str, ...] | None:
        """What may be sent here; ``None`` for a parameter that carries no site, for an application that is not limited,
        and for a site that is not written as a string."""
        carries = self._parameter
        if carries is None or parameter.place != carries.place or not is_site(carries, parameter.name):
            return None
        key = canonical(parameter.raw)
        if key not in self._known:
            self._known[key] = self._fitting(parameter)
        return self._known[key]

    def can_be_named(self, operation: Operation) -> bool:
        """Whether the operation can be called at all: some site may be sent, or none has to be."""
        return not any(p.required and self.accepted(p) == () for p in operation.parameters)

    def _fitting(self, parameter: Parameter) -> tuple[str, ...] | None:
        schema = parameter.payload.schema
        if schema is None or parameter.payload.media_type:
            return None
        resolved = self._document.resolve(schema.value, schema.pointer, schema=True)
        kinds = resolved.get("type", "string")
        if "string" not in ([kinds] if isinstance(kinds, str) else kinds):
            return None
        judge = validator(standalone(self._document, schema, "request"))
        return tuple(value for value in self._values if judge.is_valid(value))


def narrowed(parameter: Mapping[str, Any], values: tuple[str, ...]) -> dict[str, Any]:
    """A parameter object that takes these values only, its examples among them."""
    out = dict(parameter)
    schema = parameter["schema"]
    given = {key: value for key, value in schema.items() if key not in ("default", "example", "examples")}
    out["schema"] = (
        {"type": "string", "allOf": [given], "enum": [*values]} if "$ref" in given else {**given, "enum": [*values]}
    )
    if "default" in schema and schema["default"] in values:
        out["schema"]["default"] = schema["default"]
    if "example" in parameter and parameter["example"] not in values:
        out["example"] = values[0]
    if isinstance(parameter.get("examples"), Mapping):
        out["examples"] = {
            name: entry for name, entry in parameter["examples"].items() if entry.get("value", None) in values
        }
        if not out["examples"]:
            del out["examples"]
            out["example"] = values[0]
    return out

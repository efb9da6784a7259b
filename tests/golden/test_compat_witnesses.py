"""Every witness is one, says a validator that shares nothing with the differ: neither its engine nor its translation.

A witness is what the sender's document admits and the receiver's refuses: a whole payload of the operation it was
found in, or, where no payload could be built around it, a value of the place it was found at.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from policies import compat
from policies.findings import Finding, Severity
from policies.model.document import Document
from tests.golden.test_compat_truth import RULESET, documents, labelled
from tests.unit.policies.compat.rewritings import as_31, everywhere
from tests.unit.policies.compat.test_rewriting import read

HISTORIES = sorted({path.parent for path in Path("specs/services").glob("*/*.yaml")})
RANGES = {"int32": 2**31, "int64": 2**63}


class Judge:
    """One document, read by `jsonschema` for one direction."""

    def __init__(self, document: Document, direction: str) -> None:
        self.document = document
        self.hidden = "readOnly" if direction == "request" else "writeOnly"
        self.tree: Any = everywhere(as_31(dict(document.tree)), self._directed)
        resource = DRAFT202012.create_resource(self.tree)
        self.registry: Any = Registry().with_resource("urn:document", resource)

    def _directed(self, schema: Any) -> Any:
        """What OpenAPI adds to JSON Schema: hidden members are not required, integers have sizes."""
        if isinstance(schema.get("required"), list):
            hidden = {name for name, part in (schema.get("properties") or {}).items() if self._is_hidden(part)}
            schema["required"] = [name for name in schema["required"] if name not in hidden]
        size = RANGES.get(schema.get("format", ""))
        if size and schema.get("type") in ("integer", ["integer", "null"]):
            bounds = {"minimum": -size, "maximum": size - 1}
            schema["allOf"] = [*schema.get("allOf", []), {"if": {"type": "integer"}, "then": bounds}]
        return schema

    def _is_hidden(self, part: Any) -> bool:
        while isinstance(part, dict):
            if part.get(self.hidden) is True:
                return True
            if "$ref" not in part:
                return False
            part = self.document.resolve({"$ref": part["$ref"]}, "").value
        return False

    def admits(self, pointer: str | None, value: Any) -> bool | None:
        """``None`` where there is no schema."""
        if pointer is None:
            return True  # no schema at all
        schema = {"$ref": f"urn:document#{quote(pointer)}"}
        checker = jsonschema.FormatChecker()
        try:
            validator = jsonschema.Draft202012Validator(schema, registry=self.registry, format_checker=checker)
            return bool(validator.is_valid(value))
        except (Unresolvable, TypeError, AttributeError):
            return None

    def payloads(self, key: str | None) -> list[str | None]:
        """Where the schemas of an operation's bodies stand, in order of media types."""
        operations = [*self.document.operations, *self.document.webhooks]
        operations += [c for o in operations for called in self.document.callbacks(o).values() for c in called]
        found: list[str | None] = []
        for operation in (operation for operation in operations if unnamed(operation.key) == unnamed(key or "")):
            bodies = [operation.request_body] if operation.request_body else []
            for body in (*bodies, *operation.responses):
                found += [payload.schema.pointer if payload.schema else None for payload in body.payloads]
            found += [p.payload.schema.pointer for p in operation.parameters if p.payload.schema]
            for response in operation.responses:
                found += [header.payload.schema.pointer for header in response.headers if header.payload.schema]
        return found


def unnamed(key: str) -> str:
    """Path parameters count by position."""
    return re.sub(r"\{[^{}]*\}(?=/|$)", "{}", key)


def is_shown(old: Document, new: Document, finding: Finding) -> bool:
    direction = finding.direction or "request"
    before, after = Judge(old, direction), Judge(new, direction)
    sender, receiver, places = before, after, (finding.old_pointer, finding.pointer)
    if direction == "response":
        sender, receiver, places = after, before, (finding.pointer, finding.old_pointer)
    sent, taken = sender.payloads(finding.operation), receiver.payloads(finding.operation)
    pairs = [places, *((a, b) for a in sent for b in taken)]
    # in an address or a header a value is its text
    values = [finding.witness]
    if isinstance(finding.witness, int | float) and not isinstance(finding.witness, bool):
        values.append(str(finding.witness))
    return any(
        sender.admits(a, value) is True and receiver.admits(b, value) is False for a, b in pairs for value in values
    )


def witnessed(old: Document, new: Document) -> list[Finding]:
    """Findings with a witness that this validator can judge: without further packages it does not look at addresses."""
    findings = compat.check(old, new, RULESET).report.findings
    found = [f for f in findings if f.proof == "witnessed" and f.severity is Severity.ERROR]
    return [f for f in found if not (f.rule == "compat.format-changed" and " uri" in f.message)]


@pytest.mark.parametrize(("case", "frame"), labelled())
def test_a_witness_of_a_labelled_pair_is_one(case: dict[str, Any], frame: str) -> None:
    old, new = documents(case, frame)
    for finding in witnessed(old, new):
        assert is_shown(old, new, finding), (finding.rule, finding.message, finding.witness)


@pytest.mark.parametrize("folder", HISTORIES, ids=lambda folder: folder.name)
def test_a_witness_in_a_history_is_one(folder: Path) -> None:
    paths = sorted(path for path in folder.glob("*.yaml") if path.stem[0].isdigit())
    refused = sorted(folder.glob("refused/*.yaml"))
    versions = [Document(read(path)) for path in paths]
    pairs = [*pairwise(versions), *((versions[-1], Document(read(path))) for path in refused)]
    for old, new in pairs:
        for finding in witnessed(old, new):
            assert is_shown(old, new, finding), (finding.rule, finding.message, finding.witness)

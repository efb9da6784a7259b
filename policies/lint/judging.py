"""Judges example values by the schema beside them. Validators are compiled once per definition and direction."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from policies.model.document import Document, Node, UnresolvedReference
from policies.model.schema import Direction, standalone, validator

_CANNOT = (
    jsonschema_rs.ValidationError,
    jsonschema_rs.ReferencingError,
    ValueError,
    UnresolvedReference,
    RecursionError,
)


class Judge:
    """One per document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._validators: dict[tuple[str, Direction], jsonschema_rs.Draft202012Validator | None] = {}
        self.judged = 0
        """How many values were held against a schema."""

    def fault(self, schema: Node, value: Any, directions: tuple[Direction, ...]) -> str | None:
        """Why the value fits the schema in none of these directions; ``None`` when it fits in one.

        A schema that cannot be compiled refuses nothing here: another rule says what is wrong with it.
        """
        self.judged += 1
        first: str | None = None
        for direction in directions:
            compiled = self._validator(schema, direction)
            if compiled is None:
                return None
            error = next(compiled.iter_errors(value), None)
            if error is None:
                return None
            place = "".join(f"/{part}" for part in error.instance_path)
            first = first or (f"{place}: {error.message}" if place else error.message)
        return first

    def _validator(self, schema: Node, direction: Direction) -> jsonschema_rs.Draft202012Validator | None:
        key = (schema.pointer, direction)
        if key not in self._validators:
            try:
                self._validators[key] = validator(standalone(self._document, schema, direction))
            except _CANNOT:
                self._validators[key] = None
        return self._validators[key]

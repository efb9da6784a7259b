"""Judges example values by the schema beside them. Validators are compiled once per definition and direction."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from policies.model.document import Document, Node, UnresolvedReference
from policies.model.schema import Direction, standalone, validator

# TypeError: what stands where a keyword wants something else entirely
_CANNOT = (jsonschema_rs.ReferencingError, ValueError, TypeError, AttributeError, UnresolvedReference, RecursionError)
Compiled = jsonschema_rs.Draft202012Validator


class Judge:
    """One per document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._validators: dict[tuple[str, Direction], Compiled | Exception] = {}
        self.judged = 0
        """How many values were held against a schema."""

    def fault(self, schema: Node, value: Any, directions: tuple[Direction, ...]) -> str | None:
        """Why the value fits the schema in none of these directions; ``None`` when it fits in one.

        A schema that cannot be compiled refuses nothing here: `invalidity` says what is wrong with it.
        """
        self.judged += 1
        first: str | None = None
        for direction in directions:
            compiled = self._compiled(schema, direction)
            if isinstance(compiled, Exception):
                return None
            error = next(compiled.iter_errors(value), None)
            if error is None:
                return None
            first = first or _placed(error)
        return first

    def invalidity(self, schema: Node, direction: Direction) -> str | None:
        """Why the schema is none that a validator can use; ``None`` when it is one.

        A pattern that does not compile is not told: it is found where it stands, not where it is used.
        """
        compiled = self._compiled(schema, direction)
        if isinstance(compiled, jsonschema_rs.ValidationError):
            return None if compiled.kind.name == "format" else _placed(compiled)
        return str(compiled) if isinstance(compiled, Exception) else None

    def _compiled(self, schema: Node, direction: Direction) -> Compiled | Exception:
        key = (schema.pointer, direction)
        if key not in self._validators:
            try:
                self._validators[key] = validator(standalone(self._document, schema, direction))
            except _CANNOT as error:
                self._validators[key] = error
        return self._validators[key]


def _placed(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(f"/{part}" for part in error.instance_path)
    return f"{place}: {error.message}" if place else error.message

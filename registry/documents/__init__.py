"""The safe door: the only way in for a document somebody else wrote.

    parse(data, *, files, name, limits) -> ParsedDocument        raises InvalidDocument
    warm()                                                       a validating child is ready before the first publish
    close()                                                      ends the idle children

What passes is one OpenAPI 3.0 or 3.1 document within `Limits`: plain JSON values, references that stay inside and lead
somewhere, regular expressions that run in linear time, valid in the eyes of openapi-spec-validator. Nothing is fetched,
opened, rendered or executed on the way. The order matters: each step may rely on what the step before refused, and
everything that could hang or exhaust a process happens in a child (`workers`, `validating`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from policies.model.document import Document
from registry.documents.bundling import bundle
from registry.documents.reading import InvalidDocument, Limits, Source, SourceFault, read
from registry.documents.screening import screen
from registry.documents.workers import WorkerFailed, Workers

__all__ = ["InvalidDocument", "Limits", "ParsedDocument", "SourceFault", "close", "parse", "warm"]

MAX_FAULTS = 50
_ACCEPTED = re.compile(r"3\.[01]\.\d+(-[0-9A-Za-z.]+)?")


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The document, bundled, and the `text` of the main file as its publisher wrote it."""

    document: Document
    text: str
    line: Callable[[str], int | None] = lambda pointer: None
    """The line of a JSON pointer in the main file, where it stands there."""


def parse(
    data: bytes, *, files: Mapping[str, bytes] | None = None, name: str = "document", limits: Limits | None = None
) -> ParsedDocument:
    """Read, bundle, screen and validate. `files` are the other files of the bundle by relative name (``common.yaml``);
    `name` is the name of the main one, as the others may refer to it.

    Raises `InvalidDocument` with every fault found (at most 50), each with pointer and line.
    """
    limits = limits or Limits()
    sources = _sources(data, files or {}, name, limits)
    _is_openapi(sources[name])
    tree, origins = bundle(sources, name, limits)
    faults = screen(tree)
    if not faults:
        try:
            faults = _workers(limits).faults(tree)
        except WorkerFailed as failure:
            faults = [("", str(failure))]
    if faults:
        raise InvalidDocument([origins.fault(pointer, detail) for pointer, detail in faults[:MAX_FAULTS]])
    return ParsedDocument(Document(tree), sources[name].text, origins.line)


def warm(limits: Limits | None = None) -> None:
    """Start a child now."""
    _workers(limits or Limits()).warm()


def close(limits: Limits | None = None) -> None:
    """End the idle children. They would also end with this process."""
    _workers(limits or Limits()).close()


@cache
def _workers(limits: Limits) -> Workers:
    return Workers(limits)


def _sources(data: bytes, files: Mapping[str, bytes], name: str, limits: Limits) -> dict[str, Source]:
    if len(files) > limits.files:
        raise InvalidDocument([SourceFault("", None, f"{len(files)} files; at most {limits.files} are accepted")])
    size = len(data) + sum(len(content) for content in files.values())
    if size > limits.size:
        raise InvalidDocument([SourceFault("", None, f"{size} bytes; at most {limits.size} are accepted")])
    sources = {name: read(data, limits)}
    for file, content in files.items():
        if file in sources:
            raise InvalidDocument([SourceFault("", None, f"the file {file!r} was supplied twice")])
        try:
            sources[file] = read(content, limits)
        except InvalidDocument as refused:
            raise InvalidDocument(
                [SourceFault(f"{file}#{f.pointer}", f.line, f.detail) for f in refused.faults]
            ) from None
    return sources


def _is_openapi(source: Source) -> None:
    tree = source.tree
    if not isinstance(tree, dict):
        raise InvalidDocument([SourceFault("", 1, "an OpenAPI document is a mapping; this is not")])
    if "swagger" in tree:
        detail = f"Swagger {tree['swagger']} is not accepted; convert the document to OpenAPI 3.0 or 3.1"
        raise InvalidDocument([SourceFault("/swagger", source.line("/swagger"), detail)])
    number = tree.get("openapi")
    if number is None:
        raise InvalidDocument([SourceFault("", 1, "the member 'openapi' is missing; it must be 3.0.x or 3.1.x")])
    if not isinstance(number, str) or not _ACCEPTED.fullmatch(number):
        detail = f"OpenAPI {number!r} is not accepted; it must be 3.0.x or 3.1.x, as a string"
        raise InvalidDocument([SourceFault("/openapi", source.line("/openapi"), detail)])

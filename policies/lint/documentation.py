"""Rules on prose: what a stranger needs to begin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.model.document import Document, Operation, Parameter, escape

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)


def _info(document: Document) -> Mapping[str, Any]:
    info = document.tree.get("info")
    return info if isinstance(info, Mapping) else {}


@rule(
    "document",
    severity=Severity.ERROR,
    good=("info: {version: 1.4.0}",),
    bad=("info: {version: '1.4'}", "info: {version: v1}"),
)
def version_is_semver(document: Document, context: Context) -> Iterator[Flaw]:
    """info.version is a semantic version: MAJOR.MINOR.PATCH.

    The number is a promise that is held against the change: a breaking change needs a new major. Another notation
    promises nothing. Begin with ``1.0.0``.
    """
    if not _SEMVER.fullmatch(document.number):
        yield Flaw("/info/version", f"version {document.number or '(none)'} is not semver", "write MAJOR.MINOR.PATCH")


@rule(
    "document",
    severity=Severity.WARNING,
    good=("info: {contact: {name: Items team, email: null, url: 'https://larkfield.example/items'}}",),
    bad=("info: {contact: null}", "info: {contact: {email: null}}"),
)
def contact_is_given(document: Document, context: Context) -> Iterator[Flaw]:
    """info.contact names an address where integrators can ask: an email or a url.

    Whoever meets an error at night needs to know whom to tell. Name a team rather than a person.
    """
    contact = _info(document).get("contact")
    if not isinstance(contact, Mapping) or not (contact.get("email") or contact.get("url")):
        yield Flaw("/info", "nobody to contact", "add info.contact with an email or a url")


@rule(
    "document",
    severity=Severity.INFO,
    good=("info: {description: What it is for.}",),
    bad=("info: {description: null}", "info: {description: ' '}"),
)
def document_is_described(document: Document, context: Context) -> Iterator[Flaw]:
    """info.description says what the interface is for.

    It is the first thing read in the catalogue, and decides whether the reader is in the right place. Two sentences do.
    """
    if not str(_info(document).get("description") or "").strip():
        yield Flaw("/info", "the document does not say what it is for", "add info.description")


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("read: {summary: Reads an item.}",),
    bad=("read: {summary: null}", "read: {summary: ''}"),
)
def operations_have_summaries(operation: Operation, context: Context) -> Iterator[Flaw]:
    """Every operation has a summary of one line.

    Lists of operations show it; without one the reader must guess from the path.
    """
    if not str(operation.raw.get("summary") or "").strip():
        yield Flaw(operation.pointer, f"{operation.key} has no summary", "say in one line what it does")


@rule(
    "operation",
    severity=Severity.INFO,
    good=("read: {description: Reads one item.}",),
    bad=("read: {description: null}",),
)
def operations_are_described(operation: Operation, context: Context) -> Iterator[Flaw]:
    """Every operation has a description.

    What the schema cannot say belongs there: side effects, order, freshness, what happens twice. It is what support is
    asked otherwise.
    """
    if not str(operation.raw.get("description") or "").strip():
        yield Flaw(operation.pointer, f"{operation.key} has no description", "say what the schema cannot")


@rule(
    "parameter",
    severity=Severity.INFO,
    good=("components: {parameters: {Limit: {description: Page size.}}}",),
    bad=("components: {parameters: {Limit: {description: null}}}",),
)
def parameters_are_described(parameter: Parameter, context: Context) -> Iterator[Flaw]:
    """Every parameter has a description.

    A name says what is filtered, not whether bounds are included or what happens when it is left out.
    """
    said = parameter.raw.get("description") or (
        context.document.resolve(parameter.payload.schema.value, parameter.pointer).get("description")
        if parameter.payload.schema is not None
        else None
    )
    if not str(said or "").strip():
        yield Flaw(parameter.pointer, f"parameter {parameter.name} has no description", "say what it does")


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("read: {deprecated: true, description: Use listItems instead.}",),
    bad=("read: {deprecated: true, description: Reads one item.}",),
    options={"words": ["instead", "replaced", "replacement", "successor", "use "]},
)
def deprecated_operations_name_a_successor(operation: Operation, context: Context) -> Iterator[Flaw]:
    """A deprecated operation says what to use instead.

    A warning without a way out is ignored. Name the successor in the description. Option ``words``: what counts.
    """
    if operation.raw.get("deprecated") is True:
        said = str(operation.raw.get("description") or "").lower()
        if not any(word in said for word in context.options["words"]):
            yield Flaw(
                operation.pointer, f"{operation.key} is deprecated without a successor", "say what to use instead"
            )


@rule(
    "document",
    severity=Severity.INFO,
    good=("components: {schemas: {Item: {type: object}}}",),
    bad=("components: {schemas: {Forgotten: {type: object}}}",),
)
def components_are_used(document: Document, context: Context) -> Iterator[Flaw]:
    """Every component is referred to from somewhere.

    What nothing uses is still read, generated and asked about, and is often a member that somebody forgot to attach.
    """
    used = set(_references(document.tree))
    components = document.tree.get("components")
    for kind, entries in components.items() if isinstance(components, Mapping) else ():
        if kind == "securitySchemes" or not isinstance(entries, Mapping):
            continue
        for name in entries:
            pointer = f"/components/{kind}/{escape(name)}"
            if not any(reference == pointer or reference.startswith(f"{pointer}/") for reference in used):
                yield Flaw(pointer, f"nothing refers to {name}", "attach it or remove it")


def _references(tree: Any) -> Iterator[str]:
    """Every reference in the document, as a pointer; discriminator mappings too."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, Mapping):
            reference = node.get("$ref")
            if isinstance(reference, str):
                yield reference.removeprefix("#")
            mapping = node.get("mapping")
            for target in mapping.values() if isinstance(mapping, Mapping) else ():
                yield str(target).removeprefix("#") if str(target).startswith("#") else f"/components/schemas/{target}"
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)

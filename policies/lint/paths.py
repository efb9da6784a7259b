"""Rules on path templates. The gateway serves them below ``/{contract}/v{major}``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.lint.subjects import Path
from policies.model.document import Document, escape

_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"v\d+(\.\d+)*", re.IGNORECASE)
_TEMPLATED = re.compile(r"\{([^{}]*)\}")
_VERBS = frozenset(
    "add approve calculate cancel create delete do execute fetch find get insert make modify perform post process put "
    "remove retrieve run save send set submit update upsert".split()
)


@rule(
    "path",
    severity=Severity.WARNING,
    good=("paths: {/item-groups: {parameters: []}}",),
    bad=("paths: {/itemGroups: {parameters: []}}", "paths: {/item_groups: {parameters: []}}"),
)
def paths_are_kebab_case(path: Path, context: Context) -> Iterator[Flaw]:
    """Path segments are lower case, words joined by dashes.

    Paths are case-sensitive and are typed, dictated and logged by people. One spelling everywhere spares the 404 that
    nobody can explain. Write ``/availability-checks``.
    """
    for segment in path.segments:
        if not _KEBAB.fullmatch(_TEMPLATED.sub("x", segment)):
            yield Flaw(path.pointer, f"segment {segment} is not kebab-case", "write it as availability-checks")


@rule(
    "path",
    severity=Severity.WARNING,
    good=("paths: {/cancellations: {parameters: []}}",),
    bad=("paths: {/create-item: {parameters: []}}", "paths: {'/items/{itemId}/cancel': {parameters: []}}"),
)
def paths_are_nouns(path: Path, context: Context) -> Iterator[Flaw]:
    """Paths name things; the method says what is done with them.

    A verb in the path hides from caches, retries and limits whether the call is safe to repeat, and leads to one path
    per action. Name the thing that the action makes: ``POST /cancellations``.
    """
    for segment in path.segments:
        if re.split(r"[-_.:]|(?<=[a-z])(?=[A-Z])", segment)[0].lower() in _VERBS:
            yield Flaw(path.pointer, f"segment {segment} is a verb", "name the thing and let the method be the verb")


@rule(
    "path",
    severity=Severity.INFO,
    good=("paths: {'/branches/{itemId}/stock': {parameters: []}}",),
    bad=("paths: {'/branch/{itemId}/stock': {parameters: []}}",),
    options={
        "uncountable": [
            "availability", "data", "equipment", "freight", "inventory", "media", "merchandise", "pricing", "staff",
            "stock",
        ]
    },
)  # fmt: skip
def collections_are_plural(path: Path, context: Context) -> Iterator[Flaw]:
    """A segment followed by an identifier is a plural noun.

    ``/items`` is the list and ``/items/{itemId}`` one of it; mixing singular and plural makes every path a guess.
    Option ``uncountable``: nouns without a plural.
    """
    for segment, after in zip(path.segments, path.segments[1:], strict=False):
        word = segment.rsplit("-", 1)[-1].lower()
        named = not segment.startswith("{") and after.startswith("{")
        if named and not word.endswith("s") and word not in context.options["uncountable"]:
            yield Flaw(path.pointer, f"segment {segment} holds many and is singular", "write the plural")


@rule(
    "path",
    severity=Severity.WARNING,
    good=("paths: {/items: {}}",),
    bad=("paths: {/v1/items: {parameters: []}}",),
)
def paths_carry_no_version(path: Path, context: Context) -> Iterator[Flaw]:
    """The version is no part of a path.

    The gateway serves every path below ``/{contract}/v{major}`` and chooses the version; a second one behind it can
    only contradict. Remove the segment, and put it into the upstream's address if the backend wants it.
    """
    for segment in path.segments:
        if _VERSION.fullmatch(segment):
            yield Flaw(path.pointer, f"segment {segment} is a version", "remove it; the gateway adds the major")


@rule(
    "path",
    severity=Severity.WARNING,
    good=("paths: {/items: {}}",),
    bad=("paths: {/branches/: {parameters: []}}", "paths: {/branches//stock: {parameters: []}}"),
)
def paths_have_no_empty_segments(path: Path, context: Context) -> Iterator[Flaw]:
    """No path ends in a slash or has two in a row.

    ``/items`` and ``/items/`` are two different addresses; clients and proxies add and remove that slash at will, and
    one of the two then answers 404. Leave it out.
    """
    if path.template != "/" and (path.template.endswith("/") or "//" in path.template):
        yield Flaw(path.pointer, f"{path.template} has an empty segment", "remove the superfluous slash")


@rule(
    "document",
    severity=Severity.ERROR,
    good=("paths: {'/items/{itemId}/lots': {parameters: []}}",),
    bad=("paths: {'/items/{sku}': {parameters: []}}",),
)
def paths_are_distinct(document: Document, context: Context) -> Iterator[Flaw]:
    """No two paths differ only in the names of their parameters.

    Both match the same address, so which of them answers is chance. Merge their operations under one path.
    """
    seen: dict[str, str] = {}
    for template in sorted(document.tree.get("paths") or {}):
        shape = _TEMPLATED.sub("{}", template)
        if shape in seen:
            yield Flaw(
                f"/paths/{escape(template)}",
                f"{template} matches the same addresses as {seen[shape]}",
                "merge the two under one path",
            )
        seen.setdefault(shape, template)


@rule(
    "document",
    severity=Severity.ERROR,
    good=("paths: {'/items/{itemId}': {parameters: [{$ref: '#/components/parameters/ItemId'}]}}",),
    bad=(
        "paths: {'/items/{itemId}': {parameters: []}}\ncomponents: {parameters: {ItemId: null}}",
        "get: {parameters: [{$ref: '#/components/parameters/Limit'}, {$ref: '#/components/parameters/Cursor'},"
        " {$ref: '#/components/parameters/ItemId'}]}",
    ),
)
def path_parameters_match_the_path(document: Document, context: Context) -> Iterator[Flaw]:
    """Every ``{name}`` in a path is declared as a path parameter, and no other is.

    An undeclared one cannot be validated, and one that stands in no path can never be sent although it is required.
    """
    for operation in document.operations:
        named = set(_TEMPLATED.findall(operation.path))
        declared = {p.name: p for p in operation.parameters if p.place == "path"}
        for name in sorted(named - declared.keys()):
            yield Flaw(
                operation.pointer, f"{operation.key} does not declare {{{name}}}", f"declare path parameter {name}"
            )
        for name in sorted(declared.keys() - named):
            yield Flaw(operation.pointer, f"{operation.key} has no {{{name}}} in its path", "remove or rename it")

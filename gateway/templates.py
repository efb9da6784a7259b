"""The path templates of one version, as a tree of segments: from a path to what stands at its template, and its values.

Must not know what a route does. The subtle thing is the order of templates: segment by segment a literal wins over a
pattern (``{id}.json``), a pattern over a whole parameter, with backtracking, so the outcome never depends on the order
in the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, TypeVar
from urllib.parse import quote, unquote

T = TypeVar("T")
_UNESCAPED = "!$&'()*+,;=:@~"


class AmbiguousTemplates(ValueError):
    """Two templates of one document match exactly the same paths with the same method."""


class PathItem(Generic[T]):
    """What stands at one template: a route per method, and the ``Allow`` line."""

    __slots__ = ("allow", "methods")

    def __init__(self) -> None:
        self.methods: dict[str, T] = {}
        self.allow = ""

    def add(self, method: str, route: T) -> None:
        if method in self.methods and method != "HEAD":
            raise AmbiguousTemplates(f"two templates answer {method} for the same paths")
        self.methods[method] = route
        if method == "GET":  # RFC 9110 section 9.3.2: what answers GET answers HEAD
            self.methods.setdefault("HEAD", route)
        self.allow = ", ".join(sorted(self.methods))


class _Node(Generic[T]):
    __slots__ = ("item", "literals", "parameter", "patterns")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.patterns: list[tuple[str, re.Pattern[str], _Node[T]]] = []
        self.parameter: _Node[T] | None = None
        self.item: PathItem[T] | None = None

    def others(self, segment: str) -> Iterator[tuple[_Node[T], tuple[str, ...]]]:
        """Where else than by its literal a segment may lead, most specific first."""
        for _, pattern, node in self.patterns:
            match = pattern.fullmatch(segment)
            if match is not None:
                yield node, match.groups()
        if self.parameter is not None and segment:
            yield self.parameter, (segment,)


class Templates(Generic[T]):
    """The path templates of one version."""

    __slots__ = ("_root", "count")

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self.count = 0

    def add(self, template: str, method: str, route: T) -> None:
        """Raises `AmbiguousTemplates`."""
        node = self._root
        for segment in template.split("/")[1:]:
            node = self._step(node, segment)
        if node.item is None:
            node.item = PathItem()
        node.item.add(method, route)
        self.count += 1

    def match(self, segments: list[str], start: int) -> tuple[PathItem[T], tuple[str, ...]] | None:
        """The item for the segments from `start` on, and the raw values of its template's parameters."""
        node, at, end = self._root, start, len(segments)
        parameters: tuple[str, ...] = ()
        if at == end:
            return None
        retry: list[tuple[_Node[T], tuple[str, ...], int]] = []
        while True:
            if at == end:
                if node.item is not None:
                    return node.item, parameters
            else:
                segment = segments[at]
                at += 1
                literal, whole = node.literals.get(segment), node.parameter
                if literal is None and not node.patterns:
                    if whole is not None and segment:  # the usual parameter: nothing else to come back to
                        node = whole
                        parameters += (segment,)
                        continue
                elif literal is None or whole is not None or node.patterns:
                    others = [(other, parameters + values, at) for other, values in node.others(segment)]
                    retry.extend(reversed(others))
                if literal is not None:
                    node = literal
                    continue
            if not retry:
                return None
            node, parameters, at = retry.pop()

    def _step(self, node: _Node[T], segment: str) -> _Node[T]:
        if "{" not in segment:
            literal = quote(unquote(segment), safe=_UNESCAPED)  # as gateway.target spells it
            return node.literals.setdefault(literal, _Node())
        if segment.startswith("{") and segment.index("}") == len(segment) - 1:
            if node.parameter is None:
                node.parameter = _Node()
            return node.parameter
        shape, pattern = _pattern(segment)
        for known, _, child in node.patterns:
            if known == shape:
                return child
        child = _Node()
        node.patterns.append((shape, pattern, child))
        node.patterns.sort(key=lambda entry: _specificity(entry[0]))
        return child


def _pattern(segment: str) -> tuple[str, re.Pattern[str]]:
    """``{id}.json`` -> its shape ``{}.json`` and an expression with one group per parameter."""
    shape, expression = "", ""
    for index, part in enumerate(re.split(r"\{[^}]*\}", segment)):
        literal = quote(unquote(part), safe=_UNESCAPED)
        shape += ("{}" if index else "") + literal
        expression += ("(.+?)" if index else "") + re.escape(literal)
    return shape, re.compile(expression)


def _specificity(shape: str) -> tuple[int, int, str]:
    """More literal characters first; the text breaks ties, so that order in the document never matters."""
    return -len(shape.replace("{}", "")), shape.count("{}"), shape

"""Bytes to tree: YAML and JSON read with limits, in one pass, without recursion and without surprises.

Owns the scalars of YAML's JSON-like core (1.2): ``on``, ``yes`` and dates are strings, ``012`` is a string, keys are
always strings. Knows nothing of OpenAPI. The subtle thing is that the tree is built here from libyaml's *events*:
nodes, depth and expanded aliases are counted while they arrive, so a bomb is refused before it is a tree.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from yaml import events

from policies.model.document import escape

__all__ = ["InvalidDocument", "Limits", "Source", "SourceFault", "read"]


class SourceFault(NamedTuple):
    """What is wrong, where. `pointer` is a JSON pointer (``file.yaml#/...`` in another file of the bundle), `line`
    counts from 1 and is ``None`` where no single line is to blame."""

    pointer: str
    line: int | None
    detail: str


class InvalidDocument(Exception):
    """The document was refused at the door. `faults` holds at least one `SourceFault`, most important first."""

    def __init__(self, faults: list[SourceFault]) -> None:
        faults = [fault._replace(detail=_short(fault.detail)) for fault in faults]
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        place = f" (line {first.line})" if first.line else ""
        super().__init__(f"{first.pointer or '/'}{place}: {first.detail}{more}")
        self.faults = faults


def _short(detail: str) -> str:
    """Details quote the document, where a name may be megabytes long."""
    return detail if len(detail) <= 500 else f"{detail[:300]} ... {detail[-150:]}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one document (with its bundle) may cost. Sizes in bytes, times in seconds."""

    size: int = 10 * 1024 * 1024
    depth: int = 100
    nodes: int = 150_000
    """Values in the tree after aliases are expanded."""
    aliases: int = 1_000
    files: int = 200
    seconds: float = 10.0
    """For the validation in the child process."""
    memory: int = 1024 * 1024 * 1024


class Source:
    """A tree and where its nodes stand in the text."""

    def __init__(self, tree: Any, text: str, lines: dict[int, dict[str | int, int]] | None) -> None:
        self.tree = tree
        self.text = text
        self._lines = lines

    def line(self, pointer: str) -> int | None:
        """The line of the node at a pointer, or of the nearest ancestor that has one."""
        if (
            self._lines is None
        ):  # JSON was parsed by the JSON parser; the marks are only worth their cost when asked for
            try:
                marked = _read_yaml(self.text, Limits())
            except InvalidDocument:
                marked = None
            if marked is None or marked.tree != self.tree:
                return None
            self.tree, self._lines = marked.tree, marked._lines
        assert self._lines is not None
        value, found = self.tree, 1
        for token in pointer.removeprefix("#").split("/")[1:]:
            key: str | int = token.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list):
                key = int(key) if str(key).isdigit() else -1
            found = self._lines.get(id(value), {}).get(key, found)
            try:
                value = value[key]
            except (LookupError, TypeError):
                break
        return found


def read(data: bytes, limits: Limits) -> Source:
    """Parse JSON or YAML. Raises `InvalidDocument` for what is not one plain tree of JSON values within `limits`."""
    if len(data) > limits.size:
        raise InvalidDocument([SourceFault("", None, f"{len(data)} bytes; at most {limits.size} are accepted")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidDocument([SourceFault("", line, f"not UTF-8: byte {error.start} starts no character")]) from None
    if text.count(",") + text.count("\n") > 4 * limits.nodes:
        raise InvalidDocument([SourceFault("", None, f"far more than {limits.nodes} values")])
    if text.lstrip(" \t\r\n").startswith("{"):
        source = _read_json(text, limits)
        if source is not None:
            return source
    return _read_yaml(text, limits)


# -- JSON --------------------------------------------------------------------------------------------------------------


class _Refused(ValueError):
    pass


def _read_json(text: str, limits: Limits) -> Source | None:
    """The quick way for strict JSON. Anything odd is left to the YAML reader, which knows pointers and lines."""
    if text.count("{") + text.count("[") + text.count(",") > limits.nodes or _deepest(text) > limits.depth:
        return None
    try:
        tree = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_int, parse_float=_float
        )
        text.encode()
        if "\\u0000" in text:
            return None
        if "\\u" in text:
            json.dumps(tree, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
    except UnicodeEncodeError:
        raise InvalidDocument([SourceFault("", None, "a \\u escape is half of a surrogate pair")]) from None
    except (ValueError, RecursionError):
        return None
    return Source(tree, text, None)


def _deepest(text: str) -> int:
    """Brackets open at once, those in strings included: an upper bound, and cheap."""
    depth = deepest = 0
    for match in re.finditer(r"[\[\]{}]", text):
        depth += 1 if match[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise _Refused
    return tree


def _no_constant(name: str) -> Any:
    raise _Refused(name)


def _int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise _Refused(text)
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Refused(text)
    return value


# -- YAML --------------------------------------------------------------------------------------------------------------

_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}": kind for kind in ("str", "int", "float", "bool", "null", "map", "seq")}
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {text: value for value in (True, False) for text in (str(value), str(value).lower(), str(value).upper())}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|[-+]?(Infinity|NaN)")
_TAG_DIRECTIVE = re.compile("(?:\\A|[\n\r\x85\u2028\u2029])%TAG")
_MERGE = object()
_NO_KEY = object()


class _Open:
    """A collection whose end has not been seen."""

    __slots__ = ("anchor", "cost", "key", "key_line", "line", "lines", "merged", "value")

    def __init__(self, value: Any, anchor: str | None, line: int) -> None:
        self.value = value
        self.line = line
        self.anchor = anchor
        self.lines: dict[str | int, int] = {}
        self.key: Any = _NO_KEY
        self.key_line = 0
        self.merged: list[dict[str, Any]] = []
        self.cost = 1


class _Builder:
    """Builds the tree from events with a stack of its own; each `_Open` on it is one level of depth."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.lines: dict[int, dict[str | int, int]] = {}
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int] | None] = {}
        self.nodes = 0
        self.aliases = 0
        self.root: Any = _NO_KEY

    def refuse(self, line: int, detail: str) -> InvalidDocument:
        tokens = []
        for level in self.stack:
            if isinstance(level.value, list):
                tokens.append(str(len(level.value)))
            elif isinstance(level.key, str):
                tokens.append(escape(level.key))
        return InvalidDocument([SourceFault("".join(f"/{token}" for token in tokens), line, detail)])

    def feed(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, events.ScalarEvent):
            self.count(1, line)
            self.scalar(event, line)
        elif isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            self.count(1, line)
            self.open(event, line)
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            self.close()
        elif isinstance(event, events.AliasEvent):
            self.alias(str(event.anchor), line)
        elif isinstance(event, events.DocumentStartEvent) and self.root is not _NO_KEY:
            raise self.refuse(line, "more than one YAML document; one file holds one OpenAPI document")

    def count(self, nodes: int, line: int) -> None:
        self.nodes += nodes
        if self.nodes > self.limits.nodes:
            raise self.refuse(line, f"more than {self.limits.nodes} values, with aliases expanded")

    def open(self, event: Any, line: int) -> None:
        if len(self.stack) >= self.limits.depth:
            raise self.refuse(line, f"nested more than {self.limits.depth} levels deep")
        is_map = isinstance(event, events.MappingStartEvent)
        if event.tag is not None and _PLAIN_TAGS.get(event.tag) != ("map" if is_map else "seq"):
            raise self.refuse(line, f"the tag {event.tag!r} is not accepted")
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is _NO_KEY:
            raise self.refuse(line, "a key must be a plain value (an unquoted {{ }} reads as one that is not)")
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(_Open({} if is_map else [], event.anchor, line))

    def close(self) -> None:
        done = self.stack.pop()
        for merged in done.merged:  # explicit keys win over merged ones, earlier merges over later ones
            for key, value in merged.items():
                if key not in done.value:
                    done.value[key] = value
                    done.lines[key] = done.line
        self.lines[id(done.value)] = done.lines
        if done.anchor:
            self.anchors[done.anchor] = (done.value, done.cost)
        self.place(done.value, done.line, done.cost)

    def alias(self, anchor: str, line: int) -> None:
        self.aliases += 1
        if self.aliases > self.limits.aliases:
            raise self.refuse(line, f"more than {self.limits.aliases} aliases")
        if anchor not in self.anchors:
            raise self.refuse(line, f"the alias *{anchor} has no anchor before it")
        known = self.anchors[anchor]
        if known is None:
            raise self.refuse(line, f"the alias *{anchor} stands inside its own anchor")
        value, cost = known
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is _NO_KEY:
            if not isinstance(value, str):
                raise self.refuse(line, f"the alias *{anchor} is used as a key but is not a string")
            self.key(value, line)
            return
        self.count(cost, line)
        self.place(value, line, cost)

    def scalar(self, event: Any, line: int) -> None:
        kind = None
        if event.tag is not None and event.tag != "!":
            kind = _PLAIN_TAGS.get(event.tag)
            if kind in (None, "map", "seq"):
                raise self.refuse(line, f"the tag {event.tag!r} is not accepted")
        if "\0" in event.value:  # no database column of text holds one, and findings quote the document
            raise self.refuse(line, "holds a NUL character")
        level = self.stack[-1] if self.stack else None
        if level is not None and isinstance(level.value, dict) and level.key is _NO_KEY:
            if event.value == "<<" and event.implicit[0]:
                level.key, level.key_line = _MERGE, line
            else:
                self.key(event.value, line)
            if event.anchor:
                self.anchors[event.anchor] = (event.value, 1)
            return
        plain = event.implicit[0] if event.tag is None else kind not in (None, "str")
        value = self.resolve(event.value, line) if plain else event.value
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self.place(value, line, 1)

    def key(self, key: str, line: int) -> None:
        level = self.stack[-1]
        if key in level.lines:
            first = level.lines[key]
            level.key = key
            raise self.refuse(line, f"the key {key!r} stands here twice (first on line {first})")
        level.key, level.key_line = key, line
        level.lines[key] = line

    def place(self, value: Any, line: int, cost: int) -> None:
        if not self.stack:
            self.root = value
            return
        level = self.stack[-1]
        level.cost += cost
        if isinstance(level.value, list):
            level.lines[len(level.value)] = line
            level.value.append(value)
        elif level.key is _MERGE:
            sources = value if isinstance(value, list) else [value]
            if not all(isinstance(source, dict) for source in sources):
                raise self.refuse(level.key_line, "<< merges mappings only")
            level.merged.extend(sources)
            level.key = _NO_KEY
        else:
            level.value[level.key] = value
            level.key = _NO_KEY

    def resolve(self, text: str, line: int) -> Any:
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        try:
            if _INT.fullmatch(text):
                return _int(text)
            if _FLOAT.fullmatch(text):
                return _float(text)
        except ValueError:
            raise self.refuse(line, f"the number {text[:40]} does not fit 64 bits; quote it if it is text") from None
        if _NOT_FINITE.fullmatch(text):
            raise self.refuse(line, f"{text} is no JSON number; quote it if it is text")
        return text


def _read_yaml(text: str, limits: Limits) -> Source:
    builder = _Builder(limits)
    if _TAG_DIRECTIVE.search(text):  # libyaml's cost grows with the square of their number
        raise InvalidDocument([SourceFault("", None, "%TAG directives are not accepted")])
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        detail = " ".join(part for part in (error.context, error.problem) if part)
        raise InvalidDocument([SourceFault("", mark.line + 1 if mark else None, f"not YAML: {detail}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise InvalidDocument([SourceFault("", line, f"not YAML: {str(error).splitlines()[0]}")]) from None
    if builder.root is _NO_KEY:
        raise InvalidDocument([SourceFault("", None, "the document is empty")])
    return Source(builder.root, text, builder.lines)

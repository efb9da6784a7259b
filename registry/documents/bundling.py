"""One document from several files: references into files of the bundle become references into ``components``.

Owns the only way in which a reference may leave a file: to another file that was *supplied*, by its relative name. It
opens nothing and fetches nothing. What was hoisted keeps a note of where it came from, so that a later fault names the
file and line that the publisher knows.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from policies.model.document import escape
from policies.model.grammar import SECTIONS, Place, children, is_reference
from registry.documents.reading import InvalidDocument, Limits, Source, SourceFault

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|/|\\")


class Origins:
    """Translates pointers into the bundled document back to file, pointer and line."""

    def __init__(self, main: str, sources: Mapping[str, Source]) -> None:
        self._main = main
        self._sources = sources
        self._hoisted: dict[str, tuple[str, str]] = {}

    def note(self, pointer: str, file: str, original: str) -> None:
        self._hoisted[pointer] = (file, original)

    def fault(self, pointer: str, detail: str) -> SourceFault:
        """A fault at a place of the bundled document, told in the publisher's terms."""
        place = pointer
        while place:
            if place in self._hoisted:
                file, original = self._hoisted[place]
                original += pointer[len(place) :]
                return SourceFault(f"{file}#{original}", self._sources[file].line(original), detail)
            place = place.rpartition("/")[0]
        return SourceFault(pointer, self._sources[self._main].line(pointer), detail)

    def line(self, pointer: str) -> int | None:
        """The line of a place in the main file; ``None`` for what came from another one."""
        fault = self.fault(pointer, "")
        return None if "#" in fault.pointer else fault.line


def canonical_pointer(fragment: str) -> str:
    """The pointer of a reference's fragment, with one spelling per place (RFC 6901 section 6)."""
    tokens = unquote(fragment).split("/")
    return "/".join(escape(token.replace("~1", "/").replace("~0", "~")) for token in tokens)


def bundle(sources: Mapping[str, Source], main: str, limits: Limits) -> tuple[dict[str, Any], Origins]:
    """The tree of `main` with everything it needs from the other files hoisted in, and where that came from.

    Raises `InvalidDocument` for a reference that leaves the bundle or names a file that was not supplied.
    """
    origins = Origins(main, sources)
    work = _Bundling(sources, main, limits, origins)
    tree = work.run()
    return tree, origins


class _Bundling:
    def __init__(self, sources: Mapping[str, Source], main: str, limits: Limits, origins: Origins) -> None:
        self.sources = sources
        self.main = main
        self.limits = limits
        self.origins = origins
        self.assigned: dict[tuple[str, str, str], str] = {}
        self.queue: list[tuple[str, str, str, str]] = []
        root = sources[main].tree
        components = root.get("components") if isinstance(root, Mapping) else None
        self.components: Mapping[str, Any] = components if isinstance(components, Mapping) else {}
        self.taken = {
            section: set(self.components.get(section) or ())
            if isinstance(self.components.get(section), Mapping)
            else set()
            for section in SECTIONS.values()
        }
        self.copied = 0

    def run(self) -> dict[str, Any]:
        tree: dict[str, Any] = self.copy(
            Place(self.sources[self.main].tree, "document", "", ""), self.main, frozenset()
        )
        if not self.queue:
            return tree
        components = tree["components"] = dict(tree.get("components") or {})
        while self.queue:
            file, pointer, kind, name = self.queue.pop()
            section = SECTIONS[kind]
            components[section] = dict(components.get(section) or {})
            self.origins.note(f"/components/{section}/{escape(name)}", file, pointer)
            place = Place(self.at(file, pointer, file, pointer), kind, pointer, "")
            components[section][name] = self.copy(place, file, frozenset())
        return tree

    def copy(self, place: Place, file: str, inlined: frozenset[tuple[str, str]]) -> Any:
        """The node with every reference below it rewritten. Files are at most `Limits.depth` deep, so this recurses."""
        value = place.value
        if not isinstance(value, Mapping):
            return value
        self.copied += 1
        if self.copied > self.limits.nodes:
            raise self.refuse(file, place.pointer, f"the bundle grows beyond {self.limits.nodes} objects")
        out = dict(value)
        if is_reference(value, place.kind):
            target, pointer = self.resolve(value["$ref"], file, place.pointer)
            if target != self.main and place.kind == "path_item":
                if (target, pointer) in inlined:
                    raise self.refuse(file, f"{place.pointer}/$ref", "this path item refers to itself")
                found = Place(self.at(target, pointer, file, place.pointer), "path_item", pointer, "")
                below = self.copy(found, target, inlined | {(target, pointer)})
                siblings = {key: entry for key, entry in value.items() if key != "$ref"}
                return {**below, **siblings} if isinstance(below, dict) else below
            out["$ref"] = f"#{pointer}" if target == self.main else self.hoisted(target, pointer, place, file)
        if place.kind == "schema":
            self.mapping(out, file, place.pointer)
        for child in children(value, place.kind, place.pointer):
            self.put(out, value, place, child, self.copy(child, file, inlined))
        return out

    @staticmethod
    def put(out: dict[str, Any], value: Mapping[str, Any], place: Place, child: Place, copied: Any) -> None:
        if copied is child.value:
            return
        tokens = [t.replace("~1", "/").replace("~0", "~") for t in child.pointer[len(place.pointer) + 1 :].split("/")]
        if len(tokens) == 1:
            out[tokens[0]] = copied
            return
        keyword, name = tokens
        if out[keyword] is value[keyword]:
            out[keyword] = list(value[keyword]) if isinstance(value[keyword], list) else dict(value[keyword])
        out[keyword][int(name) if isinstance(out[keyword], list) else name] = copied

    def mapping(self, out: dict[str, Any], file: str, pointer: str) -> None:
        """``discriminator.mapping`` holds references as plain strings."""
        discriminator = out.get("discriminator")
        names = discriminator.get("mapping") if isinstance(discriminator, Mapping) else None
        if not isinstance(discriminator, Mapping) or not isinstance(names, Mapping):
            return
        rewritten = dict(names)
        for key, value in names.items():
            if isinstance(value, str) and ("#" in value or "/" in value or value in self.sources):
                at = f"{pointer}/discriminator/mapping/{escape(key)}"
                target, fragment = self.resolve(value, file, at)
                here = Place(None, "schema", at, "")
                rewritten[key] = f"#{fragment}" if target == self.main else self.hoisted(target, fragment, here, file)
        out["discriminator"] = {**discriminator, "mapping": rewritten}

    def resolve(self, reference: str, file: str, pointer: str) -> tuple[str, str]:
        """(file, pointer) that a reference means."""
        path, _, fragment = reference.partition("#")
        at = pointer if pointer.startswith("/") and "/mapping/" in pointer else f"{pointer}/$ref"
        if fragment and not fragment.startswith("/"):
            raise self.refuse(file, at, f"the reference {reference!r} names an anchor; only #/... is understood")
        target = file
        if path:
            if _SCHEME.match(path):
                raise self.refuse(
                    file,
                    at,
                    f"the reference {reference!r} leaves the document; nothing is fetched: "
                    "refer to #/... or to a file supplied with the document",
                )
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(path)))
            if target not in self.sources:
                raise self.refuse(
                    file,
                    at,
                    f"the reference {reference!r} names the file {target!r}, which was not supplied with the document",
                )
        if not fragment and target == self.main:
            raise self.refuse(file, at, f"the reference {reference!r} means the whole document")
        return target, canonical_pointer(fragment)

    def hoisted(self, target: str, pointer: str, place: Place, file: str) -> str:
        section = SECTIONS[place.kind]
        key = (section, target, pointer)
        if key not in self.assigned:
            self.at(target, pointer, file, place.pointer)
            last = (
                pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
                or posixpath.splitext(posixpath.basename(target))[0]
            )
            wanted = name = re.sub(r"[^A-Za-z0-9._-]+", "_", last)
            suffix = 1
            while name in self.taken[section]:
                suffix += 1
                name = f"{wanted}_{suffix}"
            self.taken[section].add(name)
            self.assigned[key] = f"#/components/{section}/{escape(name)}"
            self.queue.append((target, pointer, place.kind, name))
        return self.assigned[key]

    def at(self, target: str, pointer: str, file: str, used_at: str) -> Any:
        value = self.sources[target].tree
        try:
            for token in pointer.split("/")[1:]:
                name = token.replace("~1", "/").replace("~0", "~")
                value = value[int(name)] if isinstance(value, list) else value[name]
        except (LookupError, ValueError, TypeError):
            raise self.refuse(file, f"{used_at}/$ref", f"nothing stands at {target}#{pointer}") from None
        return value

    def refuse(self, file: str, pointer: str, detail: str) -> InvalidDocument:
        place = pointer if file == self.main else f"{file}#{pointer}"
        return InvalidDocument([SourceFault(place, self.sources[file].line(pointer), detail)])

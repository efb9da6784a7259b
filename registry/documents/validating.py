"""The child process: judges one document after another, and may die of it without harm.

Run as ``python -m registry.documents.validating``. Reads frames (4 bytes length, JSON) from stdin, writes frames to
stdout: ``{"faults": [[pointer, detail], ...]}``. What it may do is bounded: memory by the limit in its arguments, time
by an alarm per job, network and further processes by an audit hook. It ends when stdin does.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote

import jsonschema_rs
import orjson
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from jsonschema_path import SchemaPath
from openapi_schema_validator import OAS30Validator, OAS31Validator
from openapi_schema_validator._specifications import REGISTRY as OPENAPI_SPECIFICATIONS
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from openapi_spec_validator.validation import keywords
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from policies.model.document import Document, Node, UnresolvedReference, escape
from policies.model.schema import Direction, standalone, validator
from registry.documents.screening import patterns

MAX_FAULTS = 50
_DENIED = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.fork")


_BASE = "https://spec.openapis.org/oas/3.1/meta/base"
_META_30 = jsonschema_rs.validator_for(OAS30Validator.META_SCHEMA)
_META_31 = jsonschema_rs.Draft202012Validator(
    OAS31Validator.META_SCHEMA,
    registry=jsonschema_rs.Registry([(_BASE, OPENAPI_SPECIFICATIONS.get_or_retrieve(_BASE).value.contents)]),
)


class _Placed(OpenAPIValidationError):
    """An error that knows where in the document it stands; the library's own point into the schema at best."""


def _placed(errors: Iterable[ValidationError], parts: tuple[str | int, ...]) -> Iterator[ValidationError]:
    for error in errors:
        if not isinstance(error, _Placed):
            error = _Placed.create_from(error)
            error.path.extendleft(reversed(parts))
        yield error


class _Schema30(keywords.OpenAPIV30SchemaValidator):
    def _validate_schema_meta(self, schema: Any, value: Any) -> Any:
        # the library judges every schema with a pure Python validator; it is needed for its words only
        return None if _META_30.is_valid(value) else super()._validate_schema_meta(schema, value)

    def __call__(self, schema: Any, *args: Any, **options: Any) -> Iterator[ValidationError]:
        return _placed(super().__call__(schema, *args, **options), schema.parts)


class _Schema31(keywords.OpenAPIV31SchemaValidator):
    def _validate_schema_meta(self, schema: Any, value: Any) -> Any:
        return None if _META_31.is_valid(value) else super()._validate_schema_meta(schema, value)

    def __call__(self, schema: Any, *args: Any, **options: Any) -> Iterator[ValidationError]:
        return _placed(super().__call__(schema, *args, **options), schema.parts)


class _Default30(keywords.OpenAPIV30ValueValidator):
    def __call__(self, schema: Any, value: Any) -> Iterator[ValidationError]:
        return _placed(super().__call__(schema, value), (*schema.parts, "default"))


class _Default31(keywords.OpenAPIV31ValueValidator):
    def __call__(self, schema: Any, value: Any) -> Iterator[ValidationError]:
        return _placed(super().__call__(schema, value), (*schema.parts, "default"))


class _Validator30(OpenAPIV30SpecValidator):
    keyword_validators = {**OpenAPIV30SpecValidator.keyword_validators, "schema": _Schema30, "default": _Default30}


class _Validator31(OpenAPIV31SpecValidator):
    keyword_validators = {**OpenAPIV31SpecValidator.keyword_validators, "schema": _Schema31, "default": _Default31}


def judge(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every fault of a screened document, as (pointer, detail). Structure first: the rest cannot be read without it."""
    kind = _Validator30 if str(tree.get("openapi", "")).startswith("3.0") else _Validator31
    deny = dict.fromkeys(("", "http", "https", "file", "<all_urls>"), _deny)
    subject = kind(SchemaPath.from_dict(tree, handlers=deny))
    found = list(_structure(kind, tree)) or list(_regular_expressions(tree))
    if not found:
        found = [(_definition(tree, error.absolute_path), _short(error.message)) for error in subject.iter_errors()]
    yield from found or _compiled(Document(tree))


def _deny(uri: str) -> Any:
    raise ValueError(f"nothing is fetched: {uri}")


def _structure(kind: Any, tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for error in jsonschema_rs.validator_for(kind.schema_validator.schema).iter_errors(tree):
        yield _definition(tree, _innermost(error).instance_path), _short(_innermost(error).message)


def _innermost(error: Any) -> Any:
    """Of a ``oneOf`` the branch that was probably meant: the one that got furthest, and not the reference."""
    while branches := getattr(error.kind, "context", None):
        entries = [entry for branch in branches for entry in branch]
        entries = [entry for entry in entries if not entry.message.startswith('"$ref"')] or entries
        if not entries:
            break
        error = max(entries, key=lambda entry: len(entry.instance_path))
    return error


def _definition(tree: dict[str, Any], parts: Iterable[str | int]) -> str:
    """The pointer of the definition at a path that may lead through references."""
    document = Document(tree)
    value, pointer = document.tree, ""
    for part in parts:
        node = document.resolve(value, pointer)
        if isinstance(node.value, Mapping) and str(part) in node.value:
            value, pointer = node.value[str(part)], f"{node.pointer}/{escape(str(part))}"
        elif isinstance(node.value, list) and isinstance(part, int):
            value, pointer = node.value[part], f"{node.pointer}/{part}"
        else:
            break
    return pointer


def _short(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:140]} ... {message[-140:]}"


def _regular_expressions(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The gateway matches with an engine that is linear in time; what it cannot compile is refused here."""
    judged: dict[str, str | None] = {}
    for pointer, pattern in patterns(tree):
        if pattern not in judged:
            try:
                jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
                judged[pattern] = None
            except ValueError:
                judged[pattern] = (
                    "this regular expression is not accepted: it must be valid and free of look-around and "
                    "back-references, which need time without bound"
                )
        reason = judged[pattern]
        if reason is not None:
            yield pointer, reason


def _compiled(document: Document) -> Iterator[tuple[str, str]]:
    """Every schema a gateway will compile, compiled here first, where a crash costs nobody anything."""
    used: dict[Direction, dict[str, None]] = {"request": {}, "response": {}}
    for operation in document.operations:
        sent = [parameter.payload for parameter in operation.parameters]
        sent += operation.request_body.payloads if operation.request_body is not None else ()
        received = [payload for response in operation.responses for payload in response.payloads]
        received += [header.payload for response in operation.responses for header in response.headers]
        used["request"].update((payload.schema.pointer, None) for payload in sent if payload.schema is not None)
        used["response"].update((payload.schema.pointer, None) for payload in received if payload.schema is not None)
    for direction, pointers in used.items():
        if _compile(document, list(pointers), direction) is None:
            continue
        for pointer in pointers:
            reason = _compile(document, [pointer], direction)
            if reason is not None:
                yield pointer, f"this schema cannot be compiled: {reason}"
                break  # whatever else cannot, one is enough to refuse, and each attempt may be dear


def _compile(document: Document, pointers: list[str], direction: Direction) -> str | None:
    """Why these schemas cannot be compiled together, or ``None``. Together they share their definitions' cost."""
    schemas = [{"$ref": "#" + quote(pointer, safe="/~")} for pointer in pointers]
    try:
        validator(standalone(document, Node({"anyOf": schemas}, ""), direction))
    except (ValueError, UnresolvedReference) as error:
        return _short(str(error))
    except RecursionError:
        return "it is nested too deeply through its references"
    return None


# -- the process -------------------------------------------------------------------------------------------------------


def _answer(job: bytes) -> bytes:
    faults: list[tuple[str, str]] = []
    try:
        for fault in judge(orjson.loads(job)):
            if fault not in faults:
                faults.append(fault)
            if len(faults) == MAX_FAULTS:
                break
    except RecursionError:
        faults = [("", "the document is nested too deeply to be validated")]
    except MemoryError:
        faults = [("", "validating the document needs too much memory")]
    except Exception as error:  # the validator stumbles over what it did not expect; the document is at fault
        faults.append(("", f"the document cannot be validated: {type(error).__name__}: {_short(str(error))}"))
    return orjson.dumps({"faults": faults})


def _frame(stream: BinaryIO) -> bytes | None:
    head = stream.read(4)
    return stream.read(struct.unpack(">I", head)[0]) if len(head) == 4 else None


def main() -> int:
    """Arguments: memory in bytes, seconds per job. The first frame is answered after warming up."""
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, signal.SIG_IGN)  # the parent decides: it closes stdin, or kills
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    for number in ("3.0.3", "3.1.0"):
        list(judge({"openapi": number, "info": {"title": "warm", "version": "1.0.0"}, "paths": {}}))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_forbid)
    while (job := _frame(stdin)) is not None:
        signal.alarm(seconds + 5)  # the parent kills first; this is for a parent that died
        answer = _answer(job)
        signal.alarm(0)
        stdout.write(struct.pack(">I", len(answer)) + answer)
        stdout.flush()
    return 0


def _forbid(event: str, _arguments: Any) -> None:
    if event in _DENIED:
        raise PermissionError(f"{event} is not for this process")


if __name__ == "__main__":
    raise SystemExit(main())

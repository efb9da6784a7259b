"""The door as a whole: what passes, what the validating child says, and what harms neither it nor us."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import documents
from registry.documents import InvalidDocument, Limits, SourceFault, parse
from registry.documents.workers import WorkerFailed, Workers

GOOD = """\
openapi: 3.1.0
info: {title: Stock, version: 1.0.0}
paths:
  /stock/{sku}:
    get:
      operationId: getStock
      parameters:
        - {name: sku, in: path, required: true, schema: {type: string, pattern: '^[A-Z]{3}$'}}
      responses:
        200:
          description: ok
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Stock'}
components:
  schemas:
    Stock: {type: object, properties: {next: {$ref: '#/components/schemas/Stock'}, q: {type: integer}}}
"""


@pytest.fixture(autouse=True, scope="module")
def children_end() -> Iterator[None]:
    yield
    documents.close()


def faults(text: str | bytes, limits: Limits | None = None) -> list[SourceFault]:
    with pytest.raises(InvalidDocument) as caught:
        parse(text.encode() if isinstance(text, str) else text, limits=limits)
    return caught.value.faults


@pytest.mark.parametrize("number", ["3.0.0", "3.0.4", "3.1.0", "3.1.1"])
def test_openapi_30_and_31_pass(number: str) -> None:
    text = GOOD.replace("3.1.0", number, 1)
    parsed = parse(text.encode())
    assert parsed.text == text
    assert parsed.document.openapi == number
    assert [operation.key for operation in parsed.document.operations] == ["GET /stock/{sku}"]


def test_order_and_notation_do_not_change_the_digest() -> None:
    turned = "components" + GOOD.partition("\ncomponents")[2] + GOOD.partition("\ncomponents")[0] + "\n"
    assert turned != GOOD
    assert parse(turned.encode()).document.digest == parse(GOOD.encode()).document.digest


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a", ("", 1, "an OpenAPI document is a mapping; this is not")),
        ("a: 1", ("", 1, "the member 'openapi' is missing; it must be 3.0.x or 3.1.x")),
        (
            "x: 1\nswagger: '2.0'",
            ("/swagger", 2, "Swagger 2.0 is not accepted; convert the document to OpenAPI 3.0 or 3.1"),
        ),
        ("openapi: 3.2.0", ("/openapi", 1, "OpenAPI '3.2.0' is not accepted; it must be 3.0.x or 3.1.x, as a string")),
        ("openapi: 3.1", ("/openapi", 1, "OpenAPI 3.1 is not accepted; it must be 3.0.x or 3.1.x, as a string")),
        (
            "openapi: 3.10.0",
            ("/openapi", 1, "OpenAPI '3.10.0' is not accepted; it must be 3.0.x or 3.1.x, as a string"),
        ),
    ],
)
def test_other_documents_are_refused_clearly(text: str, fault: tuple[str, int, str]) -> None:
    assert faults(text) == [SourceFault(*fault)]


@pytest.mark.parametrize("number", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize(
    ("old", "new", "pointer", "line"),
    [
        ("description: ok", "x-a: 1", "/paths/~1stock~1{sku}/get/responses/200", 10),
        ("operationId: getStock", "bogus: 1", "/paths/~1stock~1{sku}/get", 5),
        ("title: Stock, ", "", "/info", 2),
        ("type: integer", "type: integr", "/components/schemas/Stock/properties/q/type", 17),
        ("type: integer", "type: integer, default: a", "/components/schemas/Stock/properties/q/default", 17),
        ("'^[A-Z]{3}$'", "'(?!a)b'", "/paths/~1stock~1{sku}/get/parameters/0/schema/pattern", 8),
        ("'^[A-Z]{3}$'", "'(a'", "/paths/~1stock~1{sku}/get/parameters/0/schema/pattern", 8),
        ("'^[A-Z]{3}$'", r"'(a)\1'", "/paths/~1stock~1{sku}/get/parameters/0/schema/pattern", 8),
    ],
)
def test_every_fault_has_pointer_and_line(number: str, old: str, new: str, pointer: str, line: int) -> None:
    text = GOOD.replace("3.1.0", number, 1)
    assert old in text
    found = faults(text.replace(old, new))
    assert [(fault.pointer, fault.line) for fault in found] == [(pointer, line)]


def test_several_faults_are_told_together() -> None:
    text = GOOD.replace("title: Stock, ", "").replace("description: ok", "x-a: 1")
    assert [fault.pointer for fault in faults(text)] == ["/info", "/paths/~1stock~1{sku}/get/responses/200"]


def test_a_pattern_that_backtracks_without_end_is_harmless() -> None:
    """openapi-spec-validator judges defaults with Python's backtracking engine: the child is killed, we are not."""
    evil = "type: string, pattern: '^(a+)+$', default: '" + "a" * 64 + "!'"
    limits = Limits(seconds=1)
    started = time.perf_counter()
    assert faults(GOOD.replace("type: integer", evil), limits)[0].detail == "validating the document took more than 1 s"
    assert time.perf_counter() - started < 8
    parse(GOOD.encode(), limits=limits)
    documents.close(limits)


def test_references_within_data_positions_are_not_fetched_either() -> None:
    """A `default` is data for us, but the validator follows it; in the child nothing can be fetched."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        faults(GOOD.replace("type: integer", f"type: object, default: {{$ref: '{url}'}}"))
        with pytest.raises(TimeoutError):
            server.accept()


def test_schemas_nested_too_deeply_through_references() -> None:
    chain = "".join(
        f"    S{n}: {{type: object, properties: {{x: {{$ref: '#/components/schemas/S{n + 1}'}}}}}}\n"
        for n in range(3000)
    )
    (fault,) = faults(GOOD + chain + "    S3000: {type: string}\n")
    assert "nested too deeply" in fault.detail


def test_a_bundle_is_limited_as_a_whole() -> None:
    limits = Limits(size=2000, files=1)
    with pytest.raises(InvalidDocument, match="at most 2000 are accepted"):
        parse(GOOD.encode(), files={"a.yaml": b"#" * 1500}, limits=limits)
    with pytest.raises(InvalidDocument, match="2 files; at most 1 are accepted"):
        parse(GOOD.encode(), files={"a.yaml": b"", "b.yaml": b""}, limits=limits)


def test_documents_are_validated_from_many_threads_at_once() -> None:
    digests: list[str] = []
    threads = [threading.Thread(target=lambda: digests.append(parse(GOOD.encode()).document.digest)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert digests == [parse(GOOD.encode()).document.digest] * 8


class TestWorkers:
    def test_memory_is_bounded_and_the_next_document_is_judged(self) -> None:
        workers = Workers(Limits(memory=400 * 1024 * 1024), size=1)
        large = {f"S{n}": {"type": "object", "description": "x" * 100_000} for n in range(2500)}
        tree = {
            "openapi": "3.1.0",
            "info": {"title": "T", "version": "1"},
            "paths": {},
            "components": {"schemas": large},
        }
        try:
            with pytest.raises(WorkerFailed, match="more memory or stack"):
                workers.faults(tree)
            assert workers.faults({**tree, "components": {}}) == []
        finally:
            workers.close()

    def test_a_child_inherits_no_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WEIGHBRIDGE_REGISTRY_ADMIN_KEY", "not-for-children")
        workers = Workers(Limits(), size=1)
        try:
            workers.warm()
            workers.faults({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {}})
            (child,) = workers._idle.queue
            assert b"not-for-children" not in Path(f"/proc/{child._process.pid}/environ").read_bytes()
        finally:
            workers.close()

    def test_a_killed_child_is_replaced(self) -> None:
        workers = Workers(Limits(), size=1)
        tree = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {}}
        try:
            assert workers.faults(tree) == []
            (child,) = workers._idle.queue
            os.kill(child._process.pid, 9)
            child._process.wait(10)
            assert workers.faults(tree) == []
            (fresh,) = workers._idle.queue
            assert fresh is not child
        finally:
            workers.close()


def test_warming_twice_starts_one_child() -> None:
    workers = Workers(Limits())
    try:
        workers.warm()
        workers.warm()
        assert workers._idle.qsize() == 1
    finally:
        workers.close()

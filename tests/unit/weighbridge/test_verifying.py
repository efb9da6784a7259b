"""A backend is judged by what it answers, and silence is never green."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

from policies.model.document import Document
from weighbridge.verifying import OperationResult, Verification, verify_backend, write_junit

COUNT = {"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}}
CONTRACT = Document(
    {
        "openapi": "3.1.0",
        "info": {"title": "Counts", "version": "1.0.0"},
        "paths": {
            path: {
                "get": {
                    "responses": {
                        "200": {"description": "ok", "content": {"application/json": {"schema": COUNT}}},
                        "404": {"description": "unknown"},
                    }
                }
            }
            for path in ("/boxes", "/pallets")
        },
    }
)


@contextmanager
def backend(answers: dict[str, tuple[int, object]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, {}))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def verify(answers: dict[str, tuple[int, object]]) -> Verification:
    with backend(answers) as url:
        return verify_backend(CONTRACT, url, headers={}, examples=3, max_seconds=30, seed=1)


def test_a_backend_that_keeps_the_contract_passes() -> None:
    result = verify({"/boxes": (200, {"count": 1}), "/pallets": (200, {"count": 2})})
    assert result.verdict == "pass"
    assert result.faults == []
    assert {operation.operation: operation.verdict for operation in result.operations} == {
        "GET /boxes": "pass",
        "GET /pallets": "pass",
    }


def test_an_answer_outside_the_schema_fails_and_shows_the_call(tmp_path: Path) -> None:
    result = verify({"/boxes": (200, {"count": "1"}), "/pallets": (200, {"count": 2})})
    assert result.verdict == "fail"
    failed = next(operation for operation in result.operations if operation.operation == "GET /boxes")
    assert [failure.title for failure in failed.failures] == ["Response violates schema"]
    assert "/boxes" in failed.failures[0].message
    write_junit(result, "counts@1.0.0", tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")


def test_a_server_error_fails() -> None:
    assert verify({"/boxes": (500, {}), "/pallets": (200, {"count": 2})}).verdict == "fail"


def test_only_not_found_is_not_evaluated(tmp_path: Path) -> None:
    result = verify({"/boxes": (200, {"count": 1})})
    assert result.verdict == "not-evaluated"
    assert [fault.partition(" (")[0] for fault in result.faults] == ["GET /pallets: no success was seen"]
    write_junit(result, "counts@1.0.0", tmp_path / "junit.xml")
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("errors") == "1"


def test_a_backend_that_is_not_there_is_not_evaluated() -> None:
    with backend({}) as url:
        pass
    result = verify_backend(CONTRACT, url, headers={}, examples=1, max_seconds=30, seed=1)
    assert result.verdict == "not-evaluated"


def test_a_contract_without_operations_is_an_error_in_junit(tmp_path: Path) -> None:
    bare = Document({"openapi": "3.1.0", "info": {"title": "Bare", "version": "1.0.0"}, "paths": {}})
    result = verify_backend(bare, "http://127.0.0.1:9", headers={}, examples=1, max_seconds=5, seed=1)
    assert (result.verdict, result.faults) == ("not-evaluated", ["the contract has no operations"])
    write_junit(result, "bare", tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


def test_a_run_that_ended_early_is_no_pass(tmp_path: Path) -> None:
    seen = OperationResult("GET /boxes", calls=1, classes={"2xx": 1}, statuses={"200": 1})
    result = Verification([seen], ["the run ended early: 1 s were not enough"], seed=1)
    assert result.verdict == "not-evaluated"
    write_junit(result, "counts", tmp_path / "junit.xml")
    errors = ElementTree.parse(tmp_path / "junit.xml").getroot().findall("testcase/error")
    assert [error.get("message") for error in errors] == ["not evaluated: the run ended early: 1 s were not enough"]


def test_a_backend_that_wants_credentials_says_how_to_give_them() -> None:
    result = verify({"/boxes": (401, {}), "/pallets": (200, {"count": 2})})
    assert result.verdict == "fail"  # the contract does not declare 401
    unseen = OperationResult("GET /boxes", calls=3, classes={"4xx": 3}, statuses={"401": 3}).unseen
    assert unseen == "no success was seen (3 x 401); give credentials with -H 'NAME: VALUE'"


def test_no_header_that_was_given_is_shown() -> None:
    headers = {"X-Partner": "s3cret-1", "Authorization": "Bearer s3cret-2"}
    with backend({"/boxes": (500, {})}) as url:
        result = verify_backend(CONTRACT, url, headers=headers, examples=1, max_seconds=30, seed=1)
    assert "X-Partner: [Filtered]" in result.operations[0].failures[0].message
    assert "s3cret" not in json.dumps(result.to_dict())
